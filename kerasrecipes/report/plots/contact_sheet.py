"""A sheet of photos with the views that training would draw of them, to be looked at."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError
from kerasrecipes.report.plots.style import INK, MUTED, PLAIN_TEXT, new_figure, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kerasrecipes.photos.augment import Augment
    from kerasrecipes.photos.photo_set import Photo, PhotoSet
    from kerasrecipes.photos.synthetic.defects import SyntheticDefects

CELL = 1.3
MOST_CELLS = 1000


@named
def draw_augmentation(
    photos: "PhotoSet",
    augment: "Augment" = "light",
    *,
    synthetic: "SyntheticDefects | None" = None,
    views: int = 8,
    count: int = 6,
    image_size: tuple[int, int] = (224, 224),
    seed: int = 0,
) -> "Figure":
    """Show some photos, and beside each one the views that training would draw of it.

    If a defect can no longer be seen in a view, the augmentation goes too far: the model
    would be taught that nothing is a defect.

    Args:
        photos: Where to take the photos from, as evenly from the classes as they come.
        augment: A preset of `AUGMENTATIONS`, an `Augmentation`, a function of `(photo, seed)`, or
            layers of Keras; see `ImageClassifier`.
        synthetic: What defects training draws into good photos: these are shown beside real ones.
        views: Views beside each photo.
        count: Number of photos; fewer are shown if there are no more.
        image_size: `(height, width)` in pixels at which the model will see them.
        seed: Seed of the choice and of the views.

    Returns:
        The figure; `figure.savefig("contact.png")` writes it.

    Raises:
        ValueError: If `augment` is unknown, nothing is changed, or a number is out of range.
        DataError: If there are no photos, one has changed since it was scanned, or nothing can be
            drawn into them.

    Example:
        >>> figure = draw_augmentation(photos, "factory", views=3, count=2, image_size=(48, 48))
        >>> len(figure.axes)
        8
    """
    from kerasrecipes.photos.augment import Augmentation, tried_augmentation
    from kerasrecipes.photos.decoding.channels import shown
    from kerasrecipes.photos.reader import PhotoReader

    augmentation = tried_augmentation(augment, image_size, photos.channels)
    if augmentation == Augmentation() and synthetic is None:
        raise ValueError("`augment` changes nothing, so there is nothing to show. Try 'light'.")
    for name, number in (("views", views), ("count", count)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"`{name}` must be a whole number of at least 1, not {number!r}.")
    if count * (views + 1) > MOST_CELLS:
        raise ValueError(
            f"{count} photos with {views} views are more than {MOST_CELLS} pictures. Ask for less."
        )
    if not len(photos):
        raise DataError("There are no photos to show.")
    photos = photos if synthetic is None else synthetic.added_to(photos, seed)
    reader = PhotoReader(photos, image_size, augmentation, seed)
    chosen = _spread_over_classes(photos, count, seed)
    rows = [[shown(reader.read(index, view)) for view in range(views + 1)] for index in chosen]
    labels = [(_said(photos.photos[index]), photos.photos[index].path.name) for index in chosen]
    what = f"“{augment}”" if isinstance(augment, str) else "an augmentation of one's own"
    return _draw_sheet(rows, labels, f"What training sees with {what}")


def _said(photo: "Photo") -> str:
    """Write down what a photo is answered with."""
    label = photo.label if photo.synthetic is None else f"{photo.label} (drawn)"
    if isinstance(label, str):
        return label
    return (", ".join(label) or "no label") if isinstance(label, tuple) else f"{label:g}"


def _spread_over_classes(photos: "PhotoSet", count: int, seed: int) -> list[int]:
    """Choose photos at random: one of each class, then a second one of each, and so on.

    Those that a defect is drawn into count as a class of their own.
    """
    seen: Counter[Any] = Counter()
    turns: list[tuple[int, int]] = []
    for index in np.random.default_rng(seed).permutation(len(photos)):
        photo = photos.photos[index]
        kind = (photo.label, photo.synthetic is not None)
        turns.append((seen[kind], int(index)))
        seen[kind] += 1
    turns.sort(key=lambda turn: turn[0])
    chosen = [index for _, index in turns[:count]]
    return sorted(chosen, key=lambda index: (photos.photos[index].label, index))


def _draw_sheet(
    rows: list[list[np.ndarray]], labels: list[tuple[Any, str]], title: str
) -> "Figure":
    height, width = rows[0][0].shape[:2]
    cell = (CELL * min(2.5, max(1, width / height)), CELL * min(2.5, max(1, height / width)))
    columns = len(rows[0])
    figure = new_figure(1.5 + cell[0] * columns, 0.8 + cell[1] * len(rows))
    layout: Any = figure.get_layout_engine()
    layout.set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, views, (label, name) in zip(grid, rows, labels, strict=True):
        for place, view in zip(axes, views, strict=True):
            place.imshow(view)
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
        _name_row(axes[0], label, name)
        axes[0].spines[:].set(visible=True, color=INK, linewidth=1.5)
    for column, place in enumerate(grid[0]):
        heading = f"view {column}" if column else "the photo"
        place.set_title(heading, fontsize=9, color=MUTED if column else INK)
    return figure


def _name_row(axes: "Axes", label: str, name: str) -> None:
    """Write a photo's class, and its file below it, to the left of it."""
    text: dict[str, Any] = {
        "xy": (0, 0.5),
        "xycoords": "axes fraction",
        "textcoords": "offset points",
    }
    text |= {"ha": "right", **PLAIN_TEXT}
    axes.annotate(
        short_name(label, 16), xytext=(-8, 2), fontsize=10, fontweight="bold", color=INK, **text
    )
    axes.annotate(short_name(name, 24), xytext=(-8, -9), fontsize=7, color=MUTED, **text)
