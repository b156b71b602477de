"""Learning from the past alone, and judging each later window of time in turn."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.strata import join_units
from kerasrecipes.diagnosis.out_of_fold import (
    answered,
    best_of,
    is_large,
    out_of_fold,
    pool_blocks,
    strengths,
    targets_of,
    tempered,
)
from kerasrecipes.errors import DataError, listed
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads import get_task, make_head
from kerasrecipes.heads.head import HEAD_OF
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.simultaneous import (
    confidence_of_each,
    mean_of,
    paired_difference_of,
)
from kerasrecipes.statistics.tables import Table


@dataclass(frozen=True)
class TimeWindow:
    """One window of time, judged by what came before it.

    Args:
        start, end: Its first and last day.
        learned: Number of earlier photos that were learned from.
        n: Number of its photos that were judged.
        left_out: Number of its photos of parts, or with copies, that were learned from.
        quality: How good the answers are; the interval holds for all windows at once.
        change: What that differs from learning at random from all times; the interval likewise.
    """

    start: str
    end: str
    learned: int
    n: int
    left_out: int
    quality: Estimate
    change: Estimate


@dataclass(frozen=True)
class TimeReport(Shown):
    """How well the past tells what comes later.

    Args:
        quality_name: What was measured, e.g. `"accuracy"`.
        higher_is_better: Whether a higher quality is a better one.
        backbone: Whose features were learned from.
        windows: The windows, the earliest first.
    """

    quality_name: str
    higher_is_better: bool
    backbone: str
    windows: tuple[TimeWindow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-safe data; each estimate is `[value, low, high]`."""
        windows = [
            {**asdict(one), "quality": one.quality.to_list(), "change": one.change.to_list()}
            for one in self.windows
        ]
        return {**asdict(self), "windows": windows}

    def parts(self) -> Iterator[Part]:
        """Yield the table, and what it says."""
        rows = tuple(
            (
                one.start if one.start == one.end else f"{one.start} to {one.end}",
                f"{one.learned:,}",
                f"{one.n:,}" + (f" (+{one.left_out:,} left out)" if one.left_out else ""),
                one.quality.number(3),
                one.change.number(3),
            )
            for one in self.windows
        )
        heads = ("window", "learned from", "judged", self.quality_name, "for learning at random")
        yield Table("Each window by what came before it", heads, rows, right=(1,), name_width=30)
        sign = 1 if self.higher_is_better else -1
        worse = [
            one.start
            for one in self.windows
            if (one.change.high if sign > 0 else -one.change.low) < 0
        ]
        yield (
            f"Shown to be worse than learning at random from all times: {', '.join(worse)}. What "
            "comes is not like what was: expect less than a random split says."
            if worse
            else "No window is shown to be worse than learning at random from all times would be."
        )
        yield (
            f"By linear models on the frozen {self.backbone}, not by a fine-tuned model. Learning "
            "at random sees more of them, later ones among them. In brackets: intervals that hold "
            f"for all {len(self.windows)} windows at once, with 95% confidence."
        )


@named
def evaluate_over_time(
    photos: Examples | str | Path,
    *,
    windows: int = 5,
    backbone: str | Backbone | None = None,
    seed: int = 0,
) -> TimeReport:
    """Measure how well photos of the past tell what comes later.

    Photos are cut by time into windows of about equal size. Each but the first is judged by linear
    models, on the features of a frozen backbone, that learned from all before it; parts and
    copies that are in the past are left out.

    Args:
        photos: A scanned set with times, also of `scan_texts`, or a table of photos with a column
            `time`.
        windows: How many windows to judge; there is one more, which is only learned from.
        backbone: A name of `list_backbones()`, or a specification; `None` for the usual one.
        seed: Seed of learning at random, to compare with.

    Returns:
        The report; print it.

    Raises:
        ValueError: If `windows` is no number of windows, or there is no such backbone.
        DataError: If photos have no time, or too few different ones.
    """
    if isinstance(windows, bool) or not isinstance(windows, int) or windows < 1:
        raise ValueError(f"`windows` must be a whole number of at least 1, not {windows!r}.")
    examples = photos if isinstance(photos, Examples) else scan_photos(photos)
    moments = _moments(examples)
    place = _windows(moments, windows)
    pooled = pool_blocks(backbone, examples)
    features = pooled.deep
    random = out_of_fold(examples, features, seed)
    units = np.empty(len(examples), np.int64)
    for number, members in enumerate(join_units(examples, by_group=True, near=True)):
        units[members] = number
    found = []
    for window in range(1, windows + 1):
        past, now = np.flatnonzero(place < window), np.flatnonzero(place == window)
        fresh = now[~np.isin(units[now], units[past])]
        found.append((now, past, fresh, _answers(examples, features, past, fresh, moments)))
    return _report(examples, random, found, moments, pooled.backbone)


def _moments(examples: Examples) -> np.ndarray:
    without = [item.name for item in examples.items if item.time is None]
    if without or not len(examples):
        raise DataError(
            f"{len(without)} of {len(examples)} {examples.noun[1]} have no time: "
            f"{listed(without)}. Scan a table with a column time."
        )
    times = [item.time for item in examples.items if item.time is not None]
    return np.array([(one if one.tzinfo else one.replace(tzinfo=UTC)).timestamp() for one in times])


def _windows(moments: np.ndarray, windows: int) -> np.ndarray:
    """Return the window of each, from 0; equal times stay together."""
    distinct = np.unique(moments)
    if len(distinct) <= windows:
        raise DataError(
            f"`windows={windows}` needs more than {windows} different times, and there are "
            f"{len(distinct)}. Ask for fewer windows."
        )
    ends = np.quantile(moments, np.linspace(0, 1, windows + 2)[1:-1], method="lower")
    place = np.searchsorted(np.unique(ends), moments)
    if len(np.unique(place)) <= windows:  # many photos of one time
        ends = distinct[(np.arange(1, windows + 1) * len(distinct)) // (windows + 1) - 1]
        place = np.searchsorted(ends, moments)
    return place


def _answers(
    examples: Examples, features: np.ndarray, past: np.ndarray, now: np.ndarray, moments: np.ndarray
) -> np.ndarray:
    """Answer a window by its past, whose last fifth decides how freely is learned."""
    targets, kind = targets_of(examples), examples.target
    order = past[np.argsort(moments[past], kind="stable")]
    cut = max(1, len(order) * 4 // 5)
    first, last = order[:cut], order[cut:]
    large = is_large(kind, features, targets)
    choice, best, temperature = strengths(large), 0, 1.0
    if len(last):
        tried = [answered(kind, features, targets, first, last, one, large) for one in choice]
        best, temperature = best_of(kind, tried, targets[last], large)
    said = answered(kind, features, targets, past, now, choice[best], large)
    return tempered(said, temperature)


def _report(
    examples: Examples, random: np.ndarray, found: list[Any], moments: np.ndarray, name: str
) -> TimeReport:
    head = make_head(HEAD_OF[examples.target])
    task, output, targets = head.task, head.output(examples), targets_of(examples)
    groups = group_numbers(examples.groups, len(examples))
    each, sign, windows = confidence_of_each(2 * len(found)), -1 if task.is_error else 1, []
    for now, past, fresh, answers in found:
        within = None if groups is None else groups[fresh]
        ours, theirs = (
            sign * get_task(task.name).quality(targets[fresh], said, output)
            for said in (answers, random[fresh])
        )
        start, end = (
            f"{datetime.fromtimestamp(edge, UTC):%Y-%m-%d}"
            for edge in (moments[now].min(), moments[now].max())
        )
        windows.append(
            TimeWindow(
                start=start,
                end=end,
                learned=len(past),
                n=len(fresh),
                left_out=len(now) - len(fresh),
                quality=mean_of(ours, within, each),
                change=paired_difference_of(ours, theirs, within, each),
            )
        )
    return TimeReport(task.quality_name, not task.is_error, name, tuple(windows))
