"""Taking away from a fitted recipe's model what matters least, and training the rest on."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.console import heeds_verbose, say
from kerasrecipes.data.batches import index_batches, multi_hot, numbers, one_hot, with_targets
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER, Examples
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import is_number
from kerasrecipes.optimization.channels.pruning import (
    PrunedChannels,
    check_fractions,
    prune_channels,
)
from kerasrecipes.optimization.channels.scores import Scores, score_by_gradient
from kerasrecipes.optimization.clustering import cluster_weights
from kerasrecipes.optimization.sparsity import check_zeros, zero_smallest
from kerasrecipes.optimization.weight_report import model_facts, sparse_bytes
from kerasrecipes.settings.callback_checks import check_callbacks
from kerasrecipes.surgery.batch_norm import reestimate_batch_norm
from kerasrecipes.surgery.rebuilding import copied, flattened
from kerasrecipes.training.refitting import checked_sides, refitted
from kerasrecipes.training.retraining import retrain, teacher_of

if TYPE_CHECKING:
    import keras

    from kerasrecipes.training.recipe import Recipe

SCORED_PHOTOS = 256
NORM_PHOTOS = 128
# Small batches tell the first-order scores more; see `score_by_gradient`.
SCORE_BATCH = 8


@named
@heeds_verbose
def prune(
    recipe: "Recipe",
    train: Examples,
    val: Examples,
    *,
    channels: float | None = None,
    max_multiply_adds: float | None = None,
    sparsity: float | None = None,
    pattern: tuple[int, int] | None = None,
    epochs: int = 12,
    learning_rate: float = 3e-4,
    residual: bool = False,
    callbacks: Sequence["keras.callbacks.Callback | str"] = (),
    verbose: bool = True,
) -> "Recipe":
    """Make a fitted recipe's model smaller, and train it on with the old one as its teacher.

    Channels that are taken away make the model faster everywhere. Zeros, which `sparsity` and
    `pattern` ask for, only make a compressed file smaller.

    Args:
        recipe: A fitted `ImageClassifier`, or one that was loaded; it stays as it is.
        train: Photos to learn from, those of the fit.
        val: Photos to choose the weights by.
        channels: Fraction of the channels that go, those that change the loss on training
            photos least; or
        max_multiply_adds: fraction of the arithmetic that may be left, so 0.7 takes a little
            more than 0.3 of it away; or
        sparsity: fraction of the weights of kernels that become zero, those that are small
            for their kernel; or
        pattern: `(n, m)` to keep the `n` largest of each `m` consecutive weights.
        epochs: Epochs of training afterwards.
        learning_rate: Its peak.
        residual: Whether channels that additions tie may go, too.
        callbacks: Further `keras.callbacks.Callback`s for the training, or their names.
        verbose: Whether to print what is done.

    Returns:
        A fitted recipe of the same kind with the smaller model, measured on `val`. Its
        report says what was done.

    Raises:
        NotFittedError: If `recipe` is not fitted.
        ValueError: If not exactly one way is asked for, or it cannot be gone, or not on this
            backend of Keras.
        DataError: If the photos do not suit the model, or change while it runs.
        KeyboardInterrupt: If interrupted.
    """
    way = _one_way(
        residual,
        channels=channels,
        max_multiply_adds=max_multiply_adds,
        sparsity=sparsity,
        pattern=pattern,
    )
    check_epochs(epochs)
    checked_sides(recipe, train, val)
    options = {**way, "epochs": epochs, "learning_rate": learning_rate}
    if way.keys() & {"channels", "max_multiply_adds"}:
        return _prune_channels(recipe, train, val, options, residual, callbacks)
    return _prune_weights(recipe, train, val, options, callbacks)


def _one_way(residual: bool, **wanted: Any) -> dict:
    """Return the one way that is asked for, with what is asked of it."""
    asked = {name: value for name, value in wanted.items() if value is not None}
    if len(asked) != 1:
        raise ValueError(
            "Pass exactly one of `channels`, `max_multiply_adds`, `sparsity` and `pattern`, not "
            f"{' and '.join(f'`{name}`' for name in asked) or 'none of them'}."
        )
    (name,) = asked
    if name in {"channels", "max_multiply_adds"}:
        check_fractions(**asked)
        return asked
    check_zeros(**asked)
    if residual:
        raise ValueError(f"`residual` has no effect with `{name}`, which leaves all channels.")
    return asked


def check_epochs(epochs: int) -> None:
    """Judge how long to train on, before there is anything to train.

    Args:
        epochs: What was asked for.

    Raises:
        ValueError: If it is no whole number of at least 1.

    Example:
        >>> check_epochs(12)
    """
    if not is_number(epochs, 1, math.inf, whole=True):
        raise ValueError(f"`epochs` must be a whole number from 1 on, not {epochs!r}.")


def _prune_channels(
    recipe: "Recipe",
    train: Examples,
    val: Examples,
    options: dict,
    residual: bool,
    callbacks: "Sequence[keras.callbacks.Callback | str]",
) -> "Recipe":
    callbacks = check_callbacks(callbacks, recipe, UnfreezeSchedule.full(), taught=True)
    pruned = pruned_model(
        recipe.model_,
        train,
        channels=options.get("channels"),
        max_multiply_adds=options.get("max_multiply_adds"),
        residual=residual,
        seed=recipe.seed,
    )
    say(str(pruned))
    model, stage = retrain(
        recipe,
        pruned.model,
        train,
        val,
        epochs=options["epochs"],
        learning_rate=options["learning_rate"],
        teacher=teacher_of(recipe),
        callbacks=callbacks,
        name="after pruning",
    )
    step = {
        "name": "prune",
        "summary": str(pruned),
        "options": {**options, "residual": residual},
        "before": model_facts(recipe.model_),
        "after": model_facts(model),
    }
    return refitted(recipe, model, train, val, step, [stage])


def pruned_model(
    model: "keras.Model",
    train: Examples,
    *,
    channels: float | None = None,
    max_multiply_adds: float | None = None,
    residual: bool = False,
    seed: int = 0,
    scores: Scores | None = None,
) -> PrunedChannels:
    """Leave out channels of a classifier, not yet trained on.

    Args:
        model: A functional model, photos to softmax scores; it stays as it is.
        train: Photos that channels are scored on, and the statistics of BatchNormalization
            measured anew, some hundred of them.
        channels: Fraction of the channels that go, or
        max_multiply_adds: of the arithmetic that may be left.
        residual: Whether channels that additions tie may go, too.
        seed: Seed of the choice of photos.
        scores: Of `score_on_examples`, if they are at hand.

    Raises:
        ValueError: If nothing would go, or the arithmetic cannot be reached.
        DataError: If a photo cannot be read.
    """
    model = _with_norms_of(train, model, seed)
    pruned = prune_channels(
        model,
        channels=channels,
        max_multiply_adds=max_multiply_adds,
        scores=score_on_examples(model, train, seed) if scores is None else scores,
        allocation="uniform" if max_multiply_adds is None else "by_cost",
        residual=residual,
    )
    _renew_norms(pruned.model, train, seed)
    return pruned


def _with_norms_of(train: Examples, model: "keras.Model", seed: int) -> "keras.Model":
    """Copy a model, flat; its BatchNormalization has the photos' statistics and its old output."""
    copy = copied(flattened(model))
    _renew_norms(copy, train, seed, keep_answers=True)
    return copy


def _renew_norms(
    model: "keras.Model", train: Examples, seed: int, *, keep_answers: bool = False
) -> None:
    """Measure the statistics of BatchNormalization anew, where its output can be kept before."""
    import keras

    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    if norms and all(norm.scale and norm.center for norm in norms):
        reestimate_batch_norm(model, train.draw(NORM_PHOTOS, seed), keep_answers=keep_answers)


def score_on_examples(model: "keras.Model", train: Examples, seed: int) -> Scores:
    """Score the channels of a flat model by what the loss on training examples would change.

    Args:
        model: A flat functional model; its answers are what users read, e.g. probabilities.
        train: The examples, of which some are drawn.
        seed: Seed of what is drawn.
    """
    import keras

    losses = keras.losses
    targets, loss = {
        CLASS: (one_hot, losses.CategoricalCrossentropy),
        LABELS: (multi_hot, losses.BinaryCrossentropy),
        NUMBER: (lambda some: numbers(some).astype(np.float32)[:, None], losses.MeanSquaredError),
    }[train.target]
    drawn = train.draw(SCORED_PHOTOS, seed)
    order = index_batches(len(drawn), SCORE_BATCH, seed, range(1), None)
    read = drawn.reader(model).batches(order)
    batches = with_targets(read, targets(drawn), np.ones(len(drawn)))
    return score_by_gradient(model, batches.prefetch(2), loss(reduction=None))


def _prune_weights(
    recipe: "Recipe",
    train: Examples,
    val: Examples,
    options: dict,
    callbacks: "Sequence[keras.callbacks.Callback | str]",
) -> "Recipe":
    from kerasrecipes.callbacks.zeros.magnitude_pruning import HoldZeros
    from kerasrecipes.export.checks import check_backend

    check_backend("`prune` to zeros")

    # A moving average would fill the zeros again.
    trained = replace(recipe, ema=False)
    callbacks = check_callbacks(callbacks, trained, UnfreezeSchedule.full(), taught=True)
    # All at once: with its channels' means and variances back, a model has lost less than it
    # would while zeros come step by step under statistics that no longer hold.
    model = _with_norms_of(train, recipe.model_, recipe.seed)
    zero_smallest(model, options.get("sparsity"), options.get("pattern"))
    _renew_norms(model, train, recipe.seed)
    _, stage = retrain(
        trained,
        model,
        train,
        val,
        epochs=options["epochs"],
        learning_rate=options["learning_rate"],
        teacher=teacher_of(recipe),
        callbacks=[*callbacks, HoldZeros()],
        name="after pruning",
    )
    return _with_sizes(recipe, model, train, val, "prune", options, [stage])


@named
@heeds_verbose
def cluster(
    recipe: "Recipe",
    train: Examples,
    val: Examples,
    *,
    clusters: int = 16,
    epochs: int = 4,
    learning_rate: float = 1e-4,
    verbose: bool = True,
) -> "Recipe":
    """Let each kernel of a fitted recipe's model get along with a few values, and train those.

    Only a compressed file gets smaller. Zeros stay zero.

    Args:
        recipe: A fitted `ImageClassifier`, or one that was loaded; it stays as it is.
        train: Photos to learn from, those of the fit.
        val: Photos to choose the weights by.
        clusters: Values per kernel, 2 to 256.
        epochs: Epochs of training afterwards.
        learning_rate: Its peak.
        verbose: Whether to print what is done.

    Returns:
        A fitted recipe of the same kind, measured on `val`; its report says what was done.

    Raises:
        NotFittedError: If `recipe` is not fitted.
        ValueError: If `clusters` is not usable, or Keras does not run on TensorFlow.
        DataError: If the photos do not suit the model, or change while it runs.
        KeyboardInterrupt: If interrupted.
    """
    from kerasrecipes.callbacks.zeros.shared_weights import HoldClusters
    from kerasrecipes.export.checks import check_backend

    check_epochs(epochs)
    checked_sides(recipe, train, val)
    check_backend("`cluster`")
    model = copied(recipe.model_)
    cluster_weights(model, clusters)
    options = {"clusters": clusters, "epochs": epochs, "learning_rate": learning_rate}
    _, stage = retrain(
        replace(recipe, ema=False),  # averages of shared values are shared only in the end
        model,
        train,
        val,
        epochs=epochs,
        learning_rate=learning_rate,
        teacher=teacher_of(recipe),
        callbacks=[HoldClusters()],
        name="after clustering",
    )
    return _with_sizes(recipe, model, train, val, "cluster", options, [stage])


def _with_sizes(
    recipe: "Recipe",
    model: "keras.Model",
    train: Examples,
    val: Examples,
    name: str,
    options: dict,
    stages: list,
) -> "Recipe":
    """Make the fitted recipe, with what zeros and shared values are worth."""
    before, after = model_facts(recipe.model_), model_facts(model)
    for facts, measured in ((before, recipe.model_), (after, model)):
        facts["sparse_file_bytes"] = sparse_bytes(measured)
    summary = (
        f"{after['zero_fraction']:.0%} of the weights in kernels are zero. All weights take "
        f"{after['weight_bytes'] / 1e6:.2f} MB as before, zipped "
        f"{after['zipped_bytes'] / 1e6:.2f} MB instead of {before['zipped_bytes'] / 1e6:.2f} MB. "
        f"A .tflite file that leaves zeros out, which `export` does not write, would take "
        f"{after['sparse_file_bytes'] / 1e6:.2f} MB. The model is no faster."
    )
    say(summary)
    step = {"name": name, "summary": summary, "options": options, "before": before, "after": after}
    return refitted(recipe, model, train, val, step, stages)
