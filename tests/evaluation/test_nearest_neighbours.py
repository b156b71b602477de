import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from kerasrecipes import DataError, NotFittedError
from kerasrecipes.evaluation.retrieval import nearest_neighbours
from kerasrecipes.evaluation.retrieval.embeddings import nearest_first
from kerasrecipes.evaluation.retrieval.nearest_neighbours import UNKNOWN, NearestNeighbours

RNG = np.random.default_rng(0)
LABELS = RNG.integers(3, size=90)
KNOWN = RNG.normal(size=(90, 4)) + RNG.normal(size=(3, 4))[LABELS]
NEW = RNG.normal(size=(40, 4))


@pytest.mark.parametrize("weighting", ["distance", "uniform"])
@pytest.mark.parametrize("k", [1, 5, 90])
def test_votes_are_those_of_scikit_learn(k, weighting, monkeypatch):
    monkeypatch.setattr(nearest_neighbours, "_BLOCK", 16)  # several blocks
    ours = NearestNeighbours(k, weighting).fit(KNOWN, LABELS)
    theirs = KNeighborsClassifier(k, weights=weighting, metric="cosine").fit(KNOWN, LABELS)
    np.testing.assert_allclose(ours.predict_proba(NEW), theirs.predict_proba(NEW), atol=1e-9)
    nearest = theirs.kneighbors(NEW, 1)[0][:, 0]
    np.testing.assert_allclose(ours.distances(NEW), nearest, atol=1e-12)


def test_a_known_photo_decides_alone():
    shares = NearestNeighbours(5).fit(KNOWN, LABELS).predict_proba(3 * KNOWN)
    np.testing.assert_allclose(shares, np.eye(3)[LABELS], atol=1e-6)


def test_among_equally_near_photos_those_that_were_passed_first_vote():
    rows, labels = np.array([[1.0, 0.0]] * 40), np.repeat([2, 0, 1], [3, 20, 17])
    shares = NearestNeighbours(3).fit(rows, labels).predict_proba([[1.0, 0.2]])
    np.testing.assert_array_equal(shares, [[0, 0, 1]])
    shares = NearestNeighbours(3).fit(rows[::-1], labels[::-1]).predict_proba([[1.0, 0.2]])
    np.testing.assert_array_equal(shares, [[0, 1, 0]])


def test_far_photos_are_of_no_known_class():
    known = NearestNeighbours(3).fit(KNOWN, LABELS)
    limit = float(np.quantile(known.distances(NEW), 0.75))
    careful = NearestNeighbours(3, abstain_distance=limit).fit(KNOWN, LABELS)
    found, sure = careful.predict(NEW), known.predict(NEW)
    far = known.distances(NEW) > limit
    assert 0 < far.sum() < len(NEW)
    np.testing.assert_array_equal(found[far], UNKNOWN)
    np.testing.assert_array_equal(found[~far], sure[~far])
    np.testing.assert_allclose(careful.predict_proba(NEW).sum(axis=1), 1)


def test_a_class_is_added_by_fitting_again():
    known = NearestNeighbours(1).fit([[1, 0], [0, 1]], [0, 1])
    assert known.predict([[-1.0, 0.1]]).tolist() == [1]
    known.fit([[1, 0], [0, 1], [-1, 0]], [0, 1, 2])
    assert known.predict([[-1.0, 0.1]]).tolist() == [2]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"k": 0}, "`k` must be a whole number of at least 1, not 0"),
        ({"k": 2.0}, "`k` must be a whole number of at least 1, not 2.0"),
        ({"weighting": "near"}, "`weighting` must be 'distance' or 'uniform', not 'near'"),
        ({"abstain_distance": 3}, "`abstain_distance` must be between 0 and 2, or None, not 3"),
    ],
)
def test_unusable_arguments(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        NearestNeighbours(**options)


def test_use_that_does_not_fit():
    with pytest.raises(NotFittedError, match="Call `fit` first"):
        NearestNeighbours().predict(NEW)
    with pytest.raises(DataError, match="`k=5` photos cannot vote: only 2 were passed"):
        NearestNeighbours().fit(np.eye(2), [0, 1])
    with pytest.raises(DataError, match="have length 3, and the fitted ones 4"):
        NearestNeighbours().fit(KNOWN, LABELS).predict(NEW[:, :3])
    with pytest.raises(DataError, match="`embeddings` must be finite and have a direction"):
        NearestNeighbours().fit(KNOWN, LABELS).predict(np.zeros((1, 4)))


def test_the_nearest_are_those_of_a_whole_sort():
    rng = np.random.default_rng(0)
    for distances in (
        rng.random((7, 40)),
        rng.integers(0, 3, (7, 40)) / 2,  # many are equally far
        np.where(rng.random((7, 40)) < 0.9, np.inf, 0.5),
    ):
        for k in (1, 5, 40, 99):
            whole = np.argsort(distances, axis=1, kind="stable")[:, :k]
            assert np.array_equal(nearest_first(distances, k), whole)
