"""Predicting with an exported model, without tensorflow."""

from kerasrecipes.serve.entry import JournalEntry
from kerasrecipes.serve.journal import Journal
from kerasrecipes.serve.predictor import Prediction, Predictor
from kerasrecipes.serve.review_queue import ReviewQueue

__all__ = ["Journal", "JournalEntry", "Prediction", "Predictor", "ReviewQueue"]
