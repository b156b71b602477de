"""A model that a user brings keeps the promises of the catalogue's backbones."""

import random
import re
from itertools import product

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes.backbones import get_backbone
from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.bundles.model_file import load_model
from kerasrecipes.heads import list_heads, make_head
from kerasrecipes.heads.pooled import POOLINGS
from kerasrecipes.novelty.detector import Novelty
from kerasrecipes.surgery.adapters import Bottleneck, add_adapter
from kerasrecipes.surgery.batch_norm import reestimate_batch_norm
from kerasrecipes.surgery.converting.rehearsal import _TRIED, rehearse
from kerasrecipes.surgery.graph import TAKEN, not_ours
from kerasrecipes.training.distillation import Distillation
from kerasrecipes.training.linear.depths import features_at

SIDE = 32


def photos(side=SIDE):
    return np.random.default_rng(0).uniform(0, 255, (2, side, side, 3)).astype("float32")


def conv(x, filters, name, strides=1, depthwise=False):
    make = layers.DepthwiseConv2D(3, strides, "same", use_bias=False, name=name)
    if not depthwise:
        make = layers.Conv2D(filters, 3, strides, "same", use_bias=False, name=name)
    return layers.ReLU()(layers.BatchNormalization(name=f"{name}_bn")(make(x)))


def trunk(x):
    """A residual network with a depthwise layer and a squeeze-and-excite."""
    x = conv(x, 8, "stem", strides=2)
    y = conv(conv(x, 8, "one_a"), 8, "one_b", depthwise=True)
    x = layers.Add()([x, y])
    x = conv(x, 12, "two", strides=2)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(12, 1, activation="sigmoid", name="gate")(gate)
    return conv(x * gate, 16, "three", strides=2)


def classifier(side=SIDE, name="net"):
    photo = keras.Input((side, side, 3))
    x = layers.GlobalAveragePooling2D()(trunk(photo))
    x = layers.Dropout(0.5)(layers.Dense(9, activation="relu")(x))
    model = keras.Model(photo, layers.Dense(4, activation="softmax")(x), name=name)
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    return model


def features_of(model):
    """The feature map that the trunk gives, read from the original."""
    pooling = next(x for x in reversed(model.layers) if "GlobalAverage" in type(x).__name__)
    return keras.Model(model.inputs[0], pooling.input)


@pytest.fixture(scope="module")
def net():
    return classifier()


@pytest.fixture(scope="module")
def spec(net):
    return BackboneSpec.from_model(net, scaling="-1..1")


def test_it_is_a_backbone_like_those_of_the_catalogue(spec):
    model = spec.build(spec.min_image_size, weights=None)
    assert (spec.name, model.name) == ("model:net", "model_net")
    assert type(model).__name__ == "Functional"
    assert [tensor.name for tensor in model.inputs] == ["photo"]
    assert model.inputs[0].dtype == "float32"
    assert model.output_shape == (None, 1, 1, spec.feature_size) == (None, 1, 1, 16)
    assert model.count_params() == spec.parameter_count
    assert spec.image_size == (SIDE, SIDE) and spec.min_image_size == 8
    for text in (spec.family, spec.summary, spec.weights_licence, spec.weights_source):
        assert text.strip() and "\n" not in text
    with pytest.raises(ValueError, match="`image_size` 7x99 is too small for 'model:net'"):
        spec.build((7, 99))


def test_the_blocks_partition_the_layers_and_can_be_cut_apart(spec):
    model = spec.build()
    weighted = [layer.name for layer in model.layers if layer.weights]
    assert len(spec.blocks) == 5
    for name in weighted:
        assert sum(bool(re.search(pattern, name)) for pattern in spec.blocks) == 1
    for block in range(len(spec.blocks) + 1):
        prefix = keras.Model(model.input, spec.boundary(model, block))
        inside = {layer.name for layer in prefix.layers if layer.weights}
        assert inside == {name for name in weighted if spec.block_of(name) < block}


@pytest.mark.parametrize(
    ("scaling", "factor", "offset"),
    [
        ("none", 1, 0),
        ("0..1", 1 / 255, 0),
        ("-1..1", 1 / 127.5, -1),
        (
            "imagenet",
            1 / (255 * np.array([0.229, 0.224, 0.225])),
            -np.array([0.485, 0.456, 0.406]) / np.array([0.229, 0.224, 0.225]),
        ),
    ],
)
def test_it_computes_what_the_model_computes_on_scaled_photos(net, scaling, factor, offset):
    built = BackboneSpec.from_model(net, scaling=scaling).build()
    expected = features_of(net)((photos() * factor + offset).astype("float32"), training=False)
    found = built(photos(), training=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_model_stays_as_it_was(net):
    config, weights = net.get_config(), net.get_weights()
    nodes = [len(layer._inbound_nodes) for layer in net.layers]
    built = BackboneSpec.from_model(net, scaling="0..1").build()
    built.set_weights([weight + 1 for weight in built.get_weights()])
    assert net.get_config() == config
    assert [len(layer._inbound_nodes) for layer in net.layers] == nodes
    for one, other in zip(weights, net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_are_those_at_the_time_or_random():
    net = classifier()
    spec = BackboneSpec.from_model(net, scaling="0..1")
    kept = net.get_layer("stem").get_weights()[0]
    net.get_layer("stem").set_weights([kept + 1])
    first, second = (spec.build(weights=None).get_layer("stem").get_weights()[0] for _ in "ab")
    np.testing.assert_array_equal(spec.build().get_layer("stem").get_weights()[0], kept)
    assert not np.allclose(first, second) and not np.allclose(first, kept)


def test_another_image_size_uses_the_same_weights(spec):
    assert spec.build((16, 48)).output_shape == (None, 2, 6, 16)
    for one, other in zip(spec.build(48).get_weights(), spec.build().get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nested_models_are_flattened_and_names_stay_unique():
    inner = keras.Sequential([keras.Input((8, 8, 8)), layers.Conv2D(8, 3, name="c"), layers.ReLU()])
    photo = keras.Input((16, 16, 3))
    photo_in = keras.Input((16, 16, 3))
    body = keras.Model(
        photo_in, inner(layers.Conv2D(8, 3, 2, "same", name="c")(photo_in)), name="body"
    )
    x = body(layers.Conv2D(3, 1, name="c")(photo), training=False)
    x = layers.Conv2D(5, 1, name="logits")(layers.BatchNormalization(name="pool")(x))
    outer = keras.Model(photo, layers.Dense(2)(layers.Flatten()(x)), name="outer")
    body.trainable = False
    built = BackboneSpec.from_model(outer, scaling="none").build()
    names = [layer.name for layer in built.layers if layer.weights]
    inner_name = f"body_{inner.name}_c"
    assert names == ["c", "body_c", inner_name, "pool_1", "logits_1"]
    assert not [layer for layer in built.layers if isinstance(layer, keras.Model)]
    assert all(layer.trainable for layer in built.layers)
    expected = keras.Model(photo, x)(photos(16), training=False)
    np.testing.assert_allclose(built(photos(16), training=False), expected, rtol=1e-4, atol=1e-3)


def test_a_sequential_model_around_a_backbone_is_taken():
    body = features_of(classifier())
    model = keras.Sequential(
        [body, layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(2)], name="seq"
    )
    model.build((None, SIDE, SIDE, 3))
    built = BackboneSpec.from_model(model, scaling="0..1", name="mine").build()
    assert built.name == "model_mine"
    expected = body(photos() / 255, training=False)
    np.testing.assert_allclose(built(photos(), training=False), expected, rtol=1e-4, atol=1e-4)


def test_an_input_may_have_a_name_of_its_own():
    photo = keras.Input((SIDE, SIDE, 3), name="image")
    model = keras.Model({"image": photo}, {"map": trunk(photo)}, name="named")
    built = BackboneSpec.from_model(model, scaling="none").build()
    expected = model({"image": photos()}, training=False)["map"]
    np.testing.assert_allclose(built(photos(), training=False), expected, rtol=1e-4, atol=1e-3)


def test_a_model_without_a_head_or_size_is_taken_whole():
    photo = keras.Input((None, None, 3))
    spec = BackboneSpec.from_model(keras.Model(photo, trunk(photo), name="free"), scaling="none")
    assert (spec.image_size, spec.min_image_size, spec.feature_size) == ((224, 224), 8, 16)


def test_a_normalization_that_was_adapted_stays_so():
    photo = keras.Input((SIDE, SIDE, 3))
    adapted = layers.Normalization()
    adapted.adapt(photos())
    model = keras.Model(photo, trunk(adapted(photo)), name="adapted")
    built = BackboneSpec.from_model(model, scaling="none").build()
    expected = model(photos(), training=False)
    np.testing.assert_allclose(built(photos(), training=False), expected, rtol=1e-4, atol=1e-4)


def test_a_layer_called_twice_lies_in_one_block():
    photo = keras.Input((SIDE, SIDE, 3))
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    x = layers.Conv2D(8, 3, 2, "same", name="stem")(photo)
    x = shared(layers.Conv2D(8, 1, name="between")(shared(x)))
    model = keras.Model(photo, layers.Conv2D(8, 1, name="last")(x), name="twice")
    spec = BackboneSpec.from_model(model, scaling="none")
    owners = [spec.block_of(name) for name in ("stem", "shared", "between", "last")]
    assert owners == [0, 1, 1, 2] and len(spec.blocks) == 3
    expected = model(photos(), training=False)
    np.testing.assert_allclose(spec.build()(photos()), expected, rtol=1e-4, atol=1e-3)


def test_a_model_of_one_size_refuses_others():
    @keras.saving.register_keras_serializable("of_one_size")
    class Position(layers.Layer):
        def build(self, shape):
            self.offset = self.add_weight(shape=shape[1:], initializer="normal")

        def call(self, x):
            return x + self.offset

        def compute_output_shape(self, shape):
            return shape

    photo = keras.Input((SIDE, SIDE, 3))
    x = Position()(layers.Conv2D(4, 3, 2, "same")(photo))
    spec = BackboneSpec.from_model(keras.Model(photo, x, name="fixed"), scaling="none")
    assert spec.build().output_shape == (None, 16, 16, 4)
    with pytest.raises(ValueError, match="'model:fixed' can only be 32x32, the size .* not 64x64"):
        spec.build(64)


def test_the_feature_map_may_be_named():
    net = classifier()
    spec = BackboneSpec.from_model(net, scaling="0..1", features="two_bn")
    assert spec.feature_size == 12
    assert spec.build().layers[-1].name == "two_bn"
    with pytest.raises(
        ValueError, match="Unknown layer in `features`: 'two-bn'. Did you mean 'two_"
    ):
        BackboneSpec.from_model(net, scaling="0..1", features="two-bn")
    with pytest.raises(ValueError, match=r"must be a layer that gives a feature map .* \(9,\)"):
        BackboneSpec.from_model(net, scaling="0..1", features=net.layers[-3].name)


def test_a_transformer_is_not_cut_at_its_patches():
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Reshape((16, 8))(layers.Conv2D(8, 8, 8, name="patches")(photo))
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4, name="attend")(x, x)])
    vit = keras.Model(photo, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)), name="vit")
    with pytest.raises(
        ValueError, match="where the feature map of 'vit' ends .*'attend', 'add.*Pass `features`"
    ):
        BackboneSpec.from_model(vit, scaling="0..1")


def test_several_outputs_need_a_choice():
    photo = keras.Input((SIDE, SIDE, 3))
    x = trunk(photo)
    heads = [layers.Dense(n)(layers.GlobalAveragePooling2D()(x)) for n in (2, 3)]
    model = keras.Model(photo, heads, name="two_heads")
    with pytest.raises(ValueError, match="'two_heads' has 2 outputs. Pass `features`"):
        BackboneSpec.from_model(model, scaling="0..1")
    assert BackboneSpec.from_model(model, scaling="0..1", features="three_bn").feature_size == 16


class Subclassed(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Subclassed, "must be a functional or built Sequential keras.Model.* not Subclassed"),
        (lambda: keras.Sequential([layers.Conv2D(2, 1)]), "not Sequential. Write it as"),
        (lambda: "net", "not str. Write it as"),
    ],
)
def test_models_without_a_graph_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        BackboneSpec.from_model(make(), scaling="none")


@pytest.mark.parametrize("shapes", [[(8, 8, 3)] * 2, [(8, 8, 17)], [(8, 3)]])
def test_models_of_anything_but_one_photo_are_refused(shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    model = keras.Model(inputs, [layers.Dense(2)(x) for x in inputs], name="odd")
    with pytest.raises(
        ValueError, match=rf"must take one photo, RGB .*'odd' takes {len(shapes)} input\(s\)"
    ):
        BackboneSpec.from_model(model, scaling="none")


def with_first(layer):
    photo = keras.Input((SIDE, SIDE, 3))
    return keras.Model(photo, trunk(layer(photo)), name="first")


def test_scaling_must_be_known():
    with pytest.raises(
        ValueError,
        match="`scaling` must be one of 'none', '0..1', '-1..1', 'imagenet'.*not 'caffe'",
    ):
        BackboneSpec.from_model(classifier(), scaling="caffe")


def split_by_channel(x):
    """What torchvision's models are given, one channel at a time."""
    means = ((0, 0.485, 0.229), (1, 0.456, 0.224), (2, 0.406, 0.225))
    return layers.Concatenate()([(x[..., k : k + 1] / 255 - m) / d for k, m, d in means])


def nested_preprocessing(x):
    photo = keras.Input(x.shape[1:])
    inner = keras.applications.mobilenet_v2.preprocess_input(photo)
    return keras.Sequential([keras.Model(photo, inner)])(x)


def normalized(mean, variance):
    def norm(x):
        layer = layers.BatchNormalization()
        y = layer(x)
        layer.set_weights([np.ones(3), np.zeros(3), np.full(3, mean), np.full(3, variance)])
        return y

    return norm


def small(beginning):
    photo = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, 2)(beginning(photo))
    return keras.Model(photo, x, name="first")


@pytest.mark.parametrize(
    "beginning",
    [
        layers.Rescaling(1 / 255),
        layers.Normalization(mean=[124.0, 116, 104], variance=[3400.0, 3200, 3300]),
        keras.applications.mobilenet_v2.preprocess_input,
        keras.applications.resnet50.preprocess_input,  # blue first, minus a mean, not divided
        keras.applications.densenet.preprocess_input,
        lambda x: keras.ops.subtract(keras.ops.multiply(x, 1 / 127.5), 1.0),
        lambda x: (255 - x) / 255,
        lambda x: layers.Rescaling(1 / 255)(layers.ZeroPadding2D(1)(x)),
        split_by_channel,
        nested_preprocessing,
        normalized(124, 3400),
        lambda x: keras.ops.image.rgb_to_grayscale(x) / 255,
        lambda x: layers.Concatenate()([x / 127.5 - 1, 1 - x / 127.5]),
        lambda x: layers.Reshape((4, 4, 12))(x) / 255,  # a picture's pixels side by side
    ],
)
def test_photos_are_not_scaled_twice(beginning):
    model = small(beginning)
    for scaling in ("0..1", "-1..1", "imagenet"):
        with pytest.raises(
            ValueError,
            match="'first' scales photos of 0 to 255 itself, in .*scaled twice.*scaling='none'",
        ):
            BackboneSpec.from_model(model, scaling=scaling)
    assert BackboneSpec.from_model(model, scaling="none").feature_size == 4


def of_opposite_colours(x):
    """Next to nothing of grey is left, and all of what is coloured."""
    layer = layers.Conv2D(1, 1, use_bias=False)
    answer = layer(x)
    layer.set_weights([np.array([[[[0.3], [-0.6], [0.301]]]])])
    return answer


@pytest.mark.parametrize(
    "beginning",
    [
        layers.Rescaling(2.0, -1.0),
        lambda x: (x - 0.45) / 0.22,
        normalized(0.48, 0.05),
        layers.Conv2D(3, 1),
        of_opposite_colours,
        layers.MaxPooling2D(),
    ],
)
def test_what_comes_first_may_be_anything_else(beginning):
    model = small(beginning)
    for scaling in ("0..1", "-1..1", "imagenet"):
        assert BackboneSpec.from_model(model, scaling=scaling).feature_size == 4


def test_what_keras_applications_include_is_seen():
    own, bare = (
        keras.applications.MobileNetV3Small(
            input_shape=(32, 32, 3), include_top=False, weights=None, include_preprocessing=include
        )
        for include in (True, False)
    )
    with pytest.raises(ValueError, match="scaled twice"):
        BackboneSpec.from_model(own, scaling="-1..1")
    assert BackboneSpec.from_model(bare, scaling="-1..1").feature_size == 576


@pytest.mark.parametrize(
    "layer", [layers.RandomFlip(name="own"), layers.Resizing(16, 16, name="own")]
)
def test_models_that_resize_or_augment_are_refused(layer):
    with pytest.raises(ValueError, match=r"resizes or augments photos itself \('own'\)"):
        BackboneSpec.from_model(with_first(layer), scaling="none")


@pytest.mark.parametrize("name", ["ü1", "a b", "<1>"])
def test_layers_with_names_that_no_graph_can_carry_are_named_before_training(name):
    with pytest.raises(ValueError, match=f"layers called '{name}', which Keras takes"):
        BackboneSpec.from_model(with_first(layers.ReLU(name=name)), scaling="none")


def test_weights_that_are_nan_are_not_taken_for_a_layer_that_forgets_an_argument():
    model = with_first(layers.Rescaling(1.0))
    weights = model.get_weights()
    weights[0][0] = np.nan
    model.set_weights(weights)
    with pytest.raises(ValueError, match="has weights in '.*' that are NaN"):
        BackboneSpec.from_model(model, scaling="none")


def test_a_map_of_unknown_size_is_said_to_be_the_last_one():
    photo = keras.Input((None, None, 3))
    shape = keras.ops.shape(photo)
    last = keras.ops.reshape(photo, (shape[0], shape[1], shape[2], 3))
    model = keras.Model(photo, layers.Conv2D(2, 1)(last), name="free")
    with pytest.raises(ValueError, match=r"not one of shape .* as the last one of 'free' does"):
        BackboneSpec.from_model(model, scaling="none")


class Scaled(layers.Layer):
    """Nobody but this module knows it: it is not registered."""

    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


@keras.saving.register_keras_serializable("told")
class Forgetful(Scaled):
    """Leaves its argument out of its configuration."""

    def get_config(self):
        return {"name": self.name}


class Nameless(Scaled):
    def get_config(self):
        raise NotImplementedError("Nameless cannot tell its arguments")


def doubled(x):
    return 2 * x


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Forgetful(3.0, name="own"),
            r"computes something else .* of its own layers \('own'\) leave",
        ),
        (Nameless(name="own"), r"'own' \(Nameless\) does not say how it was made.*`get_config`"),
        (
            Scaled(3.0, name="own"),
            r"not saved and loaded: its layer 'own' \(Scaled\) .*register_keras",
        ),
        (layers.Lambda(lambda x: 2 * x, name="own"), r"'own' \(Lambda\) holds Python code"),
        (layers.Lambda(doubled, name="own"), r"'own' \(Lambda\) holds Python code"),
        (
            layers.Activation(doubled, name="own"),
            r"'own' \(Act.* locate function 'doubled'.*register",
        ),
        (layers.Conv2D(3, 1, activation=doubled, name="own"), r"'own' \(Conv2D\) cannot be made"),
    ],
)
def test_layers_that_no_file_gives_back_are_named_before_training(layer, message):
    with pytest.raises(ValueError, match=f"The model 'first' .*{message}"):
        BackboneSpec.from_model(small(layer), scaling="none")


@keras.saving.register_keras_serializable("told")
class Weighted(layers.Layer):
    """Learns, and does not say so when it is asked how it was made."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:])

    def call(self, x):
        return x * self.scale

    def get_config(self):
        raise NotImplementedError("Weighted cannot tell its arguments")


@pytest.mark.parametrize(
    "ending",
    [
        layers.Lambda(lambda x: 2 * x),
        Scaled(3.0),
        Forgetful(3.0),
        Nameless(),
        layers.Activation(doubled),
        layers.Resizing(2, 2),
        keras.ops.erf,
    ],
)
def test_only_what_is_kept_is_judged(ending, recwarn):
    photo = keras.Input((SIDE, SIDE, 3))
    x = ending(layers.GlobalAveragePooling2D(keepdims=True)(trunk(photo)))
    x = layers.Flatten()(x)
    model = keras.Model(photo, layers.Dense(4)(layers.Lambda(doubled)(x)), name="first")
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    built = BackboneSpec.from_model(model, scaling="none").build()
    assert built.output_shape == (None, 4, 4, 16)
    expected = features_of(model)(photos(), training=False)
    np.testing.assert_allclose(built(photos(), training=False), expected, rtol=1e-4, atol=1e-4)
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes
    assert not [one for one in recwarn if "tflite" in str(one.message)]


def test_what_learns_is_no_head_because_it_cannot_be_made_anew():
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Flatten()(Weighted(name="own")(trunk(photo)))
    model = keras.Model(photo, layers.Dense(4)(x), name="first")
    with pytest.raises(ValueError, match=r"its layer 'own' \(Weighted\) does not say how"):
        BackboneSpec.from_model(model, scaling="none")


@keras.saving.register_keras_serializable("told")
class Block(layers.Layer):
    """Adds what the layers that it holds give."""

    def __init__(self, parts, **options):
        super().__init__(**options)
        self.parts = parts

    def call(self, x):
        return sum(part(x) for part in self.parts)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"parts": list(map(keras.saving.serialize_keras_object,
                                                         self.parts))}  # fmt: skip

    @classmethod
    def from_config(cls, config):
        parts = list(map(keras.saving.deserialize_keras_object, config["parts"]))
        return cls(**config | {"parts": parts})


def around(layer):
    given = keras.Input((8, 8, 3))
    return keras.Model(given, layers.ReLU()(layer(given)))


def test_layers_that_models_share_stay_shared():
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    model = small(lambda x: around(shared)(around(shared)(x)))
    built = BackboneSpec.from_model(model, scaling="none").build()
    assert built.count_params() == model.count_params()
    np.testing.assert_allclose(built(photos(8)), model(photos(8)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("shared_by", "message"),
    [
        (lambda c: lambda x: Block([c], name="b")(Block([c], name="a")(x)),
         "its layers 'a', 'b' share 'shared', and each would get one of its own. Let one layer"),
        (lambda c: lambda x: Block([around(c)], name="b")(c(x)), "its layers 'shared', 'b' share"),
        (lambda c: Block([c, c], name="a"), r"'a' \(Block\) has 2 parts with weights when it is"),
        (lambda c: Block([around(c), around(c)], name="a"), "has 2 parts with weights when it is"),
    ],
)  # fmt: skip
def test_layers_that_would_be_shared_no_more_are_named_before_training(shared_by, message):
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    with pytest.raises(ValueError, match=message):
        BackboneSpec.from_model(small(shared_by(shared)), scaling="none")


def test_a_layer_without_weights_may_be_shared():
    relu = layers.ReLU(name="shared")
    model = small(lambda x: Block([relu, layers.Conv2D(3, 1)])(Block([relu])(x)))
    built = BackboneSpec.from_model(model, scaling="none").build()
    np.testing.assert_allclose(built(photos(8)), model(photos(8)), rtol=1e-4, atol=1e-3)


def branching(depth):
    """Each model calls the one before three times."""
    given = keras.Input((8, 8, 3))
    model = keras.Model(given, layers.Conv2D(3, 1)(given))
    for _ in range(depth):
        given = keras.Input((8, 8, 3))
        model = keras.Model(given, layers.Add()([model(given), model(model(given))]))
    return model


def test_what_calls_its_layers_too_often_to_be_loaded_is_refused_before_training(tmp_path):
    often, rarely = small(branching(7)), small(branching(4))
    with pytest.raises(ValueError, match="6,562 calls of layers.*a file of it could not be loaded"):
        BackboneSpec.from_model(often, scaling="none")
    rarely = BackboneSpec.from_model(rarely, scaling="none").build()
    rarely.save(tmp_path / "rarely.keras")
    assert load_model(tmp_path / "rarely.keras").count_params() == rarely.count_params()


@keras.saving.register_keras_serializable("told")
class AsBatch(layers.Layer):
    """Looks into the values, which only numpy can."""

    def call(self, x):
        import tensorflow as tf

        return tf.ensure_shape(tf.numpy_function(np.negative, [x], x.dtype), x.shape)

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda x: keras.ops.erf(x), "its layer 'erf.*operator 'Erf'.* no built-in counterpart"),
        (AsBatch(name="own"), r"its layer 'own' \(AsBatch\) does not convert.*'PyFunc'"),
    ],
)
def test_what_no_tflite_file_can_have_is_said_before_training(layer, message):
    with pytest.warns(UserWarning, match=f"saved, but not exported to .tflite: {message}"):
        BackboneSpec.from_model(small(layer), scaling="none")


@pytest.mark.parametrize(
    "layer",
    [
        lambda x: keras.ops.where(x > 9, x, 0 * x),
        lambda x: keras.ops.take_along_axis(x, keras.ops.argsort(x, axis=-1), axis=-1),
    ],
)
def test_operations_may_answer_with_anything(layer):
    model = small(layer)
    built = BackboneSpec.from_model(model, scaling="none").build()
    np.testing.assert_allclose(built(photos(8)), model(photos(8)), rtol=1e-4, atol=1e-3)


def of_whole_numbers(beginning):
    photo = keras.Input((8, 8, 3), dtype="uint8")
    return keras.Model(photo, layers.Conv2D(4, 3, 2)(beginning(photo)), name="whole")


@pytest.mark.parametrize(
    "beginning",
    [layers.Rescaling(1 / 255), lambda x: keras.ops.cast(x, "float32") / 255, lambda x: x / 255],
)
def test_a_model_of_whole_numbers_is_taken(beginning):
    model = of_whole_numbers(beginning)
    built = BackboneSpec.from_model(model, scaling="none").build()
    given = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype("uint8")
    np.testing.assert_allclose(built(given.astype("float32")), model(given), atol=1e-5)
    with pytest.raises(ValueError, match=r"'whole' takes whole numbers \(uint8\).*scaling='none'"):
        BackboneSpec.from_model(model, scaling="0..1")


def test_arithmetic_of_whole_numbers_is_refused():
    shifted = of_whole_numbers(lambda x: keras.ops.cast(x - 100, "float32"))
    bare = of_whole_numbers(lambda x: x)
    for model in (shifted, bare):
        with pytest.raises(ValueError, match="Does it compute with uint8. Let it begin with"):
            BackboneSpec.from_model(model, scaling="none")
    with pytest.raises(ValueError, match=r"called on 2 photos: Conv2D.call\(\).* type uint8"):
        BackboneSpec.from_model(bare, scaling="none")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
def test_a_model_of_another_precision_is_taken_in_single_precision(policy):
    try:
        keras.config.set_dtype_policy(policy)
        inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1)])
        model = small(lambda x: layers.SpatialDropout2D(0.1)(inner(x)))
        built = BackboneSpec.from_model(model, scaling="0..1").build()  # the policy is still set
        assert keras.config.dtype_policy().name == policy
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.dtype_policy.name for layer in built.layers} == {"float32"}
    for old, new in zip(model.get_weights(), built.get_weights(), strict=True):
        np.testing.assert_array_equal(np.asarray(old, "float32"), new)


@pytest.mark.parametrize("takes", ["float16", "bfloat16", "float64"])
def test_a_model_that_takes_photos_of_another_precision_is_taken(takes):
    photo = keras.Input((8, 8, 3), dtype=takes)
    model = keras.Model(photo, layers.Conv2D(4, 3, 2)(photo), name="other")
    built = BackboneSpec.from_model(model, scaling="imagenet").build()
    assert built.inputs[0].dtype == "float32"


def test_a_model_in_8_bits_is_refused():
    model = small(layers.Dense(3, name="own"))
    model.quantize("int8")
    with pytest.raises(ValueError, match="`model` computes in 8 bits in 'own'.*before `quantize`"):
        BackboneSpec.from_model(model, scaling="none")


def test_batches_may_have_been_of_one_size():
    photo = keras.Input((8, 8, 3), batch_size=4)
    model = keras.Model(photo, layers.Conv2D(4, 3, 2)(photo), name="four")
    assert BackboneSpec.from_model(model, scaling="0..1").build().input_shape == (None, 8, 8, 3)
    fixed = keras.Model(photo, keras.ops.reshape(model.output, (4, 3, 3, 4)), name="four")
    with pytest.raises(
        ValueError, match="'four' cannot be called on 5 photos.*batches of any size"
    ):
        BackboneSpec.from_model(fixed, scaling="0..1")


def test_trying_draws_no_random_number_that_training_would_have_drawn():
    spec = BackboneSpec.from_model(small(layers.UnitNormalization()), scaling="none")
    model = spec.build()
    drawn = []
    for tried in (False, True):
        keras.utils.set_random_seed(0)
        if tried:
            _TRIED.clear()
            rehearse(model, "first")
            assert _TRIED
        drawn.append([random.random(), *layers.Dense(2).kernel_initializer((2, 2)).numpy().flat])
    assert drawn[0] == drawn[1]


def test_a_specification_stands_for_its_name(spec):
    assert get_backbone(spec) is spec
    with pytest.raises(
        ValueError, match="'model:net' was made of a Keras model .* with BackboneSpec.from_model"
    ):
        get_backbone(spec.name)


def test_what_is_added_to_a_model_has_no_name_that_it_has(tmp_path):
    automatic = (
        "cast mean var max square sqrt maximum log concatenate stack subtract true_divide add "
        "expand_dims functional global_average_pooling2d functional_1 mean_7"
    )
    ours = (
        "scale pool logits scores embedding steps trained teacher_features novelty_standard_0 "
        "adapter_0_up max_pool_1_below"
    )
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False, name="first")(photo)
    for name in f"{automatic} {ours}".split():
        x = layers.Activation("linear", name=name)(x)
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(8, 3, 2, "same", name="second")(x))
    keras.Model(photo, keras.ops.relu(x), name="photo").save(tmp_path / "own.keras")
    keras.utils.clear_session()  # as in a new process: Keras counts its names from the start
    model = keras.models.load_model(tmp_path / "own.keras")
    spec = BackboneSpec.from_model(model, scaling="none", features="norm")
    keras.utils.clear_session()
    net = spec.build()
    for head in list_heads():
        keras.Model(net.input, make_head(head).build(features_at(net, spec, 2), 3, 0))
    add_adapter(net, spec, Bottleneck(2))
    student = keras.Model(net.input, make_head("classification").build(net.output, 3, 0))
    wish = Distillation(feature_weight=1.0)
    wish.training_model(student, features="pool", feature_size=4)
    places = np.random.default_rng(0).normal(size=(60, 2, 2, 8)).astype("float32")
    novelty = Novelty.of([places], np.arange(60))
    keras.Model(net.input, novelty.attach([layers.MaxPooling2D(4, name="few")(net.output)]))
    read = load_model(tmp_path / "own.keras")
    keras.utils.clear_session()
    reestimate_batch_norm(read, [photos()])


def test_what_heads_add_to_a_model_is_known():
    given = [keras.Input((4, 4, 8), name=f"given_{i}") for i in range(2)]
    wishes = [{"norm": "layer"}, {"norm": "group", "hidden": (4, 4), "cosine": True}]
    wishes += [{"pooling": pooling} for pooling in POOLINGS]
    for name, wish in [*product(list_heads(), wishes[:1]), *product(["classification"], wishes)]:
        answer = make_head(name, **wish).build(given, 3, 0)
        for one in keras.Model(given, answer).operations[2:]:
            assert one.name in TAKEN or not_ours(one.name) != one.name


def test_a_layer_with_a_name_of_ours_may_be_where_features_are_taken():
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, 2, name="embedding")(photo)
    x = layers.Conv2D(6, 3, 2, name="adapter_up")(x)
    model = keras.Model(photo, x)
    for name, size in (("embedding", 4), ("adapter_up", 6)):
        spec = BackboneSpec.from_model(model, scaling="none", features=name)
        assert spec.feature_size == size
