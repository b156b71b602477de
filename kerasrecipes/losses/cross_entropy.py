"""The cross entropies of Keras, on logits."""

from functools import partial

import keras

cross_entropy = partial(keras.losses.CategoricalCrossentropy, from_logits=True)
focal = partial(keras.losses.CategoricalFocalCrossentropy, from_logits=True)

LOSSES = {
    "cross_entropy": {"make": "cross_entropy", "on": "logits", "smooths": True},
    "focal": {"make": "focal", "on": "logits", "options": ("alpha", "gamma"), "smooths": True},
}
