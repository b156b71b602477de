"""Which layers of a fitted recipe lose most when they compute in 8 bits."""

from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import Examples
from kerasrecipes.quantization.sensitivity import layer_sensitivity
from kerasrecipes.quantization.sensitivity_report import QuantizationSensitivity
from kerasrecipes.release.calibration import calibration_inputs
from kerasrecipes.training.refitting import fit_photos

if TYPE_CHECKING:
    from kerasrecipes.training.recipe import Recipe


@named
def measure_sensitivity(recipe: "Recipe", train: Examples | None = None) -> QuantizationSensitivity:
    """Measure how much each layer of a fitted recipe loses when it computes in 8 bits.

    One layer at a time is rounded as an int8 file would, and the answers to some calibration
    photos are compared with those in float; see `layer_sensitivity`. What is most sensitive can
    stay in float: `quantize(recipe, "int8", keep_float=0.05)`.

    Args:
        recipe: A fitted `ImageClassifier`, or one that was loaded; it stays as it is.
        train: Training photos, by default those of the fit; 32 are enough. Never photos
            that the model is tested on.

    Returns:
        A table of the layers with kernels; print it.

    Raises:
        NotFittedError: If `recipe` is not fitted.
        ValueError: If nothing in the model can compute in 8 bits, or it was trained to.
        DataError: If photos are missing, or are those that the model was tested on.
    """
    model = recipe.model_
    photos = fit_photos(recipe, "train", train)
    shape = tuple(model.input.shape[1:])
    return layer_sensitivity(model, calibration_inputs(photos, shape, recipe.seed, model=model))
