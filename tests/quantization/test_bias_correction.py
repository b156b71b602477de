"""What rounding shifts for every photo alike is taken off the biases."""

import keras
import numpy as np
from keras import layers

from kerasrecipes.quantization.bias_correction import correct_biases
from kerasrecipes.quantization.fake_quantization import (
    fake_quantized_depthwise,
    fake_quantized_weights,
)

SIDE = 24


def photos():
    return np.random.default_rng(0).integers(0, 256, (16, SIDE, SIDE, 3)).astype("uint8")


def network():
    keras.utils.set_random_seed(2)
    photo = keras.Input((SIDE, SIDE, 3), name="photo")
    x = layers.Rescaling(1 / 255, name="scale")(photo)
    x = layers.Conv2D(8, 3, use_bias=False, name="first")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.ReLU()(layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x))
    x = layers.Conv2D(64, 1, name="last")(x)
    pooled = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(photo, layers.Dense(2, name="scores")(pooled))
    # Weights of one sign next to a large one: rounding shifts them all the same way.
    for name in ("first", "depthwise", "last"):
        kernel, *bias = model.get_layer(name).get_weights()
        kernel = np.abs(kernel)
        kernel[0, 0, 0] *= 60
        model.get_layer(name).set_weights([kernel, *bias])
    return model


def with_rounded_kernels(model):
    """The float model with the weights that an 8-bit file has."""
    rough = keras.models.clone_model(model)
    rough.set_weights(model.get_weights())
    for layer in rough.layers:
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            kernel, bias = layer.get_weights()
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            rounded = (
                fake_quantized_depthwise(kernel) if depthwise else fake_quantized_weights(kernel, 3)
            )
            layer.set_weights([np.asarray(rounded), bias])
    return rough


def means(model):
    inner = keras.Model(model.input, model.get_layer("pool").output)
    return inner.predict(photos().astype("float32"), verbose=0).mean(axis=0)


def test_rounded_kernels_keep_the_mean_of_every_channel():
    from kerasrecipes.quantization.batch_norm_folding import fold_batch_norm

    model = network()
    exact = means(model)
    shifted = np.abs(means(with_rounded_kernels(fold_batch_norm(model))) - exact).mean()
    corrected = correct_biases(model, photos())
    left = np.abs(means(with_rounded_kernels(corrected)) - exact).mean()
    assert left < 0.3 * shifted
    # It is what rounding makes of it that is right, not the float model.
    assert np.abs(means(corrected) - exact).mean() > left


def test_a_model_whose_graph_cannot_be_read_stays_as_it_is():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    model = Own()
    assert correct_biases(model, photos()) is model
