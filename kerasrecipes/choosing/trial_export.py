"""Exporting a backbone with a linear head for a trial: how large, how fast, still the same?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.bundles.contract import Contract
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.files import TemporaryFolder
from kerasrecipes.heads import get_task
from kerasrecipes.release.calibration import calibration_inputs

if TYPE_CHECKING:
    import keras

COMPARED_PHOTOS = 200


@dataclass(frozen=True)
class TrialExport:
    """A model, and the photos that its files are made and checked with.

    Args:
        model: A backbone with a linear head.
        contract: What a file of it says of itself.
        calibration: Training photos for int8, uint8 `(n, height, width, 3)`.
        pixels: Photos to compare on, uint8 `(m, height, width, 3)`.
        answers: What the head says of them in float32, shape `(m, width)`.
    """

    model: "keras.Model"
    contract: Contract
    calibration: np.ndarray
    pixels: np.ndarray
    answers: np.ndarray

    @classmethod
    def of(
        cls,
        model: "keras.Model",
        train: Examples,
        val: Examples,
        answers: np.ndarray,
        output: OutputSpec,
        seed: int,
    ) -> "TrialExport":
        """Read the photos.

        Args:
            model: A backbone with a linear head.
            train: Photos to calibrate with.
            val: Photos to compare on, of which some are drawn.
            answers: What the model says of them, shape `(n, width)`.
            output: What is known of its answers.
            seed: Seed of what is drawn.

        Raises:
            DataError: If a photo cannot be read, or changed since it was scanned.
        """
        takes = train.input_spec(model)
        shape = tuple(model.input.shape[1:])
        chosen = np.random.default_rng(seed).permutation(len(val))[:COMPARED_PHOTOS]
        return cls(
            model=model,
            contract=Contract(modality=train.modality, input=takes, outputs=(output,)),
            calibration=calibration_inputs(train, shape, seed),
            pixels=val.select(chosen).stack(shape),
            answers=answers[chosen],
        )

    def measure(self, quantization: str) -> dict:
        """Write a file, time it, and compare its answers.

        Args:
            quantization: What the format offers, e.g. `"int8"`.

        Returns:
            `latency`, `size_bytes`, `agreement` and `same_model` of a `Candidate`.

        Raises:
            VerificationError: If the model cannot be converted so.
        """
        from kerasrecipes.export import get_format
        from kerasrecipes.export.format import ask
        from kerasrecipes.verify import Tolerance, benchmark_export

        tflite = get_format("tflite")
        with TemporaryFolder() as folder:
            path = folder / f"model{tflite.suffix}"
            tflite.write(
                self.model,
                path,
                quantization=quantization,
                calibration=self.calibration,
                contract=self.contract,
            )
            output = self.contract.output
            said = ask(tflite.load(path), self.pixels, output)
            same = get_task(output.task).agree(self.answers, said, output)
            agreement = float(np.mean(same))
            tolerance = Tolerance.for_quantization(quantization)
            return {
                "latency": benchmark_export(path, threads=(1, 2)),
                "size_bytes": path.stat().st_size,
                "agreement": agreement,
                "same_model": tolerance.allows_flips(agreement, len(self.answers)),
            }
