"""Labels that are likely wrong, by what models say that did not learn from them.

For classes this is confident learning: a class counts as likely for an example from the mean score
on that its own examples have, so that neither rare classes nor timid models are treated unfairly.
"""

from collections.abc import Sequence

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS, LABELS, NUMBER
from kerasrecipes.errors import unknown_name
from kerasrecipes.evaluation.calibration import FEWEST_TO_SCALE, temperature_scale
from kerasrecipes.evaluation.mistakes.suspect import Suspect, in_words
from kerasrecipes.evaluation.multi_label import checked_label_scores
from kerasrecipes.evaluation.scores import check_rows, checked_numbers, checked_scores

# From so likely a wrong label on, an example is named.
_LIKELY = 0.5
_FLOOR = 1e-12
# Normal numbers are further off by chance once in 16,000.
_FAR = 4.0
# From the median distance to the standard deviation of normal numbers.
_MAD = 1.4826


@named
def likely_label_errors(
    targets: np.ndarray,
    answers: np.ndarray,
    class_names: Sequence[str] = (),
    *,
    target: str = CLASS,
    unit: str = "",
) -> list[Suspect]:
    """Find examples whose label is likely wrong.

    Args:
        targets: What the labels say: class indices, shape `(n,)`; zeros and ones, shape
            `(n, labels)`; or numbers, shape `(n,)`.
        answers: What models say that did not learn from the example itself (out of fold):
            probabilities, shape `(n, classes)`; scores of labels, shape `(n, labels)`; or
            numbers, shape `(n,)` or `(n, 1)`.
        class_names: The classes or labels, in the order of the columns; none for numbers.
        target: What the examples are labelled with: `"class"`, also where classes have an order;
            `"labels"`; or `"number"`.
        unit: Unit of the numbers.

    Returns:
        The suspects, most suspicious first. Of classes and labels those that are more likely wrong
        than right, with that probability as score; where examples are ambiguous, these are among
        them, too. Of numbers those that are further off than four standard deviations, measured
        robustly.

    Raises:
        ValueError: If there is no such target.
        DataError: If the arrays do not fit together, or hold NaN.

    Example:
        >>> scores = np.array([[0.9, 0.1]] * 4 + [[0.2, 0.8]] * 4)
        >>> found = likely_label_errors([0, 0, 0, 1, 1, 1, 1, 1], scores, ["ok", "crack"])
        >>> [(one.index, one.label, one.suggestion) for one in found]
        [(3, 'crack', 'ok')]

    Reference:
        Northcutt, Jiang and Chuang, 2021, "Confident Learning: Estimating Uncertainty in Dataset
        Labels", section 3.1; for several labels as Thyagarajan et al., 2022, "Identifying
        Incorrect Annotations in Multi-Label Classification Data": each label by itself.
    """
    names = tuple(str(name) for name in class_names)
    if target == CLASS:
        return _of_classes(*checked_scores(targets, answers, names), names)
    if target == LABELS:
        return _of_labels(*checked_label_scores(targets, answers, names), names)
    if target == NUMBER:
        return _of_numbers(targets, answers, unit)
    raise unknown_name("target", target, [CLASS, LABELS, NUMBER], "Examples.target")


def _usual_scores(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the mean score that examples labelled so have, per class; infinite for none."""
    sums = np.bincount(labels, scores[np.arange(len(labels)), labels], minlength=scores.shape[1])
    counts = np.bincount(labels, minlength=scores.shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def error_rate(labels: np.ndarray, scores: np.ndarray) -> float:
    """Estimate which share of the labels is wrong, by confident learning.

    Args:
        labels: Class indices, shape `(n,)`.
        scores: Out-of-fold probabilities, shape `(n, classes)`.

    Reference:
        Northcutt et al., 2021, equations 1 and 2: an example is counted for the class with the
        highest score among those whose usual score it reaches, here for its label among equals.
    """
    classes = scores.shape[1]
    likely = np.where(scores >= _usual_scores(labels, scores), scores, -1.0)
    highest, own = likely.max(axis=1), likely[np.arange(len(labels)), labels]
    counted = np.bincount(labels[highest >= 0], minlength=classes)
    off = np.bincount(labels[highest > own], minlength=classes)
    wrong = off / np.maximum(counted, 1) * np.bincount(labels, minlength=classes)
    return float(wrong.sum()) / len(labels)


def wrong_probability(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell how likely each label is wrong, and what is the likeliest class instead.

    Confident learning says how many labels are wrong. Scores that are calibrated on such labels
    are mixed with wrong ones at that rate, and by Bayes' rule follows how likely a single label
    is wrong. Only a class that is likelier beside its usual score is taken for another one, so
    that rare classes, of which models are timid, are no suspects for being rare.

    Args:
        labels: Class indices, shape `(n,)`.
        scores: Out-of-fold probabilities, shape `(n, classes)`.

    Returns:
        The probability, shape `(n,)`, 0 where nothing speaks against the label; and the class.

    Reference:
        Natarajan et al., 2013, "Learning with Noisy Labels", of which a noise that is the same
        for all classes is the simplest case.
    """
    every, classes = np.arange(len(labels)), scores.shape[1]
    beside = scores / _usual_scores(labels, scores)
    said = beside.argmax(axis=1)
    doubted = beside[every, said] > beside[every, labels] * (1 + 1e-9)
    # One of them may always be wrong; with more noise than a half nothing could be said of one.
    rate = max(error_rate(labels, scores), 1 / len(labels))
    rate = min(rate, 0.5 * (classes - 1) / classes)
    stray = rate / (classes - 1)
    own = _honest(labels, scores)[every, labels]
    clean = np.clip((own - stray) / (1 - rate - stray), 0, 1)
    right, wrong = (1 - rate) * clean, stray * (1 - clean)
    found = np.divide(wrong, right + wrong, out=np.zeros(len(labels)), where=wrong > 0)
    return np.where(doubted, found, 0.0), said


def _honest(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return scores as sure as the labels bear out; of few examples as they are."""
    if len(labels) < FEWEST_TO_SCALE:
        return scores
    logits = np.log(np.maximum(scores, _FLOOR))
    scaled = np.exp(logits / temperature_scale(logits, labels))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def _of_classes(labels: np.ndarray, scores: np.ndarray, names: tuple[str, ...]) -> list[Suspect]:
    wrong, said = wrong_probability(labels, scores)
    found = []
    for i in np.flatnonzero(wrong >= _LIKELY).tolist():
        label, other = names[labels[i]], names[said[i]]
        here, there = scores[i, labels[i]], scores[i, said[i]]
        reason = (
            f"models that did not learn from it say {other} with {there:.0%}, and {label} with "
            f"{here:.0%}"
        )
        found.append(Suspect("label_error", i, float(wrong[i]), label, other, reason=reason))
    return worst_first(found)


def _of_labels(targets: np.ndarray, scores: np.ndarray, names: tuple[str, ...]) -> list[Suspect]:
    applies = targets > 0.5
    both = np.stack([1 - scores, scores], axis=-1)
    columns = range(len(names))
    wrong = np.stack(
        [wrong_probability(applies[:, k].astype(np.int64), both[:, k])[0] for k in columns],
        axis=1,
    )
    better = applies ^ (wrong >= _LIKELY)
    found = []
    for i in np.flatnonzero((wrong >= _LIKELY).any(axis=1)).tolist():
        doubts = [k for k in np.argsort(-wrong[i], kind="stable") if wrong[i, k] >= _LIKELY]
        label, suggestion = (
            in_words([names[k] for k in columns if rows[i, k]]) for rows in (applies, better)
        )
        told = ", ".join(f"{names[k]} with {scores[i, k]:.0%}" for k in doubts)
        reason = f"models that did not learn from it say {told}"
        score = float(wrong[i].max())
        found.append(Suspect("label_error", i, score, label, suggestion, reason=reason))
    return worst_first(found)


def _of_numbers(targets: np.ndarray, answers: np.ndarray, unit: str) -> list[Suspect]:
    labels = checked_numbers("targets", targets)
    answers = np.asarray(answers)
    columns = answers.ndim == 2 and answers.shape[1] == 1
    said = checked_numbers("answers", answers[:, 0] if columns else answers)
    check_rows("answers", said, len(labels), "target")
    off = labels - said
    off = off - np.median(off)
    spread = _MAD * float(np.median(np.abs(off)))
    if not spread:  # most answers are exact, so that any difference would be far off
        spread = float(off.std())
    far = np.flatnonzero(np.abs(off) > _FAR * spread) if spread else np.array([], np.int64)
    found = [
        Suspect(
            kind="label_error",
            index=int(i),
            score=float(1 - _FAR * spread / abs(off[i])),
            label=in_words(labels[i], unit),
            suggestion=in_words(said[i], unit),
            reason=f"models that did not learn from it are {abs(off[i]) / spread:.1f} standard "
            "deviations away",
        )
        for i in far
    ]
    return worst_first(found)


def worst_first(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Sort suspects, the most suspicious first; of equal ones the earlier row."""
    return sorted(suspects, key=lambda one: (-one.score, one.index))
