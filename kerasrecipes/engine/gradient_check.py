"""Checking the gradients of a layer, a loss or a model against finite differences."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.console import say
from kerasrecipes.errors import VerificationError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of a check.

    Args:
        largest_error: Largest relative error of the entries that were compared.
        where: The entry with that error, e.g. `"kernel[2, 0]"`.
        analytic: Its derivative by automatic differentiation.
        numeric: Its derivative by finite differences.
        compared: Number of entries that were compared.
    """

    largest_error: float
    where: str
    analytic: float
    numeric: float
    compared: int


@named
def check_gradients(
    target: "Callable[..., Any] | keras.Layer",
    *inputs: np.ndarray,
    constant: tuple[int, ...] = (),
    tolerance: float = 1e-6,
    step: float = 1e-5,
    entries: int = 100,
    seed: int = 0,
) -> GradientCheck:
    """Compare automatic differentiation with central differences, in float64.

    The derivative is that of a random projection of the output, with respect to every input
    and, for a layer or a model, every trainable weight. Layers and models are checked as a
    float64 copy, in inference mode; of a loss, `call` is checked, so that each row counts.
    Where a function has a kink, as ReLU at 0, the two may differ rightly.

    Args:
        target: A built layer, a functional model, a `keras.losses.Loss`, or a function of
            tensors.
        *inputs: Arrays that it takes; for a loss, targets and predictions.
        constant: Positions of inputs without a gradient, such as class indices; of a loss,
            add 0 for the targets.
        tolerance: Largest relative error that is allowed. Errors are relative to the larger
            derivative, or to a thousandth of the largest one of its array.
        step: Width of a difference, for values around 1; larger values take larger steps.
        entries: Entries compared in each array; of larger arrays, a random sample.
        seed: Seed of the projection and of the sample.

    Returns:
        The largest error and where it is.

    Raises:
        VerificationError: If an error exceeds `tolerance`; the message says where.
        ValueError: If there is nothing to compare, or `target` is not what is told here or does not
            compute in float64.
        RuntimeError: If Keras does not run on TensorFlow.

    Example:
        >>> found = check_gradients(lambda x: x**3, np.array([1.0, -2.0]))
        >>> found.compared, found.largest_error < 1e-8
        (2, True)
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"check_gradients needs the TensorFlow backend, not {keras.backend.backend()!r}. "
            "Set KERAS_BACKEND=tensorflow."
        )
    arrays = [
        np.asarray(array) if i in constant else np.asarray(array, dtype=np.float64)
        for i, array in enumerate(inputs)
    ]
    function, weights = _in_float64(target, arrays)
    rng = np.random.default_rng(seed)
    project, gradients = _differentiate(function, arrays, weights, constant, rng)
    worst, compared = None, 0
    for name, values, evaluate, gradient in _places(arrays, weights, constant, project, gradients):
        scale = 1e-3 * float(np.abs(gradient).max(initial=0)) + 1e-12
        for index in _sample(gradient.shape, entries, rng):
            numeric = _central_difference(values, index, evaluate, step)
            analytic = float(gradient[index])
            error = abs(analytic - numeric) / max(abs(analytic), abs(numeric), scale)
            compared += 1
            if worst is None or not error <= worst.largest_error:
                where = f"{name}[{', '.join(map(str, index))}]"
                worst = GradientCheck(error, where, analytic, numeric, 0)
    if worst is None:
        raise ValueError("There is nothing to compare: no input and no weight has a gradient.")
    return _judged(worst, compared, tolerance)


def check_loss_gradient(loss: "keras.losses.Loss", targets: np.ndarray, scores: np.ndarray) -> None:
    """Judge a loss by a few rows before anything is trained by it.

    Args:
        loss: The loss.
        targets: Rows of targets.
        scores: Rows of what it is computed on.

    Raises:
        ValueError: If it does not give one finite number for each row, its gradient is not that of
            finite differences, or is zero everywhere, so that nothing would be learned.
    """
    import keras

    told = "The loss of your own"
    values = np.asarray(keras.ops.convert_to_numpy(loss.call(targets, scores)))
    if values.shape != (len(scores),):
        raise ValueError(
            f"{told} returns an array of shape {values.shape} for {len(scores)} rows. It must "
            f"return one number for each row, shape ({len(scores)},), and no average over rows."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{told} returns {values.tolist()}, which are not all finite numbers.")
    if keras.backend.backend() != "tensorflow":
        say(f"{told} is used as it is: gradients are checked under TensorFlow only.")
        return
    try:
        check_gradients(loss, targets, scores, constant=(0,), tolerance=1e-3)
    except VerificationError as error:
        raise ValueError(f"{told} cannot be learned by. {error}") from error
    slope = _differentiate(loss.call, [targets, scores], [], (0,), np.random.default_rng(0))[1][0]
    if not np.any(slope):
        raise ValueError(
            f"{told} has a gradient of zero everywhere, so that nothing would be learned. Leave "
            "out what has no slope, such as argmax, round or a comparison."
        )


def _judged(worst: GradientCheck, compared: int, tolerance: float) -> GradientCheck:
    if not worst.largest_error <= tolerance:
        raise VerificationError(
            f"The gradient is wrong at {worst.where}: automatic differentiation gives "
            f"{worst.analytic:.6g}, finite differences {worst.numeric:.6g}, a relative error of "
            f"{worst.largest_error:.2g} (allowed: {tolerance:.2g})."
        )
    return GradientCheck(worst.largest_error, worst.where, worst.analytic, worst.numeric, compared)


def _in_float64(
    target: "Callable[..., Any] | keras.Layer", arrays: list[np.ndarray]
) -> tuple[Callable, list]:
    """Return a function of tensors, and the weights to check with their names."""
    import keras

    if isinstance(target, keras.losses.Loss):
        return target.call, []
    if isinstance(target, keras.Model):
        inputs = [keras.Input(batch_shape=a.shape, dtype=str(a.dtype)) for a in arrays]
        copy = keras.models.clone_model(
            target, input_tensors=inputs if len(inputs) > 1 else inputs[0], clone_function=_copied
        )
        copy.set_weights(target.get_weights())
        return (lambda *x: copy(x if len(x) > 1 else x[0], training=False)), copy.trainable_weights
    if isinstance(target, keras.Layer):
        if not target.built:
            raise ValueError(f"{type(target).__name__} is not built. Call it on a batch first.")
        copy = _copied(target)
        copy(*arrays)
        copy.set_weights(target.get_weights())
        return copy, copy.trainable_weights
    if not callable(target):
        raise ValueError(
            f"`target` must be a layer, a model, a loss or a function of tensors, not {target!r}."
        )
    return target, []


def _copied(layer: "keras.Layer") -> "keras.Layer":
    return type(layer).from_config({**layer.get_config(), "dtype": "float64"})


def _differentiate(
    function: Callable[..., Any],
    arrays: list[np.ndarray],
    weights: list[Any],
    constant: Sequence[int],
    rng: np.random.Generator,
) -> Any:
    """Return the projected function of the arrays, and its gradients."""
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch([tensor for i, tensor in enumerate(tensors) if i not in constant])
        output = tf.convert_to_tensor(function(*tensors))
        if output.dtype != tf.float64:
            raise ValueError(
                f"The output is {output.dtype.name}, too coarse for finite differences. Compute "
                "in the dtype of the inputs, without casting to float32."
            )
        projection = tf.constant(rng.normal(size=output.shape))
        projected = tf.reduce_sum(output * projection)
    sources = [t for i, t in enumerate(tensors) if i not in constant]
    sources += [weight.value for weight in weights]
    zero = tf.UnconnectedGradients.ZERO
    gradients = tape.gradient(projected, sources, unconnected_gradients=zero)

    def project() -> float:
        values = function(*[tf.constant(array) for array in arrays])
        return float(tf.reduce_sum(values * projection))

    return project, [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


def _places(
    arrays: list[np.ndarray],
    weights: list[Any],
    constant: Sequence[int],
    project: Callable[..., Any],
    gradients: list[Any],
) -> Iterator[tuple[str, np.ndarray, Callable[..., Any], Any]]:
    """Yield name, values to change in place, how to evaluate them, and the gradient."""
    slopes = iter(gradients)
    for i, array in enumerate(arrays):
        if i not in constant:
            yield f"input {i}", array, project, next(slopes)
    for weight in weights:
        values = np.array(weight.value)

        def evaluate(weight: Any = weight, values: Any = values) -> Any:
            weight.assign(values)
            return project()

        yield weight.path, values, evaluate, next(slopes)
        weight.assign(values)


def _sample(
    shape: tuple[int, ...], entries: int, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    size = int(np.prod(shape))
    chosen = range(size) if size <= entries else np.sort(rng.permutation(size)[:entries])
    return [tuple(int(k) for k in np.unravel_index(flat, shape)) for flat in chosen]


def _central_difference(values: np.ndarray, index: tuple, evaluate: Callable, step: float) -> float:
    value = values[index]
    width = step * max(1.0, abs(value))
    values[index] = value + width
    above = evaluate()
    values[index] = value - width
    below = evaluate()
    values[index] = value
    return (above - below) / (2 * width)
