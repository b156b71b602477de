"""Lines of a journal as a look at new examples needs them."""

import hashlib
from collections.abc import Sequence

import numpy as np

from kerasrecipes.data.examples import CLASS, LABELS
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.profile import DIRECTIONS, ReferenceProfile
from kerasrecipes.heads import get_task
from kerasrecipes.serve.entry import Logged


class LoggedWindow:
    """Predictions of one window.

    Args:
        lines: Lines with an answer.
        left_out: Why others are left out, in plain words.
    """

    def __init__(self, lines: Sequence[Logged], left_out: Sequence[str] = ()):
        self.names = [line.entry.request_id for line in lines]
        self.sha256 = [hashlib.sha256(name.encode()).hexdigest() for name in self.names]
        self.unreadable: list[str] = []
        self._left_out = left_out

    def __len__(self) -> int:
        return len(self.names)

    def digest(self) -> str:
        """Return what tells this window from another."""
        return hashlib.sha256("\n".join(sorted(self.sha256)).encode()).hexdigest()

    def pictures(self, places: Sequence[int]) -> tuple[bytes, ...]:
        """Return nothing: a journal has no photos."""
        return ()

    def notes(self) -> list[str]:
        """Say what was left out."""
        return list(self._left_out)


def has_answer(line: Logged, output: OutputSpec) -> bool:
    """Tell whether a line holds a whole answer of a model."""
    return not line.entry.error and len(line.entry.answer) == output.width


def observed(lines: Sequence[Logged], profile: ReferenceProfile) -> Observed:
    """Return what was measured of lines, as `ReferenceProfile.sketched` does.

    Args:
        lines: Lines with an answer.
        profile: What they are compared with. Inputs and features that not all lines hold are left
            out.
    """
    entries = [line.entry for line in lines]
    inputs = {
        name: np.array([one.inputs[name] for one in entries], np.float32)
        for name in profile.facts.inputs
        if all(name in one.inputs for one in entries)
    }
    complete = all(len(one.features) == DIRECTIONS for one in entries)
    features = np.array([one.features if complete else () for one in entries], np.float16)
    answers = np.array([one.answer for one in entries], np.float32)
    count, width = len(entries), profile.facts.output.width
    sides = (features.reshape(count, DIRECTIONS * complete), answers.reshape(count, width))
    return Observed(inputs, *sides)


def targets_of(lines: Sequence[Logged], output: OutputSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return what lines should have been answered with, as `Task.targets` does.

    Args:
        lines: Lines with a truth.
        output: What the model answers with.

    Returns:
        The targets, and whether each line has one that the model can answer.
    """
    target, names = get_task(output.task).target, output.class_names
    rows: list[float | list[float]] = []
    usable = np.zeros(len(lines), bool)
    for place, truth in enumerate(line.truth for line in lines):
        several = {truth} if isinstance(truth, str) else truth
        if target == LABELS:
            given = several if isinstance(several, set | tuple) else {None}
            usable[place] = set(given) <= set(names)
            rows.append([float(name in given) for name in names])
        elif target == CLASS:
            usable[place] = isinstance(truth, str) and truth in names
            rows.append(float(names.index(str(truth))) if usable[place] else 0.0)
        else:
            usable[place] = isinstance(truth, float)
            rows.append(truth if isinstance(truth, float) else 0.0)
    return np.array(rows, np.float32), usable
