"""What every format checks: the model, what came out of it, and what callers pass to it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.bundles.contract import check_class_names
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import VerificationError, listed
from kerasrecipes.export.format import GraphFacts, LoadedModel

if TYPE_CHECKING:
    import keras


def check_backend(
    what: str,
    advice: str = "Save the recipe, and load it where KERAS_BACKEND=tensorflow is set before keras "
    "is imported.",
) -> None:
    """Find out before any work whether a model can be converted here.

    Args:
        what: What needs the conversion, e.g. `"An export"`.
        advice: What to do instead.

    Raises:
        ValueError: If Keras does not run on TensorFlow.
    """
    backend = import_keras().backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"{what} converts a graph of TensorFlow, and Keras runs on {backend} here. The bundle "
            f"is the same for both. {advice}"
        )


def check_model(model: "keras.Model", class_names: Sequence[str]) -> tuple[int, int]:
    """Make sure that a model classifies photos of one size into the named classes.

    Args:
        model: The model to export.
        class_names: The labels, in the order of the model's outputs.

    Returns:
        The model's `(height, width)`.

    Raises:
        ValueError: If the model's shapes do not fit.
        DataError: If the class names cannot be told apart in a file of labels.
    """
    takes, gives = model.input_shape, model.output_shape
    if not (isinstance(takes, tuple) and len(takes) == 4 and takes[3] == 3 and all(takes[1:])):
        raise ValueError(
            f"`model` must take one input (None, height, width, 3) of known size, received "
            f"{takes}. Build it with a fixed image_size."
        )
    if not (isinstance(gives, tuple) and len(gives) == 2 and gives[1] == len(class_names)):
        raise ValueError(
            f"`model` must give one score per class: it gives {gives} and there are "
            f"{len(class_names)} class names. Pass the names the model was trained with."
        )
    check_class_names(class_names)
    return takes[1], takes[2]


def check_facts(
    facts: GraphFacts, model: "keras.Model", *, runtime: str, bytes_per_weight: float = 4
) -> None:
    """Refuse files that convert without an error and still are not the model.

    Args:
        facts: What is in the file.
        model: The model it was made from.
        runtime: What runs such files, e.g. `"LiteRT"`.
        bytes_per_weight: What one weight takes at least.

    Raises:
        VerificationError: If the runtime lacks an operator, or the file lost its weights.
    """
    if facts.custom_ops:
        raise VerificationError(
            f"The converted file needs {len(facts.custom_ops)} operators that {runtime} lacks: "
            f"{listed(sorted(set(facts.custom_ops)))}. Replace those layers, or use another "
            "backbone."
        )
    if facts.empty_weights:
        raise VerificationError(
            f"The converted file reads {facts.empty_weights} weights that it does not hold. Export "
            "a plain Keras 3 model."
        )
    weights = sum(int(np.prod(w.shape)) for w in model.weights if len(w.shape) >= 2)
    least = int(weights * bytes_per_weight // 2)
    if facts.constant_bytes < least:
        raise VerificationError(
            f"The converted file holds {facts.constant_bytes} bytes of constants where {weights} "
            f"weights need at least {least}: it lost its weights. Export a plain Keras 3 model."
        )


def check_answer(
    loaded: LoadedModel, class_names: Sequence[str], photos: np.ndarray | None = None
) -> None:
    """Ask a converted file about one photo, before the file is kept.

    Args:
        loaded: The converted file.
        class_names: The labels, in the order of the scores.
        photos: uint8 photos, of which the first is used; a ramp of greys if there are none.

    Raises:
        VerificationError: If a score is NaN or infinite.
    """
    if photos is None or len(photos) == 0:
        photos = ramp(loaded.image_size)[None]
    scores = loaded(photos[:1])[0]
    if not np.all(np.isfinite(scores)):
        bad = [n for n, score in zip(class_names, scores, strict=True) if not np.isfinite(score)]
        raise VerificationError(
            f"The converted file answers NaN for {len(bad)} of {len(class_names)} classes "
            f"({listed(bad)}). Check that the model's own predictions are finite."
        )


def ramp(image_size: tuple[int, int]) -> np.ndarray:
    """Draw a photo that goes from black on the left to white on the right, uint8."""
    greys = np.linspace(0, 255, image_size[1]).astype(np.uint8)
    return np.broadcast_to(greys[None, :, None], (*image_size, 3))


def check_threads(threads: int) -> None:
    """Refuse a number of threads that is none.

    Args:
        threads: What a caller passed.

    Raises:
        ValueError: If it is not a positive whole number.
    """
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"`threads` must be a whole number ≥ 1, received {threads!r}.")
