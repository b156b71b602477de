"""What models say about examples that they did not learn from: a linear model, cross-validated."""

import re
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.backbones import get_backbone
from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.backbones.texts.bert import mean_of_tokens
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER, Examples
from kerasrecipes.data.inference import run_over
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.environment import one_thread
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.calibration import fitted_temperature
from kerasrecipes.heads import get_task, make_head
from kerasrecipes.heads.head import HEAD_OF
from kerasrecipes.photos.decoding.channels import GREY
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.linear.folds import FOLDS, draw_folds, units_of
from kerasrecipes.training.linear.regression import answers_of
from kerasrecipes.training.texts.text_classifier import TextClassifier

if TYPE_CHECKING:
    import keras

# scikit-learn's `C`, and 1 / `alpha`, for features of length 1; the best is between them, mostly.
STRENGTHS = (1.0, 3.0, 10.0)
# More examples times features times classes take many minutes of iterations, where least squares
# take seconds. The strength hardly matters there, and mostly the strongest penalty is the best.
MOST_CELLS = 300_000_000
LARGE = (
    "So many examples of so many classes were judged by least squares of one strength, not by the "
    "best of several logistic regressions, which would take very long."
)
_TEMPERATURES = (1e-3, 20.0)
_FLOOR = 1e-15
_RECIPES: dict[str, Any] = {one.modality: one for one in (ImageClassifier, TextClassifier)}


@dataclass(frozen=True)
class Pooled:
    """What a frozen backbone sees of examples.

    Args:
        backbone: The backbone's name.
        deep: Its blocks from the first third on, each pooled and of length 1, beside each other,
            float32 `(n, d)`.
        last: Its last block, pooled and of length 1, float32 `(n, e)`.
    """

    backbone: str
    deep: np.ndarray
    last: np.ndarray


def recipe_for(examples: Examples) -> Any:
    """Return the recipe for a kind of data whose backbones are pretrained.

    Args:
        examples: What is looked at.

    Raises:
        DataError: If there is none.
    """
    if examples.modality not in _RECIPES:
        raise DataError(
            f"This looks at examples with a pretrained backbone, and there is none for "
            f"{examples.noun[1]}. Train a model, and measure it by `evaluate` with slices."
        )
    return _RECIPES[examples.modality]


def pool_blocks(backbone: str | Backbone | None, examples: Examples) -> Pooled:
    """Run a backbone over examples once.

    Several depths tell more than the last alone, and the length of each tells nothing but how much
    contrast there is.

    Args:
        backbone: A name of `list_backbones()`, or a specification; `None` for the one that recipes
            for such examples begin with.
        examples: What to look at; labels are not looked at.

    Raises:
        DataError: If an example cannot be read, or changed since it was scanned.

    Reference:
        Evci et al., 2022, "Head2Toe: Utilizing Intermediate Representations for Better Transfer
        Learning".
    """
    import keras

    recipe = recipe_for(examples)
    spec = get_backbone(recipe.backbone if backbone is None else backbone, examples.modality)
    if getattr(examples, "channels", GREY) != GREY:  # these are read as RGB, too
        spec = spec.suited(examples)
    built = spec.build(None, "default" if spec.load_default else "imagenet")
    model = keras.Model(built.input, _pooled_blocks(built, spec))
    if recipe is TextClassifier:  # photos are made to fit by their reader
        examples = recipe(spec).prepared(examples, spec)
    run = frozen_engine(model, len(examples))
    found = run_over(examples.reader(model), model, run, "computing features")
    blocks = [_of_length_1(one) for one in found]
    return Pooled(spec.name, np.concatenate(blocks, axis=1), blocks[-1])


def _pooled_blocks(model: "keras.Model", spec: Backbone) -> list["keras.KerasTensor"]:
    if spec.modality == "texts":  # at a cut, what is no token is zero
        cuts = range(len(spec.blocks) // 3 + 1, len(spec.blocks))
        return [*(mean_of_tokens(spec.boundary(model, cut)) for cut in cuts), model.output]
    return [_pooled(layer.output) for layer in _last_of_blocks(model, spec)]


def _last_of_blocks(model: "keras.Model", spec: Backbone) -> list["keras.layers.Layer"]:
    found = []
    for pattern in spec.blocks:
        layers = [layer for layer in model.layers if re.fullmatch(pattern, layer.name)]
        found += layers[-1:]
    return [*found[len(found) // 3 : -1], model.layers[-1]]


def _pooled(tensor: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import layers

    return layers.GlobalAveragePooling2D()(tensor) if len(tensor.shape) == 4 else tensor


def _of_length_1(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def out_of_fold(examples: Examples, features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Answer each example by a linear model that learned from others.

    Groups, copies and near duplicates are never on both sides: a copy with the same wrong label
    would vouch for it.

    Args:
        examples: Labelled examples.
        features: Shape `(n, d)`, rows of about length 1.
        seed: Seed of the folds.

    Returns:
        Class probabilities, scores of labels, or numbers, float64 `(n, width)`.

    Raises:
        DataError: If there are fewer than five units that stand alone.
    """
    units = units_of(examples, by_group=True)
    count = len(np.unique(units))
    if count < FOLDS:
        raise DataError(
            f"There are {count} {examples.noun[1]} or groups that differ, too few to learn "
            f"from some and judge the others. Give at least {FOLDS}."
        )
    splits = draw_folds(examples.strata(), units, FOLDS, seed)
    target, targets = examples.target, targets_of(examples)
    large = is_large(target, features, targets)
    with nullcontext() if large else one_thread():
        found = [
            _answered(target, features, targets, splits, one, large) for one in strengths(large)
        ]
    best, temperature = best_of(target, found, targets, large)
    return tempered(found[best], temperature)


def is_large(target: str, features: np.ndarray, targets: np.ndarray) -> bool:
    """Tell whether there are so many classes or labels that least squares learn them.

    Args:
        target: What examples are labelled with; see `Examples`.
        features: Of all examples, shape `(n, d)`.
        targets: See `targets_of`.
    """
    return target != NUMBER and features.size * _width(target, targets) > MOST_CELLS


def strengths(large: bool) -> tuple[float, ...]:
    """Return the strengths to choose from; see `is_large`."""
    return STRENGTHS[:1] if large else STRENGTHS


def _width(target: str, targets: np.ndarray) -> int:
    return int(targets.max()) + 1 if target == CLASS else int(targets.shape[-1])


def best_of(
    target: str, tried: Sequence[np.ndarray], targets: np.ndarray, large: bool
) -> tuple[int, float]:
    """Choose among answers of several strengths.

    Args:
        target: What they are answered with; see `Examples`.
        tried: The answers of each.
        targets: What is right.
        large: See `is_large`.

    Returns:
        The place of the best, and the temperature that makes it as sure as it should be: least
        squares tell which class is likeliest, but not how likely.
    """
    fitted = large and target == CLASS
    heat = [_temperature(one, targets) if fitted else 1.0 for one in tried]
    pairs = zip(tried, heat, strict=True)
    losses = [loss_of(target, tempered(one, by), targets) for one, by in pairs]
    best = int(np.argmin(losses))
    return best, heat[best]


def _temperature(answers: np.ndarray, targets: np.ndarray) -> float:
    return fitted_temperature(np.log(np.maximum(answers, _FLOOR)), targets, _TEMPERATURES)


def tempered(answers: np.ndarray, temperature: float) -> np.ndarray:
    """Return class probabilities that are less sure, or surer; at 1 any answers as they are."""
    if temperature == 1.0:
        return answers
    return answers_of(np.log(np.maximum(answers, _FLOOR)) / temperature, CLASS)


def targets_of(examples: Examples) -> np.ndarray:
    """Return what examples are labelled with, as their usual task has it."""
    head = make_head(HEAD_OF[examples.target])
    return get_task(head.task.name).targets(examples, head.output(examples))


def linear_model(target: str, strength: float) -> Any:
    """Return scikit-learn's linear model of what examples are answered with.

    Args:
        target: See `Examples`.
        strength: `C` of a logistic regression, or 1 / `alpha` of a ridge regression.
    """
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier

    if target == CLASS:
        return LogisticRegression(C=strength, max_iter=1000)
    if target == LABELS:
        return OneVsRestClassifier(LogisticRegression(C=strength, max_iter=1000))
    return Ridge(alpha=1 / strength)


def answered(
    target: str,
    features: np.ndarray,
    targets: np.ndarray,
    train: Any,
    test: Any,
    strength: float,
    large: bool = False,
) -> np.ndarray:
    """Learn from some examples, and answer others.

    Args:
        target: What they are answered with; see `Examples`.
        features: Shape `(n, d)`.
        targets: What they are labelled with; see `targets_of`.
        train, test: Rows.
        strength: See `linear_model`.
        large: See `is_large`.

    Returns:
        Answers to `test`, float64 `(m, width)`, one column per class that `targets` has.
    """
    width = _width(target, targets)
    if large:
        return _by_least_squares(target, features, targets, train, test, strength)
    model = linear_model(target, strength)
    with warnings.catch_warnings():  # of labels that all examples of a fold have, or none
        warnings.simplefilter("ignore")
        if target == CLASS and len(np.unique(targets[train])) < 2:
            return np.eye(width)[np.full(len(test), targets[train][0])]
        model.fit(features[train], targets[train])
        if target not in (CLASS, LABELS):
            return np.asarray(model.predict(features[test]), np.float64)[:, None]
        said = np.asarray(model.predict_proba(features[test]), np.float64)
    if target == LABELS:
        return said
    found = np.zeros((len(test), width))
    found[:, model.classes_] = said
    return found


def _by_least_squares(
    target: str, features: np.ndarray, targets: np.ndarray, train: Any, test: Any, strength: float
) -> np.ndarray:
    asked = np.asarray(targets[train])
    if target == CLASS:
        asked = np.eye(_width(target, targets), dtype=features.dtype)[asked]
    model = linear_model(NUMBER, strength).fit(features[train], asked)
    said = np.asarray(model.predict(features[test]), np.float64)
    return answers_of(said, CLASS) if target == CLASS else np.clip(said, 0, 1)


def _answered(
    target: str,
    features: np.ndarray,
    targets: np.ndarray,
    splits: list[Any],
    strength: float,
    large: bool,
) -> np.ndarray:
    found: np.ndarray | None = None
    for train, test in splits:
        rows = answered(target, features, targets, train, test, strength, large)
        if found is None:
            found = np.zeros((len(targets), rows.shape[1]))
        found[test] = rows
    return np.empty((0, 1)) if found is None else found


def loss_of(target: str, answers: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean log-loss of answers, or of numbers the mean squared error.

    Args:
        target: What is answered with; see `Examples`.
        answers: What was said, shape `(n, width)`.
        targets: What is right; see `targets_of`.
    """
    if target == CLASS:
        said = answers[np.arange(len(targets)), targets]
        return float(-np.log(np.maximum(said, _FLOOR)).mean())
    if target == LABELS:
        said = np.where(targets > 0.5, answers, 1 - answers)
        return float(-np.log(np.maximum(said, _FLOOR)).mean())
    return float(np.square(answers[:, 0] - targets).mean())
