"""MixUp and CutMix: training batches in which every photo is mixed with another one.

Mixing happens where batches are formed, so that it works on photos and on cached features
alike (Verma et al., 2019, "Manifold Mixup"), and labels and class weights follow the pixels.
Keras's `MixUp` and `CutMix` layers draw from one running state and know no sample weights;
here a batch is a pure function of the seed and its step, so that a resumed run sees the same.
"""

import math
from typing import TYPE_CHECKING, Any

from kerasrecipes.errors import unknown_name

if TYPE_CHECKING:
    import tensorflow as tf


def mix_batches(
    dataset: "tf.data.Dataset",
    kind: str,
    alpha: float = 0.2,
    seed: int = 0,
    *,
    first_step: int = 0,
) -> "tf.data.Dataset":
    """Mix the examples of each training batch in pairs, with their targets and weights.

    Partners come from a permutation of the batch; now and then an example is its own partner.
    Use it on training data only. A training accuracy that is measured on mixtures, as Keras's
    `CategoricalAccuracy` does, is the share of them in which the model ranks the heavier of
    the two labels first: it lies below the validation accuracy, and that is no underfitting.

    Weights are mixed so that the loss of a mixture is the mixture of both weighted losses, as
    long as the loss is linear in the target, which cross-entropy is, also with label
    smoothing: a weight of `share·w₁ + (1 − share)·w₂`, and in the target each label counts by
    its share times its weight. With equal weights these are the shares themselves.

    Args:
        dataset: Batches of `(inputs, target, weight)` or `(inputs, target)`: inputs of any
            float type, photos or feature maps; targets with one column per class; one weight
            per example.
        kind: `"mixup"` blends two inputs. `"cutmix"` pastes a box of one into the other; both
            then count by the area that is seen of them.
        alpha: The first share is drawn from a Beta(alpha, alpha) distribution for each
            example: small values leave most examples nearly alone, 1 makes all shares equally
            likely. MixUp's paper uses 0.2 and 0.4, CutMix's 1.
        seed: Seed of partners, shares and boxes.
        first_step: Number of batches before this data set's first one, when resuming.

    Returns:
        A dataset like the one given, of the same length.

    Raises:
        ValueError: If `kind` is unknown, `alpha` is not positive, or the batches are not as
            described.

    Example:
        >>> import tensorflow as tf
        >>> batch = ([[0.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
        >>> batches = tf.data.Dataset.from_tensor_slices(batch).batch(2)
        >>> inputs, target, weight = next(iter(mix_batches(batches, "mixup", seed=2)))
        >>> bool(tf.reduce_all(inputs == target[:, 1:]))
        True

    Reference:
        Zhang et al., 2018, "mixup: Beyond Empirical Risk Minimization", equation 2.
        Yun et al., 2019, "CutMix", equations 1 and 2.
    """
    import tensorflow as tf

    if kind not in MIXERS:
        raise unknown_name("way to mix", kind, MIXERS, "kerasrecipes.data.mixing")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < math.inf:
        raise ValueError(f"`alpha` must be a positive number, not {alpha!r}.")
    _check_batches(dataset.element_spec, kind)

    def mix(step: Any, batch: Any) -> Any:
        inputs, target, *weight = batch
        count = tf.shape(target)[0]
        seeds = tf.random.split([tf.cast(seed, tf.int64), step], 4)
        partner = tf.random.experimental.stateless_shuffle(tf.range(count), seeds[0])
        share = _draw_shares(count, alpha, seeds[1:3])
        mixed, share = MIXERS[kind](inputs, tf.gather(inputs, partner), share, seeds[3])
        mixed = tf.ensure_shape(mixed, inputs.shape)
        if not weight:
            return mixed, _blend(target, partner, share)
        weight = tf.cast(weight[0], target.dtype)
        heavy = _blend(target * weight[:, None], partner, share)
        weight = _blend(weight, partner, share)
        return mixed, tf.math.divide_no_nan(heavy, weight[:, None]), weight

    return dataset.enumerate(first_step).map(mix)


def _check_batches(spec: Any, kind: str) -> None:
    if (
        not isinstance(spec, tuple)
        or len(spec) not in {2, 3}
        or not all(hasattr(part, "shape") for part in spec)
    ):
        raise ValueError(
            "`dataset` must give (inputs, target, weight) or (inputs, target), each one tensor. "
            f"Received: {spec}."
        )
    inputs, target = spec[:2]
    if not target.dtype.is_floating or target.shape.rank != 2:
        raise ValueError(
            "`dataset` must give targets with one float column per class, since a mixture has "
            f"two labels, not {target.dtype.name} of shape {target.shape}. Pass one-hot labels."
        )
    if not inputs.dtype.is_floating:
        raise ValueError(f"`dataset` must give float inputs, not {inputs.dtype.name}. Cast them.")
    if kind == "cutmix" and (inputs.shape.rank != 4 or tuple(inputs.shape[1:3]) == (1, 1)):
        raise ValueError(
            "CutMix pastes boxes, so it needs inputs of shape (batch, height, width, channels) "
            f"with more than one place, not {inputs.shape}. Use kind='mixup'."
        )


def _draw_shares(count: Any, alpha: float, seeds: Any) -> Any:
    """Draw from Beta(alpha, alpha): by logarithms, since for a small alpha both gamma draws
    behind it can be too small for a float, and their ratio is then no number."""
    import tensorflow as tf

    # Gamma(a) = Gamma(a + 1) · U^(1/a), of which 1 - U is never 0.
    gamma = tf.random.stateless_gamma([2, count], seeds[0], alpha + 1.0)
    uniform = 1.0 - tf.random.stateless_uniform([2, count], seeds[1])
    logarithm = tf.math.log(gamma) + tf.math.log(uniform) / alpha
    return tf.sigmoid(logarithm[0] - logarithm[1])


def _mix_up(inputs: Any, others: Any, share: Any, seed: Any) -> Any:
    return _weighted(inputs, others, share), share


def _cut_mix(inputs: Any, others: Any, share: Any, seed: Any) -> Any:
    """Paste a box around any place; what of it lies outside is cut off, as in the paper."""
    import tensorflow as tf

    height, width = tf.unstack(tf.shape(inputs)[1:3])
    middle = tf.random.stateless_uniform([2, tf.size(share)], seed)
    half = tf.sqrt(1.0 - share) / 2
    rows, columns = _inside(height, middle[0], half), _inside(width, middle[1], half)
    pasted = rows[:, :, None] & columns[:, None, :]
    seen = 1.0 - tf.reduce_mean(tf.cast(pasted, tf.float32), axis=(1, 2))
    return tf.where(pasted[..., None], others, inputs), seen


def _inside(length: Any, middle: Any, half: Any) -> Any:
    """Tell which of `length` pixels have their centre near `middle`, as fractions of 1."""
    import tensorflow as tf

    centres = (tf.range(length, dtype=tf.float32) + 0.5) / tf.cast(length, tf.float32)
    return tf.abs(centres - middle[:, None]) < half[:, None]


MIXERS = {"mixup": _mix_up, "cutmix": _cut_mix}


def _blend(values: Any, partner: Any, share: Any) -> Any:
    import tensorflow as tf

    return _weighted(values, tf.gather(values, partner), share)


def _weighted(first: Any, second: Any, share: Any) -> Any:
    import tensorflow as tf

    shape = tf.concat([tf.shape(share), tf.ones(tf.rank(first) - 1, tf.int32)], 0)
    share = tf.cast(tf.reshape(share, shape), first.dtype)
    return first * share + second * (1 - share)
