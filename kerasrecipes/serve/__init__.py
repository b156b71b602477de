"""Predicting with an exported model, without tensorflow."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.serve.entry import JournalEntry as JournalEntry
    from kerasrecipes.serve.journal import Journal as Journal
    from kerasrecipes.serve.predictor import Prediction as Prediction, Predictor as Predictor
    from kerasrecipes.serve.review_queue import ReviewQueue as ReviewQueue

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "entry": "JournalEntry",
        "journal": "Journal",
        "predictor": "Prediction Predictor",
        "review_queue": "ReviewQueue",
    },
)
