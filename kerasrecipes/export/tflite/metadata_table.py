"""The FlatBuffer that describes a model's input and output, written and read by field number.

No maintained package has classes for it. The numbers of the fields are their places in the
schema; a table's slot `n` is field `n`.

Reference:
    `metadata_schema.fbs`, version 1.1.0, of the TensorFlow Lite Support library.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import flatbuffers
import numpy as np
from flatbuffers import number_types
from flatbuffers.table import Table

from kerasrecipes.bundles.labels import LABELS_FILE

if TYPE_CHECKING:
    from kerasrecipes.bundles.contract import Contract
    from kerasrecipes.data.specs import OutputSpec

_IDENTIFIER = b"M001"
# Enum values and union tags of the schema.
_TENSOR_AXIS_LABELS = 2
_VOCABULARY = 5
_DESCRIPTIONS = 1
_RGB, _GREY = 1, 2
_IMAGE_PROPERTIES = 2
_FEATURE_PROPERTIES = 1
_NORMALIZATION_OPTIONS = 1
_BERT_TOKENIZER_OPTIONS = 4
VOCABULARY_FILE = "vocab.txt"


def labels_file(contract: "Contract", output: "OutputSpec") -> str:
    """Name the file with the labels of an output, one a line."""
    return LABELS_FILE if output == contract.output else f"{output.name}_{LABELS_FILE}"


def build_table(
    contract: "Contract",
    extra_file: str,
    inputs: Sequence[str] = ("",),
    words: Sequence[str] = (),
) -> bytes:
    """Build the ModelMetadata table: an RGB photo in, say, and one score per label out.

    Args:
        contract: What the file takes and answers.
        extra_file: Name of another appended file, which readers may ignore.
        inputs: The names of the file's inputs, in its order: a reader knows them by these.
        words: What it looks inputs up in, of which a file is appended; see `Modality.vocabulary`.

    Returns:
        The FlatBuffer.
    """
    builder = flatbuffers.Builder(1024)
    taken = [_input(builder, contract, name) for name in inputs]
    given = [_output(builder, contract, output) for output in contract.outputs]
    parts = {2: _tables(builder, taken), 3: _tables(builder, given)}
    if words:
        parts[5] = _tables(builder, [_tokenizer(builder)])
    graph = _table(builder, parts, length=7)
    is_classifier = (contract.modality, contract.output.task) == ("photos", "classification")
    name = "ImageClassifier" if is_classifier else f"{contract.modality}, {contract.output.task}"
    licensed = {5: builder.CreateString(_text(contract.licence))} if contract.licence else {}
    root = _table(
        builder,
        {
            **licensed,
            0: builder.CreateString(name),
            1: builder.CreateString(_text(contract.description)),
            3: _tables(builder, [graph]),
            6: _tables(builder, [_file(builder, extra_file, _DESCRIPTIONS)]),
            7: builder.CreateString("1.0.0"),
        },
        length=8,
    )
    builder.Finish(root, _IDENTIFIER)
    return bytes(builder.Output())


def _text(told: str) -> str:
    return told.encode("utf-8", "replace").decode()


def _tokenizer(builder: flatbuffers.Builder) -> int:
    """Say that a text is split as BERT does, by the words of a file."""
    words = _tables(builder, [_file(builder, VOCABULARY_FILE, _VOCABULARY)])
    options = _table(builder, {0: words}, length=1)
    return _table(builder, {0: np.int8(_BERT_TOKENIZER_OPTIONS), 1: options}, length=2)


def _input(builder: flatbuffers.Builder, contract: "Contract", name: str) -> int:
    told = contract.input
    is_picture = told.dtype == "uint8" and told.shape[-1] in {1, 3}
    if contract.modality != "photos" or not is_picture:  # for which alone the schema has words
        fields = {
            0: builder.CreateString(name or told.name),
            1: builder.CreateString(f"{contract.modality}, {told.dtype}"),
            3: _content(builder, _FEATURE_PROPERTIES, {}),
        }
        return _table(builder, fields, length=7)
    is_grey = told.shape[-1] == 1
    kind = "Grey" if is_grey else "RGB"
    return _table(
        builder,
        {
            0: builder.CreateString("photo"),
            1: builder.CreateString(f"{kind} photo, uint8, 0 to 255; scaled inside the model"),
            3: _content(builder, _IMAGE_PROPERTIES, {0: np.int8(_GREY if is_grey else _RGB)}),
            4: _tables(builder, [_normalization(builder)]),
        },
        length=7,
    )


def _output(builder: flatbuffers.Builder, contract: "Contract", output: "OutputSpec") -> int:
    unit = f", in {output.unit}" if output.unit else ""
    about = "one score per label" if output.class_names else f"a number{unit}"
    fields = {
        0: builder.CreateString(output.name),
        1: builder.CreateString(about),
        3: _content(builder, _FEATURE_PROPERTIES, {}),
    }
    if output.class_names:
        name = labels_file(contract, output)
        fields[6] = _tables(builder, [_file(builder, name, _TENSOR_AXIS_LABELS)])
    return _table(builder, fields, length=7)


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
    photo = _first(_first(root, 3), 2)
    unit = _first(photo, 4)
    if unit is None or not (kind := unit.Offset(4)):
        return description, (), ()
    if unit.Get(number_types.Uint8Flags, unit.Pos + kind) != _NORMALIZATION_OPTIONS:
        return description, (), ()
    options = Table(metadata, unit.Indirect(unit.Pos + unit.Offset(6)))
    return description, _floats(options, 0), _floats(options, 1)


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
    if table is None:
        return None
    offset = table.Offset(4 + 2 * number)
    if not offset or not table.VectorLen(offset):
        return None
    return Table(table.Bytes, table.Indirect(table.Vector(offset)))


def _floats(table: Table, number: int) -> tuple[float, ...]:
    offset = table.Offset(4 + 2 * number)
    if not offset:
        return ()
    values = table.GetVectorAsNumpy(number_types.Float32Flags, offset)
    return tuple(float(value) for value in values)
