"""The losses of Keras on numbers."""

import keras

mean_squared_error = keras.losses.MeanSquaredError
mean_absolute_error = keras.losses.MeanAbsoluteError
huber = keras.losses.Huber

LOSSES = {
    "mean_squared_error": {"make": "mean_squared_error", "on": "numbers"},
    "mean_absolute_error": {"make": "mean_absolute_error", "on": "numbers"},
    "huber": {"make": "huber", "on": "numbers", "options": ("delta",)},
}
