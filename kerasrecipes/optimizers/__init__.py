"""Keras optimizers for pretrained weights, each usable in a bare `model.compile`."""
