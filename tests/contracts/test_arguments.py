"""Every public callable, with hostile values in place of each argument, names what is wrong."""

import gc
import inspect
import math
import re
import traceback
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np
import pydantic
import pytest

import kerasrecipes as kr
from kerasrecipes.arguments import ArgumentError, _is_raised_here, fits, named, words
from kerasrecipes.errors import KerasRecipesError, printable
from kerasrecipes.photos import augment, modality as photos
from kerasrecipes.registry import Registry


class Odd:
    def __repr__(self):
        return "<odd>"


HOSTILE = [
    None, Odd(), "\ud800x", [], {}, [[]], 10**400, -1, math.nan, True, b"\xff", {"x": []},
    np.zeros((2, 0)), "x", ["a"], {1},
]  # fmt: skip
# What people get and hold, rather than call.
HELD = set(
    "Ablation ActivationRange AdaptedModel AdapterSummary Backbone BackboneSpec BatchNormChange "
    "Benchmark FamilyRecommendation Layout Signal SignalBackbone SignalSet "
    "Text TextBackbone TextSet Tokens Chunks DeletionTest WordShares "
    "Gates OptimizerKind ModelCheck ModelHistory Promotion Renewed VersionDifference WatchReport "
    "RolloutStatus Signed Trust Bundle DriftReport ReferenceProfile Shift "
    "BundleEvaluation CheckReport ClassHead ClassResult Comparison Continuation Estimate "
    "DefectSummary EnsembleBundle Evaluation "
    "Example Examples Excluded ExportFormat ExportRecord Finding FineTuned FreezeSummary "
    "GradientCheck GraphFacts Head ModelInput LabelResult Latency LayerPrecision "
    "LayerSensitivity LearningRateSuggestion LoadedModel Mistakes Modality MultiLabelEvaluation "
    "OptimizationResult OperatedBundle OptimizedBundle OrderedClassResult OrdinalEvaluation "
    "OutputSpec Photo PhotoFacts PhotoSet Synthetic Tile Heatmap NoveltyFound PointingGame "
    "Prediction ProbeResult PrunedChannels QuantizationPlan QuantizationReport "
    "QuantizationSensitivity QuantizedConv2D QuantizedDense QuantizedDepthwiseConv2D "
    "QuantizedModel RangeOutlier Reader Recipe Recommendation RegressionEvaluation Result "
    "Resumable RunReport SliceReport SliceResult SummedAveragePooling2D Suspect Task "
    "ReviewServer Scored StressReport TimeReport Automatic Tuning Verification WeightReport".split()
)


def public_callables():
    rooms = [getattr(kr, name) for name in kr.__all__ if inspect.ismodule(getattr(kr, name))]
    found = {}
    for package in (kr, *rooms):
        for name in set(package.__all__) - HELD:
            one = getattr(package, name)
            error = inspect.isclass(one) and issubclass(one, BaseException)
            if callable(one) and not inspect.ismodule(one) and not error:
                found[name] = one
    return found


CALLABLES = public_callables()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Arguments by name that are of the right kind; what takes long finds nothing to do."""
    folder = tmp_path_factory.mktemp("arguments")
    photo = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(name="n")(keras.layers.Conv2D(4, 3, name="c")(photo))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(photo, keras.layers.Dense(2, activation="softmax", name="logits")(x))
    none = kr.PhotoSet(photos=(), class_names=("a", "b"), root=folder)
    labels = np.arange(40) % 2
    scores = np.random.default_rng(0).dirichlet([1, 1], 40)
    recipe = kr.ImageClassifier(image_size=(32, 32), weights=None)
    return {
        **dict.fromkeys(("recipe", "teacher", "student"), recipe),
        **dict.fromkeys(("train", "val", "photos", "examples"), none),
        "texts": kr.TextSet(texts=(), class_names=("a", "b"), root=folder),
        "signals": kr.SignalSet((), ("a", "b"), folder, kr.Layout(channels=("x",))),
        **dict.fromkeys(("budget", "journal", "recordings"), folder / "none"),
        "function": print, "request_id": "x",
        **dict.fromkeys(("before", "after"), folder / "none"),
        **dict.fromkeys(("bundle", "folder", "source", "to", "store", "log_dir"), folder / "none"),
        "scaling": "none", **dict.fromkeys(("key", "trust"), folder / "none"),
        **dict.fromkeys(("labels", "units"), labels),
        **dict.fromkeys(("scores", "embeddings", "answers", "logits"), scores),
        **dict.fromkeys(("correct_a", "correct_b", "right"), labels > 0),
        **dict.fromkeys(("epochs", "cycle_epochs", "start_epoch", "open_blocks", "lost"), 1),
        **dict.fromkeys(("gained", "trials", "successes"), 1),
        **dict.fromkeys(("calibration", "x"), np.zeros((4, 8, 8, 3), "uint8")),
        **dict.fromkeys(("name", "head", "format"), "x"),
        "path": folder / "no.tflite", "model": model, "photo": np.zeros((8, 8, 3), "uint8"),
        "photo_size": (64, 64),
        "tiles": kr.Tiling((64, 64)),
        "image_size": (8, 8), "y": ["a", "b", "a", "b"], "targets": np.eye(2)[labels],
        "dataset": [(np.zeros((2, 8, 8, 3)), np.eye(2))], "class_names": ["a", "b"],
        "config": {}, "text": "{}", "indices": [],
        "count": 3, "seed": 0, "reader": np.zeros((4, 3)),
        "costs": np.array([[0, 1.0], [1, 0]]), "class_counts": [3, 4],
        "positive_weights": [1.0, 2.0], "statistic": np.mean, "rng": np.random.default_rng(0),
        "augmentation": kr.Augmentation(), "language": "python", "export": "tflite-int8",
        "spec": kr.get_backbone("efficientnet_lite0"), "adapter": kr.LowRank(), "level": "normal",
        "make": print, "alarm": ["a"], "columns": {"camera": ["a", "b"] * 20}, "quality": labels,
        "learning_rate": 0.1, "probe": (np.zeros((2, 8, 8, 3)), np.eye(2)),
        "champion": folder / "none", "challenger": folder / "other", "share": 0.1,
        "bundles": [folder / "none", folder / "other"],
        "stages": (kr.Stage("a", 1, 0.1),), "backbone": "efficientnet_lite0", "on": "logits",
    }  # fmt: skip


# Where an argument of that name is another thing.
OTHERWISE = {
    "Predictor": {"model": Path("none")},
    "promote_version": {"model": Path("none"), "version": 1},
    "roll_back": {"model": Path("none")},
    "start_rollout": {"model": Path("none")},
    "stop_rollout": {"model": Path("none")},
    "rollout_status": {"model": Path("none")},
    "model_history": {"model": Path("none")},
    "fine_tune_images": {"photos": Path("none")},
    "decode_photo": {"photo": b"x"},
    "cost_matrix": {"costs": {"a": {"b": 2.0}}},
    "likely_label_errors": {"targets": np.arange(40) % 2},
    "conflicting_copies": {"labels": ["a", "b"] * 20, "pairs": [(0, 1)]},
    "evaluate_numbers": {"targets": np.arange(40.0), "answers": np.arange(40.0)},
    "get_head": {"name": "classification"},
    "make_head": {"name": "classification"},
    "get_task": {"name": "classification"},
    "get_loss": {"name": "focal"},
    "get_format": {"name": "tflite"},
    "register_callback": {"callback": keras.callbacks.Callback},
    "find_group_learning_rates": {"groups": {"all": "c/kernel"}},
}
# Their own tests call them, with what cannot be told apart by its kind.
APART = {"check_gradients", "measure_ranges", "Collector"}


def is_ours(error):
    # Records that people write, too, are judged by pydantic, which names their fields.
    ours = isinstance(error, KerasRecipesError | pydantic.ValidationError)
    return ours or _is_raised_here(error.__traceback__)


def says(error, name, value, parameters):
    """Tell whether a message names an argument, or shows what was passed for it."""
    text = str(error)
    shown = {type(value).__name__, "1" + 9 * "0" if isinstance(value, int) else printable(value)}
    names = {name, name.rstrip("s"), name.removeprefix("class_"), name.removesuffix("_name")}
    names |= {"class"} | {f"`{other}`" for other in parameters}
    shown |= {f"'{key}'" for key in value} if isinstance(value, dict) else set()
    return any(one and one in text for one in (*names, *shown, repr(value)[:9]))


def attempt(call, arguments):
    try:
        call(**arguments)
    except Exception as error:
        return error
    return None


@pytest.fixture(scope="module")
def registered():
    """What every registry holds besides what the package has."""
    gc.unfreeze()  # what was imported before the tests is among them
    return [one.added for one in gc.get_objects() if isinstance(one, Registry)]


@pytest.fixture
def forget(registered):
    """What takes back what calls registered; it is called at the end, too."""
    before = [(one, dict(one)) for one in (*registered, augment.AUGMENTATIONS)]

    def take_back():
        for one, entries in before:
            one.clear()
            one.update(entries)

    yield take_back
    take_back()


# Methods that people call with what they have, and what they are called on.
METHODS = {
    "Bundle.load": lambda sound: kr.Bundle.load,
    "DefectDetector.fit": lambda sound: kr.DefectDetector().fit,
    "FreezePolicy.apply": lambda sound: kr.FreezePolicy(1).apply,
    "ImageClassifier.fit": lambda sound: sound["recipe"].fit,
    "ImageClassifier.from_config": lambda sound: kr.ImageClassifier.from_config,
    "ImageClassifier.load": lambda sound: kr.ImageClassifier.load,
    "ImageClassifier.probe": lambda sound: sound["recipe"].probe,
    "NearestNeighbours.fit": lambda sound: kr.NearestNeighbours().fit,
    "PhotoSet.check": lambda sound: sound["photos"].check,
    "PhotoSet.draw": lambda sound: sound["photos"].draw,
    "PhotoSet.select": lambda sound: sound["photos"].select,
    "ReferenceProfile.read": lambda sound: kr.ReferenceProfile.read,
    "RolloutPolicy.read": lambda sound: kr.RolloutPolicy.read,
    "RunReport.from_json": lambda sound: kr.RunReport.from_json,
    "SequenceClassifier.probe": lambda sound: kr.SequenceClassifier().probe,
    "TextClassifier.fit": lambda sound: kr.TextClassifier().fit,
    "TextSet.check": lambda sound: sound["texts"].check,
    "Trust.read": lambda sound: kr.Trust.read,
    "WatchSettings.read": lambda sound: kr.WatchSettings.read,
}
# They begin with what somebody kept, or has made.
READ = {"from_config", "from_json", "from_model", "load", "read"}


@pytest.mark.parametrize("callable_name", sorted((CALLABLES | METHODS).keys() - APART))
@pytest.mark.filterwarnings("ignore")
def test_hostile_arguments_are_named(callable_name, sound, tmp_path, monkeypatch, forget):
    monkeypatch.chdir(tmp_path)
    call = CALLABLES.get(callable_name) or METHODS[callable_name](sound)
    parameters = inspect.signature(call).parameters
    known = sound | OTHERWISE.get(callable_name, {})
    usual = [
        one for one in parameters.values() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    needed = [one.name for one in usual if one.default is one.empty]
    unknown = [name for name in needed if name not in known]
    assert not unknown, f"Say in `sound` what {unknown} may be, or in HELD that nobody calls it."
    arguments = {name: known[name] for name in needed}
    before = attempt(call, arguments)
    assert before is None or is_ours(before), traceback.format_exception(before)
    for name in (one.name for one in usual):
        for value in HOSTILE:
            forget()
            error = attempt(call, {**arguments, name: value})
            if error is None or str(error) == str(before):
                continue
            where = f"{callable_name}({name}={value!r:.30}): {type(error).__name__}: {error}"
            assert is_ours(error), where[:400]
            # What was given in its place is not there, has nothing in it, or was not fitted.
            nothing = re.search("here (is|are) no|Call `fit`|damaged|no profile", str(error))
            assert nothing or says(error, name, value, parameters), where[:400]


def test_every_public_callable_has_the_checker():
    for name in CALLABLES.keys() - {"get_backbone"}:  # it judges its one argument itself
        call = CALLABLES[name]
        if inspect.isclass(call) and issubclass(call, pydantic.BaseModel):
            continue  # which names what is wrong
        if inspect.signature(call).parameters:
            code = getattr(call.__init__ if inspect.isclass(call) else call, "__code__", None)
            assert code is not None, name
            assert code.co_filename.endswith("arguments.py"), f"Decorate {name} with `named`."


def test_every_way_to_begin_with_what_is_kept_has_the_checker():
    rooms = [getattr(kr, name) for name in kr.__all__ if inspect.ismodule(getattr(kr, name))]
    found = {
        f"{one.__name__}.{name}": method.__func__
        for package in (kr, *rooms)
        for one in (getattr(package, name) for name in package.__all__)
        if inspect.isclass(one)
        for name, method in vars(one).items()
        if name in READ and isinstance(method, classmethod)
    }
    assert len(found) > 5
    raw = [k for k, m in found.items() if not m.__code__.co_filename.endswith("arguments.py")]
    assert not raw, f"Decorate {raw} with `named`."


def test_the_walk_is_long():
    assert len(CALLABLES) > 100 and HELD <= {n for p in (kr, *vars(kr).values()) for n in dir(p)}


def test_arrays_as_for_a_keras_model_are_told_what_takes_their_place():
    x, y = np.zeros((4, 8, 8, 3)), np.zeros(4, int)
    recipe = kr.ImageClassifier()
    for call in (
        lambda: recipe.evaluate(x, y),
        lambda: recipe.evaluate(x=x, y=y),
        lambda: kr.TextClassifier().evaluate(["a text"], ["a"]),
        lambda: kr.TextClassifier().fit(["a text"], ["a"]),
        lambda: recipe.predict(x, batch_size=32),
        lambda: recipe.fit(x, y, validation_data=(x, y)),
        lambda: recipe.fit(x, y),
        lambda: recipe.probe(x, y),
        lambda: kr.evaluate_bundle("tiles", x, y),
        lambda: kr.ablate_recipe(recipe, x, y),
        lambda: kr.split_photos(x),
    ):
        with pytest.raises(ValueError, match=r"`\w+` must be a .*photos_from_arrays"):
            call()
    with pytest.raises(TypeError, match="verbose"):  # what has nothing to do with arrays
        recipe.predict(verbose=0)


def test_examples_of_another_kind_of_data_are_told(sound):
    texts, recipe = sound["texts"], kr.ImageClassifier(weights=None)
    for call in (
        lambda: recipe.fit(texts, texts),
        lambda: photos.MODALITY.prepared(texts, None),
        lambda: kr.TextClassifier().prepared(sound["photos"], None),
    ):
        with pytest.raises(kr.DataError, match="and these are (texts|photos). Scan"):
            call()
    for given, told in (("photos/", "Scan a folder"), ([np.zeros(3)], "photos_from_arrays")):
        with pytest.raises(ValueError, match=f"`photos` must be a PhotoSet, .*{told}"):
            kr.split_photos(given)


def test_annotations_are_understood():
    for kind, right, wrong in (
        (int, [3, np.int64(3)], [True, 3.0, "3", 2**70]),
        (float, [3, 0.5, np.float32(1)], [math.nan, math.inf, "1", 10**400]),
        (str | None, ["a", None], [b"a", 3, "\ud800", "a\0b"]),
        (Path | str, ["a", Path("a")], [3, None]),
        (list[str], [["a"], ("a",), []], ["a", [1], {"a"}, {"a": 1}]),
        (tuple[int, int], [(1, 2), [1, 2]], [(1,), 3, (1, "2")]),
        (dict[str, float], [{"a": 1}], [{1: 1}, {"a": "b"}, []]),
        (np.ndarray, [np.zeros(3), [1, 2]], [None, [], np.zeros((2, 0)), 3]),
        ("keras.Model | None", [None, keras.Sequential()], [3, "model"]),
        ("Sequence[kerasrecipes.Stage] | str", ["a", [1]], [3, None]),
        (type[int], [int], [3]),
    ):
        assert all(fits(kind, one) for one in right), kind
        assert not any(fits(kind, one) for one in wrong), kind
    assert words(tuple[int, int]) == "2 values, each a whole number"
    assert words("keras.Model | str | Path") == "a Model or a text or a path"


def test_a_set_is_no_list_whose_order_means_something(tmp_path):
    @named
    def ordered(names: Sequence[str], others: Iterable[str] = ()) -> tuple[str, ...]:
        return (*names, *others)

    assert ordered(("a",), {"b"}) == ("a", "b")
    with pytest.raises(ArgumentError, match=r"`names` must be a list of texts, not {'a'}, which"):
        ordered({"a"})
    for name in ("text", "classes", "labels"):
        with pytest.raises(ArgumentError, match=f"`{name}` must be .*, which has no order"):
            kr.scan_texts(tmp_path, **{name: {"a", "b"}})


def test_only_what_python_says_is_told_anew():
    @named
    def asked(names: list[str], count: int = 1, *more: int) -> str:
        if count > 5:
            raise ValueError("`count` is too large.")
        if count == 3:
            raise KeyError("a fault inside")
        return names[0][:count] + str(sum(more))

    assert asked(["abc"], 2, 3) == "ab3"
    for arguments, told in (
        ((3,), "`names` must be a list of texts, not 3."),
        ((["a"], 9), "`count` is too large."),
        ((["a"], 3), "'a fault inside'"),  # with sound arguments it is not theirs
        ((["a"], 1, "x"), "`more` must be a list of whole numbers, not ('x',)."),
        (([],), "`names` cannot be []: list index out of range"),
    ):
        with pytest.raises((ValueError, KeyError)) as error:
            asked(*arguments)
        assert str(error.value) == told
    with pytest.raises(TypeError, match="unexpected keyword"):
        asked(wrong=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        huge = 10**5000
        with pytest.raises(ValueError, match="`names` must be a list of texts, not this int"):
            asked(huge)
