"""Weights that are means over a training, and models that are."""
