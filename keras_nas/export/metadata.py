"""TFLite Metadata: what a file says of its use, inside the file.

Android Studio, the TFLite Support library and MediaPipe read it: a second
flatbuffer, among the buffers of the first, and label files in a zip archive
that follows. The format is
[metadata_schema.fbs](https://github.com/tensorflow/tflite-support), version
1.2.1, whose field numbers stand below. Its own writer, `tflite-support`, was
last released in 2023, has no wheels for Python 3.12 and refuses the protobuf
of today's TensorFlow; MediaPipe's is part of a package of 40 MB. So the few
tables that are needed are written here with `flatbuffers`, on which LiteRT
depends anyway.
"""

import io
import zipfile

import flatbuffers
import numpy as np

_NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
# The first version of the schema has all that is written here.
_MIN_PARSER_VERSION = "1.0.0"
# The schema of TFLite asks for buffers that start at multiples of this.
_ALIGNMENT = 16
# Fields of TFLite's `Model`; all but the first are offsets.
_KNOWN_SLOTS = 10

# Field numbers of the tables, and values of enumerations and unions.
_MODEL = {
    "name": 0, "description": 1, "version": 2, "subgraphs": 3, "author": 4,
    "license": 5, "min_parser_version": 7,
}  # fmt: skip
_SUBGRAPH = {"inputs": 2, "outputs": 3}
_TENSOR = {
    "name": 0, "description": 1, "content": 3, "process_units": 4, "stats": 5,
    "associated_files": 6,
}  # fmt: skip
_CONTENT = {"type": 0, "properties": 1}
_FEATURE, _IMAGE = 1, 2
_IMAGE_PROPERTIES = {"color_space": 0}
_RGB, _GRAYSCALE = 1, 2
_PROCESS_UNIT = {"type": 0, "options": 1}
_NORMALIZATION = 1
_NORMALIZATION_OPTIONS = {"mean": 0, "std": 1}
_STATS = {"max": 0, "min": 1}
_ASSOCIATED_FILE = {"name": 0, "description": 1, "type": 2}
_TENSOR_AXIS_LABELS = 2

_TEXTS = ("name", "description", "version", "author", "license")
_TENSOR_FIELDS = {
    "inputs": ("name", "description", "image", "mean", "std", "min", "max"),
    "outputs": ("name", "description", "labels"),
}


def read_metadata(content):
    """Reads the TFLite Metadata of a file.

    Args:
        content: Bytes of the file.

    Returns:
        A dict as `write_metadata` takes it, or `None` if there is none.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    for i in range(model.MetadataLength()):
        entry = model.Metadata(i)
        if entry.Name() == _NAME.encode():
            buffer = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
            return _read_model(buffer, _read_files(content))
    return None


def write_metadata(content, metadata):
    """Adds TFLite Metadata to a file that has none.

    The file is not written anew: the new parts are put in front of it and
    behind it, and point into it. So everything that is run stays as it is,
    down to its alignment.

    Args:
        content: Bytes of the file.
        metadata: Dict with the texts `"name"`, `"description"`, `"version"`,
            `"author"` and `"license"`, and with `"inputs"` and `"outputs"`,
            lists of a dict for each tensor in the order of the file. Those
            have a `"name"` and a `"description"`. Those of inputs can have
            `"image"` (`"rgb"` or `"grayscale"`), `"mean"` and `"std"`
            (values are normalized as `(value - mean) / std`), `"min"` and
            `"max"` (the range of the normalized values); all four are lists
            with a number for each channel or for all. Those of outputs can
            have `"labels"`, a name for each entry of the last axis.

    Returns:
        Bytes of the file with metadata.

    Raises:
        ValueError: If the file has metadata already, or if `metadata` does
            not fit the file.
    """
    _check(content, metadata)
    label_files = _label_files(metadata["outputs"])
    buffer = _write_model(metadata, label_files)
    return _append_files(_insert_buffer(content, buffer), label_files)


def _check(content, metadata):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    buffers = (model.Buffers(i) for i in range(model.BuffersLength()))
    if _slots(content) > _KNOWN_SLOTS or any(b.Offset() > 1 for b in buffers):
        raise ValueError(
            "TFLite Metadata can be added to files below 2 GB of the schema "
            "that LiteRT 2 knows. Received: a file of another layout."
        )
    if read_metadata(content) is not None:
        raise ValueError(
            "The file has TFLite Metadata already. Add them to the file as "
            "it was converted."
        )
    known = {*_TEXTS, *_TENSOR_FIELDS, "min_parser_version"}
    _check_fields("metadata", metadata, known)
    main = model.Subgraphs(0)
    counts = {"inputs": main.InputsLength(), "outputs": main.OutputsLength()}
    for side, count in counts.items():
        tensors = metadata.get(side, ())
        if len(tensors) != count:
            raise ValueError(
                f"Invalid value received for argument `metadata`. Expected "
                f"one entry for each of the {count} {side} of the file. "
                f"Received: {len(tensors)}"
            )
        for tensor in tensors:
            _check_fields(f"metadata['{side}']", tensor, _TENSOR_FIELDS[side])


def _check_fields(argument, received, known):
    unknown = set(received) - set(known)
    if unknown or "name" not in received:
        raise ValueError(
            f"Invalid value received for `{argument}`. Expected a dict with "
            f"'name' and some of {sorted(known)}. Received: "
            f"{sorted(received)}"
        )


def _label_files(outputs):
    """Returns `{file name: text}` and the names in the order of outputs."""
    labelled = [tensor for tensor in outputs if tensor.get("labels")]
    files = {}
    for tensor in labelled:
        suffix = "" if len(labelled) == 1 else f"_{tensor['name']}"
        # One label a line, with no line after the last one.
        files[f"labels{suffix}.txt"] = "\n".join(tensor["labels"])
    return files


def _insert_buffer(content, buffer):
    """Puts one more buffer and its entry in `metadata` in front of a file.

    Offsets in a flatbuffer point forwards and are relative, so old parts can
    be pointed at from a new front and keep pointing at each other.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    old = flatbuffers.table.Table(content, _root_position(content))
    old_bytes = content + bytes(-len(content) % _ALIGNMENT)
    builder = flatbuffers.Builder(len(old_bytes) + len(buffer) + 4096)
    builder.CreateByteVector(old_bytes)

    def offset_of(position):
        # The builder counts from the end, where the old bytes are.
        return len(old_bytes) - position

    data = _create_data(builder, buffer)
    schema.BufferStart(builder)
    schema.BufferAddData(builder, data)
    new_buffer = schema.BufferEnd(builder)
    name = builder.CreateString(_NAME)
    schema.MetadataStart(builder)
    schema.MetadataAddName(builder, name)
    schema.MetadataAddBuffer(builder, model.BuffersLength())
    new_entry = schema.MetadataEnd(builder)

    fields = {}
    for slot in range(1, _slots(content)):
        position = _field_position(old, slot)
        if position is not None:
            target = position + _uint32(content, position)
            fields[slot] = offset_of(target)
    for slot, new in ((4, new_buffer), (6, new_entry)):
        offsets = [
            offset_of(position) for position in _vector_of_tables(old, slot)
        ]
        fields[slot] = _create_vector(builder, [*offsets, new])

    builder.StartObject(_slots(content))
    builder.PrependUint32Slot(0, model.Version(), 0)
    for slot, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    root = builder.EndObject()
    # The front must have a length that keeps the alignment of the rest.
    builder.Prep(_ALIGNMENT, 0)
    builder.Finish(root, b"TFL3")
    return bytes(builder.Output())


def _create_data(builder, data):
    builder.StartVector(1, len(data), _ALIGNMENT)
    for byte in reversed(data):
        builder.PrependUint8(byte)
    return builder.EndVector()


def _create_vector(builder, offsets):
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _uint32(content, position):
    return int.from_bytes(content[position : position + 4], "little")


def _root_position(content):
    return _uint32(content, 0)


def _slots(content):
    """Number of fields that the root table of a file has room for."""
    root = _root_position(content)
    back = int.from_bytes(content[root : root + 4], "little", signed=True)
    size = content[root - back : root - back + 2]
    return max(7, (int.from_bytes(size, "little") - 4) // 2)


def _field_position(table, slot):
    """Position of a field in the bytes, or `None` if it is absent."""
    offset = table.Offset(4 + 2 * slot)
    return table.Pos + offset if offset else None


def _vector_of_tables(table, slot):
    """Positions of the tables in a vector."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return []
    start = table.Vector(offset)
    return [
        table.Indirect(start + 4 * i) for i in range(table.VectorLen(offset))
    ]


def _append_files(content, files):
    """Appends a zip archive, as the readers of metadata expect it."""
    if not files:
        return content
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a") as archive:
        for name, text in files.items():
            # Without the time, so that the same model gives the same file,
            # and not compressed: the readers on phones cannot unpack.
            archive.writestr(zipfile.ZipInfo(name), text)
    return stream.getvalue()


def _read_files(content):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {
                name: archive.read(name).decode() for name in archive.namelist()
            }
    except zipfile.BadZipFile:
        return {}


def _write_model(metadata, label_files):
    """Writes the flatbuffer of the metadata."""
    builder = flatbuffers.Builder()
    files = iter(label_files)
    inputs = [_write_input(builder, t) for t in metadata["inputs"]]
    outputs = [
        _write_output(builder, t, next(files) if t.get("labels") else None)
        for t in metadata["outputs"]
    ]
    subgraph = _write_table(
        builder,
        _SUBGRAPH,
        inputs=_create_vector(builder, inputs),
        outputs=_create_vector(builder, outputs),
    )
    texts = {
        key: builder.CreateString(metadata[key])
        for key in _TEXTS
        if metadata.get(key)
    }
    root = _write_table(
        builder,
        _MODEL,
        **texts,
        subgraphs=_create_vector(builder, [subgraph]),
        min_parser_version=builder.CreateString(_MIN_PARSER_VERSION),
    )
    builder.Finish(root, _IDENTIFIER)
    return bytes(builder.Output())


def _write_input(builder, tensor):
    fields = {}
    if tensor.get("mean") is not None:
        options = _write_table(
            builder,
            _NORMALIZATION_OPTIONS,
            mean=_write_floats(builder, tensor["mean"]),
            std=_write_floats(builder, tensor["std"]),
        )
        unit = _write_table(
            builder,
            _PROCESS_UNIT,
            enumerations={"type": _NORMALIZATION},
            options=options,
        )
        fields["process_units"] = _create_vector(builder, [unit])
    if tensor.get("min") is not None:
        fields["stats"] = _write_table(
            builder,
            _STATS,
            max=_write_floats(builder, tensor["max"]),
            min=_write_floats(builder, tensor["min"]),
        )
    image = tensor.get("image")
    if image:
        color_space = _RGB if image == "rgb" else _GRAYSCALE
        properties = _write_table(
            builder,
            _IMAGE_PROPERTIES,
            enumerations={"color_space": color_space},
        )
    else:
        properties = _write_table(builder, {})
    fields["content"] = _write_table(
        builder,
        _CONTENT,
        enumerations={"type": _IMAGE if image else _FEATURE},
        properties=properties,
    )
    return _write_tensor(builder, tensor, fields)


def _write_output(builder, tensor, label_file):
    fields = {
        "content": _write_table(
            builder,
            _CONTENT,
            enumerations={"type": _FEATURE},
            properties=_write_table(builder, {}),
        )
    }
    if label_file:
        file = _write_table(
            builder,
            _ASSOCIATED_FILE,
            enumerations={"type": _TENSOR_AXIS_LABELS},
            name=builder.CreateString(label_file),
            description=builder.CreateString("Labels, one a line."),
        )
        fields["associated_files"] = _create_vector(builder, [file])
    return _write_tensor(builder, tensor, fields)


def _write_tensor(builder, tensor, fields):
    texts = {
        key: builder.CreateString(tensor[key])
        for key in ("name", "description")
        if tensor.get(key)
    }
    return _write_table(builder, _TENSOR, **fields, **texts)


def _write_table(builder, slots, enumerations=None, **offsets):
    """Writes a table of enumerations and of offsets to what is written."""
    builder.StartObject(max(slots.values(), default=-1) + 1)
    for field, value in (enumerations or {}).items():
        builder.PrependUint8Slot(slots[field], value, 0)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slots[field], offset, 0)
    return builder.EndObject()


def _write_floats(builder, values):
    return builder.CreateNumpyVector(np.atleast_1d(values).astype("<f4"))


def _read_model(buffer, files):
    root = flatbuffers.table.Table(buffer, _root_position(buffer))
    metadata = {key: _read_text(root, _MODEL[key]) for key in _TEXTS}
    metadata["min_parser_version"] = _read_text(
        root, _MODEL["min_parser_version"]
    )
    metadata |= {"inputs": [], "outputs": []}
    for position in _vector_of_tables(root, _MODEL["subgraphs"])[:1]:
        subgraph = flatbuffers.table.Table(buffer, position)
        for side, slot in _SUBGRAPH.items():
            metadata[side] = [
                _read_tensor(flatbuffers.table.Table(buffer, tensor), files)
                for tensor in _vector_of_tables(subgraph, slot)
            ]
    return metadata


def _read_tensor(table, files):
    tensor = {
        key: _read_text(table, _TENSOR[key]) for key in ("name", "description")
    }
    content = _read_table(table, _TENSOR["content"])
    if content and _read_enumeration(content, _CONTENT["type"]) == _IMAGE:
        properties = _read_table(content, _CONTENT["properties"])
        color_space = _read_enumeration(
            properties, _IMAGE_PROPERTIES["color_space"]
        )
        tensor["image"] = "rgb" if color_space == _RGB else "grayscale"
    for position in _vector_of_tables(table, _TENSOR["process_units"]):
        unit = flatbuffers.table.Table(table.Bytes, position)
        if _read_enumeration(unit, _PROCESS_UNIT["type"]) == _NORMALIZATION:
            options = _read_table(unit, _PROCESS_UNIT["options"])
            for key, slot in _NORMALIZATION_OPTIONS.items():
                tensor[key] = _read_floats(options, slot)
    stats = _read_table(table, _TENSOR["stats"])
    if stats:
        for key, slot in _STATS.items():
            tensor[key] = _read_floats(stats, slot)
    for position in _vector_of_tables(table, _TENSOR["associated_files"]):
        file = flatbuffers.table.Table(table.Bytes, position)
        name = _read_text(file, _ASSOCIATED_FILE["name"])
        kind = _read_enumeration(file, _ASSOCIATED_FILE["type"])
        if kind == _TENSOR_AXIS_LABELS and name in files:
            tensor["labels"] = files[name].split("\n")
    return tensor


def _read_text(table, slot):
    position = _field_position(table, slot)
    return table.String(position).decode() if position else ""


def _read_enumeration(table, slot):
    position = _field_position(table, slot)
    return table.Bytes[position] if position else 0


def _read_table(table, slot):
    position = _field_position(table, slot)
    if position is None:
        return None
    return flatbuffers.table.Table(table.Bytes, table.Indirect(position))


def _read_floats(table, slot):
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return []
    start, length = table.Vector(offset), table.VectorLen(offset)
    return np.frombuffer(
        table.Bytes, "<f4", count=length, offset=start
    ).tolist()
