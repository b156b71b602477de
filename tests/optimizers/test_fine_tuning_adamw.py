"""The pull toward the start and the adaptive clipping, against numpy."""

import keras
import numpy as np
import pytest

from kerasrecipes.optimizers.fine_tuning_adamw import FineTuningAdamW, clip_by_weight


def agc(gradient, weight, share, least=1e-3):
    """Clip unit by unit, as equation 3 of Brock et al. (2021) says."""
    gradient = gradient.copy()
    if weight.ndim < 2:
        units = [...]
    elif weight.ndim == 4 and weight.shape[-1] == 1:
        units = [(slice(None), slice(None), k, 0) for k in range(weight.shape[2])]
    else:
        units = [(..., k) for k in range(weight.shape[-1])]
    for unit in units:
        size = max(np.linalg.norm(weight[unit].ravel()), least)
        norm = np.linalg.norm(gradient[unit].ravel())
        if norm / size > share:
            gradient[unit] *= share * size / norm
    return gradient


@pytest.mark.parametrize("shape", [(7,), (5, 4), (3, 3, 4, 6), (3, 3, 5, 1), (2, 3, 4)])
def test_clipping_is_that_of_the_paper(shape):
    rng = np.random.default_rng(len(shape))
    weight = rng.normal(size=shape).astype("float32")
    weight[..., 0] *= 1e-6  # a unit at nearly zero may still move
    gradient = (rng.normal(size=shape) * rng.choice([0.001, 10], shape[-1])).astype("float32")
    expected = agc(gradient, weight, 0.05)
    assert not np.array_equal(expected, gradient)
    np.testing.assert_allclose(clip_by_weight(gradient, weight, 0.05), expected, rtol=1e-5)


def test_one_output_channel_is_never_clipped_to_more_than_its_share():
    """Its kernel has the shape of a depthwise one, and is limited input channel by channel."""
    rng = np.random.default_rng(0)
    weight, gradient = (rng.normal(size=(3, 3, 5, 1)).astype("float32") for _ in range(2))
    gradient[:, :, 2] *= 100
    clipped = np.array(clip_by_weight(gradient, weight, 0.05))
    assert np.linalg.norm(gradient) > 0.05 * np.linalg.norm(weight)
    assert np.linalg.norm(clipped) <= 0.05 * np.linalg.norm(weight) * 1.0001


def test_no_gradient_stays_none_even_where_the_weights_are_zero():
    weight = np.zeros((3, 2), "float32")
    np.testing.assert_array_equal(clip_by_weight(weight, weight, 0.05), weight)


def test_a_short_gradient_is_left_alone_to_the_last_bit():
    weight = np.ones((4, 3), "float32")
    gradient = np.full((4, 3), 0.0123, "float32")
    np.testing.assert_array_equal(clip_by_weight(gradient, weight, 0.05), gradient)


def variable(seed=0, shape=(4, 3)):
    value = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return keras.Variable(value, name="kernel"), value


def test_without_gradient_weights_go_back_to_their_start():
    kernel, start = variable()
    optimizer = FineTuningAdamW(0.1, l2_sp=0.5, weight_decay=0.0)
    optimizer.build([kernel])
    kernel.assign(start + 1)
    optimizer.apply([np.zeros((4, 3), "float32")])
    np.testing.assert_allclose(kernel.numpy(), start + 1 - 0.1 * 0.5, rtol=1e-5)
    for _ in range(300):
        optimizer.apply([np.zeros((4, 3), "float32")])
    np.testing.assert_allclose(kernel.numpy(), start, atol=1e-5)


def test_the_pull_is_added_to_the_step_of_adamw():
    gradient = np.random.default_rng(2).normal(size=(4, 3)).astype("float32")
    (plain, start), (pulled, _) = variable(), variable()
    adamw = keras.optimizers.AdamW(0.01, weight_decay=0.0)
    ours = FineTuningAdamW(0.01, l2_sp=2.0, weight_decay=0.0)
    ours.build([pulled])
    adamw.build([plain])
    for one in (plain, pulled):
        one.assign(start + 0.5)
    adamw.apply([gradient])
    ours.apply([gradient])
    np.testing.assert_allclose(pulled.numpy(), plain.numpy() - 0.01 * 2.0 * 0.5, rtol=1e-5)


def test_without_options_it_is_adamw_bit_for_bit():
    (plain, _), (ours, _) = variable(), variable()
    for optimizer, one in (
        (keras.optimizers.AdamW(0.01), plain),
        (FineTuningAdamW(0.01), ours),
    ):
        for seed in range(3):
            gradient = np.random.default_rng(seed).normal(size=(4, 3)).astype("float32")
            optimizer.apply([gradient], [one])
    np.testing.assert_array_equal(plain.numpy(), ours.numpy())


def test_accumulated_gradients_are_clipped_together():
    """Two opposite outliers cancel; clipped one by one they would not."""
    kernel, start = variable()
    optimizer = FineTuningAdamW(
        0.1, adaptive_clip=0.01, gradient_accumulation_steps=2, weight_decay=0.0
    )
    optimizer.build([kernel])
    # Powers of two, whose sum rounds nothing away.
    large, small = np.full((4, 3), 64, "float32"), np.full((4, 3), 2**-10, "float32")
    optimizer.apply([large])
    optimizer.apply([small - large])
    once, _ = variable()
    reference = FineTuningAdamW(0.1, adaptive_clip=0.01, weight_decay=0.0)
    reference.build([once])
    reference.apply([small / 2])
    assert not np.array_equal(kernel.numpy(), start)
    np.testing.assert_allclose(kernel.numpy(), once.numpy(), rtol=1e-3)


def test_it_is_saved_and_loaded_with_its_start(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(FineTuningAdamW(0.05, l2_sp=0.3, adaptive_clip=0.1), "mse")
    start = model.get_weights()[0]
    x = np.random.default_rng(0).normal(size=(8, 3))
    model.fit(x, x[:, :2], epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert (loaded.optimizer.l2_sp, loaded.optimizer.adaptive_clip) == (0.3, 0.1)
    np.testing.assert_array_equal(loaded.optimizer._starts[0].numpy(), start)
    loaded.fit(x, x[:, :2], verbose=0)
    np.testing.assert_array_equal(loaded.optimizer._starts[0].numpy(), start)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l2_sp": -1}, "`l2_sp` must be at least 0, not -1"),
        ({"adaptive_clip": 0}, "`adaptive_clip` must be above 0"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        FineTuningAdamW(1e-3, **options)
