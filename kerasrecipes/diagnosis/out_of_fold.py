"""What models say about examples that they did not learn from: a linear model, cross-validated."""

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.backbones import get_backbone
from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.backbones.texts.bert import mean_of_tokens
from kerasrecipes.data.examples import CLASS, LABELS, Examples
from kerasrecipes.data.inference import run_over
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.environment import one_thread
from kerasrecipes.errors import DataError
from kerasrecipes.heads import get_task, make_head
from kerasrecipes.heads.head import HEAD_OF
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.linear.folds import FOLDS, draw_folds, units_of
from kerasrecipes.training.texts.text_classifier import TextClassifier

if TYPE_CHECKING:
    import keras

# scikit-learn's `C`, and 1 / `alpha`, for features of length 1; the best is between them, mostly.
STRENGTHS = (1.0, 3.0, 10.0)
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
    targets = targets_of(examples)
    with one_thread():
        found = [_answered(examples.target, features, targets, splits, one) for one in STRENGTHS]
    losses = [loss_of(examples.target, one, targets) for one in found]
    return found[int(np.argmin(losses))]


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
    target: str, features: np.ndarray, targets: np.ndarray, train: Any, test: Any, strength: float
) -> np.ndarray:
    """Learn from some examples, and answer others.

    Args:
        target: What they are answered with; see `Examples`.
        features: Shape `(n, d)`.
        targets: What they are labelled with; see `targets_of`.
        train, test: Rows.
        strength: See `linear_model`.

    Returns:
        Answers to `test`, float64 `(m, width)`, one column per class that `targets` has.
    """
    model = linear_model(target, strength)
    width = int(targets.max()) + 1 if target == CLASS else targets.shape[-1]
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


def _answered(
    target: str, features: np.ndarray, targets: np.ndarray, splits: list[Any], strength: float
) -> np.ndarray:
    found: np.ndarray | None = None
    for train, test in splits:
        rows = answered(target, features, targets, train, test, strength)
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
