"""The bundle as people hold it: a folder whose model can be written in other formats."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.export_record import ExportRecord
from kerasrecipes.release.exporting import export_model

if TYPE_CHECKING:
    from kerasrecipes.explaining.heatmap import Heatmap


class Bundle(BundleFolder):
    """One version of a saved model; see `BundleFolder` for what is in it."""

    def export(
        self, format: str = "tflite", quantization: str | None = None, **options: Any
    ) -> ExportRecord:
        """Write and verify an export; see `kerasrecipes.export_model`.

        Args:
            format: One of `kerasrecipes.list_formats()`.
            quantization: What the format offers, e.g. `"int8"`; `None` for what is usual.
            **options: As in `export_model`.

        Returns:
            The record of the new file.

        Raises:
            ValueError: If a name or an option is not usable.
            VerificationError: If the file is not the same model. Nothing is added.
        """
        return export_model(self, format, quantization, **options)

    def heatmap(
        self, photo: str | Path | bytes | np.ndarray, of: str | int | None = None
    ) -> "Heatmap":
        """Show where in a photo the model's answer comes from; see `kerasrecipes.heatmap`.

        Args:
            photo: A file, its bytes, or pixels.
            of: The class to look for, or its number; `None` for what the model says.

        Raises:
            DataError: If the photo cannot be read.
            ValueError: If there is no such class, or the model has no features with places.
        """
        from kerasrecipes.release.explaining import Explainer

        return Explainer(self).explain(photo, of)
