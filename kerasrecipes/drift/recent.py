"""The last windows together: what each hides by itself, several show.

All windows are compared with one reference, so its luck stands in every comparison, and evidence
must not be added up as if each look were news. Windows are put together instead, and compared
with the reference by one test, in which its luck counts once.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from kerasrecipes.drift.comparing import compare_with
from kerasrecipes.drift.observed import Observed, example_keys
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.drift.shift import Shift, p_of_look
from kerasrecipes.file_budget import read_arrays
from kerasrecipes.regular import LARGEST_RECORD
from kerasrecipes.statistics.two_sample import any_of

# So many of the last windows are looked at together: a month, and a season, of weekly ones.
SPANS = (1, 4, 16)
_INPUT = "input "


@dataclass(frozen=True)
class Measured:
    """A window as it is remembered.

    Args:
        seen: Its measurements, as `ReferenceProfile.sketched` returns them.
        keys: What tells one example from another, uint64 `(n,)`.
    """

    seen: Observed
    keys: np.ndarray

    @classmethod
    def of(cls, seen: Observed, sha256: Sequence[str]) -> Self:
        """Take down a window.

        Args:
            seen: Its measurements.
            sha256: Digest of each example's file.
        """
        return cls(seen, example_keys(sha256))

    def with_others(self, other: Self) -> Self:
        """Return the examples of both, those in both once."""
        new = np.flatnonzero(~np.isin(other.keys, self.keys))
        sides = self.seen, other.seen.rows(new)
        keys = self.keys, other.keys[new]
        if any(side.groups is not None for side in sides):
            # Each example of the side that names none is a group of its own.
            one, two = (
                side if side.groups is not None else replace(side, groups=own)
                for side, own in zip(sides, keys, strict=True)
            )
            sides = one, two
        return type(self)(sides[0].with_rows(sides[1]), np.concatenate(keys))

    def to_bytes(self) -> bytes:
        """Return what `read` reads, some ten kilobytes."""
        arrays = {_INPUT + name: values for name, values in self.seen.inputs.items()}
        for name in ("targets", "groups"):
            if (values := getattr(self.seen, name)) is not None:
                arrays[name] = values
        file = io.BytesIO()
        np.savez_compressed(
            file,
            keys=self.keys,
            features=self.seen.features,
            answers=self.seen.answers,
            **arrays,  # type: ignore[arg-type]
        )
        return file.getvalue()

    @classmethod
    def read(cls, content: bytes, like: Observed) -> Self:
        """Read what `to_bytes` wrote.

        Args:
            content: The bytes.
            like: A window of the same model.

        Raises:
            ValueError: If they are damaged, or of another model.
        """
        held = read_arrays(io.BytesIO(content), LARGEST_RECORD)
        inputs = {name: held.get(_INPUT + name, np.zeros(0)) for name in like.inputs}
        known = held.get("targets"), held.get("groups")
        seen = Observed(inputs, held["features"], held["answers"], *known)
        found = cls(seen, held["keys"])
        sides = (_arrays(one, like.targets is not None) for one in (seen, like))
        count = len(found.keys)
        for now, then in zip(*sides, strict=True):
            if now.shape != (count, *then.shape[1:]) or not np.isfinite(now).all():
                raise ValueError(f"a window has an array of the shape {now.shape}, or NaN")
        if seen.groups is not None and seen.groups.shape != (count,):
            raise ValueError(f"a window has groups of the shape {seen.groups.shape}")
        return found


def _arrays(seen: Observed, labelled: bool) -> list[np.ndarray]:
    found = [seen.features, seen.answers, *seen.inputs.values()]
    return [*found, np.zeros(0) if seen.targets is None else seen.targets] if labelled else found


@dataclass(frozen=True)
class Together:
    """How the last windows differ from the reference, taken together.

    Args:
        windows: How many they are, with the one looked at now.
        p_value: How likely the most different of all such spans would be so different, if
            nothing had changed.
        shifts: What every test found.
    """

    windows: int
    p_value: float
    shifts: tuple[Shift, ...]


def compare_recent(
    profile: ReferenceProfile,
    now: Measured,
    shifts: tuple[Shift, ...],
    earlier: Sequence[Measured],
    seed: int = 0,
) -> Together:
    """Compare the last windows with a profile, one of them, four and sixteen.

    Args:
        profile: The reference.
        now: The window of this look.
        shifts: What `compare_with` found of it alone.
        earlier: Those before it, the last one first.
        seed: Seed of what is drawn.

    Returns:
        The span of windows that is least likely by chance. Its p-value is valid whatever the
        reference is like by luck, since each span is one sample that is compared with one other.

    Reference:
        Lai, 1995, "Sequential changepoint detection in quality control and dynamical systems",
        for windows of a few lengths that lose little against all lengths.
    """
    found = {1: shifts}
    joined = now
    for number, other in enumerate(earlier[: SPANS[-1] - 1], start=2):
        joined = joined.with_others(other)
        if number in SPANS or (number == 1 + len(earlier) and number < SPANS[-1]):
            found[number] = compare_with(profile, joined.seen, seed)
    p_values = {windows: p_of_look(one) for windows, one in found.items()}
    least = min(p_values, key=lambda windows: (p_values[windows], windows))
    return Together(least, any_of(list(p_values.values())), found[least])
