"""What a set of photos says of itself, and what is taken from it."""

import pytest

from kerasrecipes import DataError


def test_photos_are_drawn_of_each_class(make):
    photos = make.photo_set([*"a" * 9, *"b" * 2, *"c" * 5])
    assert photos.draw(9, seed=1).counts() == {"a": 3, "b": 2, "c": 3}
    assert photos.draw(10**6, seed=1).counts() == photos.counts()
    assert photos.draw(3, seed=1).digest() == photos.draw(3, seed=1).digest()
    assert photos.draw(3, seed=1).digest() != photos.draw(3, seed=2).digest()


def test_labels_are_numbers_among_the_classes_of_a_model(make):
    photos = make.photo_set("acb")
    assert photos.labels.tolist() == [0, 2, 1]
    assert photos.labels_among(["c", "x", "b", "a"]).tolist() == [3, 0, 2]
    told = "does not know the classes 'b', 'c'; it was trained on 'a', 'x'. Correct the labels, or"
    with pytest.raises(DataError, match=told):
        photos.labels_among(("a", "x"))
