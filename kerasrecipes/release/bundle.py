"""The bundle as people hold it: a folder whose model can be written in other formats."""

from typing import Any

from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.export_record import ExportRecord
from kerasrecipes.release.exporting import export_model


class Bundle(BundleFolder):
    """One version of a saved model; see `BundleFolder` for what is in it."""

    def export(
        self, format: str = "tflite", quantization: str = "float32", **options: Any
    ) -> ExportRecord:
        """Write and verify an export; see `kerasrecipes.export_model`.

        Args:
            format: One of `kerasrecipes.list_formats()`.
            quantization: What the format offers, e.g. `"int8"`.
            **options: As in `export_model`.

        Returns:
            The record of the new file.

        Raises:
            ValueError: If a name or an option is not usable.
            VerificationError: If the file is not the same model. Nothing is added.
        """
        return export_model(self, format, quantization, **options)
