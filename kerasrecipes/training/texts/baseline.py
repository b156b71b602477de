"""The simple model that a fine-tuned one must beat: words and pairs of words, and a regression."""

import time
from dataclasses import dataclass

import numpy as np

from kerasrecipes.data.examples import CLASS
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads import get_task
from kerasrecipes.statistics.paired import mean_difference_interval
from kerasrecipes.texts.text_set import TextSet
from kerasrecipes.training.recipe import Recipe

CALLED = "TF-IDF of words and pairs of words, with a logistic regression"
# What suits short texts of many classes; not tuned on the data, so that no text chooses it.
STRENGTH = 10.0


@dataclass(frozen=True)
class Baseline:
    """What the simple model says.

    Args:
        answers: Class probabilities, float64, shape `(n, classes)`.
        seconds: What its fit and its answers took.
    """

    answers: np.ndarray
    seconds: float


def fit_baseline(train: TextSet, test: TextSet) -> Baseline:
    """Let the simple model learn from texts, and ask it about others.

    Args:
        train: Texts with one class each, of which every class occurs.
        test: Texts of the same classes.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    started = time.perf_counter()
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
    # Words of a single letter are words, too, or texts of such would have none.
    words.set_params(token_pattern=r"(?u)\b\w+\b")
    model = make_pipeline(words, LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-3))
    model.fit([one.text for one in train.texts], train.labels)
    answers = np.zeros((len(test), len(train.class_names)))
    answers[:, model.classes_] = model.predict_proba([one.text for one in test.texts])
    return Baseline(answers, time.perf_counter() - started)


def compare_with_baseline(recipe: Recipe, train: TextSet, test: TextSet) -> Result:
    """Measure the simple model beside a fitted one, and note the difference in its report.

    Args:
        recipe: The fitted recipe, which was measured on `test` as the split `"test"`.
        train: Texts that it learned from.
        test: The test.

    Returns:
        The evaluation of the recipe, with a note where texts have one class each.
    """
    evaluation = recipe.report_.evaluations["test"]
    if train.target == CLASS:
        answers = recipe.fitted_.held_out["test"].answers
        note = baseline_note(recipe, train, test, answers)
        evaluation = evaluation.noted(note)
        recipe.report_.evaluations["test"] = evaluation
    return evaluation


def baseline_note(recipe: Recipe, train: TextSet, test: TextSet, answers: np.ndarray) -> str:
    """Say how a model does beside the simple one.

    Args:
        recipe: The recipe, for its task.
        train: Texts with one class each.
        test: Texts that neither has learned from.
        answers: What the model says of them.
    """
    simple = fit_baseline(train, test)
    output, task = recipe.output_, get_task(recipe.output_.task)
    targets = task.targets(test, output)
    # 1 where the class is right, else 0.
    ours, theirs = (task.quality(targets, one, output) for one in (answers, simple.answers))
    groups = group_numbers(test.groups, len(test))
    low, high = mean_difference_interval(ours, theirs, groups)
    better = 100 * (ours.mean() - theirs.mean())
    verdict = (
        ""
        if low > 0
        else " It is not shown to be worse than this model, and far smaller and faster: prefer it, "
        "or show more texts to both."
    )
    return (
        f"{CALLED}, learned from the same {len(train):,} texts in {simple.seconds:.0f} s, has an "
        f"accuracy of {100 * theirs.mean():.1f}% on these; this model is {better:+.1f} points off "
        f"that (95% interval {100 * low:+.1f} to {100 * high:+.1f}).{verdict}"
    )
