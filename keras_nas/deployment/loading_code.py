"""How to run a file in Python, on Android and on iOS."""

import keyword
import math
import re

# NumPy, Kotlin and Swift names of what tensors hold.
_KOTLIN = {
    "float32": ("FloatArray", "Float"), "int8": ("ByteArray", "Int8"),
    "uint8": ("ByteArray", "Int8"), "bool": ("BooleanArray", "Boolean"),
    "int32": ("IntArray", "Int"), "int64": ("LongArray", "Long"),
}  # fmt: skip
_SWIFT = {
    "float32": "Float32", "int8": "Int8", "uint8": "UInt8", "bool": "Bool",
    "int16": "Int16", "int32": "Int32", "int64": "Int64",
}  # fmt: skip


def loading_code(file_name, tflite_model):
    """Writes a few lines that run a file, for each platform.

    Args:
        file_name: Name of the file.
        tflite_model: `TFLiteModel`.

    Returns:
        Dict of code by platform: `"python"`, `"kotlin"` and `"swift"`.
    """
    return {
        "python": _python(file_name, tflite_model),
        "kotlin": _kotlin(file_name, tflite_model),
        "swift": _swift(file_name, tflite_model),
    }


def _python(file_name, file):
    arguments = ", ".join(
        f"{t.name}={_variable('input', t)}" for t in file.inputs
    )
    if not all(_is_argument(tensor.name) for tensor in file.inputs):
        pairs = (f'"{t.name}": {_variable("input", t)}' for t in file.inputs)
        arguments = f"**{{{', '.join(pairs)}}}"
    lines = [
        "# pip install ai-edge-litert",
        "import numpy as np",
        "from ai_edge_litert.interpreter import Interpreter",
        "",
        f'interpreter = Interpreter(model_path="{file_name}")',
        "run = interpreter.get_signature_runner()",
    ]
    for tensor in file.inputs:
        lines += [
            f"# Put your data here.{_how_to_quantize(tensor)}",
            f"{_variable('input', tensor)} = "
            f'np.zeros({tensor.shape}, "{tensor.dtype}")',
        ]
    lines.append(f"outputs = run({arguments})")
    for tensor in file.outputs:
        lines.append(f'print(outputs["{tensor.name}"])')
        lines += _comment("#", _how_to_dequantize(tensor))
    return "\n".join(lines)


def _kotlin(file_name, file):
    lines = [
        '// build.gradle.kts: implementation("com.google.ai.edge.litert:'
        'litert:2.+")',
        "import com.google.ai.edge.litert.Accelerator",
        "import com.google.ai.edge.litert.CompiledModel",
        "",
        f"// The file lies in src/main/assets/{file_name}",
        "val model = CompiledModel.create(",
        f'    context.assets, "{file_name}",',
        "    CompiledModel.Options(Accelerator.CPU))",
        "val inputs = model.createInputBuffers()",
        "val outputs = model.createOutputBuffers()",
    ]
    for i, tensor in enumerate(file.inputs):
        array, kind = _KOTLIN.get(tensor.dtype, ("FloatArray", "Float"))
        lines += [
            f"// {tensor.name}: {tensor.dtype}, shape {tensor.shape}."
            f"{_how_to_quantize(tensor)}",
            f"inputs[{i}].write{kind}({array}({math.prod(tensor.shape)}))",
        ]
    lines.append("model.run(inputs, outputs)")
    for i, tensor in enumerate(file.outputs):
        _, kind = _KOTLIN.get(tensor.dtype, ("FloatArray", "Float"))
        name = _variable("output", tensor)
        lines.append(f"val {name} = outputs[{i}].read{kind}()")
        lines += _comment("//", _how_to_dequantize(tensor))
    return "\n".join(lines)


def _swift(file_name, file):
    stem = file_name.removesuffix(".tflite")
    lines = [
        "// Podfile: pod 'TensorFlowLiteSwift'",
        "import TensorFlowLite",
        "",
        "let path = Bundle.main.path(",
        f'    forResource: "{stem}", ofType: "tflite")!',
        "let interpreter = try Interpreter(modelPath: path)",
        "try interpreter.allocateTensors()",
    ]
    for i, tensor in enumerate(file.inputs):
        kind = _SWIFT.get(tensor.dtype, "Float32")
        zero = "false" if kind == "Bool" else "0"
        name = _variable("input", tensor)
        lines += [
            f"// {tensor.name}: {tensor.dtype}, shape {tensor.shape}."
            f"{_how_to_quantize(tensor)}",
            f"let {name} = [{kind}](repeating: {zero}, "
            f"count: {math.prod(tensor.shape)})",
            f"try interpreter.copy({name}.withUnsafeBufferPointer("
            f"Data.init), toInputAt: {i})",
        ]
    lines.append("try interpreter.invoke()")
    for i, tensor in enumerate(file.outputs):
        kind = _SWIFT.get(tensor.dtype, "Float32")
        name = _variable("output", tensor)
        lines.append(
            f"let {name} = try interpreter.output(at: {i}).data"
            f".withUnsafeBytes {{ Array($0.bindMemory(to: {kind}.self)) }}"
        )
        lines += _comment("//", _how_to_dequantize(tensor))
    return "\n".join(lines)


def _variable(side, tensor):
    """Names a variable: no word of a language, and none of the others."""
    return f"{side}_" + re.sub(r"\W", "_", tensor.name, flags=re.ASCII)


def _is_argument(name):
    return name.isidentifier() and not keyword.iskeyword(name)


def _how_to_quantize(tensor):
    if not tensor.is_quantized:
        return ""
    return (
        f" Stored value = round(value / {tensor.scale:.8g}) + "
        f"{tensor.zero_point}, limited to {tensor.dtype}."
    )


def _how_to_dequantize(tensor):
    if not tensor.is_quantized:
        return ""
    return (
        f"Real value = {tensor.scale:.8g} * (stored value - "
        f"{tensor.zero_point})."
    )


def _comment(mark, text):
    return [f"{mark} {text}"] if text else []
