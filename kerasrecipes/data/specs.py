"""What goes into a model, or a file of it, and what comes out, by name."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import keras


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


class Alarm(BaseModel):
    """From which score on a classifier raises an alarm.

    Args:
        classes: The classes that are alarmed about; their scores are added up.
        threshold: From this sum on there is an alarm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    threshold: float

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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: str
    class_names: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    unit: str = ""
    alarm: Alarm | None = None
    shape: tuple[int, int] | None = None

    @property
    def width(self) -> int:
        """How many numbers an answer has."""
        return max(1, len(self.class_names)) if self.shape is None else math.prod(self.shape)
