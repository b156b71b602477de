"""Mixtures of two examples: inputs, targets, weights and loss agree, and repeat."""

import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes import to_dataset
from kerasrecipes.data.mixing import mix_batches

CLASSES = 3
SIZE = (14, 10)


def examples(count=12, shape=(*SIZE, 2), seed=0):
    """Inputs, one-hot targets and a weight per class, as `with_targets` gives them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    inputs = rng.uniform(0, 255, (count, *shape)).astype(np.float32)
    weights = np.array([0.25, 1.0, 4.0], np.float32)[labels]
    return inputs, np.eye(CLASSES, dtype=np.float32)[labels], weights


def batched(parts, batch_size=12):
    return tf.data.Dataset.from_tensor_slices(parts).batch(batch_size)


def arrays(dataset):
    return [tuple(part.numpy() for part in batch) for batch in dataset]


def tagged(count=12, size=SIZE):
    """Inputs that show, in every pixel, which example it is from; equal weights."""
    inputs = np.broadcast_to(np.arange(count)[:, None, None, None], (count, *size, 1))
    return inputs.astype(np.float32), np.eye(count, dtype=np.float32), np.ones(count, np.float32)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_shapes_types_and_length_stay(kind):
    given = batched(examples(), 5)
    mixed = mix_batches(given, kind, 1.0)
    assert mixed.element_spec == given.element_spec
    assert int(mixed.cardinality()) == 3
    for before, after in zip(arrays(given), arrays(mixed), strict=True):
        assert [part.shape for part in before] == [part.shape for part in after]
        np.testing.assert_allclose(after[1].sum(axis=1), 1, atol=1e-5)
        assert after[0].min() >= before[0].min() - 1e-3
        assert after[0].max() <= before[0].max() + 1e-3


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_targets_count_what_is_seen(kind):
    """With a class of its own for each example, the target says whose pixels these are."""
    parts = tagged(40, (9, 7))
    inputs, target, weight = arrays(mix_batches(batched(parts, 40), kind, 1.0, seed=4))[0]
    np.testing.assert_allclose(weight, 1, atol=1e-5)
    own = target[np.arange(40), np.arange(40)]
    if kind == "mixup":
        np.testing.assert_allclose(
            inputs, np.broadcast_to((target @ np.arange(40))[:, None, None, None], inputs.shape),
            atol=1e-3,
        )  # fmt: skip
    else:
        areas = (inputs[..., 0] == np.arange(40)[:, None, None]).mean(axis=(1, 2))
        np.testing.assert_allclose(areas, own, atol=1e-6)
        for i, photo in enumerate(inputs[..., 0]):
            rows, columns = np.nonzero(photo != i)
            if len(rows):  # one box, of one partner
                assert len(np.unique(photo[photo != i])) == 1
                assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    others = target - np.diag(own)
    assert ((target > 1e-6).sum(axis=1) <= 2).all()
    # Each is the partner of one other: nobody is shown twice.
    assert ((others > 1e-6).sum(axis=0) <= 1).all()
    assert ((0.02 < own) & (own < 0.98)).sum() >= 25


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_loss_of_a_mixture_is_the_mixture_of_the_weighted_losses(kind):
    import keras

    inputs, target, weight = examples(24, (6, 6, 1))
    tags, names, ones = tagged(24, (6, 6))
    # The same draws on examples that have a class of their own tell the shares.
    _, shares, _ = arrays(mix_batches(batched((tags, names, ones), 24), kind, 1.0, seed=3))[0]
    _, mixed, mixed_weight = arrays(
        mix_batches(batched((inputs, target, weight), 24), kind, 1.0, seed=3)
    )[0]
    logits = np.random.default_rng(1).normal(size=(24, CLASSES)).astype(np.float32)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.1, reduction="none"
    )

    def losses(of):
        return np.stack([loss(np.broadcast_to(row, logits.shape), logits) for row in of])

    # Row j: the loss of every output, were it example j.
    expected = (shares.T * weight[:, None] * losses(target)).sum(axis=0)
    np.testing.assert_allclose(mixed_weight * loss(mixed, logits), expected, rtol=2e-4)
    np.testing.assert_allclose(mixed_weight, shares @ weight, rtol=1e-4)


def test_equal_weights_leave_the_shares_themselves():
    inputs, target, weight = examples()
    weighted = arrays(mix_batches(batched((inputs, target, 0 * weight + 2)), "mixup", 1.0))[0]
    plain = arrays(mix_batches(batched((inputs, target)), "mixup", 1.0))[0]
    assert len(plain) == 2
    np.testing.assert_array_equal(weighted[0], plain[0])
    np.testing.assert_allclose(weighted[1], plain[1], atol=1e-6)


def test_examples_of_no_weight_stay_without():
    inputs, target, weight = examples()
    _, mixed, none = arrays(mix_batches(batched((inputs, target, 0 * weight)), "mixup"))[0]
    assert np.isfinite(mixed).all() and (none == 0).all()


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_batch_is_a_function_of_seed_and_step(kind):
    parts = examples(30)
    whole = arrays(mix_batches(batched(parts, 6), kind, 1.0, seed=5))
    again = arrays(mix_batches(batched(parts, 6), kind, 1.0, seed=5))
    resumed = arrays(mix_batches(batched(parts, 6).skip(3), kind, 1.0, seed=5, first_step=3))
    other = arrays(mix_batches(batched(parts, 6), kind, 1.0, seed=6))
    for a, b in zip(whole + whole[3:], again + resumed, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
    assert not any(np.array_equal(a[0], b[0]) for a, b in zip(whole, other, strict=True))


def test_steps_differ_though_the_batch_is_the_same():
    inputs, target, weight = examples(6)
    batches = batched((inputs, target, weight), 6).repeat(4)
    seen = {inputs.tobytes() for inputs, *_ in arrays(mix_batches(batches, "mixup", 1.0))}
    assert len(seen) == 4


@pytest.mark.parametrize("alpha", [1e-3, 0.05, 0.2, 1.0, 50.0])
def test_shares_are_beta_distributed(alpha):
    """Moments of Beta(a, a): mean 1/2, variance 1/(8a + 4); finite for any alpha."""
    count = 2000
    parts = (np.eye(2, dtype=np.float32)[np.arange(count) % 2], np.eye(count, dtype=np.float32))
    _, target = arrays(mix_batches(batched(parts, count), "mixup", alpha, seed=1))[0]
    own = np.diag(target)
    assert np.isfinite(target).all()
    assert abs(own.mean() - 0.5) < 0.03
    assert own.var() == pytest.approx(1 / (8 * alpha + 4), rel=0.12)


def test_cutmix_boxes_cover_what_the_paper_draws():
    """Boxes keep the map's shape and fall anywhere, so most areas are seen in full or cut."""
    parts = tagged(400, (20, 40))
    inputs, _, _ = arrays(mix_batches(batched(parts, 400), "cutmix", 1.0))[0]
    pasted = inputs[..., 0] != np.arange(400)[:, None, None]
    # Shares are uniform; a box of area a that may be cut off has the mean area below.
    area = np.random.default_rng(0).uniform(size=(10**5))
    middle, half = np.random.default_rng(1).uniform(size=(2, 10**5)), np.sqrt(area) / 2
    sides = np.minimum(middle + half, 1) - np.maximum(middle - half, 0)
    assert pasted.mean() == pytest.approx(sides.prod(axis=0).mean(), abs=0.04)
    inner = pasted[:, 1:-1, 1:-1].any(axis=(1, 2)) & ~pasted[:, [0, -1]].any(axis=(1, 2))
    inner &= ~pasted[:, :, [0, -1]].any(axis=(1, 2))
    rows, columns = pasted[inner].any(axis=2).sum(axis=1), pasted[inner].any(axis=1).sum(axis=1)
    assert len(rows) > 30 and np.abs(2 * rows - columns).max() <= 2


def test_feature_maps_of_half_precision_and_vectors_mix():
    inputs, target, weight = examples(6, (3, 2, 5))
    half = arrays(mix_batches(batched((inputs.astype(np.float16), target, weight)), "cutmix"))[0]
    assert half[0].dtype == np.float16
    vectors = arrays(mix_batches(batched((inputs[:, 0, 0], target, weight)), "mixup", 1.0))[0]
    assert vectors[0].shape == (6, 5) and np.abs(vectors[0] - inputs[:, 0, 0]).max() > 1


def test_one_example_is_its_own_partner():
    parts = examples(1)
    for before, after in zip(parts, arrays(mix_batches(batched(parts), "mixup"))[0], strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5)


def test_it_feeds_a_bare_fit(part_sets):
    import keras

    model = keras.Sequential(
        [keras.Input((*SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.compile("sgd", keras.losses.CategoricalCrossentropy(True), metrics=["accuracy"])
    data = mix_batches(to_dataset(part_sets[0], SIZE, batch_size=8), "cutmix", 1.0)
    assert np.isfinite(model.fit(data, shuffle=False, verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("parts", "settings", "message"),
    [
        (examples(), {"kind": "mix_up"}, "Unknown way to mix 'mix_up'. Did you mean 'mixup'"),
        (examples(), {"alpha": 0}, "`alpha` must be a positive number, not 0"),
        (examples(), {"alpha": float("nan")}, "`alpha` must be a positive number, not nan"),
        (examples(), {"alpha": "1"}, "`alpha` must be a positive number, not '1'"),
        (examples()[0], {}, r"`dataset` must give \(inputs, target, weight\) or .* Received: Te"),
        (({"a": examples()[0]}, examples()[1]), {}, "each one tensor. Received: .*'a'"),
        ((examples()[0], np.arange(12)), {}, r"one float column per class.* int64 of shape \(N"),
        ((examples()[0].astype(np.uint8), examples()[1]), {}, "float inputs, not uint8"),
        ((examples()[0][:, 0, 0], examples()[1]), {"kind": "cutmix"}, "CutMix pastes boxes"),
        (examples(12, (1, 1, 4)), {"kind": "cutmix"}, r"with more than one place, not \(None, 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_mixed_is_an_error(parts, settings, message):
    with pytest.raises(ValueError, match=message):
        mix_batches(batched(parts), **{"kind": "mixup", **settings})
