"""A verification as a table to read, and as plain values."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import printable
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.estimate import encode_float
from kerasrecipes.statistics.shown import Part, of_groups
from kerasrecipes.statistics.tables import Table

if TYPE_CHECKING:
    from kerasrecipes.verify.changes import ClassChange, Flip
    from kerasrecipes.verify.verification import Verification

_SHOWN = 5
_CLEAR = 0.05


def to_plain(value: Any) -> Any:
    """Return tuples as lists and keys as text, as JSON has them.

    Example:
        >>> to_plain({1: (2, 3)})
        {'1': [2, 3]}
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    return encode_float(value) if isinstance(value, float) else value


def describe(found: "Verification") -> Iterator[Part]:
    """Describe a verification by a table, with the classes and photos that changed; its failures.

    Args:
        found: The numbers.
    """
    yield f"{printable(found.name)}: {'verified' if found.passed else 'FAILED'}"
    yield Table("", ("", ""), tuple((f"  {label}", text) for label, text in _rows(found)))
    yield from (f"  FAILED: {printable(failure)}" for failure in found.failures)


def _rows(found: "Verification") -> Iterator[tuple[str, str]]:
    task = get_task(found.task)
    same = "same top class" if task.target == CLASS else "same answer"
    photos = f"{found.photos} {found.noun}s{of_groups(found.groups)}"
    yield same, f"{100 * found.agreement:.1f} % of {photos}"
    if task.quality_name == "accuracy":
        accuracy, reference = 100 * found.accuracy, 100 * found.reference_accuracy
        yield "accuracy", f"{accuracy:.1f} % (original {reference:.1f} %)"
        yield "difference", f"{accuracy - reference:+.1f} points ({_intervals(found)})"
    else:
        yield from _quality(found, task)
    if found.mcnemar_p is not None:
        yield "lost and gained", _chance(found)
    yield from _limited(
        "class", [_class(c, found.noun) for c in found.classes if c.difference], "classes"
    )
    other = same.replace("same", "other")
    yield from _limited(other, [_flip(flip) for flip in found.flips], "flips")
    for one in found.decisions:
        changed = f"{one.lost} lost, {one.gained} gained"
        of = f"{one.photos} {found.noun}s"
        yield f"same {one.name}", f"{100 * one.agreement:.1f} % of {of} ({changed})"
    yield from _gap(found)
    yield "size", f"{found.size_bytes / 1e6:.2f} MB"
    if found.memory_bytes is not None:
        yield "peak memory", f"{found.memory_bytes / 1e6:.1f} MB beyond the runtime's own"
    if found.load_ms is not None:
        yield "time to load", f"{found.load_ms:.1f} ms"
    for count, latency in found.latency.items():
        yield f"latency, {count} thread{'s' if count > 1 else ''}", str(latency)
    yield "operators", _operators(found.ops)
    work = found.int8_work_fraction
    of_work = "" if work is None else f", {100 * work:.0f} % of the multiply-adds"
    yield "int8 coverage", f"{100 * found.int8_fraction:.0f} % of the layers with weights{of_work}"
    yield "non-built-in ops", str(found.non_builtin_ops)


def _quality(found: "Verification", task: Task) -> Iterator[tuple[str, str]]:
    output = OutputSpec(name="", task=task.name, unit=found.unit)
    now, before = (task.in_words(q, output) for q in (found.accuracy, found.reference_accuracy))
    yield task.quality_name, f"{now} (original {before})"
    ends = sorted(task.shown(end) for end in found.difference_interval)
    change = task.shown(found.accuracy_difference)
    unit = f" {found.unit}" if found.unit else ""
    told = f"95 % interval by bootstrap {ends[0]:+.2g} to {ends[1]:+.2g}"
    yield "difference", f"{change:+.2g}{unit} ({told})"


def _intervals(found: "Verification") -> str:
    low, high = (100 * end for end in found.difference_interval)
    told = f"95 % interval {low:+.1f} to {high:+.1f}"
    if found.difference_bootstrap is None:
        return told
    low, high = (100 * end for end in found.difference_bootstrap)
    return f"{told}, by bootstrap {low:+.1f} to {high:+.1f}"


def _chance(found: "Verification") -> str:
    if found.mcnemar_p is None or not (found.lost or found.gained):
        return f"no {found.noun} is lost, none is gained"
    verdict = "more than chance" if found.mcnemar_p < _CLEAR else "chance alone could do that"
    test = "McNemar's exact test" if found.groups is None else "exact test over groups"
    p = f"{test} p = {found.mcnemar_p:.2g}"
    return f"{found.lost} lost, {found.gained} gained: {verdict} ({p})"


def _class(found: "ClassChange", noun: str) -> str:
    low, high = (100 * end for end in found.interval)
    before, now = 100 * found.reference_recall, 100 * found.recall
    return (
        f"'{printable(found.name)}': {now:.1f} % of {found.photos} {noun}s found (original "
        f"{before:.1f} %), {now - before:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
    )


def _flip(found: "Flip") -> str:
    now = f"'{printable(found.after)}' ({found.after_score:.0%})" if found.after else "NaN"
    before = f"'{printable(found.before)}' ({found.before_score:.0%})"
    # Its folder and its name are enough to find it, and all that fits into a line.
    photo = "/".join(PurePath(found.photo).parts[-2:])
    return f"{printable(photo)} shows '{printable(found.label)}': {before} became {now}"


def _gap(found: "Verification") -> Iterator[tuple[str, str]]:
    if found.drop_unit == 1:
        mean = "" if found.mean_gap is None else f", {found.mean_gap:.2g} on average"
        yield "largest score gap", f"{found.largest_gap:.2g}{mean}"
    else:
        gap = f"{found.largest_gap * found.drop_unit:.2g} {found.unit}".strip()
        yield (
            "largest gap",
            f"{gap}, {found.largest_gap:.2%} of the spread of the original's numbers",
        )


def _limited(label: str, texts: list[str], field: str) -> Iterator[tuple[str, str]]:
    """Yield the first rows, and how many more there are."""
    for text in texts[:_SHOWN]:
        yield label, text
    if len(texts) > _SHOWN:
        yield "", f"and {len(texts) - _SHOWN} more; all are in `{field}` (--json)"


def _operators(ops: Mapping[str, int]) -> str:
    shown = [f"{count} {name}" for name, count in list(ops.items())[:4]]
    more = len(ops) - len(shown)
    return ", ".join(shown) + (f" and {more} more kinds" if more else "")
