"""A calibrated temperature and a decision threshold, folded into the last layer of a model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.errors import listed, unknown_name
from kerasrecipes.keras_private import maker_of

if TYPE_CHECKING:
    import keras

_SMALLEST = 1e-30


@dataclass(frozen=True)
class Decision:
    """What is changed in a model's scores on the way into an exported file.

    Both only scale and shift the logits, so they fit into the weights of the last layer: the
    file is no larger, no slower, and the same in every format.

    Args:
        temperature: Logits are divided by it, see `temperature_scale`.
        threshold: One class to the probability from which it is to be chosen, of a model with
            two classes. The file's top class then follows it, which makes its scores no
            probabilities any more: the threshold itself is moved to 0.5.

    Raises:
        ValueError: If a value is not legal.

    Example:
        >>> strict = Decision(threshold={"defective": 0.3})
        >>> strict.apply(np.array([[0.69, 0.31], [0.71, 0.29]]), ["good", "defective"]).argmax(1)
        array([1, 0])
    """

    temperature: float = 1.0
    threshold: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not (_is_number(self.temperature) and 0 < self.temperature < math.inf):
            raise ValueError(
                f"`temperature` must be a number > 0, received {self.temperature!r}. "
                "temperature_scale finds one."
            )
        if self.threshold is None:
            return
        values = list(self.threshold.values()) if isinstance(self.threshold, Mapping) else []
        if len(values) != 1 or not (_is_number(values[0]) and 0 < values[0] < 1):
            raise ValueError(
                "`threshold` must map one class to a probability between 0 and 1, e.g. "
                f"{{'defective': 0.3}}, received {self.threshold!r}."
            )

    @property
    def changes(self) -> bool:
        """Whether there is anything to fold."""
        return self.temperature != 1.0 or self.threshold is not None

    def to_dict(self) -> dict[str, object]:
        """Return what was changed, as plain values for JSON; empty if nothing was."""
        found: dict[str, object] = {}
        if self.temperature != 1.0:
            found["temperature"] = self.temperature
        if self.threshold is not None:
            found["threshold"] = dict(self.threshold)
        return found

    def __str__(self) -> str:
        said = []
        if self.temperature != 1.0:
            said.append(f"logits divided by {self.temperature:g}")
        for name, value in (self.threshold or {}).items():
            said.append(
                f"{listed([name])} from a probability of {value:g} on, which is a score of 0.5"
            )
        return "; ".join(said)

    def check(self, class_names: Sequence[str]) -> None:
        """Make sure that the threshold fits the classes.

        Args:
            class_names: The labels, in the order of the scores.

        Raises:
            ValueError: If the class is unknown, or there are not two classes.
        """
        if self.threshold is None:
            return
        (name,) = self.threshold
        if name not in class_names:
            raise unknown_name("class", name, class_names, "Bundle.class_names")
        if len(class_names) != 2:
            raise ValueError(
                f"`threshold` needs a model with two classes, and this one has "
                f"{len(class_names)}: one shift of a score cannot follow a threshold among "
                "several. Leave it out, and compare the class's score in your app."
            )

    def shifts(self, class_names: Sequence[str]) -> np.ndarray:
        """Return what is added to each logit after the division, float64."""
        return np.array(
            [
                -math.log(self.threshold[name] / (1 - self.threshold[name]))
                if self.threshold and name in self.threshold
                else 0.0
                for name in class_names
            ]
        )

    def apply(self, scores: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
        """Change scores as the file does.

        Args:
            scores: Probabilities, shape `(n, classes)`.
            class_names: The labels, in the order of the scores.

        Returns:
            The changed scores; `scores` themselves when there is nothing to change.
        """
        if not self.changes:
            return scores
        logits = np.log(np.maximum(scores, _SMALLEST)) / self.temperature
        logits = logits + self.shifts(class_names)
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def fold(self, model: "keras.Model", class_names: Sequence[str]) -> None:
        """Change the weights of a model's last layer.

        Args:
            model: Ends in a dense layer and a softmax; it is changed in place.
            class_names: The labels, in the order of the scores.

        Raises:
            ValueError: If the model ends otherwise.
        """
        if not self.changes:
            return
        layer = last_dense(model)
        if layer is None:
            raise ValueError(
                "`temperature` and `threshold` are folded into a dense layer with biases before "
                "a softmax, and this model does not end in one. Leave them out."
            )
        kernel, bias = layer.get_weights()
        layer.set_weights(
            [kernel / self.temperature, bias / self.temperature + self.shifts(class_names)]
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def last_dense(model: "keras.Model") -> "keras.layers.Dense | None":
    """Return the dense layer with biases that makes the logits, if only a softmax follows.

    Args:
        model: A functional classifier.

    Returns:
        The layer, or `None` if the model ends otherwise.
    """
    from keras import activations, layers

    last = model.layers[-1]
    if isinstance(last, layers.Softmax):
        last, wanted = maker_of(last.input), activations.linear
    else:
        wanted = activations.softmax
    fits = isinstance(last, layers.Dense) and last.activation is wanted and last.use_bias
    return last if fits else None
