"""Predicting with an exported model, without tensorflow."""

from kerasrecipes.serve.predictor import Prediction, Predictor

__all__ = ["Prediction", "Predictor"]
