"""What a stage's model says of validation examples, for the page of a run."""

from typing import Any

import numpy as np

from kerasrecipes.data.shapes import RGB
from kerasrecipes.report.section import SIDE, Section, Thumbnail
from kerasrecipes.statistics.tables import Table

# Larger tables are no longer looked at, and a page has the room of so many photos.
_MOST_CLASSES, _MOST_PHOTOS = 20, 12
_TITLE = "Validation after stage '{}'"


def validation_section(val: Any, answers: np.ndarray, stage: str) -> Section:
    """Show a confusion matrix, and photos with answers, the surest mistakes first.

    Args:
        val: Examples with one class each.
        answers: Scores, shape `(n, classes)`.
        stage: Name of the stage.
    """
    names, truth = val.class_names, np.asarray(val.labels)
    said, score = answers.argmax(axis=1), answers.max(axis=1)
    right = int((said == truth).sum())
    told = f"{right} of {len(val)} {val.noun[1]} right, by the weights that the stage leaves."
    content: list[Table | str] = [told]
    if len(names) <= _MOST_CLASSES:
        counts = np.zeros((len(names), len(names)), int)
        np.add.at(counts, (truth, said), 1)
        rows = tuple(
            (name, *(str(n) for n in row)) for name, row in zip(names, counts, strict=True)
        )
        heads = ("is, and is called", *names)
        classes = tuple(range(1, len(heads)))
        content.append(Table("", heads, rows, right=classes, verbatim=classes))
    order = np.lexsort((-score, said == truth))[:_MOST_PHOTOS]
    return Section(_TITLE.format(stage), tuple(content), _thumbnails(val, order, said, score))


def _thumbnails(
    val: Any, order: np.ndarray, said: np.ndarray, score: np.ndarray
) -> tuple[Thumbnail, ...]:
    if val.modality != "photos":
        return ()
    chosen = val.select(order.tolist())
    pictures = chosen.shown((SIDE, SIDE, RGB))
    return tuple(
        Thumbnail.of(
            pixels, f"is {photo.label}", f"called {val.class_names[said[i]]}, {score[i]:.0%}"
        )
        for i, photo, pixels in zip(order, chosen.photos, pictures, strict=True)
    )
