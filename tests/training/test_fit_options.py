"""Fits with other heads, losses, mixtures and backbones than the default ones."""

import keras
import numpy as np
import pytest

from kerasrecipes import OverfitMonitor, Stage, UnfreezeSchedule, recall_at_k
from kerasrecipes.losses.class_weights import class_weights


@pytest.mark.parametrize(
    ("head", "loss", "options"),
    [
        ("classification", "expected_cost", {"costs": [[0, 50, 50], [1, 0, 1], [1, 1, 0]]}),
        pytest.param("classification", "ldam", None, marks=pytest.mark.proof),
        ("margin", "arcface", None),
        ("embedding", "supervised_contrastive", None),
    ],
)
def test_other_heads_and_losses_learn(part_sets, quick_recipe, tiny_spec, head, loss, options):
    train, val, test = part_sets
    schedule = UnfreezeSchedule.full(epochs=20, learning_rate=0.01)
    settings = {"backbone": tiny_spec(), "schedule": schedule, "augment": "none"}
    recipe = quick_recipe(head=head, loss=loss, loss_options=options, **settings)
    report = recipe.fit(train, val, verbose=False)
    losses = report.stages[0].history["loss"]
    assert losses[-1] < losses[0]
    assert recipe.predict(test).sum(1) == pytest.approx(np.ones(len(test)), abs=1e-5)
    assert recipe.evaluate(test).accuracy.value > 0.4


@pytest.mark.parametrize("loss", ["supervised_contrastive", "semi_hard_triplet"])
def test_open_blocks_learn_embeddings(part_sets, small_recipe, loss):
    train, val, test = part_sets
    recipe = small_recipe(head="embedding", loss=loss)
    report = recipe.fit(train, val, verbose=False)
    embeddings = recipe.embed(test)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(len(test)), abs=1e-5)
    assert recall_at_k(embeddings, test.labels)[5].value > 0.5
    means = recipe.model_.get_layer("class_means").kernel
    trained = report.stages[-1].total_parameters
    assert trained == recipe.model_.count_params() - int(np.prod(means.shape))
    assert report.stages[0].trainable_parameters < report.stages[1].trainable_parameters < trained


def test_a_classifier_embeds_by_what_its_last_layer_sees(small_fitted, part_sets):
    test = part_sets[2]
    kernel, bias = small_fitted.model_.get_layer("logits").get_weights()
    logits = small_fitted.embed(test) @ kernel + bias
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert scores == pytest.approx(small_fitted.predict(test), abs=1e-5)


def test_effective_number_weights_lie_between_none_and_balanced(part_photos):
    from kerasrecipes import scan_photos

    photos = scan_photos(part_photos).select([*range(16), *range(16, 20), *range(32, 48)])
    effective, balanced = (
        class_weights(list(photos.counts().values()), wish) for wish in ("effective", "balanced")
    )
    assert 1 < effective[1] / effective[0] <= balanced[1] / balanced[0]
    ones = class_weights(list(photos.counts().values()), "auto", "balanced_softmax")
    assert np.array_equal(ones, np.ones(3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "focl"}, "Unknown loss 'focl'. Did you mean 'focal'"),
        ({"loss": "arcface"}, "'arcface' works on cosines, not on logits"),
        ({"loss": "focal", "loss_options": {"gama": 1}}, "no option 'gama'. Did you mean 'gamma'"),
        ({"loss": "generalized_cross_entropy", "label_smoothing": 0.1}, "would have no effect"),
        ({"mix_alpha": 0.4}, "`mix_alpha` would have no effect without `mix`"),
        ({"mix": "mixp"}, "Unknown mix 'mixp'. Did you mean 'mixup'"),
        ({"mix": "mixup", "batch_size": 1}, "needs a `batch_size` of at least 2"),
        ({"clip_norm": 0}, "`clip_norm` must be between"),
        ({"accumulate": 0}, "`accumulate` must be a whole number between"),
    ],
)
def test_wrong_choices_are_refused_before_any_photo_is_read(quick_recipe, changes, message):
    with pytest.raises(ValueError, match=message):
        quick_recipe(**changes).fit(None, None)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixing_trains_and_repeats_bit_for_bit(part_sets, small_recipe, mix, capsys):
    train, val, _ = part_sets
    # That mixup repeats is asked where runs go on after a break.
    fits = [small_recipe(mix=mix, mix_alpha=0.5) for _ in range(2 if mix == "cutmix" else 1)]
    for recipe in fits:
        recipe.fit(train, val)
    assert ("this stage uses mixup" in capsys.readouterr().err) == (mix == "cutmix")
    for recipe in fits[1:]:
        one, other = (fit.model_.get_layer("logits").get_weights()[0] for fit in (fits[0], recipe))
        np.testing.assert_array_equal(one, other)


def test_a_diverging_stage_is_rolled_back_and_names_its_photos(part_sets, small_recipe, capsys):
    train, val, _ = part_sets

    class Accident(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == 13:
                kernel = self.model.get_layer("logits").kernel
                kernel.assign_add([[1e4, 0, 0]] * kernel.shape[0])

    recipe = small_recipe(schedule=UnfreezeSchedule.head_only(epochs=12, learning_rate=1e-4))
    report = recipe.fit(train, val, callbacks=[Accident()])
    assert len(report.callbacks["head: DivergenceGuard"]["rollbacks"]) == 1
    assert "photos '" in capsys.readouterr().err
    assert np.abs(recipe.model_.get_layer("logits").kernel.numpy()).max() < 1


def test_a_users_model_becomes_a_backbone(part_sets, quick_recipe, tmp_path):
    from kerasrecipes import BackboneSpec, ImageClassifier

    train, val, test = part_sets
    photo = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, strides=4, activation="relu")(photo)
    x = keras.layers.Conv2D(16, 3, strides=4, activation="relu")(x)
    spec = BackboneSpec.from_model(keras.Model(photo, x, name="mine"), scaling="0..1")
    recipe = quick_recipe(backbone=spec)
    recipe.fit(train, val, verbose=False)
    recipe.evaluate(test)
    bundle = recipe.save(tmp_path / "mine")
    assert bundle.manifest.recipe["backbone"] == spec.name
    loaded = ImageClassifier.load(tmp_path / "mine")
    np.testing.assert_allclose(loaded.predict(test), recipe.predict(test), atol=1e-6)


@pytest.mark.parametrize("cache_gb", [0, 1])
def test_overfitting_is_followed_for_each_class(part_sets, small_recipe, cache_gb):
    train, val, _ = part_sets
    monitor = OverfitMonitor(per_class=True)
    recipe = small_recipe(
        schedule=UnfreezeSchedule.head_only(epochs=2), ema=False, cache_gb=cache_gb
    )
    report = recipe.fit(train, val, callbacks=[monitor], verbose=False)
    classes = report.callbacks["head: OverfitMonitor"]["classes"]
    assert len(classes) == report.stages[0].epochs_run
    # The weights of the best epoch are the ones that came back.
    measured = classes[report.stages[0].best_epoch - 1]
    for name, photos in (("training", train), ("validation", val)):
        right = recipe.predict(photos).argmax(1) == photos.labels
        found = [one[name] for one in measured.values()]
        expected = [right[photos.labels == k].mean() for k in range(3)]
        assert found == pytest.approx(expected)


def test_validation_photos_that_are_too_few_do_not_choose(part_photos, small_recipe, capsys):
    from kerasrecipes import scan_photos

    photos = scan_photos(part_photos)
    train, val = photos.select([*range(8), *range(16, 24), *range(32, 40)]), [8, 9, 10, 24, 25]
    # At such a rate each epoch is worse than the one before.
    ruin = UnfreezeSchedule((Stage("head", 4, 5.0, patience=1),))
    recipe = small_recipe(schedule=ruin)
    report = recipe.fit(train, photos.select([*val, 40, 41, 42]))
    (warning,) = report.warnings
    assert "`val` has fewer than 3 photos of 'plain', by which chance would" in warning
    assert warning in capsys.readouterr().err
    (stage,) = report.stages
    assert (stage.epochs_run, stage.best_epoch) == (4, None)
    # With enough of them, the first epoch or the start is kept.
    report = small_recipe(schedule=ruin).fit(train, photos.select([*val, 11, 26, 40, 41, 42]))
    assert not report.warnings and report.stages[0].best_epoch < report.stages[0].epochs_run
