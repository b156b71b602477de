"""A model as NVIDIA's Triton Inference Server loads it, by its backend for ONNX.

repository/tiles/       a model's folder in Triton's model repository, named as callers name it
    config.pbtxt        what it takes and gives, without the number of examples
    labels.txt          a class a line
    4/model.onnx        the version of the bundle
"""

from pathlib import Path
from typing import TYPE_CHECKING

from kerasrecipes.bundles.export_record import ExportRecord
from kerasrecipes.bundles.labels import LABELS_FILE, labels_text
from kerasrecipes.data.modality import get_modality
from kerasrecipes.export import get_format

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder

_TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32"}
# Examples of several requests that Triton may compute together.
_LARGEST_BATCH = 32


def write_triton(bundle: "BundleFolder", record: ExportRecord, folder: Path) -> None:
    """Write a model's folder of a Triton model repository.

    Args:
        bundle: The model.
        record: Its export as ONNX.
        folder: Where to.

    Reference:
        https://github.com/triton-inference-server/server/blob/main/docs/user_guide/
    """
    contract = get_format(record.format).read_contract(record.path)
    name = get_modality(contract.modality).noun[1]  # as the format calls its one input
    lines = ['backend: "onnxruntime"', f"max_batch_size: {_LARGEST_BATCH}"]
    lines += _told("input", name, _TYPES[contract.input.dtype], contract.input.shape)
    for output in contract.outputs:
        is_named = output.name == bundle.output.name and bool(bundle.class_names)
        labels = [f'label_filename: "{LABELS_FILE}"'] if is_named else []
        lines += _told("output", output.name, "TYPE_FP32", (output.width,), labels)
    version = folder / bundle.folder.name
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(record.path.read_bytes())
    (folder / "config.pbtxt").write_text("\n".join(lines) + "\n", encoding="ascii")
    if bundle.class_names:
        (folder / LABELS_FILE).write_text(labels_text(bundle.class_names), encoding="utf-8")


def _told(
    kind: str, name: str, dtype: str, shape: tuple[int | None, ...], more: list[str] | None = None
) -> list[str]:
    dims = ", ".join("-1" if side is None else str(side) for side in shape)
    inside = [f'name: "{name}"', f"data_type: {dtype}", f"dims: [ {dims} ]", *(more or [])]
    return [f"{kind} [", "  {", *(f"    {line}" for line in inside), "  }", "]"]
