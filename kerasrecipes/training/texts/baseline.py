"""The simple model that a fine-tuned one must beat: words and pairs of words, and a regression."""

import time
from functools import partial

import numpy as np

from kerasrecipes.environment import one_thread
from kerasrecipes.texts.text_set import TextSet
from kerasrecipes.training.baselines.beside import Baseline, compare_with

CALLED = "TF-IDF of words and pairs of words, with a logistic regression"
# What suits short texts of many classes; not tuned on the data, so that no text chooses it.
STRENGTH = 10.0


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
    with one_thread():
        model.fit([one.text for one in train.texts], train.labels)
    answers = np.zeros((len(test), len(train.class_names)))
    answers[:, model.classes_] = model.predict_proba([one.text for one in test.texts])
    return Baseline(answers, time.perf_counter() - started, CALLED)


compare_with_baseline = partial(compare_with, fit_baseline)
