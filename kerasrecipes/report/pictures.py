"""All pictures of one fit, as PNG files."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kerasrecipes.evaluation.classification import most_confident_mistakes
from kerasrecipes.report.plots import (
    plot_confusion_matrix,
    plot_learning_curves,
    plot_mistakes,
    plot_reliability,
    png,
)
from kerasrecipes.report.run_report import RunReport

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import PhotoSet


class Judged(Protocol):
    """Photos that a model was measured on, and what it said about them."""

    split: str
    examples: "PhotoSet"
    targets: np.ndarray
    answers: np.ndarray


def draw_pictures(report: RunReport, held_out: Judged) -> dict[str, bytes]:
    """Draw what a report shows.

    Args:
        report: The facts of a fit, with the evaluation of `held_out.split`.
        held_out: The photos of that evaluation.

    Returns:
        PNG files by name, as `render_html` takes them.

    Raises:
        DataError: If a photo that is to be shown has changed since it was scanned.
    """
    labels, scores = held_out.targets, held_out.answers
    pictures = {
        "learning_curves": plot_learning_curves(report),
        "confusion_matrix": plot_confusion_matrix(report.evaluations[held_out.split]),
        "reliability": plot_reliability(labels, scores),
        "mistakes": _draw_mistakes(report, held_out),
    }
    return {name: png(figure) for name, figure in pictures.items()}


def _draw_mistakes(report: RunReport, held_out: Judged) -> Any:
    from kerasrecipes.photos.decoding.decode import read_photo

    photos, names = held_out.examples, held_out.examples.class_names
    # Shown as the model sees them, squeezed to its input.
    height, width = report.recipe.get("image_size") or (240, 240)
    shown, titles = [], []
    for i in most_confident_mistakes(held_out.targets, held_out.answers):
        shown.append(read_photo(photos.photos[i], (height, width), photos.policy))
        said = int(held_out.answers[i].argmax())
        sure = held_out.answers[i, said]
        titles.append(f"shows {names[held_out.targets[i]]}\nsays {names[said]}\n{sure:.0%} sure")
    return plot_mistakes(shown, titles)
