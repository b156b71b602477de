"""Margins on the angle between an embedding and its class, in the loss alone.

A margin needs the true class, which only a loss knows; all else that it needs is the cosine
of the true class, which the scaled logits hold. So the model stays one from photos to scores.
"""

import math
from typing import Any

import keras
from keras import ops

from kerasrecipes.arguments import named
from kerasrecipes.losses.adjusted_cross_entropy import AdjustedCrossEntropy
from kerasrecipes.losses.checks import checked_number


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class ArcFace(AdjustedCrossEntropy):
    """The true class must win although its angle is made larger by `margin`.

    Soft targets get their share of the margin. With `margin=0` it is cross entropy.

    Args:
        margin: In radians, 0…π/2.
        scale: What the cosines are already multiplied by in the logits; that of the head.
        label_smoothing: How much of each target is spread over all classes, 0…1.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If an argument is out of range, or, when called, if targets are not one
            per class.

    Example:
        >>> loss = ArcFace(margin=0.5, scale=1.0)
        >>> logits = loss.adjusted(np.array([[1.0, 0.0]]), np.array([[np.cos(1.0), 0.3]]))
        >>> np.allclose(logits, [[np.cos(1.5), 0.3]])
        True

    Reference:
        Deng et al., 2019, "ArcFace: Additive Angular Margin Loss for Deep Face
        Recognition", equation 3.
    """

    def __init__(
        self, margin: float = 0.5, scale: float = 30.0, label_smoothing: float = 0.0, **options: Any
    ):
        super().__init__(label_smoothing, **options)
        self.margin = checked_number("margin", margin, 0, math.pi / 2)
        self.scale = checked_number("scale", scale, 0, above=True)

    def adjusted(self, targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        cosine = ops.clip(logits / self.scale, -1.0, 1.0)
        # The slope of the sine is infinite at an angle of 0: stop a little before it.
        sine = ops.sqrt(ops.maximum(1.0 - ops.square(cosine), 1e-6))
        turned = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        # Beyond π the cosine would rise again, and reward the worst: go on downwards in a line.
        beyond = cosine - (1.0 - math.cos(self.margin))
        turned = ops.where(cosine > -math.cos(self.margin), turned, beyond)
        return logits + targets * self.scale * (turned - cosine)

    def get_config(self) -> dict:
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}


@keras.saving.register_keras_serializable(package="kerasrecipes")
@named
class CosFace(AdjustedCrossEntropy):
    """The true class must win although its cosine is made smaller by `margin`.

    Soft targets get their share of the margin. With `margin=0` it is cross entropy.

    Args:
        margin: Of the cosine, 0…1.
        scale: What the cosines are already multiplied by in the logits; that of the head.
        label_smoothing: How much of each target is spread over all classes, 0…1.
        **options: `name`, `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If an argument is out of range, or, when called, if targets are not one
            per class.

    Example:
        >>> loss = CosFace(margin=0.25, scale=2.0)
        >>> loss.adjusted(np.array([[1.0, 0.0]]), np.array([[1.5, 0.5]]))
        array([[1. , 0.5]])

    Reference:
        Wang et al., 2018, "CosFace: Large Margin Cosine Loss for Deep Face Recognition",
        equation 4.
    """

    def __init__(
        self,
        margin: float = 0.35,
        scale: float = 30.0,
        label_smoothing: float = 0.0,
        **options: Any,
    ):
        super().__init__(label_smoothing, **options)
        self.margin = checked_number("margin", margin, 0, 1)
        self.scale = checked_number("scale", scale, 0, above=True)

    def adjusted(self, targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        return logits - targets * self.scale * self.margin

    def get_config(self) -> dict:
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}


LOSSES = {
    "arcface": {
        "make": "ArcFace",
        "on": "cosines",
        "options": ("margin", "scale"),
        "smooths": True,
    },
    "cosface": {
        "make": "CosFace",
        "on": "cosines",
        "options": ("margin", "scale"),
        "smooths": True,
    },
}
