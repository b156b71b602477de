"""A run while it trains, as a page that loads itself anew and a table: both made of its log."""

import csv
import functools
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.environment import timestamp
from kerasrecipes.errors import printable
from kerasrecipes.files import write_whole
from kerasrecipes.records import parse_json
from kerasrecipes.regular import read_regular
from kerasrecipes.report.page import page_environment, page_frame
from kerasrecipes.report.section import Section

if TYPE_CHECKING:
    from jinja2 import Template

PAGE, TABLE = "index.html", "metrics.csv"
RUNNING, REFRESH = "running", 10
_WIDTH, _HEIGHT = 480, 120
_LABELS = ("stage", "epoch")
_VAL, _RATE = "val_", "learning_rate"
# What spreadsheets take for a formula.
_FORMULA = ("=", "+", "-", "@")
_EPOCHS_SHOWN = 12
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """A quantity over the epochs.

    Args:
        name: `"training"` or `"validation"`.
        parts: Where it goes, as SVG says points; broken where it was not finite.
        last: Its last value, as text.
    """

    name: str
    parts: tuple[str, ...]
    last: str


@dataclass(frozen=True)
class Panel:
    """A picture of one quantity, of training photos and of validation photos.

    Args:
        title: The quantity.
        lines: One or two.
        low: The lowest value that is drawn, as text.
        high: The highest.
    """

    title: str
    lines: tuple[Line, ...]
    low: str
    high: str


@dataclass
class RunPage:
    """The files in a run's folder that people look at while it trains.

    Args:
        folder: The run's folder.
        log: Name of its log, a line of JSON for each epoch.
        settings: What was set, by groups.
        sections: What else the page shows, by what it is about; the latest of one name counts.
    """

    folder: Path
    log: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.written = False

    def write(self, state: str = RUNNING) -> None:
        """Write the page and the table as the log now stands; each is whole or as it was.

        Args:
            state: How the run is: `"running"`, or how it ended.

        Raises:
            OSError: If they cannot be written.
        """
        rows = self._rows()
        write_whole(self.folder / TABLE, metrics_table(rows).encode())
        page = render_run(
            self.folder.resolve().name, state, rows, self.settings, list(self.sections.values())
        )
        write_whole(self.folder / PAGE, page.encode())
        self.written = True

    def _rows(self) -> list[Row]:
        path = self.folder / self.log
        lines = read_regular(path).decode("utf-8", "replace").splitlines() if path.exists() else []
        return list(_known(lines))


def _known(lines: Sequence[str]) -> Iterator[Row]:
    """Yield the epochs; what is none is told, and mended, when the run is resumed."""
    for line in lines:
        try:
            found = parse_json(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "epoch" in found:
            yield found


def metrics_table(rows: Sequence[Row]) -> str:
    """Write epochs as CSV: one each, with a column for each quantity, empty where it is not finite.

    Args:
        rows: What each epoch measured.

    Example:
        >>> metrics_table([{"stage": "head", "epoch": 1, "loss": 0.5, "val_loss": None}])
        'stage,epoch,loss,val_loss\\nhead,1,0.5,\\n'
    """
    names = list(dict.fromkeys([*_LABELS, *(name for row in rows for name in row)]))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return file.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    return f"'{printable(value)}" if value.startswith(_FORMULA) else printable(value)


def render_run(
    name: str,
    state: str,
    rows: Sequence[Row],
    settings: Mapping[str, Mapping[str, Any]],
    sections: Sequence[Section] = (),
) -> str:
    """Write a run as one self-contained page; while it runs, browsers load it anew by themselves.

    Args:
        name: What the run is called.
        state: `"running"`, or how it ended.
        rows: What each epoch measured: `stage`, `epoch` in it, and quantities.
        settings: What was set, by groups.
        sections: What else to show.

    Returns:
        The page. It loads nothing from elsewhere, and text from the data cannot become markup.

    Example:
        >>> "No epoch yet" in render_run("tiles", "running", [], {})
        True
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    return _template().render(
        name=name,
        state=state,
        refresh=REFRESH if state == RUNNING else 0,
        when=timestamp(),
        epochs=len(rows),
        now=str(rows[-1].get("stage", "")) if rows else "",
        panels=list(_panels(rows)),
        stages=_stages(rows),
        width=_WIDTH,
        height=_HEIGHT,
        names=names,
        cells=[[_shown(row.get(one)) for one in names] for row in rows[-_EPOCHS_SHOWN:]],
        settings=[
            (title, [(str(key), _setting(value)) for key, value in group.items()])
            for title, group in settings.items()
            if group
        ],
        **page_frame(sections),
    )


@functools.cache
def _template() -> "Template":
    """Compile the page once: it is written after each epoch."""
    return page_environment().get_template("run.html.j2")


def _setting(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else printable(value)


def _stages(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Say where each stage begins, from the left."""
    found = []
    for place, row in enumerate(rows):
        if not place or row.get("stage") != rows[place - 1].get("stage"):
            found.append((str(row.get("stage", "")), f"{_x(place, len(rows)):.1f}"))
    return found


def _panels(rows: Sequence[Row]) -> Iterator[Panel]:
    names = dict.fromkeys(name for row in rows for name in row if name not in _LABELS)
    for name in names:
        pair = {"training": name, "validation": _VAL + name}
        if name.removeprefix(_VAL) in names and name.startswith(_VAL):
            continue
        is_rate = name == _RATE
        values = {
            who: [_number(row.get(one), is_rate) for row in rows]
            for who, one in pair.items()
            if one in names
        }
        drawn = [value for some in values.values() for value in some if math.isfinite(value)]
        if not drawn:
            continue
        low, high = min(drawn), max(drawn)
        lines = tuple(
            Line(who, tuple(_parts(some, low, high, is_rate)), _last(rows, pair[who]))
            for who, some in values.items()
        )
        yield Panel(name.replace("_", " "), lines, _shown(low), _shown(high))


def _last(rows: Sequence[Row], name: str) -> str:
    return _shown(rows[-1].get(name))


def _number(value: object, by_logarithm: bool) -> float:
    if not isinstance(value, int | float) or (by_logarithm and value <= 0):
        return math.nan
    return float(value)


def _parts(values: Sequence[float], low: float, high: float, by_logarithm: bool) -> Iterator[str]:
    """Yield the points of a line, up to where it breaks; one alone is drawn as a short line."""
    if by_logarithm:
        values, low, high = [math.log(one) for one in values], math.log(low), math.log(high)
    part: list[str] = []
    for place, value in enumerate([*values, math.nan]):
        if math.isfinite(value):
            share = (value - low) / (high - low) if high > low else 0.5
            part.append(f"{_x(place, len(values)):.1f},{_HEIGHT * (1 - share):.1f}")
        elif part:
            yield " ".join(part if len(part) > 1 else part * 2)
            part = []


def _x(place: int, count: int) -> float:
    return _WIDTH * place / max(1, count - 1)
