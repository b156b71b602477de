"""Training a finished model on, with labels or with teachers, and the recipe around it."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes import Bundle, DataError, Distillation, ImageClassifier, MovingAverage
from kerasrecipes.engine.frozen.frozen_part import Side
from kerasrecipes.heads import make_head
from kerasrecipes.photos.reader import PhotoReader
from kerasrecipes.training.distillation import logits_of, soften
from kerasrecipes.training.refitting import refitted
from kerasrecipes.training.retraining import Goal, retrain

SIDE = 16


def small_net(seed=0, units=8, head="scores", side=SIDE):
    """A model without one name of a backbone."""
    keras.utils.set_random_seed(seed)
    photo = keras.Input((side, side, 3))
    x = layers.Rescaling(1 / 255)(photo)
    x = layers.Conv2D(units, 5, strides=2, name="wrapped_one")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Dense(3, name="wrapped_two")(x)
    return keras.Model(photo, layers.Softmax(name=head)(x), name=f"small_{seed}")


@pytest.fixture(scope="module")
def recipe():
    return ImageClassifier(image_size=(SIDE, SIDE), views=2, batch_size=8, seed=3)


def loss_on(model, photos):
    from kerasrecipes.data.inference import predict_scores

    scores = predict_scores(model, photos)
    return -np.log(scores[np.arange(len(photos)), photos.labels]).mean()


def test_any_model_trains_on_whatever_its_layers_are_called(recipe, part_sets, capsys):
    train, val, _ = part_sets
    model = small_net()
    before, statistics = loss_on(model, val), model.layers[3].get_weights()[2]
    trained, stage = retrain(recipe, model, train, val, epochs=6, learning_rate=0.02, name="on")
    assert trained is model and loss_on(model, val) < before
    assert stage.name == "on" and 1 <= stage.best_epoch <= stage.epochs_run == 6
    assert stage.trainable_parameters == model.count_params() - 4 * 8  # BatchNorm is frozen
    assert np.array_equal(model.layers[3].get_weights()[2], statistics)
    assert "all" in capsys.readouterr().err
    # What came back is the best epoch, not the last.
    assert loss_on(model, val) < before


def test_the_start_wins_over_worse_epochs(recipe, part_sets):
    train, val, _ = part_sets
    ruin = {"epochs": 1, "learning_rate": 5.0}
    model = small_net()
    retrain(recipe, model, train, val, epochs=6, learning_rate=0.02)
    weights = model.get_weights()
    _, stage = retrain(recipe, model, train, val, **ruin)
    assert stage.best_epoch == 0
    assert all(map(np.array_equal, model.get_weights(), weights))


def test_a_teacher_is_asked_about_the_very_same_views(recipe, part_sets):
    from kerasrecipes.photos.augment import get_augmentation

    train = part_sets[0]
    augmentation = get_augmentation("light")
    side = Side(PhotoReader(train, (SIDE, SIDE), augmentation, 3), 2)
    one, other = small_net(1), small_net(2, side=24)  # another size
    goal = Goal([one, other], Distillation(temperature=2.0))
    targets, _ = goal.targets((side, side), make_head("classification"))
    assert targets.shape == (2, len(train), 6)
    raw = keras.Model(one.input, logits_of(one)), keras.Model(other.input, logits_of(other))
    large = PhotoReader(train, (24, 24), augmentation, 3)
    for index, view in ((0, 0), (5, 1)):
        seen = side.reader.read(index, view)[None], large.read(index, view)[None]
        said = [
            soften(model.predict(photo, verbose=0), 2.0)
            for model, photo in zip(raw, seen, strict=True)
        ]
        assert targets[view, index, 3:] == pytest.approx(np.mean(said, 0)[0], abs=1e-5)
        assert targets[view, index, :3].argmax() == train.labels[index]
    assert not np.allclose(targets[0, 5, 3:], targets[1, 5, 3:], atol=1e-4)


def test_training_shows_each_view_with_its_own_answer(recipe, part_sets):
    """A student that is its own teacher has the entropy of the answers as its loss, exactly if
    each answer is that to the view before it."""
    train, val, _ = part_sets
    still = ImageClassifier(
        image_size=(SIDE, SIDE), views=3, batch_size=8, class_weights=None, weight_decay=0.0
    )
    teacher = small_net()
    student = keras.models.clone_model(teacher)
    for layer in student.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    student.set_weights(teacher.get_weights())
    alone = Distillation(temperature=1.0, alpha=1.0)
    _, stage = retrain(
        still, student, train, val, epochs=3, learning_rate=1e-12, teacher=teacher,
        distillation=alone,
    )  # fmt: skip
    from kerasrecipes.photos.augment import get_augmentation

    side = Side(PhotoReader(train, (SIDE, SIDE), get_augmentation("light"), 0), 3)
    goal, head = Goal(teacher, alone), make_head("classification")
    answers = goal.targets((side, side), head)[0][..., 3:]
    entropy = -(answers * np.log(answers)).sum(-1)
    order = np.arange(len(train))
    for epoch, found in enumerate(stage.history["loss"]):
        assert found == pytest.approx(entropy[(order + epoch) % 3, order].mean(), rel=1e-4)


def test_a_student_learns_its_teachers_scores_and_features(recipe, part_sets):
    train, val, _ = part_sets
    teacher = small_net(1, units=12)
    retrain(recipe, teacher, train, val, epochs=8, learning_rate=0.02)
    student = small_net(4)
    goal = Distillation(temperature=2.0, alpha=0.9, feature_weight=0.5)
    _, stage = retrain(
        recipe, student, train, val, epochs=6, learning_rate=0.02, teacher=teacher,
        distillation=goal,
    )  # fmt: skip
    assert stage.history["val_loss"][-1] < stage.history["val_loss"][0]
    assert "val_accuracy" in stage.history
    # The layer that leads to the teacher's features is thrown away.
    assert [layer.name for layer in student.layers][-1] == "scores"


def test_only_the_top_of_a_backbone_trains_if_asked(small_fitted, part_sets):
    train, val, _ = part_sets
    model = keras.models.clone_model(small_fitted.model_)
    model.set_weights(small_fitted.model_.get_weights())
    stem = model.get_layer("one").get_weights()[0]
    _, stage = retrain(
        small_fitted, model, train, val, epochs=1, learning_rate=1e-3, open_fraction=0.4
    )
    assert stage.trainable_parameters < stage.total_parameters
    assert np.array_equal(model.get_layer("one").get_weights()[0], stem)


def test_classes_that_the_new_model_loses_are_named(small_fitted, part_sets):
    train, val, _ = part_sets
    model = keras.models.clone_model(small_fitted.model_)
    model.set_weights(small_fitted.model_.get_weights())
    step = {"name": "nothing", "summary": ""}
    assert not refitted(small_fitted, model, train, val, step).report_.warnings
    # All photos become the first class.
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel, bias + np.array([100, 0, 0])])
    found = small_fitted.predict(val).argmax(axis=1) == val.labels
    with pytest.warns(UserWarning, match="finds far fewer validation photos of"):
        new = refitted(small_fitted, model, train, val, step)
    (warning,) = new.report_.warnings
    for k, name in enumerate(val.class_names):
        photos = val.labels == k
        told = f"'{name}', 0 of {photos.sum()} instead of {found[photos].sum()}"
        assert (told in warning) == (k > 0 and found[photos].sum() >= 2)
    assert warning in str(new.report_)


def test_a_new_model_makes_a_new_fitted_recipe(small_fitted, part_sets, tmp_path, capsys):
    train, val, test = part_sets
    model = keras.models.clone_model(small_fitted.model_)
    model.set_weights(small_fitted.model_.get_weights())
    step = {"name": "nothing", "summary": "It is a copy.", "after": {"parameters": 12345}}
    loaded = ImageClassifier.load(small_fitted.save(tmp_path / "first").folder)
    loaded.backbone = small_fitted.backbone
    with pytest.raises(DataError, match="`val` is empty"):
        loaded.fit(train, val.select([]), verbose=True)
    assert (
        "was loaded. `fit` starts again from weights='default', not from" in capsys.readouterr().err
    )
    for ask in (loaded.predict, loaded.evaluate, loaded.embed):
        told = "`examples` must be a PhotoSet, TextSet or SignalSet, not ndarray. .*_arrays"
        with pytest.raises(ValueError, match=told):
            ask(np.zeros((2, 8, 8, 3)))
    new = refitted(loaded, model, train, val, step)
    assert new is not loaded and not loaded.report_.optimization
    assert new.predict(test) == pytest.approx(small_fitted.predict(test), abs=1e-5)
    assert set(new.report_.evaluations) == {"val"}
    (told,) = new.report_.optimization
    assert told["before"]["val_accuracy"] == told["after"]["val_accuracy"]
    assert "Optimized by nothing: It is a copy. Accuracy on val:" in str(new.report_)
    new.evaluate(test)
    bundle = new.save(tmp_path / "copy")
    assert Bundle.load(bundle.folder).manifest.optimization == [told]
    page = (bundle.folder / "report.html").read_text()
    assert "What was done to it afterwards" in page and "12,345" in page


class Watch(keras.callbacks.Callback):
    """Notes what a layer of the backbone computes in, and by which optimizers all is updated."""

    def on_train_batch_end(self, batch, logs=None):
        self.computed_in = self.model.get_layer("stem_conv").compute_dtype
        self.last_kernel = self.model.get_layer("top_conv").kernel.numpy()
        one = self.model.optimizer
        self.optimizers = getattr(one, "optimizers", [one])


def test_settings_of_the_fit_act_where_the_backbone_is_found_by_name(
    part_sets, tiny_spec, monkeypatch, capsys
):
    from kerasrecipes.training import fitting

    train, val, _ = part_sets
    asked, watch = [], Watch()
    monkeypatch.setattr(fitting, "be_deterministic", lambda: asked.append(True))
    options = {"views": 2, "batch_size": 8, "ema": False, "batch_norm": "train"}
    moved = {}
    for l2_sp in (0.0, 100.0):
        recipe = ImageClassifier(
            tiny_spec(), l2_sp=l2_sp, adaptive_clip=0.1, precision="mixed_bfloat16",
            deterministic=True, **options,
        )  # fmt: skip
        model = fitting.build_model(tiny_spec(), make_head("classification"), recipe, 3)
        start = model.get_layer("top_conv").kernel.numpy()
        _, stage = retrain(
            recipe, model, train, val, epochs=2, learning_rate=0.01, callbacks=[watch],
        )  # fmt: skip
        assert (stage.precision, stage.devices) == ("mixed_bfloat16", 1)
        moved[l2_sp] = np.abs(watch.last_kernel - start).max()
    # At a rate of 0.01, a pull of 100 undoes in each step what the last one did.
    assert 0 < moved[100.0] < moved[0.0] / 2
    assert watch.computed_in == "bfloat16"
    assert {one.adaptive_clip for one in watch.optimizers} == {None, 0.1}
    assert asked == [True, True]
    said = capsys.readouterr().err
    assert "do not apply" not in said
    assert said.count("The backbone trains in mixed_bfloat16.\n") == 2


def test_settings_that_do_not_apply_are_told_with_the_reason(recipe, part_sets, capsys):
    train, val, _ = part_sets
    asked = replace(recipe, l2_sp=0.1, devices=2, loss="focal", precision="mixed_float16")
    fit = {"epochs": 1, "learning_rate": 1e-3}
    for teacher, also in ((None, ""), (small_net(1), "`loss='focal'` (the loss is that of dist")):
        retrain(asked, small_net(), train, val, teacher=teacher, **fit)
        said = capsys.readouterr().err.splitlines()
        (told,) = [line for line in said if "do not apply to training on" in line]
        assert "`devices=2` (it runs on one device)" in told and also in told
        assert "`l2_sp=0.1` (the model no longer has the layers of the backbone" in told
        assert "`precision='mixed_float16'` (" in told and ("`loss=" in told) == bool(also)


def test_wrong_use_is_named(recipe, small_fitted, part_sets):
    train, val, _ = part_sets
    fit = {"epochs": 1, "learning_rate": 1e-3}
    keras.utils.set_random_seed(0)
    photo = keras.Input((SIDE, SIDE, 3))
    flat = layers.Flatten()(photo)
    bare = keras.Model(photo, layers.Dense(3, activation="softmax", name="end")(flat))
    four = keras.Model(photo, layers.Softmax()(layers.Dense(4)(flat)), name="four")
    features = Distillation(feature_weight=1.0)
    for action, kind, message in (
        (lambda: retrain(recipe, bare, train, val, **fit), ValueError, "ends in 'end', not in"),
        (lambda: retrain(recipe, small_net(), train, val, distillation=Distillation(), **fit),
         ValueError, "`distillation` would have no effect without `teacher`"),
        (lambda: retrain(recipe, small_net(), train, val, teacher=four, **fit), DataError,
         "The teacher 'four' knows 4 classes, and the photos have 3"),
        (lambda: retrain(recipe, small_net(), train, val, callbacks=[MovingAverage()], **fit),
         ValueError, "`callbacks` holds a MovingAverage"),
        (lambda: Goal([four, four], features), ValueError, "needs one teacher, not 2"),
        (lambda: retrain(recipe, small_net(), train, val, teacher=[], distillation=features,
                         **fit), ValueError, "without `teacher`"),
        (lambda: retrain(recipe, small_net(), train, val, open_fraction=0.5, **fit), ValueError,
         "`open_fraction` below 1 needs the blocks of 'efficientnet_lite0', 18 of which have "),
        (lambda: retrain(recipe, small_net(), train, val, epochs=0, learning_rate=1), ValueError,
         "`epochs` must be at least 1"),
        (lambda: refitted(small_fitted, small_net(), _renamed(train), _renamed(val), {}), DataError,
         "and the model knows 'dot', 'plain', 'stripe'"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            action()


def _renamed(photos):
    names = {name: f"{name}s" for name in photos.class_names}
    return replace(
        photos,
        class_names=tuple(names.values()),
        photos=tuple(replace(photo, label=names[photo.label]) for photo in photos.photos),
    )
