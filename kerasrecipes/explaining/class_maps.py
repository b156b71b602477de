"""Which places of a photo a model's score comes from: gradients times features."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.errors import listed, unknown_name
from kerasrecipes.keras_private import functional_of, nodes_in_order
from kerasrecipes.surgery.rebuilding import flattened, is_functional

if TYPE_CHECKING:
    import keras

METHODS = ("layercam", "exact")
LOGITS = "logits"
# LayerCAM reads so many depths, each with twice the places of the one above it.
DEPTHS = 2
# Shallow maps are sharpened before they join the deep one.
_GAIN = 2.0
_TINY = 1e-30


class ClassMaps:
    """Maps of where a model's score for a class comes from.

    Args:
        model: A functional or sequential model from photos, also one that holds other models. Its
            scores may come from a layer `"logits"`, be probabilities that add up to 1, or be
            numbers of any kind.
        method: `"exact"` for each place's share in the score, by the deepest features: where
            these are pooled and one dense layer follows, all shares and the bias add up to the
            score (Draelos & Carin, 2020, "Use HiResCAM instead of Grad-CAM"). Of a head that reads
            several depths, it is the share of the last one alone. `"layercam"` for
            what supports the score at two depths, which shows finer places (Jiang et al., 2021,
            "LayerCAM", equations 5 to 7).

    Raises:
        ValueError: If the method is unknown, the model is not functional, does not have one
            input, or has no features with places.
    """

    def __init__(self, model: "keras.Model", method: str = "layercam"):
        import keras

        if method not in METHODS:
            raise unknown_name("method", method, METHODS, "the documentation of kr.heatmap")
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "Heatmaps are computed by the Keras backend 'tensorflow'. Set "
                "KERAS_BACKEND=tensorflow before keras is imported; models of other backends load."
            )
        if not is_functional(model) or len(model.inputs) != 1:
            raise ValueError(
                f"`model` must be a functional or sequential model with one input; {model.name!r} "
                "is none, so its features cannot be found."
            )
        self.method = method
        flat = flattened(functional_of(model))
        features = _deepest(flat, 1 if method == "exact" else DEPTHS)
        self.input_shape = tuple(flat.inputs[0].shape[1:])
        scores = flat.outputs[0]
        self.from_logits = any(layer.name == LOGITS for layer in flat.layers)
        logits = flat.get_layer(LOGITS).output if self.from_logits else scores
        self._probe = keras.Model(flat.inputs[0], [*features, logits, scores])

    @property
    def width(self) -> int:
        """How many scores the model gives."""
        return int(self._probe.outputs[-1].shape[-1])

    def of(
        self, inputs: np.ndarray, classes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Map where the scores of some photos come from.

        Args:
            inputs: What the model takes, shape `(n, height, width, channels)`.
            classes: Number of the score to explain, for each photo; -1 for the highest.

        Returns:
            The maps, float32, shape `(n, h, w)`, coarser than the photos: of `"exact"` shares of
            the score, with sign; of `"layercam"` from 0 up. The model's answers, shape
            `(n, width)`. And the number of the score that was explained, shape `(n,)`.
        """
        import tensorflow as tf

        photos = tf.convert_to_tensor(np.asarray(inputs, np.float32))
        with tf.GradientTape() as tape:
            tape.watch(photos)  # weights that are frozen are not watched
            *features, logits, scores = self._probe(photos, training=False)
            answers = np.asarray(scores)
            chosen = np.where(classes < 0, answers.argmax(axis=1), classes)
            explained = tf.reduce_sum(self._explained(logits) * _contrast(chosen, answers.shape))
        gradients = tape.gradient(explained, features)
        return self._joined(list(map(np.asarray, features)), gradients), answers, chosen

    def _explained(self, logits: Any) -> Any:
        """Return scores whose differences are those of the logits."""
        import tensorflow as tf

        sums = np.asarray(tf.reduce_sum(logits, axis=-1))
        probabilities = not self.from_logits and logits.shape[-1] > 1
        if probabilities and np.allclose(sums, 1, atol=1e-3) and np.all(np.asarray(logits) >= 0):
            return tf.math.log(tf.maximum(logits, _TINY))
        return logits

    def _joined(self, features: list[np.ndarray], gradients: list[Any]) -> np.ndarray:
        slopes = [
            np.zeros_like(one) if slope is None else np.asarray(slope)
            for one, slope in zip(features, gradients, strict=True)
        ]
        if self.method == "exact":
            return (features[0] * slopes[0]).sum(axis=-1)
        maps = [
            np.maximum((np.maximum(slope, 0) * one).sum(axis=-1), 0)
            for one, slope in zip(features, slopes, strict=True)
        ]
        finest = max((one.shape[1:] for one in maps), key=np.prod)
        scaled = [_scaled(one) for one in maps]
        joined = scaled[0] if scaled[0].shape[1:] == finest else enlarged(scaled[0], finest)
        for one in scaled[1:]:
            joined = np.maximum(joined, np.tanh(_GAIN * enlarged(one, finest)) / np.tanh(_GAIN))
        return joined


def _contrast(chosen: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Compare each chosen score with the mean of the others; one that is alone with nothing."""
    contrast = np.full(shape, -1 / max(1, shape[1] - 1), np.float32)
    contrast[np.arange(shape[0]), chosen] = 1
    return contrast


def _scaled(maps: np.ndarray) -> np.ndarray:
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), _TINY)


def _deepest(model: "keras.Model", depths: int) -> list[Any]:
    """Find the last features of each size that have places, the deepest first."""
    found: dict[tuple[int, ...], Any] = {}
    for node in nodes_in_order(model):
        for tensor in node.outputs if not node.is_input else ():
            shape = tuple(tensor.shape)
            if len(shape) == 4 and None not in shape[1:3] and min(shape[1:3]) > 1:
                found.pop(shape[1:3], None)
                found[shape[1:3]] = tensor
    if not found:
        layers = listed([layer.name for layer in model.layers], 8)
        raise ValueError(
            f"`model` has no features with places, height by width by channels, among {layers}. "
            "A heatmap is of a convolutional network for photos of one size."
        )
    return list(reversed(found.values()))[:depths]


def enlarged(maps: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Resize maps, bilinearly.

    Args:
        maps: Shape `(n, h, w)`.
        size: `(height, width)` of the result.
    """
    from PIL import Image

    order, height_width = Image.Resampling.BILINEAR, (int(size[1]), int(size[0]))
    one_by_one = [Image.fromarray(one.astype(np.float32)) for one in maps]
    resized = [np.asarray(one.resize(height_width, order)) for one in one_by_one]
    return np.stack(resized) if resized else np.zeros((0, *size), np.float32)
