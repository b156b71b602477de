"""What a look found, in plain words."""

import base64
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS
from kerasrecipes.drift.shift import FAMILIES, INPUTS, Shift, family_p
from kerasrecipes.errors import printable
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.estimate import Estimate, encode_float
from kerasrecipes.statistics.shown import Part, Shown, safe
from kerasrecipes.statistics.tables import Table

INSUFFICIENT, QUIET, ALARM = "insufficient data", "no change seen", "alarm"
# Fewer examples than this are told to have little power.
FULL_POWER = 200
_ROWS = 8
_SAID = {"inputs": "inputs", "features": "what the model sees", "answers": "answers"}
_SAID["labels"] = "answers and truth"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Drift</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0
1rem }} td, th {{ padding: 0 1rem 0 0 }} figure {{ display: inline-block; margin: 0 1rem 1rem 0 }}
figcaption {{ font-size: 0.8rem; max-width: 14rem; overflow-wrap: anywhere }}</style></head>
<body>{}</body></html>
"""


@named
@dataclass(frozen=True)
class DriftReport(Shown):
    """Whether new examples still are as those that a model was measured on.

    Args:
        verdict: `"no change seen"`, `"alarm"` or `"insufficient data"`.
        noun: What several examples are called.
        examples: How many were looked at.
        reference: How many they were compared with.
        looks_per_false_alarm: An alarm without cause comes once in as many looks at most.
        quality: Accuracy on the reference, which is the promise.
        task: What the answers are to; see `kerasrecipes.heads.get_task`.
        p_value: How likely a look would be so strange if nothing had changed, all tests
            together; compared with the reference alone.
        used_p: The same with the windows before it; from 20 ordinary ones on, compared with how
            these differed.
        shifts: What every test found, the least likely first.
        look: Number of this look in its history; 1 without one.
        level: Evidence against "nothing has changed", an alarm from `looks_per_false_alarm` on;
            `None` without a history.
        since: The look since which evidence adds up, and when that was; empty if none does.
        windows: How many of the last windows are most of all unlike the reference, taken
            together.
        moved: Name of what moved most of all in these; empty without a comparison.
        earlier: Number of earlier windows that say what is ordinary.
        smallest: Shift of one number, in standard deviations, that four of five such looks
            notice; with labels the fall of the accuracy, 0…1.
        measured_quality: Accuracy on these examples, where their labels are known.
        expected_quality: Accuracy on these examples as far as confidence tells; `None` where
            answers have none.
        most_shifted: Names of the examples that are least like the reference.
        label_next: Names of those of them that the model is least sure of.
        notes: What a reader must know.
        pictures: PNG files of the photos in `most_shifted`.
    """

    verdict: str
    noun: str
    examples: int
    reference: int
    looks_per_false_alarm: float
    quality: float
    task: str
    p_value: float
    used_p: float
    shifts: tuple[Shift, ...] = ()
    look: int = 1
    level: float | None = None
    since: str = ""
    windows: int = 1
    moved: str = ""
    earlier: int = 0
    smallest: float = math.nan
    measured_quality: Estimate | None = None
    expected_quality: Estimate | None = None
    most_shifted: tuple[str, ...] = ()
    label_next: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def alarm(self) -> bool:
        """Whether something has changed."""
        return self.verdict == ALARM

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-safe data without pictures; estimates are lists of three."""
        plain = {name: value for name, value in vars(self).items() if name != "pictures"}
        estimates = {name: plain[name] for name in ("expected_quality", "measured_quality")}
        return {
            **_plain(plain),
            **{name: None if one is None else one.to_list() for name, one in estimates.items()},
            "shifts": [_plain(asdict(one)) for one in self.shifts],
        }

    def page(self) -> str:
        """Return the report as one HTML page that loads nothing from elsewhere."""
        return _PAGE.format(self._repr_html_())

    def _repr_html_(self) -> str:
        """Return the report, and below it the photos that are least like the reference."""
        shown = zip(self.most_shifted, self.pictures, strict=False)
        return super()._repr_html_() + "".join(
            f'<figure><img src="data:image/png;base64,{base64.b64encode(png).decode()}" '
            f'alt="{safe(name)}"><figcaption>{safe(name)}</figcaption></figure>'
            for name, png in shown
            if png
        )

    def parts(self) -> Iterator[Part]:
        """Yield the verdict, what moved, and what to do."""
        yield from self._verdict()
        if self.verdict != INSUFFICIENT:
            yield ""
            yield self._table()
            yield ""
            yield from self._numbers()
        yield from (f"Note: {printable(note)}" for note in self.notes)

    def _verdict(self) -> Iterator[str]:
        asked = f"{self.examples} {self.noun}, compared with {self.reference}"
        if self.verdict == INSUFFICIENT:
            yield f"Insufficient data: {asked}."
            return
        first = next(one for one in self.shifts if one.name == self.moved)
        if self.verdict == QUIET:
            yield f"No change seen: {asked}."
        else:
            since = f" since {self.since}" if self.since else ""
            yield f"ALARM: these {self.noun} are not like the reference{since}: {asked}."
            yield f"Most of all, {_moved(first)}."
            if self.most_shifted:
                yield f"Least like the reference: {', '.join(map(printable, self.most_shifted))}"
            if self.label_next:
                yield f"Label these next: {', '.join(map(printable, self.label_next))}"

    def _table(self) -> Table:
        rows = tuple(
            (one.name, _number(one.before), _number(one.now), f"{one.effect:.2f}", _p(one.p_value))
            for one in self.shifts[:_ROWS]
        )
        columns = ("measured", "reference", "now", "gap", "p")
        return Table("", columns, rows, right=(1, 2, 3, 4))

    def _numbers(self) -> Iterator[str]:
        asked = [name for name in FAMILIES if any(one.family == name for one in self.shifts)]
        parts = ", ".join(f"{_SAID[name]} {_p(family_p(self.shifts, name))}" for name in asked)
        yield f"{len(self.shifts)} tests in all, together p = {_p(self.p_value)} ({parts})."
        if self.windows > 1:
            yield (
                f"The last {self.windows} windows together differ most: p = {_p(self.used_p)}, all "
                "spans counted."
            )
        if self.earlier:
            yield (
                f"Among the {self.earlier} windows before this one that is p = {_p(self.used_p)}; "
                "this counts."
            )
        promise = f"once in {self.looks_per_false_alarm:g} looks or more"
        if self.level is None:
            yield f"An alarm without cause comes {promise}."
        else:
            yield (
                f"Look {self.look}: evidence {self.level:.3g} of {self.looks_per_false_alarm:g}; "
                f"an alarm without cause comes {promise}."
            )
        if self.measured_quality is not None:
            yield from self._of_labels(self.measured_quality)
            return
        yield (
            f"A shift of one number by {self.smallest:.2f} standard deviations would be noticed "
            "in four of five looks; a smaller one may not."
        )
        if self.expected_quality is not None:
            yield (
                f"Accuracy as far as the model's confidence tells: "
                f"{self.expected_quality.percent(1)}, {self.quality:.1%} on the reference. That "
                "is wrong where the model is sure and mistaken, as with a kind never seen."
            )
        yield (
            "That data change does not mean that accuracy falls, nor does it stay for sure while "
            "they do not: label some and evaluate."
        )

    def _of_labels(self, measured: Estimate) -> Iterator[str]:
        task = get_task(self.task)
        name = task.quality_name[:1].upper() + task.quality_name[1:]
        if task.target == CLASS:
            told, promised, fall = (
                measured.percent(1),
                f"{self.quality:.1%}",
                f"{self.smallest:.1%}",
            )
        else:
            shown, fall = task.shown_estimate(measured), f"{self.smallest:.3g}"
            told = f"{shown.value:.4g} ({shown.low:.4g} to {shown.high:.4g})"
            promised = f"{task.shown(self.quality):.4g}"
        yield f"{name} on these {self.noun}: {told}; {promised} on the reference."
        yield f"Worse by {fall} would be noticed in four of five looks."


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
    return {name: encode_float(v) if isinstance(v, float) else v for name, v in plain.items()}


def _moved(shift: Shift) -> str:
    if shift.name == "true classes":
        return f"{shift.effect:.0%} of the true classes would have to be others"
    if shift.family == INPUTS or shift.before == shift.before:
        return f"{shift.name} moved from {_number(shift.before)} to {_number(shift.now)} on average"
    if shift.name == "classes":
        return f"{shift.effect:.0%} of the answers would have to be of other classes"
    return "what the model sees in them moved"


def _number(value: float) -> str:
    return "" if value != value else f"{value:.4g}"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-12 else "< 1e-12"
