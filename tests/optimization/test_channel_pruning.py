from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasrecipes as kr
from kerasrecipes.callbacks.averages.weight_averaging import measure_batch_norms
from kerasrecipes.errors import DataError
from kerasrecipes.optimization.channels.choice import MultiplyAdds
from kerasrecipes.optimization.channels.groups import find_channel_groups
from kerasrecipes.optimization.channels.pruning import prune_channels
from kerasrecipes.optimization.channels.scores import (
    score_by_batch_norm,
    score_by_gradient,
    score_by_kernel,
)
from kerasrecipes.surgery.multiply_adds import count_multiply_adds

FAMILIES = [
    "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "mobilenet", "mobilenet_v2",
    "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0", "efficientnet_v2_b0",
    "resnet50_v2", "densenet121",
]  # fmt: skip
QUICK = {"efficientnet_lite0", "mobilenet", "mobilenet_v2", "mobilenet_v3_small"}


def with_head(name, side=32, classes=3):
    keras.utils.set_random_seed(0)
    backbone = kr.get_backbone(name).build((side, side), None)
    x = layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    return keras.Model(backbone.input, layers.Dense(classes, name="logits")(x), name=name)


def disturb(model):
    """Give norms and biases values that differ from channel to channel."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shapes = [weight.shape for weight in layer.weights]
            gamma, *others = [rng.uniform(0.5, 1.5, shape) for shape in shapes]
            layer.set_weights([gamma, *(other - 0.5 for other in others[:-1]), others[-1]])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))


def silence(model, channels, dead):
    """Set all weights to zero that make some of the channels."""
    producers = {name for group in channels.groups for name in group.producers}
    for layer in model.layers:
        if layer.name not in channels.layers:
            continue
        name, work, weights = layer.name, channels.layers[layer.name], layer.get_weights()
        if isinstance(layer, layers.BatchNormalization):
            for weight in weights[:2]:
                weight[dead[work.takes]] = 0
        elif weights:
            if name in producers:
                weights[0][..., dead[work.gives]] = 0
            for bias in weights[1:]:
                bias[dead[work.gives]] = 0
        layer.set_weights(weights)


def chosen(channels, fraction=0.5):
    """Choose channels of each group that may go; return scores that choose them, too."""
    rng = np.random.default_rng(1)
    dead, scores = np.zeros(channels.count, bool), {}
    for group in channels.groups:
        scores[group.name] = rng.permutation(len(group)).astype(float)
        if not group.fixed:
            dead[group.channels] = scores[group.name] < fraction * len(group)
    return dead, scores


@pytest.fixture
def float64(monkeypatch):
    """Let what is exact differ by nothing that could hide an error."""
    monkeypatch.setattr("kerasrecipes.backbones.spec.single_precision", nullcontext)
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy("float32")


def check_exact(model, shape, **options):
    channels = find_channel_groups(model)
    dead, scores = chosen(channels)
    disturb(model)
    silence(model, channels, dead)
    photos = np.random.default_rng(2).uniform(0, 255, shape).astype("float32")
    measure_batch_norms(model, [photos])  # so that signals reach the end
    before = np.asarray(model(photos, training=False))  # once each: no graph pays off
    pruned = prune_channels(
        model, channels=0.5, scores=scores, residual=True, min_channels=1, multiple_of=1, **options
    )
    after = np.asarray(pruned.model(photos, training=False))
    assert after == pytest.approx(before, rel=1e-9)
    assert np.abs(before[0] - before[1]).max() > 1e-4  # photos do make a difference
    removed = sum(before - after for before, after in pruned.sizes.values())
    assert removed == dead.sum() > 0
    assert count_multiply_adds(pruned.model) == pruned.multiply_adds[1] < pruned.multiply_adds[0]
    assert pruned.model.count_params() == pruned.parameters[1] < 0.6 * pruned.parameters[0]
    return pruned


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.proof) for name in FAMILIES],
)
def test_channels_of_zeros_go_without_a_trace(name, float64):
    check_exact(with_head(name), (4, 32, 32, 3))


def every_rule():
    """Residual, concatenated, flattened, excited, repeated: a model of all the cases."""
    keras.utils.set_random_seed(0)
    photo = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", name="a")(layers.Rescaling([1 / 255] * 3)(photo))
    x = layers.BatchNormalization(name="a_bn")(x)
    b = layers.Conv2D(4, 3, padding="same", activation="relu", name="b")(x)
    both = layers.Concatenate(name="both")([x, b])
    c = layers.Conv2D(10, 1, name="c")(both)
    x = layers.Add()([both, c])  # ties a and b to parts of c
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="d")(x)
    gate = layers.Reshape((1, 1, 20))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(20, 1, activation="sigmoid", name="e")(gate) + 1.0
    x = layers.MaxPooling2D()(layers.Multiply()([x, gate]))
    shared = layers.Conv2D(20, 1, name="shared", activation="tanh")
    x = shared(shared(x))
    x = layers.Dense(8, activation="relu", name="f")(layers.Flatten()(x))
    return keras.Model(photo, layers.Dense(3, activation="softmax", name="g")(x))


def test_every_rule_is_exact(float64):
    model = every_rule()
    groups = {group.name: group for group in find_channel_groups(model).groups}
    assert {name: group.producers for name, group in groups.items()} == {
        "a": ("a", "b", "c", "e", "shared"), "f": ("f",), "g": ("g",),
    }  # fmt: skip
    assert groups["a"].residual
    assert groups["g"].fixed.startswith("the activation softmax")
    pruned = check_exact(model, (4, 8, 8, 3))
    assert pruned.sizes == {"a": (10, 5), "f": (8, 4)}
    assert pruned.model.get_layer("d").output.shape[-1] == 10
    assert pruned.left_alone == {"g": groups["g"].fixed}


def test_models_within_models_are_flattened():
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(16, 3, name="a"),
            layers.Conv2D(8, 1, name="b"),
            layers.BatchNormalization(),
        ]
    )
    photo = keras.Input((8, 8, 3))
    x = layers.Dense(2)(layers.Flatten()(inner(photo)))
    model = keras.Model(photo, x)
    assert find_channel_groups(model).unknown == (inner.name,)
    pruned = prune_channels(model, channels=0.5)
    assert pruned.sizes == {"a": (16, 8)}
    alone = prune_channels(inner, channels=0.5)
    assert alone.left_alone == {"b": "the model's output"}
    assert inner.count_params() == 3 * 9 * 16 + 16 + 16 * 8 + 8 + 4 * 8


@pytest.fixture(scope="module")
def lite0():
    model = with_head("efficientnet_lite0")
    disturb(model)
    return model


@pytest.mark.parametrize("allocation", ["uniform", "global", "by_cost"])
@pytest.mark.parametrize("residual", [False, True])
def test_the_asked_arithmetic_is_left(lite0, allocation, residual):
    scores = score_by_kernel(lite0)
    rng = np.random.default_rng(0)  # fresh kernels say nothing: all late ones are small
    scores = {name: rng.uniform(size=len(values)) for name, values in scores.items()}
    pruned = prune_channels(
        lite0, max_multiply_adds=0.5, scores=scores, allocation=allocation, residual=residual
    )
    assert 0.49 < count_multiply_adds(pruned.model) / count_multiply_adds(lite0) <= 0.5
    assert any(name == "stem_conv" for name in pruned.sizes)
    assert ("block02_project_conv" in pruned.sizes) == residual
    for before, after in pruned.sizes.values():
        assert after == before or (after % 8 == 0 and after >= 8)
    assert "million multiply-adds" in str(pruned)


def test_the_order_of_the_scores_decides(lite0):
    scores = score_by_batch_norm(lite0)
    pruned = prune_channels(lite0, channels=0.5, scores="batch_norm")
    kept = pruned.model.get_layer("block02_expand_bn").gamma.numpy()
    gammas = [lite0.get_layer(f"block02_{step}_bn").gamma.numpy() for step in
              ("expand", "depthwise")]  # fmt: skip
    assert scores["block02_expand_conv"] == pytest.approx(np.mean(gammas, axis=0))
    best = np.sort(np.argsort(scores["block02_expand_conv"])[48:])
    assert kept.tolist() == gammas[0][best].tolist()
    assert lite0.get_layer("block02_expand_bn").gamma.shape == (96,)


def test_global_allocation_spares_what_matters(lite0):
    scores = {n: np.ones(len(v)) * 1e-3 for n, v in score_by_kernel(lite0).items()}
    # Scaled to length 1, a group with few loud channels has many quiet ones.
    scores["block05_expand_conv"][:] = np.linspace(0, 1, 240) ** 8
    pruned = prune_channels(lite0, channels=0.02, scores=scores, allocation="global")
    sizes = {name: after / before for name, (before, after) in pruned.sizes.items()}
    assert sizes.pop("block05_expand_conv") < 0.5
    assert sizes.pop("top_conv") < 1  # 1280 equal channels: each is a small part of the whole
    assert min(sizes.values()) == 1


def test_by_cost_takes_what_is_much_arithmetic_for_its_score(lite0):
    scores = {name: np.ones(len(values)) for name, values in score_by_kernel(lite0).items()}
    pruned = prune_channels(lite0, max_multiply_adds=0.9, scores=scores, allocation="by_cost")
    groups = {group.name: group for group in find_channel_groups(lite0).groups}
    cost = MultiplyAdds(lite0, find_channel_groups(lite0))
    of_one = {name: cost.of_one(groups[name]) for name in pruned.sizes}
    shrunk = [of_one[name] for name, (before, after) in pruned.sizes.items() if after < before]
    spared = [of_one[name] for name, (before, after) in pruned.sizes.items() if after == before]
    assert shrunk and spared and min(shrunk) >= max(spared)


def small_net():
    keras.utils.set_random_seed(0)
    photo = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, use_bias=False, name="normed")(photo)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(5, 3, activation="relu", name="bare")(x)
    x = layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(photo, layers.Softmax()(x))
    disturb(model)
    return model


def test_gradient_scores_are_activation_times_gradient():
    import tensorflow as tf

    model = small_net()
    model.trainable = False  # frozen layers are scored, too
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 6, 6, 2)).astype("float32")
    y = np.eye(3, dtype="float32")[rng.integers(0, 3, 6)]
    loss = keras.losses.CategoricalCrossentropy()
    batches = [(x[:3], y[:3]), (x[3:], y[3:])]
    scores = score_by_gradient(model, batches, loss)
    for name, layer in (("normed", "norm"), ("bare", "bare")):
        front = keras.Model(model.input, model.get_layer(layer).output)
        back = keras.Model(model.get_layer(layer).output, model.output)
        expected = 0.0
        for photos, targets in batches:
            activation = tf.convert_to_tensor(front(photos))
            with tf.GradientTape() as tape:
                tape.watch(activation)
                value = loss(targets, back(activation))
            change = tf.reduce_sum(activation * tape.gradient(value, activation), (0, 1, 2))
            expected += change.numpy() ** 2 / 2
        assert scores[name] == pytest.approx(expected, rel=1e-3, abs=1e-9)
        assert scores[name].max() > 1e-6


def test_kernel_scores_are_mean_sizes():
    model = small_net()
    kernel = model.get_layer("bare").get_weights()[0]
    assert score_by_kernel(model)["bare"] == pytest.approx(np.abs(kernel).mean((0, 1, 2)))
    assert set(score_by_batch_norm(model)) == {"normed"}
    pruned = prune_channels(model, channels=0.5, scores="batch_norm", min_channels=1, multiple_of=1)
    assert pruned.left_alone["bare"] == "it has no scores"


def test_a_pruned_model_trains_and_saves(tmp_path):
    pruned = prune_channels(small_net(), channels=0.5, min_channels=1, multiple_of=1).model
    x, y = np.ones((4, 6, 6, 2)), np.eye(3)[[0, 1, 2, 0]]
    pruned.compile("adam", "categorical_crossentropy")
    history = pruned.fit(x, y, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]
    pruned.save(tmp_path / "pruned.keras")
    again = keras.saving.load_model(tmp_path / "pruned.keras")
    assert again.predict(x, verbose=0).tolist() == pruned.predict(x, verbose=0).tolist()


def test_wrong_arguments_are_named(lite0):
    for options, message in (
        ({}, "either `channels`"),
        ({"channels": 0.5, "max_multiply_adds": 0.5}, "either `channels`"),
        ({"channels": 1.0}, "`channels` is the fraction of the channels that go; .* 1, not 1.0"),
        ({"max_multiply_adds": 0}, "is the fraction of the multiply-adds that may be left; it"),
        ({"channels": 0.5, "min_channels": 0}, "`min_channels` must be a whole number"),
        ({"channels": 0.5, "multiple_of": 2.0}, "`multiple_of` must be a whole number"),
        ({"channels": 0.5, "scores": "kernels"}, "Did you mean 'kernel'"),
        ({"channels": 0.5, "allocation": "even"}, "Unknown allocation 'even'"),
        ({"channels": 0.5, "scores": {"x": [1.0]}}, "'x', which is no group"),
        ({"channels": 0.5, "scores": {"stem_conv": [1.0]}}, "must be 32 finite numbers"),
        ({"channels": 0.5, "scores": {}}, "No channels may go: .* additions tie it"),
        ({"channels": 0.001}, "Nothing would go"),
        ({"max_multiply_adds": 0.01}, "cannot be reached: [0-9.]+% .* left at least"),
    ):
        with pytest.raises(ValueError, match=message):
            prune_channels(lite0, **options)


def around(middle):
    """Put something between two convolutions that can be pruned by themselves."""
    keras.utils.set_random_seed(0)
    photo = keras.Input((8, 8, 3))
    x = middle(layers.Conv2D(8, 3, padding="same", activation="relu", name="a")(photo))
    x = layers.Conv2D(8, 1, activation="relu", name="z")(x)
    return keras.Model(photo, layers.Dense(2, name="end")(layers.GlobalAveragePooling2D()(x)))


def convolved(x, name="m"):
    return layers.Conv2D(8, 1, name=name)(x)


FOLLOWED = {
    "reshape": lambda x: ops.reshape(ops.reshape(x, (-1, 64, 8)), (-1, 8, 8, 8)),
    "flattened": lambda x: layers.Dense(8)(ops.reshape(x, (-1, 512)))[:, None, None],
    "squeezed": lambda x: ops.squeeze(ops.expand_dims(x, 1), 1),
    "sliced": lambda x: x[:, ::2, 1:, :] * x[:, None, ::2, 1:][:, 0],
    "mean": lambda x: x * ops.mean(x, axis=(1, 2), keepdims=True),
    "concatenate": lambda x: ops.concatenate([x, ops.concatenate([x, convolved(x)], 1)[:, 8:]], -1),
    "arithmetic": lambda x: ops.clip(x * 3 / 2 - x, 0, 6) + ops.sigmoid(x) * ops.square(x),
    "transpose": lambda x: ops.transpose(x, (0, 2, 1, 3)),
    "pooled": lambda x: ops.image.resize(ops.average_pool(x, 2), (8, 8)),
}
AROUND = {
    "grouped": lambda x: layers.Conv2D(8, 3, groups=4, name="odd")(convolved(x)),
    "separable": lambda x: layers.SeparableConv2D(8, 3, name="odd")(convolved(x)),
    "transposed": lambda x: layers.Conv2DTranspose(8, 3, name="odd")(convolved(x)),
    "normalized": lambda x: layers.LayerNormalization(name="odd")(convolved(x)),
    "permuted": lambda x: layers.Permute((3, 1, 2), name="odd")(convolved(x)),
    "layer of another's": lambda x: Doubled(name="odd")(convolved(x)),
    "model": lambda x: keras.Sequential(
        [keras.Input((8, 8, 8)), layers.LayerNormalization(name="odd"), layers.Conv2D(8, 1)]
    )(convolved(x)),
    "channels sliced": lambda x: convolved(x)[..., :4],
    "array": lambda x: convolved(x) * np.arange(8, dtype="float32"),
    "mean over channels": lambda x: ops.mean(convolved(x), -1, keepdims=True),
    "to the front": lambda x: ops.transpose(convolved(x), (0, 3, 1, 2)),
    "einsum": lambda x: ops.einsum("bhwc,bhwd->bcd", convolved(x), convolved(x, "n"))[:, None],
    "reshaped across": lambda x: ops.reshape(convolved(x), (-1, 8, 4, 16)),
    "split": lambda x: ops.split(convolved(x), 2, axis=-1)[1],
    "number": lambda x: convolved(x) * ops.sum(x),
    "softmax over places": lambda x: ops.softmax(convolved(x), axis=1),
}


class Doubled(layers.Layer):
    def call(self, x):
        return x * 2


@pytest.mark.parametrize("name", [*FOLLOWED, *AROUND])
def test_operations_and_layers_beyond_the_table_keep_the_answer(name):
    model = around((FOLLOWED | AROUND)[name])
    channels = find_channel_groups(model)
    dead, scores = chosen(channels)
    disturb(model)
    silence(model, channels, dead)
    photos = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype("float32")
    before = np.asarray(model(photos, training=False))
    pruned = prune_channels(
        model, channels=0.5, scores=scores, residual=True, min_channels=1, multiple_of=1
    )
    assert pruned.sizes["z"] == (8, 4)
    assert np.asarray(pruned.model(photos, training=False)) == pytest.approx(before, abs=1e-5)
    if name in FOLLOWED:
        assert pruned.sizes["a"] == (8, 4) and pruned.unknown == ()
    else:
        assert "m" not in pruned.sizes and pruned.left_alone["m"]
    if name in {"grouped", "separable", "transposed", "layer of another's", "model"}:
        assert pruned.unknown == ("odd",)
        assert "All channels around 'odd' stay" in str(pruned)
        assert pruned.left_alone["m"].startswith("odd (")


def test_arithmetic_that_cannot_be_counted_is_no_limit_of_pruning():
    def attended(x):
        x = ops.reshape(convolved(x), (-1, 64, 8))
        return ops.reshape(layers.MultiHeadAttention(1, 4, name="odd")(x, x), (-1, 8, 8, 8))

    model = around(attended)
    assert prune_channels(model, channels=0.5, min_channels=1, multiple_of=1).sizes["z"] == (8, 4)
    with pytest.raises(ValueError, match=r"'odd \(MultiHeadAttention\)' cannot be counted"):
        prune_channels(model, max_multiply_adds=0.5, min_channels=1, multiple_of=1)


def test_models_without_a_graph_are_refused():
    with pytest.raises(ValueError, match="must be a functional keras.Model"):
        prune_channels(keras.Sequential([layers.Dense(2)]), channels=0.5)
    with pytest.raises(ValueError, match="No BatchNormalization of 'plain' scales"):
        plain = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="plain")
        score_by_batch_norm(plain)


def test_gradient_scores_need_sound_data():
    model, loss = small_net(), keras.losses.CategoricalCrossentropy()
    with pytest.raises(DataError, match="is empty"):
        score_by_gradient(model, [], loss)
    bad = np.full((2, 6, 6, 2), np.nan, "float32")
    with pytest.raises(ValueError, match="gradient is not finite"):
        score_by_gradient(model, [(bad, np.eye(3)[:2])], loss)


def test_multiply_adds_are_those_of_the_papers():
    lite0 = kr.get_backbone("efficientnet_lite0").build((224, 224), None)
    assert count_multiply_adds(lite0) == pytest.approx(385e6, rel=0.01)  # 407M with its head
    photo = keras.Input((8, 8, 4))
    x = layers.SeparableConv2D(6, 3, name="s")(photo)  # 36 places, each 9 · 4 + 4 · 6
    model = keras.Model(photo, layers.Conv2DTranspose(2, 2, strides=2)(x))
    assert count_multiply_adds(model) == 36 * (36 + 24) + 36 * 4 * 6 * 2
    with pytest.raises(ValueError, match="no fixed size"):
        free = keras.Input((None, None, 3))
        count_multiply_adds(keras.Model(free, layers.Conv2D(2, 3)(free)))
    with pytest.raises(ValueError, match=r"cannot be counted.|'lstm \(LSTM\)'"):
        steps = keras.Input((4, 3))
        count_multiply_adds(keras.Model(steps, layers.LSTM(2, name="lstm")(steps)))
    with pytest.raises(ValueError, match="no convolution and no dense layer to count"):
        count_multiply_adds(keras.Sequential([keras.Input((4,)), layers.ReLU()]))
    with pytest.raises(ValueError, match="must be a functional keras.Model"):
        count_multiply_adds(keras.Sequential([layers.ReLU()]))
