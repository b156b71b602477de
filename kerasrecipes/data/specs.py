"""What goes into a model, or a file of it, and what comes out, by name."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import keras

# What a probability is at least where it is raised to a power.
SMALLEST = 1e-30
# The task of an output that says what another one means.
DECISION = "decision"
DEFAULT_THRESHOLD = 0.5
# A longer text in a preparation has a file of its own in a bundle.
LONGEST_TEXT = 1000
_FILE = "file"


class ModelInput(BaseModel):
    """What a model takes.

    Args:
        name: Name of the input, e.g. `"photo"`.
        shape: Shape of one example, e.g. `(224, 224, 3)`; `None` where it is free.
        dtype: As a file takes it, e.g. `"uint8"`.
        preparation: How an example becomes such an array, as its kind of data writes it down,
            e.g. `DecodePolicy.to_dict()`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    preparation: dict[str, Any] = {}

    @classmethod
    def of(cls, model: "keras.Model", dtype: str, preparation: dict[str, Any]) -> "ModelInput":
        """Describe the one input of a model.

        Args:
            model: The model.
            dtype: As files of it take the input.
            preparation: How an example becomes an input.
        """
        tensor = model.inputs[0]
        name = tensor.name.partition(":")[0]
        return cls(name=name, shape=tensor.shape[1:], dtype=dtype, preparation=preparation)

    def without_files(self) -> tuple["ModelInput", dict[str, bytes]]:
        """Return the spec with names in place of long texts, e.g. of a tokenizer, and the texts.

        Returns:
            The spec, and what the files of those names are to hold.
        """
        told, files = dict(self.preparation), {}
        for key, value in self.preparation.items():
            if isinstance(value, str) and len(value) > LONGEST_TEXT:
                files[f"{key}.json"] = value.encode()
                told[key] = {_FILE: f"{key}.json"}
        return self.model_copy(update={"preparation": told}), files

    def with_files(self, read: Callable[[str], bytes]) -> "ModelInput":
        """Return the spec with the texts that `without_files` has named.

        Args:
            read: Returns the content of a file by its name.

        Raises:
            UnicodeDecodeError: If a file holds no text.
        """
        told = {
            key: read(value[_FILE]).decode() if _is_file(value) else value
            for key, value in self.preparation.items()
        }
        return self.model_copy(update={"preparation": told})


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {_FILE} and isinstance(value[_FILE], str)


class Alarm(BaseModel):
    """From which score on a classifier raises an alarm.

    Args:
        classes: The classes that are alarmed about; their scores are added up.
        threshold: From this sum on there is an alarm.
        positives: Number of validation photos, or groups, of these classes; 0 if not known.
        found: How many of them raise an alarm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    threshold: float
    positives: int = 0
    found: int = 0

    def raised(self, scores: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
        """Tell which scores raise an alarm.

        Args:
            scores: Probabilities, shape `(n, classes)`.
            class_names: The classes, in the order of the scores.

        Returns:
            bool, shape `(n,)`.
        """
        chosen = [i for i, name in enumerate(class_names) if name in self.classes]
        return np.asarray(scores, np.float64)[:, chosen].sum(axis=1) >= self.threshold


class AbstainBand(BaseModel):
    """Which classes an answer leaves open; it is left to a person unless that is one.

    Args:
        least: The score that a class must have to be left open, one for each class.
        coverage: Share of photos to come whose right class is left open, 0…1; `None` where
            something else was wished for.
        per_class: Whether that share holds for photos of each class.
        confidence: Probability that it holds; `None` where it holds on average over all that the
            band might have been made of.
        photos: How many photos, one of each group, it was made of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    least: tuple[float, ...]
    coverage: float | None = None
    per_class: bool = False
    confidence: float | None = None
    photos: int = 0

    def open_classes(self, scores: np.ndarray) -> np.ndarray:
        """Tell which classes are left open.

        Args:
            scores: Probabilities, shape `(n, classes)`.

        Returns:
            bool, of the same shape.
        """
        return np.asarray(scores, np.float64) >= np.array(self.least)

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Return the one class that each answer leaves open, int64 `(n,)`; −1 for a person."""
        found = self.open_classes(scores)
        return np.where(found.sum(axis=1) == 1, found.argmax(axis=1), -1)


class CostRule(BaseModel):
    """Answering what is expected to cost least.

    Args:
        costs: For each true class, what each answer costs, in any unit.
        abstain: For each true class, what leaving it to a person costs; empty where that is not
            to be had.
        temperature: What logits are divided by for probabilities that are honest; see
            `temperature_scale`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    costs: tuple[tuple[float, ...], ...]
    abstain: tuple[float, ...] = ()
    temperature: float = 1.0

    def matrix(self) -> np.ndarray:
        """Return all costs, float64, shape `(classes, answers)`; the last may be a person."""
        found = np.array(self.costs)
        return np.column_stack([found, self.abstain]) if self.abstain else found

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Return the cheapest class for each row of probabilities, int64 `(n,)`; −1 for a person.

        Args:
            scores: Probabilities, shape `(n, classes)`.
        """
        scores = np.asarray(scores, np.float64)
        # Without a sum to divide by: only the order of the costs decides.
        chances = np.maximum(scores, SMALLEST) ** (1 / self.temperature)
        chosen = (chances @ self.matrix()).argmin(axis=1)
        known = np.isfinite(scores).all(axis=1) & (chosen < len(self.costs))
        return np.where(known, chosen, -1)

    def paid(self, targets: np.ndarray, decisions: np.ndarray) -> np.ndarray:
        """Return what each decision costs, float64 `(n,)`.

        Args:
            targets: Index of the right class, shape `(n,)`.
            decisions: As `decide` returns them.
        """
        return self.matrix()[targets, decisions]


class OutputSpec(BaseModel):
    """What a model answers with, under one name.

    Args:
        name: Name of the output, e.g. `"scores"`.
        task: What it is an answer to; see `kerasrecipes.heads.get_task`.
        class_names: What its columns stand for, in order; empty for a number.
        thresholds: From which score on a label is given, one for each; empty where the highest
            score decides.
        unit: Unit of a number, e.g. `"mm"`.
        alarm: When to raise an alarm, if that was chosen; see `operate_bundle`.
        shape: Height and width of a map, whose places are the numbers of an answer, row by row.
        tile: Height and width of the tiles of the input that the places of a map stand for, where
            these are spread evenly over it.
        abstain: When to leave an answer to a person, if that was chosen; see there, too.
        costs: What mistakes cost, where they decide what is answered.
        rest: The class that examples of any other name are of; `None` where such are refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: str
    class_names: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    unit: str = ""
    alarm: Alarm | None = None
    shape: tuple[int, int] | None = None
    tile: tuple[int, int] | None = None
    abstain: AbstainBand | None = None
    costs: CostRule | None = None
    rest: str | None = None

    def limits(self) -> np.ndarray:
        """Return from which score on each label is given, shape `(labels,)`."""
        return np.array(self.thresholds or [DEFAULT_THRESHOLD] * len(self.class_names))

    @property
    def rule(self) -> AbstainBand | CostRule | None:
        """What decides which class is answered, where that is not the highest score."""
        return self.abstain if self.costs is None else self.costs

    def without_rule(self) -> "OutputSpec":
        """Return the same where the highest score decides."""
        return self.model_copy(update={"abstain": None, "costs": None})

    @property
    def abstains(self) -> bool:
        """Whether an answer may be left to a person."""
        return self.abstain is not None or (self.costs is not None and bool(self.costs.abstain))

    @property
    def decides(self) -> bool:
        """Whether it says what another output means."""
        return self.task == DECISION

    @property
    def width(self) -> int:
        """How many numbers an answer has."""
        return max(1, len(self.class_names)) if self.shape is None else math.prod(self.shape)
