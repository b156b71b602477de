"""What is of no class that a model for texts knows: learned after its fit, and told beside it."""

import math
from dataclasses import replace

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.inference import answers_by_output, predict_scores
from kerasrecipes.errors import DataError
from kerasrecipes.heads.embedding import embedding_model
from kerasrecipes.keras_private import spare_names
from kerasrecipes.novelty.scope import OutOfScope, scope_output
from kerasrecipes.statistics.intervals import wilson_interval
from kerasrecipes.training.defect_detector import threshold_of
from kerasrecipes.training.fitted import Fitted


def check_share(share: float, val: Examples) -> None:
    """Refuse a share that so few validation texts cannot keep.

    Args:
        share: The share of texts in scope that may be set aside.
        val: Texts to choose by; those of one group count once.

    Raises:
        DataError: If they are too few.
    """
    units = len({group or place for place, group in enumerate(val.groups)})
    if units + 1 < 1 / share:
        raise DataError(
            f"`out_of_scope={share:g}` cannot be kept with {units} validation texts or groups of "
            f"such; {1 / (units + 1):.2g} is the lowest that can. Raise it, or give `val` at least "
            f"{math.ceil(1 / share - 1)}."
        )


def with_scope(fitted: Fitted, share: float, seed: int) -> tuple[Fitted, str]:
    """Let a fitted model also say how far a text is from all classes.

    Args:
        fitted: The model, and what is known of it.
        share: The share of texts in scope that may be set aside.
        seed: Seed of the draw of one validation text of each group.

    Returns:
        The same with a further answer, and what was done, in words.

    Raises:
        DataError: If there are too few texts to learn it from.
    """
    import keras

    train, val = fitted.learnt_from
    spare_names(fitted.model)
    cut = embedding_model(fitted.model)
    features, held_out = (predict_scores(cut, side) for side in (train, val))
    found = OutOfScope.of(features, train.labels).standardised(held_out)
    scores = found.distances(held_out)
    threshold, units = threshold_of(scores, val.groups, share, seed)
    model = fitted.model
    several = keras.Model(
        model.input, [model.outputs[0], found.attach(cut.output)], name=model.name
    )
    told = (
        f"What is out of scope was learned from {len(train):,} training texts. From a novelty of "
        f"{threshold:.2f} on a text is set aside, which happens to at most {share:.1%} of texts in "
        f"scope, by {units:,} validation texts."
    )
    return replace(fitted, model=several, others=(scope_output(threshold),)), told


def told_aside(fitted: Fitted, examples: Examples) -> str:
    """Say how many texts a model sets aside.

    Args:
        fitted: The model, with the answer of `with_scope`.
        examples: Texts, at least one.
    """
    import keras

    (output,) = fitted.others
    (scores,) = answers_by_output(
        keras.Model(fitted.model.input, fitted.model.outputs[1]), examples
    )
    aside, count = int((scores[:, 0] >= output.thresholds[0]).sum()), len(scores)
    low, high = wilson_interval(aside, count)
    return (
        f"{aside:,} of {count:,} texts are set aside as out of scope: {aside / count:.1%} "
        f"({100 * low:.1f}–{100 * high:.1f})."
    )
