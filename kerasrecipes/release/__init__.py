"""From a saved model to files that were verified before anyone can use them."""

from kerasrecipes.release.exporting import export_model

__all__ = ["export_model"]
