"""What goes into a model, or a file of it, and what comes out, by name."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import keras


class InputSpec(BaseModel):
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
    def of(cls, model: "keras.Model", dtype: str, preparation: dict[str, Any]) -> "InputSpec":
        """Describe the one input of a model.

        Args:
            model: The model.
            dtype: As files of it take the input.
            preparation: How an example becomes an input.
        """
        tensor = model.inputs[0]
        name = tensor.name.partition(":")[0]
        return cls(name=name, shape=tensor.shape[1:], dtype=dtype, preparation=preparation)


class OutputSpec(BaseModel):
    """What a model answers with, under one name.

    Args:
        name: Name of the output, e.g. `"scores"`.
        task: What it is an answer to; see `kerasrecipes.heads.get_task`.
        class_names: What its columns stand for, in order; empty for a number.
        thresholds: From which score on a label is given, one for each; empty where the highest
            score decides.
        unit: Unit of a number, e.g. `"mm"`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: str
    class_names: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    unit: str = ""

    @property
    def width(self) -> int:
        """How many numbers an answer has."""
        return max(1, len(self.class_names))
