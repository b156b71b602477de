"""A recipe that fits in a second: a tiny backbone of one's own, and photos of parts."""

import pytest

SIDE = 24


@pytest.fixture(scope="session")
def small_backbone():
    """A backbone with a residual block and a depthwise convolution, with random weights."""
    import keras
    from keras import layers

    from kerasrecipes import BackboneSpec

    keras.utils.set_random_seed(0)
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="one")(photo)
    x = stem = layers.ReLU(name="one_relu")(layers.BatchNormalization(name="one_norm")(x))
    x = layers.Conv2D(32, 1, use_bias=False, name="expand")(x)
    x = layers.ReLU(6.0, name="expand_relu")(layers.BatchNormalization(name="expand_norm")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.ReLU(6.0, name="depthwise_relu")(layers.BatchNormalization(name="dw_norm")(x))
    x = layers.Conv2D(16, 1, name="project")(x)
    x = layers.Add(name="add")([stem, x])
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="last")(x)
    return BackboneSpec.from_model(keras.Model(photo, x, name="small"), scaling="0..1")


@pytest.fixture(scope="session")
def small_fitted(small_backbone, part_sets):
    """A fitted recipe; not to be changed."""
    from kerasrecipes import ImageClassifier, UnfreezeSchedule

    train, val, _ = part_sets
    schedule = UnfreezeSchedule.full(epochs=12, learning_rate=0.01)
    recipe = ImageClassifier(
        small_backbone, image_size=(SIDE, SIDE), schedule=schedule, views=2, batch_size=8,
        batch_norm="train",
    )  # fmt: skip
    recipe.fit(train, val, verbose=False)
    return recipe
