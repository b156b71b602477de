"""A model as the small file that will run on the phone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.seen import on_side, refuse_seen, with_seen
from kerasrecipes.evaluation.scores import without_rounding
from kerasrecipes.optimization.quantization_report import QuantizationReport
from kerasrecipes.statistics.shown import Part, Shown

if TYPE_CHECKING:
    from kerasrecipes.evaluation.base import Result
    from kerasrecipes.release.bundle import Bundle
    from kerasrecipes.training.recipe import Recipe
    from kerasrecipes.verify import Tolerance

THREADS = 2


@dataclass(frozen=True)
class QuantizedModel(Shown):
    """What `quantize` made: a `.tflite` file, its report, and the recipe behind it.

    Args:
        recipe: The fitted recipe whose model is in the file; after quantization-aware training
            that is a new one, but with `engine="tfmot"` the one that it was trained to follow.
        content: The bytes of the file.
        quantization: What an export of it is called, e.g. `"int8"`.
        report: What of the file is quantized.
        calibrated: The photos that its ranges were measured on, and those that its weights were
            chosen by, see `kerasrecipes.data.seen`.
    """

    recipe: "Recipe"
    content: bytes = field(repr=False)
    quantization: str
    report: QuantizationReport = field(repr=False)
    calibrated: Mapping[str, str] = field(default_factory=dict, repr=False)

    @named
    def predict(self, photos: Examples) -> np.ndarray:
        """Return what the file answers, run in LiteRT.

        Args:
            photos: What to ask about; labels are not looked at.

        Returns:
            float32, shape `(n, width)`, e.g. probabilities in the order of the recipe's `labels_`.

        Raises:
            DataError: If a photo cannot be read, or changed since it was scanned.
        """
        from kerasrecipes.export.format import ask
        from kerasrecipes.export.tflite.runtime import TFLiteModel

        model = TFLiteModel(self.content, THREADS, name=f"the {self.quantization} file")
        return ask(model, photos.each(model.shape), self.recipe.output_)

    @named
    def evaluate(self, photos: Examples) -> "Result":
        """Measure the file on labelled photos, as `ImageClassifier.evaluate` does the model.

        Args:
            photos: Photos of the same classes that the model has not seen.

        Returns:
            The result, an `Evaluation` for a classifier; print it.

        Raises:
            DataError: If photos were used in the fit or for calibration, cannot be read, or
                have other classes.
        """
        recipe = self.recipe
        refuse_seen(with_seen(recipe.seen_, self.calibrated), photos)
        recipe.fitted_.task.targets(photos, recipe.output_)  # before the file is asked
        answers = self.predict(photos)
        seen = with_seen(recipe.seen_, on_side(photos, "test"))
        recipe.fitted_ = replace(recipe.fitted_, seen=seen)
        return evaluated_file(recipe, photos, answers)

    @named
    def save(
        self, folder: "str | Path | Bundle", *, tolerance: "Tolerance | None" = None
    ) -> "Bundle":
        """Add this very file to a bundle, verified on the golden photos.

        Args:
            folder: The model's folder, in which the recipe is saved as a new version first; or
                a bundle of this recipe.
            tolerance: How far the file may differ from the model; by default strict for the
                quantization.

        Returns:
            The bundle; the file is in `exports/tflite-<quantization>/`.

        Raises:
            NotFittedError: If the recipe was loaded and `folder` is no bundle: pass its bundle.
            VerificationError: If the file is not the same model within `tolerance`; a new
                version is written nevertheless, without the file.
            OSError: If the folder cannot be written.
        """
        from kerasrecipes.release.bundle import Bundle

        bundle = folder if isinstance(folder, Bundle) else self.recipe.save(folder)
        bundle.export("tflite", self.quantization, content=self.content, tolerance=tolerance)
        return bundle

    def parts(self) -> Iterator[Part]:
        """Yield the report about the file."""
        yield self.report


def evaluated_file(recipe: "Recipe", examples: Examples, answers: np.ndarray) -> "Result":
    """Judge what a file of a recipe's model answers, as the recipe judges the model.

    Args:
        recipe: The fitted recipe.
        examples: What the file was asked about.
        answers: What it said.
    """
    task, output = recipe.fitted_.task, recipe.output_
    targets = task.targets(examples, output)
    if task.target == CLASS:
        answers = without_rounding(answers)
    groups = examples.groups
    return task.evaluate(targets, answers, output, groups=groups, seed=recipe.seed)
