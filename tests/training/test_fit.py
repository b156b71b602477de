"""What a fit promises: what is frozen stands still, what is open moves, and it repeats exactly."""

import warnings

import keras
import numpy as np
import pytest

from kerasrecipes import (
    BackboneSpec,
    DataError,
    ImageClassifier,
    IntegrityError,
    NotFittedError,
    UnfreezeSchedule,
    ablate_recipe,
    fine_tune_images,
    get_backbone,
    probe_backbone,
)
from kerasrecipes.engine.frozen import runtime as engine
from kerasrecipes.losses.class_weights import class_weights
from kerasrecipes.settings.judging import head_of
from kerasrecipes.training.fitting import build_model
from kerasrecipes.training.save import _compare_saved

LITE0 = "efficientnet_lite0"


def weights_by_layer(model):
    return {layer.name: [w.copy() for w in layer.get_weights()] for layer in model.layers}


def pretrained():
    return weights_by_layer(get_backbone(LITE0).build((48, 48)))


def test_frozen_blocks_and_statistics_stand_still_and_open_ones_move(fitted):
    spec, before, after = get_backbone(LITE0), pretrained(), weights_by_layer(fitted.model_)
    first_open = len(spec.blocks) - 4  # ceil(0.2 * 18)
    moved = still = 0
    for name, old in before.items():
        same = all(np.array_equal(a, b) for a, b in zip(old, after[name], strict=True))
        norm = isinstance(fitted.model_.get_layer(name), keras.layers.BatchNormalization)
        if not old:
            continue
        if spec.block_of(name) < first_open or norm:
            assert same, name
            still += 1
        else:
            assert not same, name  # the trap: a flipped `trainable` that moves weights by 0.0
            moved += 1
    assert moved >= 8
    assert still >= 60


def test_plain_keras_moves_batch_norm_statistics_of_a_frozen_call():
    """The trap that the policy is for: `training=False` does not protect a functional model."""
    photo = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.BatchNormalization()])
    features = keras.layers.GlobalAveragePooling2D()(inner(photo, training=False))
    model = keras.Model(photo, keras.layers.Dense(1)(features))
    flat = keras.Model(model.input, model.output)
    norm = inner.layers[-1]
    flat.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(9, 1, (8, 8, 8, 3))
    before = norm.moving_mean.numpy()
    flat_norm = keras.layers.BatchNormalization()
    naive = keras.Model(photo, keras.layers.Dense(1)(keras.layers.Flatten()(flat_norm(photo))))
    naive.compile("sgd", "mse")
    naive.fit(x, np.zeros((8, 1)), verbose=0)
    assert np.abs(flat_norm.moving_mean.numpy()).max() > 0.01
    assert np.array_equal(before, norm.moving_mean.numpy())


@pytest.fixture(scope="module")
def fitted_once(part_sets, small_recipe):
    """A small fitted recipe; not to be changed."""
    recipe = small_recipe()
    recipe.fit(*part_sets[:2], verbose=False)
    return recipe


def test_fit_repeats_bit_for_bit(fitted_once, part_sets, small_recipe):
    train, val, _ = part_sets
    again = small_recipe()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # nothing is warned about in a clean fit
        again.fit(train, val, verbose=False)
    for one, other in zip(
        fitted_once.model_.get_weights(), again.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_another_model(fitted_once, part_sets, small_recipe):
    train, val, _ = part_sets
    other = small_recipe(seed=1)
    other.fit(train, val, verbose=False)
    kernels = [
        recipe.model_.get_layer("logits").get_weights()[0] for recipe in (fitted_once, other)
    ]
    assert not np.allclose(*kernels)


@pytest.fixture
def train_cached(part_sets, small_recipe, monkeypatch):
    """Fits with a cache of a type of number; returns how far each weight of the model moved."""
    from kerasrecipes.engine.frozen import prefix_cache

    def trained(dtype, **settings):
        monkeypatch.setattr(prefix_cache.PrefixCache.__init__, "__defaults__", (dtype,))
        recipe = small_recipe(dropout=0.0, **settings)
        start = build_model(recipe.backbone, head_of(recipe), recipe, 3).get_weights()
        recipe.fit(*part_sets[:2], verbose=False)
        return [b - a for a, b in zip(start, recipe.model_.get_weights(), strict=True)]

    return trained


def largest_difference(one, other):
    """Return that between how far arrays moved, as a share of it; what is frozen did not."""
    found = []
    for a, b in zip(one, other, strict=True):
        if moved := np.linalg.norm(b):
            found.append(np.linalg.norm(a - b) / moved)
        else:
            assert not a.any()
    assert len(found) == 4  # kernels and biases of the last block and of the head
    return max(found)


@pytest.mark.parametrize("augment", [pytest.param("none", marks=pytest.mark.proof), "factory"])
def test_cached_prefix_changes_nothing_but_rounding(train_cached, augment):
    plain = train_cached("float32", augment=augment, cache_gb=0)
    cached = train_cached("float32", augment=augment)
    assert largest_difference(cached, plain) < 1e-3
    halved = train_cached("float16", augment=augment)
    # AdamW divides gradients by their size: rounding counts for more where they are small.
    assert 0 < largest_difference(halved, cached) and largest_difference(halved, plain) < 0.1


def test_a_prefix_cached_by_litert_changes_no_more(train_cached, monkeypatch):
    used, make = [], engine._litert_engine

    def counted(frozen, threads):
        used.append(frozen)
        return make(frozen, threads)

    plain = train_cached("float32", cache_gb=0)
    monkeypatch.setattr(engine, "WORTH_CONVERTING", 1)
    monkeypatch.setattr(engine, "_litert_engine", counted)
    cached = train_cached("float32")
    assert len(used) == 2  # for training and for validation
    assert 0 < largest_difference(cached, plain) < engine.TOLERANCE


def test_frozen_dropout_is_off_with_and_without_the_cache(part_sets, quick_recipe):
    """EfficientNetV2 drops out inside its blocks; frozen ones must not, wherever they run."""
    train, val, _ = part_sets
    photo = keras.Input((48, 48, 3))
    x = keras.layers.Conv2D(16, 3, strides=3, activation="relu")(photo)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Conv2D(16, 3, strides=3, activation="relu")(x)
    spec = BackboneSpec.from_model(keras.Model(photo, x, name="dropping"), scaling="0..1")
    settings = {"backbone": spec, "augment": "none", "dropout": 0.0}
    settings["schedule"] = UnfreezeSchedule.head_only(epochs=2)
    losses = []
    for cache_gb in (4.0, 0):
        report = quick_recipe(**settings, cache_gb=cache_gb).fit(train, val, verbose=False)
        losses.append(report.stages[0].history["loss"])
    np.testing.assert_allclose(*losses, rtol=2e-3)


def test_returned_weights_are_those_that_were_measured(fitted, part_sets):
    report = fitted.report_
    best = report.stages[-1]
    _, val, _ = part_sets
    accuracy = (fitted.predict(val).argmax(1) == val.labels).mean()
    assert report.evaluations["val"].accuracy.value == pytest.approx(accuracy)
    if best.best_epoch:
        assert best.history["val_accuracy"][best.best_epoch - 1] == pytest.approx(accuracy)


def test_it_learns(fitted):
    assert fitted.report_.evaluations["test"].accuracy.value > 0.6


def test_report_says_what_trained(fitted):
    head, top = fitted.report_.stages
    assert head.trainable_parameters == 2 * 1280 * 3 + 3
    assert [row.block for row in head.freeze_table if row.trained] == ["head"]
    assert sum(row.trained for row in top.freeze_table) == 5
    assert top.freeze_table[-2].batch_norm == "BatchNorm statistics frozen"
    assert len(top.history["learning_rate"]) == top.epochs_run == 2


def test_report_has_what_callbacks_say(fitted):
    said = fitted.report_.callbacks
    assert {"head: EarlyStopping", "top: EarlyStopping"} <= set(said)
    assert said["top: EarlyStopping"]["best_epoch"] == fitted.report_.stages[1].best_epoch


def test_report_names_the_weights_that_were_used(fitted, part_sets, small_recipe, capsys):
    assert fitted.report_.weights["licence"] == "Apache-2.0"
    train, val, _ = part_sets
    schedule = UnfreezeSchedule.head_only(1)
    report = small_recipe(weights=None, schedule=schedule).fit(train, val)
    assert report.weights["source"] == "none: random weights"
    (warning,) = report.warnings
    assert "100% of it never trains and its BatchNormalization scales by statistics" in warning
    assert capsys.readouterr().err.count(f"Warning: {warning}\n") == 1
    assert not fitted.report_.warnings


def test_random_weights_are_warned_of_as_far_as_they_stay(quick_recipe, tiny_spec, capsys):
    from kerasrecipes import BitFit
    from kerasrecipes.engine.cautions import warn_of_random_weights

    spec = tiny_spec()
    model, full = spec.build(None, None), UnfreezeSchedule.full()
    top = UnfreezeSchedule.two_phase(open_fraction=0.5)
    for changes, schedule, told in (
        ({}, full, None),
        ({}, top, " and 34% of it never trains. Use pretrained weights, or schedule="),
        ({"adapter": BitFit()}, full, " and 100% of it never trains."),
        ({"weights": "default"}, top, None),
    ):
        recipe = quick_recipe(**{"weights": None, **changes})
        warnings = warn_of_random_weights(model, spec, recipe, schedule)
        assert capsys.readouterr().err == "".join(f"Warning: {one}\n" for one in warnings)
        assert told in warnings[0] if told else not warnings


def test_a_dataset_too_large_for_the_cache_is_computed_each_epoch(part_sets, small_recipe, capsys):
    train, val, _ = part_sets
    small_recipe(cache_gb=1e-5, schedule=UnfreezeSchedule.two_phase(1, head_epochs=1)).fit(
        train, val
    )
    assert "is computed in every epoch" in " ".join(capsys.readouterr().err.split())


def test_a_linear_probe_is_one_stage_on_one_cut(part_sets, small_recipe):
    train, val, _ = part_sets
    report = small_recipe(schedule=UnfreezeSchedule.head_only(epochs=3)).fit(
        train, val, verbose=False
    )
    assert [stage.epochs_run for stage in report.stages] == [3]


def test_everything_can_train_and_runs_can_be_deterministic(part_sets, small_recipe):
    train, val, _ = part_sets
    recipe = small_recipe(
        schedule=UnfreezeSchedule.full(epochs=1),
        batch_norm="train",
        class_weights="balanced",
        deterministic=True,
    )
    (stage,) = recipe.fit(train, val, verbose=False).stages
    statistics = 2 * sum(
        layer.moving_mean.shape[0]
        for layer in recipe.model_.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )
    assert stage.trainable_parameters == stage.total_parameters - statistics


def test_ctrl_c_keeps_the_best_so_far(part_sets, small_recipe, capsys):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    train, val, _ = part_sets
    recipe = small_recipe()
    report = recipe.fit(train, val, callbacks=[Interrupt()])
    assert report.interrupted
    assert [stage.epochs_run for stage in report.stages] == [1]
    assert "Interrupted in stage 'head': the best weights so far are kept." in (
        capsys.readouterr().err
    )
    assert recipe.predict(val).shape == (len(val), 3)


def test_ctrl_c_with_nothing_to_keep_is_raised(part_sets, small_recipe, monkeypatch):
    from kerasrecipes.engine.frozen import frozen_part

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(frozen_part.FrozenPart, "_fill", interrupted)
    train, val, _ = part_sets
    with pytest.raises(KeyboardInterrupt):
        small_recipe().fit(train, val, verbose=False)


def test_a_photo_that_changes_is_named(part_photos, tmp_path, small_recipe):
    import shutil

    from kerasrecipes import scan_photos, split_photos

    root = shutil.copytree(part_photos, tmp_path / "parts")
    train, val, _ = split_photos(scan_photos(root), test_fraction=0.0)
    victim = train.photos[3].path
    victim.write_bytes(val.photos[0].path.read_bytes())
    with pytest.raises(DataError, match=rf"{victim.name}' has changed since it was scanned"):
        small_recipe().fit(train, val, verbose=False)


def test_class_weights_balance_only_what_is_unbalanced(part_sets):
    train, _, _ = part_sets
    assert class_weights(list(train.counts().values()), "auto").tolist() == [1, 1, 1]
    few = train.select([i for i, k in enumerate(train.labels) if k or i < 2][:])
    counts = np.array(list(few.counts().values()))
    weights = class_weights(list(few.counts().values()), "balanced")
    assert (weights * counts).sum() == pytest.approx(len(few))
    assert weights * counts == pytest.approx([len(few) / 3] * 3)
    gentle = class_weights(list(few.counts().values()), "sqrt")
    assert gentle.max() / gentle.min() == pytest.approx((weights.max() / weights.min()) ** 0.5)
    assert class_weights(list(few.counts().values()), None).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "efficientnet_lite"}, "Unknown backbone 'efficientnet_lite'. Did you mean"),
        ({"head": "clasification"}, "Unknown head 'clasification'. Did you mean 'classification'"),
        ({"augment": "facory"}, "Unknown augmentation 'facory'. Did you mean 'factory'"),
        ({"schedule": [1, 2]}, "`schedule` must be an UnfreezeSchedule, not list"),
        (
            {"class_weights": "yes"},
            "`class_weights` must be 'auto', 'sqrt', 'balanced', 'effective'",
        ),
        ({"views": 0}, "`views` must be a whole number between 1 and 1000, not 0"),
        ({"dropout": "a"}, "`dropout` must be between 0 and 0.95, not 'a'"),
        ({"batch_size": True}, "`batch_size` must be a whole number between 1 and 4096, not True"),
        ({"seed": 1.5}, "`seed` must be a whole number between 0 and 2147483647, not 1.5"),
        ({"ema": 1}, "`ema` must be True or False, not 1"),
        ({"views": 1, "augment": "light"}, "`augment` would have no effect with views=1"),
        ({"patience": 0}, "`patience` must be a whole number between 1 and 1000000, not 0"),
        ({"image_size": (4, 4)}, "`image_size` 4x4 is too small"),
        ({"weights": "imagenet"}, "is not possible for 'efficientnet_lite0'"),
    ],
)
def test_arguments_are_judged_before_any_work(
    part_sets, quick_recipe, settings, message, monkeypatch
):
    import re

    def too_late(*_, **__):
        raise AssertionError("a model was built")

    monkeypatch.setattr("kerasrecipes.training.fitting.build_model", too_late)
    train, val, _ = part_sets
    with pytest.raises(ValueError, match=re.escape(message)):
        quick_recipe(**settings).fit(train, val, verbose=False)


def test_sets_are_judged_before_any_work(part_sets, quick_recipe):
    from dataclasses import replace

    train, val, _ = part_sets
    with pytest.raises(DataError, match="`val` is empty"):
        quick_recipe().fit(train, val.select([]))
    with pytest.raises(DataError, match="`train` has the classes .* Make both from one set"):
        quick_recipe().fit(train, replace(val, class_names=("dot", "plain", "ring")))
    with pytest.raises(DataError, match="needs at least 2 classes with photos; without any"):
        quick_recipe().fit(train.select(np.flatnonzero(train.labels == 0)), val)


def test_before_fit_there_is_nothing_to_ask(part_sets, quick_recipe, tmp_path):
    recipe = quick_recipe()
    for ask in (
        lambda: recipe.predict(part_sets[2]),
        lambda: recipe.evaluate(part_sets[2]),
        lambda: recipe.save(tmp_path / "x"),
    ):
        with pytest.raises(NotFittedError, match="has no `model_` yet. Call `fit` first"):
            ask()
    assert not list(tmp_path.iterdir())


def test_photos_of_the_fit_are_no_test(fitted, part_sets):
    train, val, test = part_sets
    for side in (train, val):
        with pytest.raises(DataError, match=f"{len(side)} of {len(side)} photos were used in the"):
            fitted.evaluate(side)
    with pytest.raises(ValueError, match="`split` must not be 'val'"):
        fitted.evaluate(test, split="val")


def test_photos_of_the_fit_that_gave_the_weights_are_no_test(
    small_saved, small_recipe, part_sets, part_photos, tmp_path
):
    train, val, test = part_sets
    (tmp_path / "link.keras").symlink_to(small_saved.folder / "model.keras")
    schedule = UnfreezeSchedule.head_only(epochs=1)
    recipe = small_recipe(weights=str(tmp_path / "link.keras"), schedule=schedule, augment="none")
    recipe.fit(test, val, verbose=False)
    with pytest.raises(DataError, match=f"{len(train)} of {len(train)} photos were used in the"):
        recipe.evaluate(train)
    sides = [recipe.seen_[photos.items[0].key] for photos in part_sets]
    assert sides == ["train", "val", "train"]
    names = ("backbone", "weights", "schedule", "image_size")
    settings = {name: getattr(recipe, name) for name in names}
    with pytest.raises(DataError, match="photos were used in the fit"):
        fine_tune_images(part_photos, tmp_path / "new", seed=3, **settings)
    assert not (tmp_path / "new").exists()
    with pytest.raises(DataError, match="photos were used in the fit"):
        probe_backbone(recipe, test, train, verbose=False)
    with pytest.raises(DataError, match="photos were used in the fit"):
        ablate_recipe(recipe, part_photos, changes={"calm": {"dropout": 0.0}}, verbose=False)


def test_unknown_classes_are_named(fitted, part_sets):
    from dataclasses import replace

    _, _, test = part_sets
    strange = replace(
        test,
        photos=(replace(test.photos[0], label="ring"),),
        class_names=("ring",),
    )
    with pytest.raises(DataError, match="does not know the classes 'ring'; it was trained on"):
        fitted.evaluate(strange)


def test_gradual_schedule_opens_the_next_block_when_validation_says_so(part_sets, small_recipe):
    train, val, _ = part_sets
    schedule = UnfreezeSchedule.gradual(
        6, 1e-3, steps=2, open_fraction=0.7, patience=1, head_epochs=2
    )
    report = small_recipe(schedule=schedule).fit(train, val, verbose=False)
    assert [stage.name for stage in report.stages] == ["head", "open 1", "open 2"]
    opened = [stage.trainable_parameters for stage in report.stages]
    assert opened == sorted(opened) and len(set(opened)) == 3
    for stage in report.stages[1:]:
        assert stage.epochs_run <= stage.best_epoch + 1


class Unregistered(keras.layers.Layer):
    def call(self, x):
        return 2 * x


def test_a_backbone_that_no_file_gives_back_is_refused_before_training(tiny_spec, part_sets):
    plain = tiny_spec()

    def graph(photo):
        return Unregistered(name="own")(plain.build_graph(photo))

    train, val, _ = part_sets
    recipe = ImageClassifier(tiny_spec(build_graph=graph), weights=None, views=1, augment="none")
    with pytest.raises(
        ValueError, match=r"'tiny' could be trained, but not saved .*'own' \(Unregistered\)"
    ):
        recipe.fit(train, val, verbose=False)


def test_a_file_that_cannot_be_read_again_is_the_models_fault(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"nothing")
    with pytest.raises(IntegrityError, match="cannot be read again.*Register each layer"):
        _compare_saved(tmp_path / "model.keras", None, [])
