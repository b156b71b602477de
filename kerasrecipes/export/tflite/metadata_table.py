"""The FlatBuffer that describes a model's input and output, written and read by field number.

No maintained package has classes for it. The numbers of the fields are their places in the
schema; a table's slot `n` is field `n`.

Reference:
    `metadata_schema.fbs`, version 1.1.0, of the TensorFlow Lite Support library.
"""

from collections.abc import Mapping, Sequence

import flatbuffers
import numpy as np
from flatbuffers import number_types
from flatbuffers.table import Table

_IDENTIFIER = b"M001"
# Enum values and union tags of the schema.
_TENSOR_AXIS_LABELS = 2
_DESCRIPTIONS = 1
_RGB = 1
_IMAGE_PROPERTIES = 2
_FEATURE_PROPERTIES = 1
_NORMALIZATION_OPTIONS = 1


def build_table(description: str, labels_file: str, extra_file: str) -> bytes:
    """Build the ModelMetadata table: an RGB photo in, one score per label out.

    Args:
        description: One line about the model.
        labels_file: Name of the appended file with one label a line.
        extra_file: Name of another appended file, which readers may ignore.

    Returns:
        The FlatBuffer.
    """
    builder = flatbuffers.Builder(1024)
    photo = _table(
        builder,
        {
            0: builder.CreateString("photo"),
            1: builder.CreateString("RGB photo, uint8, 0 to 255; scaled inside the model"),
            3: _content(builder, _IMAGE_PROPERTIES, {0: np.int8(_RGB)}),
            4: _tables(builder, [_normalization(builder)]),
        },
        length=7,
    )
    scores = _table(
        builder,
        {
            0: builder.CreateString("scores"),
            1: builder.CreateString("one score per label"),
            3: _content(builder, _FEATURE_PROPERTIES, {}),
            6: _tables(builder, [_file(builder, labels_file, _TENSOR_AXIS_LABELS)]),
        },
        length=7,
    )
    graph = _table(builder, {2: _tables(builder, [photo]), 3: _tables(builder, [scores])}, length=7)
    root = _table(
        builder,
        {
            0: builder.CreateString("ImageClassifier"),
            1: builder.CreateString(description.encode("utf-8", "replace").decode()),
            3: _tables(builder, [graph]),
            6: _tables(builder, [_file(builder, extra_file, _DESCRIPTIONS)]),
            7: builder.CreateString("1.0.0"),
        },
        length=8,
    )
    builder.Finish(root, _IDENTIFIER)
    return bytes(builder.Output())


def parse_table(metadata: bytes) -> tuple[str, tuple[float, ...], tuple[float, ...]]:
    """Read what matters of a ModelMetadata table.

    Args:
        metadata: The FlatBuffer, of any writer.

    Returns:
        Description of the model, mean and std of its first input.

    Raises:
        ValueError: If the identifier is another one.
    """
    if metadata[4:8] != _IDENTIFIER:
        raise ValueError(f"the metadata's identifier is {metadata[4:8]!r}, not {_IDENTIFIER!r}")
    root = Table(metadata, int.from_bytes(metadata[:4], "little"))
    offset = root.Offset(6)
    description = root.String(root.Pos + offset).decode() if offset else ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    photo = _first(_first(root, 3), 2)
    unit = _first(photo, 4)
    kind = unit.Offset(4) if unit else 0
    if kind and unit.Get(number_types.Uint8Flags, unit.Pos + kind) == _NORMALIZATION_OPTIONS:
        options = Table(metadata, unit.Indirect(unit.Pos + unit.Offset(6)))
        mean, std = _floats(options, 0), _floats(options, 1)
    return description, mean, std


def _table(builder: flatbuffers.Builder, fields: Mapping[int, int | np.int8], length: int) -> int:
    """Write one table: a plain `int` is the offset of something built before."""
    builder.StartObject(length)
    for number, value in fields.items():
        if isinstance(value, np.int8):
            builder.PrependInt8Slot(number, int(value), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(number, value, 0)
    return builder.EndObject()


def _tables(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _content(builder: flatbuffers.Builder, kind: int, fields: Mapping[int, np.int8]) -> int:
    properties = _table(builder, fields, length=2)
    return _table(builder, {0: np.int8(kind), 1: properties}, length=3)


def _normalization(builder: flatbuffers.Builder) -> int:
    mean = builder.CreateNumpyVector(np.zeros(1, np.float32))
    std = builder.CreateNumpyVector(np.ones(1, np.float32))
    options = _table(builder, {0: mean, 1: std}, length=2)
    return _table(builder, {0: np.int8(_NORMALIZATION_OPTIONS), 1: options}, length=2)


def _file(builder: flatbuffers.Builder, name: str, kind: int) -> int:
    return _table(builder, {0: builder.CreateString(name), 2: np.int8(kind)}, length=4)


def _first(table: Table | None, number: int) -> Table | None:
    """Return the first table in the vector that field `number` holds."""
    offset = table.Offset(4 + 2 * number) if table else 0
    if not offset or not table.VectorLen(offset):
        return None
    return Table(table.Bytes, table.Indirect(table.Vector(offset)))


def _floats(table: Table, number: int) -> tuple[float, ...]:
    offset = table.Offset(4 + 2 * number)
    if not offset:
        return ()
    values = table.GetVectorAsNumpy(number_types.Float32Flags, offset)
    return tuple(float(value) for value in values)
