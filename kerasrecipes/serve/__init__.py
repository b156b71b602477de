"""Predicting with an exported model, without tensorflow."""

from kerasrecipes.serve.entry import JournalEntry
from kerasrecipes.serve.journal import Journal
from kerasrecipes.serve.predictor import Prediction, Predictor

__all__ = ["Journal", "JournalEntry", "Prediction", "Predictor"]
