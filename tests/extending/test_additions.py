"""A backbone, head, loss, augmentation, callback and format from outside, from fit to phone."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import backbones, callbacks, export, heads, losses
from kerasrecipes.backbones import get_backbone
from kerasrecipes.photos import augment

FILE = Path(__file__).parent / "additions.py"
REGISTRIES = [package._REGISTRY for package in (backbones, callbacks, heads, losses, export)]


@pytest.fixture(scope="module")
def added():
    """The module with the additions, registered; forgotten after these tests."""
    spec = importlib.util.spec_from_file_location("additions", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kr.register_backbone(module.added_backbone)
    kr.register_loss("added_loss", module.AddedLoss)
    kr.register_head(module.AddedHead)
    kr.register_format(module.added_format)
    kr.register_callback("added_callback", module.AddedCallback)
    kr.register_augmentation("added_views", kr.Augmentation(flip_vertical=True))
    yield module
    for registry in REGISTRIES:
        registry.added.clear()
    del augment.AUGMENTATIONS["added_views"]


@pytest.fixture(scope="module")
def recipe(added, part_sets):
    train, val, test = part_sets
    recipe = kr.ImageClassifier(
        "added_backbone", head="added_head", loss="added_loss", loss_options={"power": 1.5},
        augment="added_views", views=2, batch_size=8, class_weights=None, dropout=0.0,
        schedule=kr.UnfreezeSchedule.full(epochs=1, learning_rate=0.01),
    )  # fmt: skip
    recipe.fit(train, val, callbacks=["added_callback"], verbose=False)
    recipe.evaluate(test)
    return recipe


@pytest.fixture(scope="module")
def bundle(recipe, tmp_path_factory):
    return recipe.save(tmp_path_factory.mktemp("models") / "added")


def test_they_are_listed(added):
    assert "added_backbone" in kr.list_backbones()
    assert "added_head" in kr.list_heads()
    assert "added_loss" in kr.list_losses() and "added_loss" not in kr.list_losses("cosines")
    assert "added_format" in kr.list_formats()
    assert {"added_callback", "EarlyStopping"} <= set(kr.list_callbacks())


def test_a_recipe_takes_them_by_name(recipe):
    assert recipe.model_.get_layer("stem_conv").filters == 8
    assert recipe.model_.get_layer("pool").output.shape == (None, 8)
    assert recipe.report_.callbacks["all: AddedCallback"] == {"epochs": 1}
    assert recipe.report_.recipe["augment"] == "added_views"


def test_a_saved_recipe_comes_back_with_them(bundle, recipe, part_sets):
    again = kr.ImageClassifier.load(bundle.folder)
    np.testing.assert_array_equal(again.predict(part_sets[2]), recipe.predict(part_sets[2]))


def test_a_format_is_written_verified_timed_and_predicts(bundle, recipe, part_photos, part_sets):
    record = bundle.export("added_format")
    assert record.path.suffix == ".packed"
    verification = kr.verify_bundle(bundle)[0]
    assert verification.passed and verification.agreement == 1.0
    assert verification.ops["Conv2D"] == 1
    # A new process cannot import what no path leads to.
    assert verification.load_ms > 0 and verification.memory_bytes is None
    assert "added_format-float32" in str(kr.benchmark_bundle(bundle, part_sets[2], runs=10))
    photo = part_sets[2].photos[0]
    found = kr.Predictor(bundle.folder).predict(photo.path)[0]
    lone = kr.Predictor(record.path).predict(photo.path)[0]
    expected = recipe.predict(part_sets[2])[0]
    np.testing.assert_allclose([found.scores[name] for name in recipe.labels_], expected, atol=1e-5)
    assert lone.scores == found.scores


def test_options_of_a_loss_are_the_arguments_of_its_class(added):
    from kerasrecipes.losses import check_loss, get_loss

    with pytest.raises(ValueError, match="'added_loss' has no option 'powr'. Did you mean 'power'"):
        check_loss("added_loss", powr=2)
    with pytest.raises(ValueError, match="`label_smoothing=0.1` would have no effect"):
        check_loss("added_loss", label_smoothing=0.1)
    with pytest.raises(ValueError, match="'added_loss' needs `class_counts`"):
        get_loss("added_loss")
    assert get_loss("added_loss", class_counts=[3, 1], power=2).power == 2


def test_a_model_becomes_a_backbone_with_a_name(added):
    import keras

    model = keras.Sequential([keras.Input((24, 24, 3)), keras.layers.Conv2D(4, 3, name="only")])
    spec = kr.BackboneSpec.from_model(model, scaling="0..1")
    with pytest.raises(ValueError, match="must be a word of letters"):
        kr.register_backbone(spec)
    kr.register_backbone(spec, name="of_a_model")
    assert get_backbone("of_a_model").build(24).name == "of_a_model"


@pytest.mark.parametrize(
    ("register", "arguments", "complaint"),
    [
        ("backbone", ("mobilenet_v2",), "must be a BackboneSpec, not str"),
        ("head", ("classification",), "must be a dataclass that is a kerasrecipes.heads.Head"),
        ("format", ("tflite",), "must be an ExportFormat, not str"),
        ("loss", ("mine", "focal"), "`make` must be a class or a function of losses, not 'focal'"),
        (
            "loss",
            ("focal", kr.get_loss),
            "'focal' of a loss is taken by .kerasrecipes.losses",
        ),
        (
            "loss",
            ("mine", kr.get_loss, "logit"),
            "Unknown prediction 'logit'. Did you mean 'logits'",
        ),
        ("callback", ("mine", "EarlyStopping"), "must be a class of keras.callbacks.Callback"),
        (
            "callback",
            ("EarlyStopping", kr.EarlyStopping),
            "'EarlyStopping' of a callback is taken by .kerasrecipes.callbacks.early_stopping",
        ),
        ("augmentation", ("mine", "light"), "must be an Augmentation, a function of"),
        ("augmentation", ("light", kr.Augmentation()), "'light' of an augmentation is taken"),
    ],
)
def test_what_is_no_entry_is_refused(register, arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        getattr(kr, f"register_{register}")(*arguments)


def test_a_head_that_lacks_something_is_refused():
    @dataclass
    class Half(kr.heads.ClassHead):
        name = "half"

    with pytest.raises(ValueError, match="The head Half lacks 'trains', 'task', 'build', 'loss'"):
        kr.register_head(Half)


def test_a_task_from_outside_is_found_by_its_name(added):
    from kerasrecipes.heads import ClassificationHead, get_task

    class Ours(type(ClassificationHead.task)):
        name = "ours"

    @dataclass(frozen=True)
    class OurHead(ClassificationHead):
        name = "our_head"
        task = Ours()

    kr.register_head(OurHead)
    assert get_task("ours") is OurHead.task
    Ours.name = "classification"
    OurHead.name = "our_other_head"
    with pytest.raises(ValueError, match="task 'classification' of the head 'our_other_head' has"):
        kr.register_head(OurHead)
