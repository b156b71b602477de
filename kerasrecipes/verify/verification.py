"""The numbers of one verification, and which limits they break."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS
from kerasrecipes.errors import DataError
from kerasrecipes.heads import get_task
from kerasrecipes.records import checked
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.verify.changes import ClassChange, DecisionChange, Flip
from kerasrecipes.verify.latency import Latency
from kerasrecipes.verify.tolerance import Tolerance
from kerasrecipes.verify.wording import describe, to_plain


@dataclass(frozen=True)
class Verification(Shown):
    """How an exported file compares with the model it was made from.

    Args:
        name: E.g. `"tflite-int8"`.
        photos: Number of held-out photos.
        agreement: Fraction of photos with the same top class.
        accuracy: Of the exported file, against the labels.
        reference_accuracy: Of the original model on the same photos.
        accuracy_difference: The first minus the second.
        difference_interval: Its 95 % interval for paired results.
        largest_gap: Largest difference of any score.
        size_bytes: Size of the file.
        latency: Threads to milliseconds for one decoded photo.
        ops: How often each operator occurs.
        int8_fraction: Share of convolutions and dense layers that compute in 8 bits.
        non_builtin_ops: Operators that a plain runtime lacks; must be 0.
        tolerance: The limits that were applied.
        failures: One line per broken limit, with the numbers; empty when all is well.
        difference_bootstrap: The middle 95 % of the difference over resampled photos; `None`
            when every photo is judged alike, of which resamples know no more.
        lost: Photos that only the original gets right.
        gained: Photos that only the file gets right.
        mcnemar_p: How likely two equally good models would differ so, by McNemar's exact test, or
            where groups are declared by `sign_flip_p_value`.
        classes: Recall per class, largest loss first.
        flips: Photos with another top class, lost ones first.
        int8_work_fraction: Share of the multiply-adds that are done in 8 bits.
        load_ms: Milliseconds until the file is ready, in a process of its own.
        memory_bytes: Peak memory of loading and running it there, beyond the runtime's own;
            `None` where the system does not tell.
        task: What the file is for; see `kerasrecipes.heads.get_task`. Where that is not to name a
            class, `agreement` is by `Task.agree`, and `accuracy` the mean of `Task.quality`, an
            error with a minus; what tells of classes is empty where there are none.
        unit: Unit of the answers, where they are numbers.
        drop_unit: What `largest_gap` is in, and limits of a drop: 1 for scores, and for numbers
            the spread of the original's numbers.
        groups: Number of groups that the photos are of, by which intervals and the test go;
            `None` if none were declared.
        decisions: How the file acts at the operating point, if the model has one.
        noun: What people call an example.
        mean_gap: Mean over all photos of the largest difference of a photo's scores; `None`
            where answers are numbers.

    The fields after `failures` are `None` or empty in records of older versions.
    """

    name: str
    photos: int
    agreement: float
    accuracy: float
    reference_accuracy: float
    accuracy_difference: float
    difference_interval: tuple[float, float]
    largest_gap: float
    size_bytes: int
    latency: Mapping[int, Latency]
    ops: Mapping[str, int]
    int8_fraction: float
    non_builtin_ops: int
    tolerance: Tolerance
    failures: tuple[str, ...] = field(default=())
    difference_bootstrap: tuple[float, float] | None = None
    lost: int | None = None
    gained: int | None = None
    mcnemar_p: float | None = None
    classes: tuple[ClassChange, ...] = ()
    flips: tuple[Flip, ...] = ()
    int8_work_fraction: float | None = None
    load_ms: float | None = None
    memory_bytes: int | None = None
    task: str = "classification"
    unit: str = ""
    drop_unit: float = 1.0
    groups: int | None = None
    decisions: tuple[DecisionChange, ...] = ()
    noun: str = "photo"
    mean_gap: float | None = None

    @property
    def passed(self) -> bool:
        """Whether no limit was broken."""
        return not self.failures

    def to_dict(self) -> dict[str, object]:
        """Return the numbers as plain values for JSON."""
        told = {**to_plain(asdict(self)), "passed": self.passed}
        if self.noun == "photo":  # as all were, when records began
            del told["noun"]
        return told

    @classmethod
    @named
    def from_dict(cls, values: Mapping[str, object]) -> "Verification":
        """Rebuild a verification from `to_dict`.

        Raises:
            DataError: If the values are not those of a verification.
        """
        try:
            # What this version measures beyond older ones is left at its default; but a record
            # that says nothing of failures did not pass.
            found = checked(cls, {"failures": None, **checked(dict[str, Any], values)})
            get_task(found.task)
            return found
        except ValueError as error:
            raise DataError(
                f"This is not a verification: {error}. Verify the bundle again."
            ) from error

    def parts(self) -> Iterator[Part]:
        """Yield the verdict, the numbers and what failed."""
        return describe(self)


def find_failures(found: Mapping[str, Any], tolerance: Tolerance, bad_rows: int) -> tuple[str, ...]:
    """Say which limits the numbers of a verification break.

    Args:
        found: The fields of a `Verification` that have limits.
        tolerance: The limits.
        bad_rows: Number of photos that were answered with NaN or infinity.

    Returns:
        One line per broken limit, naming the number and the limit.
    """
    failures = []
    if bad_rows:
        failures.append(f"{bad_rows} of {found['photos']} photos are answered with NaN or infinity")
    task, unit = get_task(found.get("task", "classification")), found.get("drop_unit", 1.0)
    if not tolerance.allows_flips(found["agreement"], found["photos"]):
        kind = "top-1 agreement" if task.target == CLASS else "agreement"
        failures.append(
            f"{kind} {found['agreement']:.4f} on {found['photos']} photos is below "
            f"{tolerance.min_agreement:g}"
        )
    for one in found.get("decisions", ()):
        if not tolerance.allows_flips(one.agreement, one.photos):
            failures.append(
                f"at the operating point, {one.name} agrees for {one.agreement:.4f} of "
                f"{one.photos} photos ({one.lost} lost, {one.gained} gained), below "
                f"{tolerance.min_agreement:g}"
            )
    drop = -found["accuracy_difference"]
    if not tolerance.allows_drop(drop / unit, found["photos"]):
        before, after = (task.shown(found[n]) for n in ("reference_accuracy", "accuracy"))
        of_spread = "" if unit == 1 else f" of how far the numbers spread, {unit:.4g}"
        failures.append(
            f"{task.quality_name} {'rises' if task.is_error else 'drops'} by {drop:.4f}, from "
            f"{before:.4f} to {after:.4f}, more than {tolerance.max_accuracy_drop:g}{of_spread}"
        )
    if tolerance.max_score_gap is not None and found["largest_gap"] > tolerance.max_score_gap:
        failures.append(
            f"the largest score gap {found['largest_gap']:.3g} is above {tolerance.max_score_gap:g}"
        )
    mean = found.get("mean_gap")
    if mean is not None and not tolerance.allows_mean_gap(mean, found["photos"]):
        failures.append(
            f"scores move by {mean:.3g} on average, also where the answer is the same, which is "
            f"above {tolerance.max_mean_score_gap:g}"
        )
    return tuple(failures)
