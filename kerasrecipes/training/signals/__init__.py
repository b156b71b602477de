"""From signals to a fitted, measured and saved model: what recipes for signals have alone."""

from kerasrecipes.training.signals.sequence_classifier import RECIPES as RECIPES

NAMES = ("SequenceClassifier",)
