import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from kerasrecipes import DataError
from kerasrecipes.evaluation.retrieval import ranking as retrieval
from kerasrecipes.evaluation.retrieval.ranking import mean_average_precision, recall_at_k

RNG = np.random.default_rng(0)
LABELS = RNG.integers(5, size=120)
EMBEDDINGS = RNG.normal(size=(120, 4)) + 1.5 * RNG.normal(size=(5, 4))[LABELS]
GROUPS = RNG.integers(40, size=120)


def by_loops(measure, groups=None):
    unit = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
    values = []
    for i in range(len(unit)):
        others = [
            j for j in range(len(unit)) if j != i and (groups is None or groups[j] != groups[i])
        ]
        hits, similar = LABELS[others] == LABELS[i], unit[others] @ unit[i]
        if hits.any():
            values.append(measure(hits, similar))
    return np.mean(values)


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_measures_are_their_definitions(groups, monkeypatch):
    monkeypatch.setattr(retrieval, "_QUERIES", 50)  # several blocks
    found = recall_at_k(EMBEDDINGS, LABELS, ks=[1, 3, 119], groups=groups)
    for k, share in found.items():
        expected = by_loops(lambda hits, similar, k=k: hits[np.argsort(-similar)[:k]].any(), groups)
        assert share.value == pytest.approx(expected)
        assert share.low <= share.value <= share.high
    assert found[1].value < found[3].value < found[119].value == 1
    precision = mean_average_precision(EMBEDDINGS, LABELS, groups=groups)
    assert precision.value == pytest.approx(by_loops(average_precision_score, groups))
    assert precision.low < precision.value < precision.high


def test_finding_the_same_part_again_proves_nothing():
    """Pairs of photos of one part lie together; the classes are noise."""
    parts = np.arange(200) // 2
    labels = RNG.integers(2, size=100)[parts]
    embeddings = RNG.normal(size=(100, 8))[parts] + 0.01 * RNG.normal(size=(200, 8))
    assert recall_at_k(embeddings, labels, ks=[1])[1].value == 1
    assert recall_at_k(embeddings, labels, ks=[1], groups=parts)[1].value < 0.65


def test_a_collapsed_model_finds_nothing():
    same = np.ones((10, 3))
    assert recall_at_k(same, np.arange(10) // 2, ks=[1, 8, 9]).keys() == {1, 8, 9}
    assert recall_at_k(same, np.arange(10) // 2, ks=[8])[8].value == 0


def test_photos_without_another_of_their_class_do_not_ask():
    found = recall_at_k([[1, 0], [1, 0.1], [0, 1]], [0, 0, 1], ks=[1])[1]
    assert found.value == 1 and found.low > 0.3
    with pytest.raises(DataError, match="None of the 3 photos has another of its class"):
        recall_at_k([[1, 0], [1, 0.1], [0, 1]], [0, 1, 2])
    with pytest.raises(DataError, match="None of the 2 photos has another"):
        mean_average_precision([[1, 0], [1, 0.1]], [0, 0], groups=["a", "a"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"embeddings": np.zeros((3, 2))}, "have a direction.*in 3 of 3 rows, first in row 0"),
        ({"embeddings": [[1, 0], [np.nan, 1], [0, 1]]}, "in 1 of 3 rows, first in row 1"),
        ({"embeddings": [1.0, 2, 3]}, r"must have shape \(photos, length\).*shape: \(3,\)"),
        ({"labels": [0.0, 0.0, 1.0]}, "`labels` must be one-dimensional integers.*float64"),
        ({"labels": [0, -1, 1]}, "`labels` must be one-dimensional integers of at least 0"),
        ({"labels": [0, 0]}, "`embeddings` must have one row per label. Received: 3 rows for 2"),
        ({"groups": [0, 1]}, "`groups` must have one row per example. Received: 2 rows for 3"),
    ],
)
def test_arrays_that_do_not_fit(change, complaint):
    given = {"embeddings": np.eye(3), "labels": [0, 0, 1], "groups": None, **change}
    for measure in (recall_at_k, mean_average_precision):
        with pytest.raises(DataError, match=complaint):
            measure(given["embeddings"], given["labels"], groups=given["groups"])


@pytest.mark.parametrize("k", [0, 1.5, True])
def test_unusable_k(k):
    with pytest.raises(ValueError, match="`ks` must be whole numbers of at least 1, not"):
        recall_at_k(np.eye(2), [0, 0], ks=[k])


def test_intervals_go_by_parts():
    """Six photos of a part ask alike, so they tell little more than one."""
    rng = np.random.default_rng(0)
    parts = np.arange(120) // 6
    embeddings = rng.normal(size=(20, 3))[parts] + rng.normal(0, 0.01, (120, 3))
    labels = rng.integers(2, size=20)[parts]
    share = recall_at_k(embeddings, labels, ks=[1], groups=parts)[1]
    precision = mean_average_precision(embeddings, labels, groups=[f"P{p}" for p in parts])
    assert share.high - share.low > 0.3 > 2 * 0.09
    assert precision.high - precision.low > 0.12


def test_memory_grows_with_the_photos_and_not_with_their_pairs(monkeypatch):
    monkeypatch.setattr(retrieval, "_QUERIES", 16)
    embeddings, labels = RNG.normal(size=(1500, 4)), np.zeros(1500, int)
    tracemalloc.start()
    recall_at_k(embeddings, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000  # the places of all pairs would be 18 MB
