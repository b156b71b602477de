"""All pictures of one fit, as PNG files."""

from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from kerasrecipes.data.examples import NUMBER, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.classification import most_confident_mistakes
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_task
from kerasrecipes.report.plots.classification import (
    plot_confusion_matrix,
    plot_learning_curves,
    plot_mistakes,
    plot_reliability,
    png,
)
from kerasrecipes.report.plots.precision_recall import plot_precision_recall
from kerasrecipes.report.plots.residuals import plot_residuals
from kerasrecipes.report.run_report import RunReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasrecipes.evaluation.ordinal import OrdinalEvaluation
    from kerasrecipes.evaluation.result import Evaluation

_SHOWN = 12


class Judged(Protocol):
    """Examples that a model was measured on, and what it said about them."""

    @property
    def split(self) -> str:
        """What they are called, e.g. `"test"`."""

    @property
    def examples(self) -> Examples:
        """The examples."""

    @property
    def targets(self) -> np.ndarray:
        """What they should be answered with."""

    @property
    def answers(self) -> np.ndarray:
        """What the model said."""


def draw_pictures(report: RunReport, held_out: Judged, output: OutputSpec) -> dict[str, bytes]:
    """Draw what a report shows.

    Args:
        report: The facts of a fit, with the evaluation of `held_out.split`.
        held_out: The photos of that evaluation.
        output: What the model answers with.

    Returns:
        PNG files by name, as `render_html` takes them.

    Raises:
        DataError: If a photo that is to be shown has changed since it was scanned.
    """
    draw = _OF_TASK.get(output.task, _draw_worst)
    pictures = {"learning_curves": plot_learning_curves(report), **draw(report, held_out, output)}
    return {name: png(figure) for name, figure in pictures.items()}


def _draw_classes(report: RunReport, held_out: Judged, output: OutputSpec) -> dict[str, "Figure"]:
    labels, scores, names = held_out.targets, held_out.answers, output.class_names
    chosen = most_confident_mistakes(labels, scores, _SHOWN)
    said = scores[chosen].argmax(axis=1)
    titles = [
        f"shows {names[labels[i]]}\nsays {names[k]}\n{scores[i, k]:.0%} sure"
        for i, k in zip(chosen, said, strict=True)
    ]
    return {
        "confusion_matrix": _confusion(report, held_out),
        "reliability": plot_reliability(labels, scores, groups=held_out.examples.groups),
        "mistakes": plot_mistakes(_shown(report, held_out, chosen), titles),
    }


def _draw_order(report: RunReport, held_out: Judged, output: OutputSpec) -> dict[str, "Figure"]:
    return {
        "confusion_matrix": _confusion(report, held_out),
        **_draw_worst(report, held_out, output),
    }


def _confusion(report: RunReport, held_out: Judged) -> "Figure":
    evaluation = report.evaluations[held_out.split]
    return plot_confusion_matrix(cast("Evaluation | OrdinalEvaluation", evaluation))


def _draw_labels(report: RunReport, held_out: Judged, output: OutputSpec) -> dict[str, "Figure"]:
    limits = np.array(output.thresholds) if output.thresholds else 0.5
    curves = plot_precision_recall(held_out.targets, held_out.answers, output.class_names, limits)
    return {"precision_recall": curves, **_draw_worst(report, held_out, output)}


def _draw_numbers(report: RunReport, held_out: Judged, output: OutputSpec) -> dict[str, "Figure"]:
    residuals = plot_residuals(held_out.targets, held_out.answers[:, 0], output.unit)
    return {"residuals": residuals, **_draw_worst(report, held_out, output)}


_OF_TASK = {
    "classification": _draw_classes,
    "multi_label": _draw_labels,
    "ordinal": _draw_order,
    "regression": _draw_numbers,
}


def _draw_worst(report: RunReport, held_out: Judged, output: OutputSpec) -> dict[str, "Figure"]:
    """Draw the photos whose answers are furthest off, of any task."""
    task = get_task(output.task)
    quality = task.quality(held_out.targets, held_out.answers, output)
    order = np.argsort(quality, kind="stable")[:_SHOWN]
    chosen = order[quality[order] < (0 if task.is_error else 1)]
    items = held_out.examples.items
    titles = [_title(task, output, items[i].label, held_out.answers[i]) for i in chosen]
    return {"worst_answers": plot_mistakes(_shown(report, held_out, chosen), titles)}


def _title(task: Task, output: OutputSpec, truth: Any, answer: np.ndarray) -> str:
    said = task.decode(answer, output)
    if said.labels is not None:
        missed = [name for name in truth if name not in said.labels]
        wrong = [name for name in said.labels if name not in truth]
        told = (("missed", missed), ("wrongly", wrong))
        return "\n".join(f"{how} {', '.join(names)}" for how, names in told if names)
    if task.target == NUMBER:
        return f"is {truth:.4g} {output.unit}\nsays {said.score:.4g} {output.unit}"
    return f"shows {truth}\nsays {said.label}\n{said.score:.0%} sure"


def _shown(report: RunReport, held_out: Judged, chosen: np.ndarray) -> list[np.ndarray | str]:
    """Return photos as the model sees them, squeezed to its input; other examples as they are."""
    height, width = report.recipe.get("image_size") or (240, 240)
    return list(held_out.examples.select(chosen).shown((height, width, 3)))
