"""The model card: what a saved model is for, how good it is and where it ends, for who gets it."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import printable
from kerasrecipes.files import write_whole
from kerasrecipes.release.bundle import Bundle

if TYPE_CHECKING:
    from kerasrecipes.evaluation.base import Result
    from kerasrecipes.report.run_report import RunReport

# What a hub calls kinds of data.
_KINDS = {"photos": "image", "texts": "text"}
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~])")


@named
def write_card(bundle: Bundle | str | Path, path: str | Path) -> Path:
    """Write a model card in the format of the Hugging Face Hub: a `README.md` with front matter.

    What nobody but its owner knows, i.e. the licence, what it is meant for and who answers for it,
    is left to be filled in, and says so.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        path: The new file, e.g. `"README.md"`; one that is there is replaced.

    Returns:
        The path.

    Raises:
        DataError: If there is no bundle.
        IntegrityError: If a file of it was changed.
        OSError: If the file cannot be written.
    """
    bundle, path = Bundle.load(bundle), Path(path)
    text = "\n".join((*_front_matter(bundle), *_page(bundle))) + "\n"
    write_whole(path, text.encode())
    return path


def _front_matter(bundle: Bundle) -> Iterator[str]:
    report, output = bundle.report(), bundle.output
    split, found = _result(report)
    many = bundle.modality.noun[1]
    yield "---"
    yield "license: other  # choose the one that you give it under"
    yield "library_name: keras"
    kind = _KINDS.get(bundle.manifest.modality, bundle.manifest.modality)
    yield f"pipeline_tag: {kind}-classification" if output.class_names else "tags:\n- regression"
    if output.class_names:
        yield f"tags: {json.dumps(['kerasrecipes', 'transfer-learning', output.task])}"
    if found is not None:
        data = {"name": printable(Path(report.data.source).name or many), "type": "private"}
        metric = {
            "type": found.headline_name.replace(" ", "_"),
            "value": found.headline.value,
            "name": f"{found.headline_name}, 95 % interval {found.headline.low:.4g} to "
            f"{found.headline.high:.4g}, on {found.n} {split} {many}",
        }
        task = {"type": f"{kind}-{'classification' if output.class_names else 'regression'}"}
        result = {"task": task, "dataset": data, "metrics": [metric]}
        index = [{"name": printable(report.name), "results": [result]}]
        yield f"model-index: {json.dumps(index)}"
    yield "---"


def _page(bundle: Bundle) -> Iterator[str]:
    report, told = bundle.report(), bundle.manifest
    split, found = _result(report)
    one, many = bundle.modality.noun
    of_photos = bundle.manifest.modality == "photos"
    height, width = (*bundle.input.shape, None)[:2]
    size, light = (
        (f" of {width} × {height} pixels", ", under which light") if of_photos else ("", "")
    )
    yield f"# {_plain(report.name)}"
    names = ", ".join(map(_plain, bundle.class_names))
    yield f"\nTakes a {one}{size}; " + (
        f"answers with one of: {names}."
        if names
        else f"answers with a number {bundle.output.unit}."
    )
    yield "\n## Intended use\n"
    yield f"*To be filled in by its owner: where{light}, and who acts on its answers.*"
    yield "\n## How good it is\n"
    yield from _numbers(f"{split} {many}", found)
    yield from _learned(report, many)
    yield "\n## Limits\n"
    yield "- It knows the classes above and nothing else: anything else gets one of their names."
    yield f"- The numbers speak of {many} like those that it was tested on, not of next month's: "
    yield "  watch it with `kerasrecipes drift`."
    for note in (*report.warnings, *(found.notes if found is not None else ())):
        yield f"- {_plain(note)}"
    yield "\n## Lineage\n"
    yield f"Made {_plain(told.created)} by a recipe of the type {_plain(told.recipe_type)}, with "
    yield ", ".join(f"{_plain(name)} {_plain(number)}" for name, number in told.versions.items())
    yield f". SHA-256 of the model: `{told.sha256.get('model.keras', '')}`."
    for record in bundle.exports().values():
        passed = "verified" if record.verification.get("passed") else "NOT the same model"
        megabytes = f"{record.size_bytes / 1e6:.2f} MB"
        yield f"- {_plain(record.name)}: {megabytes}, {passed}, `{record.sha256}`"


def _learned(report: "RunReport", many: str) -> Iterator[str]:
    yield "\n## What it learned from\n"
    counts = {side: report.data.total(side) for side in report.data.counts}
    shown = ", ".join(f"{count:,} for {_plain(side)}" for side, count in counts.items())
    yield f"{many.title()}: {shown}.{_plain(report.data.split_sentence)}"
    yield f"{report.data.excluded} of them could not be used or were left out."
    leaks = [f"- Leak: {_plain(leak)}" for leak in report.data.leaks]
    yield "\n".join(leaks) if leaks else "No leak between the sides was found."
    used = {name: value for name, value in report.weights.items() if value}
    yield "\nPretrained weights: " + "; ".join(f"{k} {_plain(v)}" for k, v in used.items()) + "."


def _numbers(tested: str, found: "Result | None") -> Iterator[str]:
    if found is None:
        yield "Not measured yet."
        return
    yield f"On {found.n:,} {_plain(tested)}, with 95 % intervals:\n"
    yield "| | | 95 % interval |\n|---|---|---|"
    for tile in (*found.tiles(), *found.latency_tiles()):
        value = f"{_plain(tile.value)} {_plain(tile.unit)}".strip()
        yield f"| {_plain(tile.name)} | {value} | {_plain(tile.interval)} |"


def _result(report: "RunReport") -> "tuple[str, Result | None]":
    from kerasrecipes.report.html import main_evaluation

    return main_evaluation(report)


def _plain(text: Any) -> str:
    """Write text so that it is no markup, neither of Markdown nor of HTML."""
    return _MARKS.sub(r"\\\1", html.escape(printable(text), quote=False))
