"""A recipe with losses, metrics and a sampling of one's own: fitted, reported, saved, loaded."""

import pytest
from keras import ops

from kerasrecipes import DataError, ImageClassifier, UnfreezeSchedule
from kerasrecipes.data.strata_order import strata_of
from kerasrecipes.metrics import MeanOf


def squared(y_true, y_pred):
    return ops.mean(ops.square(ops.softmax(y_pred) - y_true), axis=-1)


def sure(y_true, y_pred):
    return ops.max(y_pred, axis=-1)


@pytest.fixture(scope="module")
def uneven(part_sets):
    """Training photos with fewer of one class."""
    train, val, _ = part_sets
    few = [i for i, label in enumerate(train.labels) if label or i % 3]
    return train.select(few), val


@pytest.fixture(scope="module")
def fitted(uneven, tiny_spec):
    recipe = ImageClassifier(
        tiny_spec(), image_size=(48, 48), augment="none", loss=squared, metrics=["f1", sure],
        monitor="val_f1_of_dot", sampling="class", optimizer="sgd",
        schedule=UnfreezeSchedule.head_only(2),
    )  # fmt: skip
    recipe.fit(*uneven, verbose=False)
    return recipe


def test_it_is_measured_in_each_epoch_and_at_the_end(fitted):
    history = fitted.report_.stages[0].history
    assert {"val_f1", "val_f1_of_dot", "val_sure", "f1_of_plain"} <= set(history)
    assert fitted.report_.metrics["val"]["f1"] <= 1
    assert "Measured besides: f1 " in str(fitted.report_)
    assert type(fitted.report_).from_json(fitted.report_.to_json()) == fitted.report_


def test_it_is_saved_and_what_is_ones_own_is_asked_for_again(fitted, uneven, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = ImageClassifier.load(tmp_path / "model")
    assert loaded.metrics[0] == "f1" and loaded.metrics[1].endswith(":sure")
    assert (loaded.predict(uneven[1]) == fitted.predict(uneven[1])).all()
    with pytest.raises(ValueError, match="what somebody's own Python made.* Set it again"):
        loaded.fit(*uneven, verbose=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"monitor": "val_f1"}, "or one of `metrics`, e.g. 'val_f1' or 'val_f1_of_crack' with"),
        ({"monitor": "val_f1_of_dots", "metrics": ["f1"]}, "Did you mean 'val_f1_of_dot'"),
        ({"monitor": "val_sure", "metrics": [sure]}, "does not tell whether more or less"),
        ({"metrics": "f1"}, "`metrics` must be a list, e.g."),
        ({"metrics": ["f1"], "head": "regression"}, "needs head='classification' or 'multi_label'"),
        ({"sampling": "class", "class_weights": "sqrt"}, "would count rare classes twice"),
        ({"sampling": "group"}, "sampling='group' needs photos with groups"),
    ],
)
def test_what_does_not_go_together_is_told_before_training(uneven, tiny_spec, settings, message):
    recipe = ImageClassifier(tiny_spec(), image_size=(48, 48), augment="none", **settings)
    with pytest.raises((ValueError, DataError)) as error:
        recipe.fit(*uneven, verbose=False)
    assert message in str(error.value)


def test_a_direction_lets_a_function_choose(uneven, tiny_spec):
    recipe = ImageClassifier(
        tiny_spec(), image_size=(48, 48), augment="none", monitor="val_sure",
        metrics=[MeanOf(sure, direction="up")], schedule=UnfreezeSchedule.head_only(1),
    )  # fmt: skip
    assert recipe.fit(*uneven, verbose=False).stages[0].history["val_sure"]
    assert strata_of(uneven[0], "class") is not None
