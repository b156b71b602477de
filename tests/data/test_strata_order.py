"""Epochs that show as many examples of each class, or group, however many it has."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerasrecipes import DataError, NoEffectError
from kerasrecipes.data.batches import epoch_order, index_batches
from kerasrecipes.data.strata_order import strata_of

STRATA = np.array([0] * 30 + [1] * 7 + [2] * 2)


def examples(labels, groups=None, target="class"):
    return SimpleNamespace(
        noun=("photo", "photos"), target=target, labels=np.array(labels), items=labels,
        groups=groups or [None] * len(labels),
    )  # fmt: skip


def test_each_stratum_comes_alike_and_its_members_too():
    order = epoch_order(39, 5, 2, strata=STRATA)
    assert list(np.bincount(STRATA[order])) == [13, 13, 13]
    times = np.bincount(order, minlength=39)
    assert times[:30].max() == 1 and set(times[30:37]) == {1, 2} and set(times[37:]) == {6, 7}
    np.testing.assert_array_equal(order, epoch_order(39, 5, 2, strata=STRATA))
    assert list(order) != list(epoch_order(39, 5, 3, strata=STRATA))
    drawn = np.concatenate([epoch_order(39, 0, epoch, strata=STRATA) for epoch in range(6)])
    assert set(drawn) == set(range(39))  # over some epochs, all are shown


def test_batches_follow_it():
    batches = index_batches(39, 8, 5, range(2, 3), 1, strata=STRATA)
    found = np.concatenate([index.numpy() for index, _ in batches])
    np.testing.assert_array_equal(found, epoch_order(39, 5, 2, strata=STRATA))


def test_what_has_no_strata_is_told():
    with pytest.raises(NoEffectError, match="no effect: each class has 2 training photos"):
        strata_of(examples([0, 1, 0, 1]), "class")
    with pytest.raises(DataError, match="with groups, which 1 of 3 lack. Pass `group_by`"):
        strata_of(examples([0, 1, 1], ["a", "b", None]), "group")
    with pytest.raises(DataError, match="needs photos with one class each"):
        strata_of(examples([0, 1], target="labels"), "class")
    found = strata_of(examples([0, 1, 1], ["b", "a", "b"]), "group")
    assert found.tolist() == [1, 0, 1] and strata_of(examples([0]), None) is None
