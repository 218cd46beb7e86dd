"""What a TFLite flatbuffer says about itself, read without running it."""

import dataclasses

import numpy as np

from keras_nas.export.tensor_details import TensorDetails

_FILE_IDENTIFIER = b"TFL3"
_CONVERTS_DTYPE = ("QUANTIZE", "DEQUANTIZE", "CAST")


@dataclasses.dataclass(frozen=True)
class FileStructure:
    """Operations and tensors of a TFLite file.

    Args:
        inputs: Tuple of `TensorDetails` in the order of the file.
        outputs: Tuple of `TensorDetails` in the order of the file.
        input_indices: Tensor index of each input.
        output_indices: Tensor index of each output.
        operations: Names of all operations in execution order, those of
            control flow bodies after those of the main graph.
        custom_operations: Names of those outside of TFLite's builtin set.
        float_operations: Names of those that compute in floating point.
        activation_indices: Indices of the main graph's inputs and of the
            results that depend on them.
        has_state: Whether tensors keep a value from one run to the next.
        quantization: `None`, `"float16"`, `"dynamic"`, `"int4"`, `"int8"` or
            `"int8_io"`, as in `to_tflite`.
    """

    inputs: tuple
    outputs: tuple
    input_indices: tuple
    output_indices: tuple
    operations: tuple
    custom_operations: tuple
    float_operations: tuple
    activation_indices: tuple
    has_state: bool
    quantization: str | None


def has_tflite_identifier(content):
    """Whether bytes start as a TFLite flatbuffer does."""
    return len(content) > 8 and content[4:8] == _FILE_IDENTIFIER


def read_structure(content):
    """Reads the operations and tensors of a TFLite file.

    Args:
        content: Bytes of the file.

    Returns:
        A `FileStructure`.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    code_names = _names_by_value(schema.BuiltinOperator)
    type_names = _names_by_value(schema.TensorType)
    codes = []
    for i in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(i)
        value = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = code_names.get(value, f"BUILTIN_{value}")
        is_custom = name == "CUSTOM"
        if is_custom and code.CustomCode():
            name = code.CustomCode().decode()
        codes.append((name, is_custom))

    operations, custom, in_float = [], [], []
    constant_types, activation_types = set(), set()
    has_state = False
    for subgraph in _subgraphs(model):
        tensors = [subgraph.Tensors(i) for i in range(subgraph.TensorsLength())]
        tensor_types = [_type_name(t, type_names) for t in tensors]
        has_state |= any(t.IsVariable() for t in tensors)
        results = {int(i) for i in _indices(subgraph.InputsAsNumpy())}
        for i in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(i)
            name, is_custom = codes[operator.OpcodeIndex()]
            operations.append(name)
            if is_custom:
                custom.append(name)
            produced = _indices(operator.OutputsAsNumpy())
            results.update(produced)
            if name not in _CONVERTS_DTYPE and any(
                tensor_types[index].startswith("FLOAT") for index in produced
            ):
                in_float.append(name)
        for i, tensor_type in enumerate(tensor_types):
            types = activation_types if i in results else constant_types
            types.add(tensor_type)

    main = model.Subgraphs(0)
    input_names, output_names = _signature_names(model)
    input_indices = _indices(main.InputsAsNumpy())
    output_indices = _indices(main.OutputsAsNumpy())
    inputs = tuple(
        _details(main.Tensors(i), input_names.get(i), type_names)
        for i in input_indices
    )
    outputs = tuple(
        _details(main.Tensors(i), output_names.get(i), type_names)
        for i in output_indices
    )
    activation_indices = set(input_indices)
    for i in range(main.OperatorsLength()):
        operator = main.Operators(i)
        sources = _indices(operator.InputsAsNumpy())
        # What is computed of constants only are weights in another dtype.
        if not sources or activation_indices.intersection(sources):
            activation_indices.update(_indices(operator.OutputsAsNumpy()))
    return FileStructure(
        inputs=inputs,
        outputs=outputs,
        input_indices=input_indices,
        output_indices=output_indices,
        operations=tuple(operations),
        custom_operations=tuple(custom),
        float_operations=tuple(in_float),
        activation_indices=tuple(sorted(activation_indices)),
        has_state=has_state,
        quantization=_quantization(
            constant_types, activation_types, inputs, outputs
        ),
    )


def order_inputs_and_outputs(content, input_names, output_names):
    """Puts the inputs and outputs of a file into the given order.

    The converter orders them as its signature map happens to be laid out,
    while applications on a phone often address them by position. Only the
    two lists of tensor indices are rewritten: they keep their length, so
    nothing else in the file moves.

    Args:
        content: Bytes of the file.
        input_names: All names of inputs in the wanted order.
        output_names: All names of outputs in the wanted order.

    Returns:
        Bytes of the same length.
    """
    from ai_edge_litert import schema_py_generated as schema

    # The arrays are views: writing to them writes to `buffer`.
    buffer = bytearray(content)
    model = schema.Model.GetRootAs(buffer, 0)
    main = model.Subgraphs(0)
    for view, names, wanted in zip(
        (main.InputsAsNumpy(), main.OutputsAsNumpy()),
        _signature_names(model),
        (input_names, output_names),
        strict=True,
    ):
        index_of = {name: index for index, name in names.items()}
        # One tensor that is returned under two names has one index only.
        if sorted(index_of) == sorted(wanted) and len(view) == len(wanted):
            view[:] = [index_of[name] for name in wanted]
    return bytes(buffer)


def _names_by_value(enumeration):
    return {
        value: name
        for name, value in vars(enumeration).items()
        if isinstance(value, int)
    }


def _subgraphs(model):
    return [model.Subgraphs(i) for i in range(model.SubgraphsLength())]


def _indices(array):
    # flatbuffers answers 0 for a vector that is absent, and -1 marks an
    # optional tensor that was left out.
    return tuple(int(i) for i in array if i >= 0) if np.ndim(array) else ()


def _signature_names(model):
    """Returns `{tensor index: name}` of the inputs and of the outputs."""
    if not model.SignatureDefsLength():
        return {}, {}
    signature = model.SignatureDefs(0)
    inputs = (signature.Inputs(i) for i in range(signature.InputsLength()))
    outputs = (signature.Outputs(i) for i in range(signature.OutputsLength()))
    return tuple(
        {entry.TensorIndex(): entry.Name().decode() for entry in entries}
        for entries in (inputs, outputs)
    )


def _quantization_parameters(tensor):
    parameters = tensor.Quantization()
    if parameters is None or not parameters.ScaleLength():
        return None, None
    zero_point = 0
    if parameters.ZeroPointLength():
        zero_point = int(parameters.ZeroPoint(0))
    return float(parameters.Scale(0)), zero_point


def _type_name(tensor, type_names):
    """Type of a tensor; a quantized one has the suffix `/quantized`."""
    name = type_names[tensor.Type()]
    scale, _ = _quantization_parameters(tensor)
    return name if scale is None else f"{name}/quantized"


def _details(tensor, name, type_names):
    scale, zero_point = _quantization_parameters(tensor)
    shape = tensor.ShapeSignatureAsNumpy()
    if not np.ndim(shape):
        shape = tensor.ShapeAsNumpy()
    dtype = type_names[tensor.Type()].lower()
    if dtype.startswith("float"):
        scale, zero_point = None, None
    return TensorDetails(
        name=name or tensor.Name().decode(),
        shape=tuple(int(size) for size in shape) if np.ndim(shape) else (),
        dtype=dtype,
        scale=scale,
        zero_point=zero_point,
    )


def _quantization(constant_types, activation_types, inputs, outputs):
    integers = {
        f"{name}/quantized" for name in ("INT2", "INT4", "INT8", "UINT8")
    }
    if activation_types & (integers | {"INT16/quantized"}):
        float_at_edge = any(
            details.dtype.startswith("float") for details in inputs + outputs
        )
        return "int8" if float_at_edge else "int8_io"
    if "INT4/quantized" in constant_types:
        return "int4"
    if constant_types & integers:
        return "dynamic"
    return "float16" if "FLOAT16" in constant_types else None
