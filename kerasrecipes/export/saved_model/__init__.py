"""TensorFlow SavedModels that take photos, or the bytes of photos."""

from kerasrecipes.export.saved_model.saved_model import FORMATS

__all__ = ["FORMATS"]
