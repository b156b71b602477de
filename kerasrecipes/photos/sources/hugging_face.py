"""Photos and labels of a Hugging Face data set, without its library."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError, did_you_mean, listed, printable
from kerasrecipes.photos.decoding.decode import read_bytes
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.sources.pixels import from_picture
from kerasrecipes.photos.sources.png import encode_png

_LISTS = {"Sequence", "LargeList", "List"}
_NUMBERS = ("int", "uint", "float", "double", "bool")


@dataclass(frozen=True)
class Rows:
    """What a data set says: contents of files to be read one by one, and one entry per row."""

    contents: Iterator[bytes]
    labels: list[Any]
    names: list[str]
    groups: list[object] | None
    class_names: Sequence[str] | None

    @property
    def rest(self) -> tuple[list[str], list[object] | None, Sequence[str] | None]:
        """Names, groups and classes."""
        return self.names, self.groups, self.class_names


def is_hugging_face(dataset: Any) -> bool:
    """Tell whether a data set looks like one of Hugging Face."""
    return hasattr(dataset, "features") and hasattr(dataset, "column_names")


def read_rows(
    dataset: Any, image: str | None, label: str | None, group_by: str | None, limit: int
) -> Rows:
    """Find the columns of a data set, and prepare to read it.

    Args:
        dataset: The data set.
        image: The column of the photos; `None` for the only one that holds any.
        label: The column of the labels; `None` for the only one that could be.
        group_by: The column of the groups, if there is one.
        limit: Most rows.

    Raises:
        ValueError: If a column is missing, or several could be meant.
        DataError: If there are more rows.
    """
    features = dataset.features
    if not features or not hasattr(dataset, "__len__"):
        raise ValueError(
            "`dataset` is streamed, so that its columns and its end are not known. Load it "
            "without streaming=True, or take a part: Dataset.from_list(list(dataset.take(n)))."
        )
    if len(dataset) > limit:
        raise DataError(
            f"`dataset` has {len(dataset):,} rows, more than {limit:,}. Take fewer, e.g. "
            "dataset.select(range(n)); or pass a larger `limit`."
        )
    image = _column("image", image, features, [n for n, f in features.items() if _is_image(f)])
    label = _column("label", label, features, _labels(features, {image, group_by}))
    groups = None
    if group_by is not None:
        groups = list(dataset[_column("group_by", group_by, features, [])])
    labels, class_names = _answers(list(dataset[label]), features[label])
    dataset = _undecoded(dataset, image, features[image])
    names = [f"row_{i:06}" for i in range(len(dataset))]
    return Rows(_contents(dataset, image), labels, names, groups, class_names)


def _column(option: str, asked: str | None, features: Mapping[str, Any], found: list[str]) -> str:
    if asked is not None:
        if asked not in features:
            raise ValueError(
                f"`{option}`: the data set has no column '{printable(asked)}'."
                f"{did_you_mean(asked, features)} It has {listed(features, 10)}."
            )
        return asked
    if len(found) != 1:
        which = f"several that could be meant: {listed(found)}" if found else "none that is meant"
        raise ValueError(
            f"The data set has the columns {listed(features, 10)}, and {which} for sure. Name the "
            f"column with `{option}`."
        )
    return found[0]


def _is_image(feature: Any) -> bool:
    return type(feature).__name__ == "Image"


def _labels(features: Mapping[str, Any], others: set[str | None]) -> list[str]:
    """Columns that could be labels: class names first, else one that is called so."""
    free = {name: feature for name, feature in features.items() if name not in others}
    classes = [name for name, feature in free.items() if _class_names(feature)]
    return classes or [name for name in ("label", "labels", "value", "target") if name in free]


def _class_names(feature: Any) -> Sequence[str] | None:
    if type(feature).__name__ in _LISTS:
        feature = feature.feature
    elif isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    return getattr(feature, "names", None)


def _answers(cells: list[Any], feature: Any) -> tuple[Any, Sequence[str] | None]:
    """Return labels as `read_labels` takes them, and the names of their classes."""
    names = _class_names(feature)
    missing = [i for i, cell in enumerate(cells) if cell is None or (names and _is_open(cell))]
    if missing:
        raise ValueError(
            f"{len(missing)} rows of the data set have no label, the first of them row "
            f"{missing[0]}. Filter them out."
        )
    several = type(feature).__name__ in _LISTS or isinstance(feature, list)
    if names and several:
        return [[names[i] for i in cell] for cell in cells], names
    kind = str(getattr(feature, "dtype", ""))
    if names or kind.startswith(_NUMBERS):
        return np.asarray(cells), names
    return cells, names


def _is_open(cell: Any) -> bool:
    """Tell whether a class number stands for "not known"."""
    return isinstance(cell, int | np.integer) and int(cell) == -1


def _undecoded(dataset: Any, image: str, feature: Any) -> Any:
    """Ask for the files of the photos instead of their pixels."""
    if getattr(feature, "decode", True) and hasattr(dataset, "cast_column"):
        return dataset.cast_column(image, type(feature)(decode=False))
    return dataset


def _contents(dataset: Any, image: str) -> Iterator[bytes]:
    for i in range(len(dataset)):
        yield _content(dataset[i][image], i)


def _content(cell: Any, row: int) -> bytes:
    if isinstance(cell, Mapping):
        if cell.get("bytes"):
            return bytes(cell["bytes"])
        if cell.get("path"):
            return _file(cell["path"], row)
    if isinstance(cell, bytes):
        return cell
    if hasattr(cell, "getexif"):  # a Pillow picture
        return encode_png(from_picture(cell, DecodePolicy()))
    raise DataError(f"Row {row} of the data set has no photo. Filter it out.")


def _file(path: str, row: int) -> bytes:
    try:
        return read_bytes(Path(path))
    except DataError as error:
        raise DataError(f"The photo of row {row}, '{printable(path)}', {error}.") from error
