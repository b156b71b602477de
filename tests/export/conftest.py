"""Models that plain conversion gets wrong."""

import numpy as np
import pytest


@pytest.fixture
def resizing_model():
    """A model whose Resizing layer switches the layers after it to training mode.

    Returns it with a function that gives its right answers.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    photo = keras.Input((32, 32, 3))
    x = layers.Resizing(16, 16)(photo)
    x = layers.Conv2D(4, 3)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(photo, layers.Dense(3, activation="softmax")(x))
    return model, lambda photos: model.predict(photos.astype("float32"), verbose=0)


@pytest.fixture
def nan_model(tiny):
    """A model that answers NaN."""
    model = tiny.untrained_model()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + np.float32("nan")])
    return model
