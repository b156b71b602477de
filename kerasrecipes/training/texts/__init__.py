"""From texts to a fitted, measured and saved model: what recipes for texts have of their own."""

from kerasrecipes.training.texts.text_classifier import RECIPES as RECIPES

NAMES = ("TextClassifier",)
