"""How photos are chosen and split, as `fine_tune_images` takes it: what repeats a run, too."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.data.shapes import MOST_CHANNELS
from kerasrecipes.errors import is_number
from kerasrecipes.settings.kinds import Choice, Kind, Number, Switch, Text
from kerasrecipes.settings.setting import Setting
from kerasrecipes.settings.structures import Made

GROUP = "Photos"


def _ways() -> Iterable[str]:
    return ("auto", "random", "group", "time")


def _fits() -> Iterable[str]:
    from kerasrecipes.photos.decoding.fit import FITS

    return FITS


def _types() -> Iterable[str]:
    from kerasrecipes.photos.decoding.policy import DTYPES

    return DTYPES


@dataclass(frozen=True, kw_only=True)
class Names(Kind):
    """A name, or several.

    Args:
        what: What it may be, for people.
    """

    is_text = True
    what: str

    @property
    def words(self) -> str:
        return self.what

    def allows(self, value: Any) -> bool:
        several = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
        return isinstance(value, str) or (several and bool(value))

    def error(self, name: str, value: Any) -> ValueError:
        return ValueError(f"`{name}` must be a name, a list of names or None, not {value!r}.")

    def from_plain(self, value: Any) -> Any:
        """Return one name as a text, and several as a tuple; commas stand between those typed."""
        if isinstance(value, str) and "," in value:
            value = [name.strip() for name in value.split(",")]
        return super().from_plain(tuple(value) if isinstance(value, list) else value)

    def to_plain(self, value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, kw_only=True)
class Channels(Kind):
    """Channels of photos, also where they are typed as text."""

    optional: bool = True

    @property
    def words(self) -> str:
        return '1 for grey photos, 3 for RGB, up to 16 of arrays, or "none" for what is usual'

    def allows(self, value: Any) -> bool:
        return is_number(value, 1, MOST_CHANNELS, whole=True)

    def error(self, name: str, value: Any) -> ValueError:
        return ValueError(
            f"`{name}` must be 1, for grey photos, 3, for RGB, a whole number up to "
            f"{MOST_CHANNELS}, of arrays, or None, not {value!r}."
        )

    def from_plain(self, value: Any) -> Any:
        value = super().from_plain(value)
        return int(value) if isinstance(value, str) and value.isdecimal() else value


@dataclass(frozen=True, kw_only=True)
class Range(Kind):
    """Two numbers, the lower one first; typed with a comma between them."""

    optional: bool = True

    @property
    def words(self) -> str:
        return 'what is 0 and what is 255, e.g. [0, 10000], or "none" for what is usual'

    def allows(self, value: Any) -> bool:
        several = isinstance(value, list | tuple) and len(value) == 2
        return several and all(is_number(one, -1e30, 1e30) for one in value) and value[0] < value[1]

    def error(self, name: str, value: Any) -> ValueError:
        return ValueError(
            f"`{name}` must be two numbers, what is black and what is white, e.g. (0, 10000), or "
            f"None, not {value!r}."
        )

    def from_plain(self, value: Any) -> Any:
        """Return two numbers as a tuple."""
        value = super().from_plain(value)
        if isinstance(value, str):
            try:
                value = [float(one) for one in value.split(",")]
            except ValueError:
                return value
        return tuple(value) if isinstance(value, list) else value

    def to_plain(self, value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else value


class Tiles(Made):
    """How large photos are cut, of which the size alone may be said: `3000x4000`."""

    def from_plain(self, value: Any) -> Any:
        if isinstance(value, str) and (found := re.fullmatch(r"(\d+)[x×](\d+)", value)):
            value = {"photo_size": [int(side) for side in found.groups()]}
        return super().from_plain(value)


def _tiling() -> type:
    from kerasrecipes.photos.tiled.tiling import Tiling

    return Tiling


def _check_tiling(value: Any) -> None:
    from kerasrecipes.photos.tiled.tiling import refuse_other

    refuse_other(value)


def _column(kind: str) -> Text:
    told = "`{name}` must be the name of a column of the table, or None"
    return Text(optional=True, what=f'a column of the table, {kind}, or "none"', told=told)


SPLIT_ROWS = (
    Setting("label", GROUP, _column("one class each")),
    Setting(
        "labels",
        GROUP,
        Names(optional=True, what='a column of the table, a list of columns of 0 and 1, or "none"'),
    ),
    Setting("value", GROUP, _column("a number each")),
    Setting(
        "classes", GROUP, Names(optional=True, what='a list of all classes, "by value", or "none"')
    ),
    Setting(
        "group_by",
        GROUP,
        Text(
            optional=True,
            what='a column of the table, "folder", a regular expression, or "none"',
            told="`{name}` must be a text, e.g. 'folder', or None",
        ),
    ),
    Setting("split_by", GROUP, Choice(names=_ways)),
    Setting("test_fraction", GROUP, Number(low=0, high=1)),
    Setting("val_fraction", GROUP, Number(low=0, high=1)),
    Setting("drop_small_classes", GROUP, Switch()),
    Setting(
        "labels_from",
        GROUP,
        Text(
            optional=True,
            what='"beside" for the file of decisions beside the photos, another one, or "none"',
            told="`{name}` must be the name of a file, 'beside' or None",
            or_else=lambda: (Path,),
        ),
    ),
    Setting("fit", GROUP, Choice(optional=True, names=_fits, see="kerasrecipes.DecodePolicy")),
    Setting("channels", GROUP, Channels()),
    Setting("dtype", GROUP, Choice(optional=True, names=_types, see="kerasrecipes.DecodePolicy")),
    Setting("value_range", GROUP, Range()),
    Setting(
        "tiles",
        GROUP,
        Tiles(
            optional=True,
            called="photos.tiles",
            types=lambda: (_tiling(),),
            makers=lambda: {"photos.tiles": _tiling()},
            plain=lambda made: made.to_dict(),
            judge=_check_tiling,
        ),
    ),
)
# What can be said of photos alone: what is decided about single ones, and how they are read.
_OF_PHOTOS = {"labels_from", "fit", "channels", "dtype", "value_range", "tiles"}
_COMMON_ROWS = tuple(row for row in SPLIT_ROWS if row.name not in _OF_PHOTOS)
TEXT_SPLIT_ROWS = (
    Setting(
        "text",
        GROUP,
        Names(
            optional=True,
            what='a column of the table, the texts, a list of two for pairs, or "none"',
        ),
    ),
    *_COMMON_ROWS,
)
_STEPS = Number(optional=True, low=1, high=2**31, whole=True)
SIGNAL_SPLIT_ROWS = (
    Setting(
        "channels",
        GROUP,
        Names(optional=True, what='a list of the channels to read, or "none" for all'),
    ),
    Setting("id", GROUP, _column("the recording of a step")),
    Setting("time", GROUP, _column("the time of a step")),
    Setting("rate", GROUP, Number(optional=True, low=1e-9, high=1e9)),
    Setting("window", GROUP, _STEPS),
    Setting("stride", GROUP, _STEPS),
    *_COMMON_ROWS,
)
_ROWS = {"photos": SPLIT_ROWS, "texts": TEXT_SPLIT_ROWS, "signals": SIGNAL_SPLIT_ROWS}


def split_rows_of(modality: str) -> tuple[Setting, ...]:
    """Return what may be said of how examples of one kind of data are chosen and split."""
    return _ROWS[modality]


def all_split_rows() -> dict[str, Setting]:
    """Return what may be said of any kind of data, by name."""
    return {row.name: row for rows in _ROWS.values() for row in rows}
