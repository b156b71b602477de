"""The numbers of one verification, as data and as a table to read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.verify.latency import Latency
from kerasrecipes.verify.tolerance import Tolerance


@dataclass(frozen=True)
class Verification:
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

    @property
    def passed(self) -> bool:
        """Whether no limit was broken."""
        return not self.failures

    def to_dict(self) -> dict[str, object]:
        """Return the numbers as plain values for JSON."""
        values = asdict(self)
        values["difference_interval"] = list(self.difference_interval)
        values["failures"] = list(self.failures)
        values["latency"] = {str(n): asdict(latency) for n, latency in self.latency.items()}
        values["passed"] = self.passed
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Verification":
        """Rebuild a verification from `to_dict`.

        Raises:
            DataError: If the values are not those of a verification.
        """
        try:
            known = {f.name: values[f.name] for f in fields(cls)}
            known["difference_interval"] = tuple(values["difference_interval"])
            known["failures"] = tuple(values["failures"])
            known["latency"] = {int(n): Latency(**v) for n, v in values["latency"].items()}
            known["tolerance"] = Tolerance(**values["tolerance"])
            return cls(**known)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"This is not a verification: {printable(error)}. Verify the bundle again."
            ) from error

    def __str__(self) -> str:
        low, high = (100 * end for end in self.difference_interval)
        accuracy, reference = 100 * self.accuracy, 100 * self.reference_accuracy
        rows = [
            ("same top class", f"{100 * self.agreement:.1f} % of {self.photos} photos"),
            ("accuracy", f"{accuracy:.1f} % (original {reference:.1f} %)"),
            (
                "difference",
                f"{accuracy - reference:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})",
            ),
            ("largest score gap", f"{self.largest_gap:.2g}"),
            ("size", f"{self.size_bytes / 1e6:.2f} MB"),
            *(
                (
                    f"latency, {count} thread{'s' if count > 1 else ''}",
                    f"{latency.median_ms:.2f} ms median, {latency.p95_ms:.2f} ms p95",
                )
                for count, latency in self.latency.items()
            ),
            ("operators", _operators(self.ops)),
            ("int8 coverage", f"{100 * self.int8_fraction:.0f} % of the layers with weights"),
            ("non-built-in ops", str(self.non_builtin_ops)),
        ]
        lines = [f"{self.name}: {'verified' if self.passed else 'FAILED'}"]
        lines += [f"  {label:<20}{text}" for label, text in rows]
        lines += [f"  FAILED: {failure}" for failure in self.failures]
        return "\n".join(lines)


def _operators(ops: Mapping[str, int]) -> str:
    shown = [f"{count} {name}" for name, count in list(ops.items())[:4]]
    more = len(ops) - len(shown)
    return ", ".join(shown) + (f" and {more} more kinds" if more else "")


def find_failures(
    found: Mapping[str, float], tolerance: Tolerance, *, bad_rows: int, custom_ops: tuple[str, ...]
) -> tuple[str, ...]:
    """Say which limits the numbers of a verification break.

    Args:
        found: The fields of a `Verification` that have limits.
        tolerance: The limits.
        bad_rows: Number of photos that were answered with NaN or infinity.
        custom_ops: Operators that a plain runtime lacks.

    Returns:
        One line per broken limit, naming the number and the limit.
    """
    failures = []
    if bad_rows:
        failures.append(f"{bad_rows} of {found['photos']} photos are answered with NaN or infinity")
    if custom_ops:
        names = listed(sorted(set(custom_ops)))
        failures.append(f"{len(custom_ops)} operators are not built in: {names}")
    if not tolerance.allows_flips(found["agreement"], found["photos"]):
        failures.append(
            f"top-1 agreement {found['agreement']:.4f} on {found['photos']} photos is below "
            f"{tolerance.min_agreement:g}"
        )
    drop = -found["accuracy_difference"]
    if not tolerance.allows_drop(drop, found["photos"]):
        failures.append(
            f"accuracy drops by {drop:.4f}, from {found['reference_accuracy']:.4f} to "
            f"{found['accuracy']:.4f}, more than {tolerance.max_accuracy_drop:g}"
        )
    if tolerance.max_score_gap is not None and found["largest_gap"] > tolerance.max_score_gap:
        failures.append(
            f"the largest score gap {found['largest_gap']:.3g} is above {tolerance.max_score_gap:g}"
        )
    return tuple(failures)
