import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from kerasrecipes import DataError, to_dataset
from kerasrecipes.data.batches import epoch_order, epoch_views, index_batches
from kerasrecipes.photos.decoding.decode import read_photo

SIZE = (24, 32)


def orders(dataset, batch_count):
    batches = [index.numpy() for index, _ in dataset]
    return [
        np.concatenate(batches[i : i + batch_count]) for i in range(0, len(batches), batch_count)
    ]


def test_plain_keras_repeats_one_permutation_and_we_do_not():
    """The trap: after `set_random_seed`, `fit(shuffle=True)` shows the same order every epoch."""
    import keras

    class Order(keras.layers.Layer):
        seen: ClassVar[list] = []

        def call(self, x):
            import tensorflow as tf

            tf.py_function(lambda v: self.seen.extend(v.numpy().ravel().tolist()), [x], [])
            return x

    keras.utils.set_random_seed(0)
    photo = keras.Input((1,))
    model = keras.Model(photo, keras.layers.Dense(1)(Order()(photo)))
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.arange(12.0)[:, None]
    model.fit(x, x, epochs=2, batch_size=4, shuffle=True, verbose=0)
    keras_orders = np.array(Order.seen).reshape(2, 12)
    np.testing.assert_array_equal(*keras_orders)

    first, second = orders(index_batches(12, 4, 0, range(2), None), 3)
    assert sorted(first) == sorted(second) == list(range(12))
    assert list(first) != list(second)


def test_order_is_a_function_of_seed_and_epoch_alone():
    whole = orders(index_batches(20, 8, 5, range(6), None), 3)
    resumed = orders(index_batches(20, 8, 5, range(4, 6), None), 3)
    np.testing.assert_array_equal(whole[4:], resumed)
    np.testing.assert_array_equal(whole[2], epoch_order(20, 5, 2))
    assert list(epoch_order(20, 5, 2)) != list(epoch_order(20, 6, 2))


def test_order_is_the_same_in_another_process():
    code = "from kerasrecipes.data.batches import epoch_order; print(*epoch_order(20, 5, 2))"
    command = [sys.executable, "-c", code]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    np.testing.assert_array_equal(epoch_order(20, 5, 2), [int(one) for one in there.split()])


def test_every_view_is_shown_once_in_as_many_epochs():
    views = np.zeros((10, 4), int)
    for epoch in range(4):
        order = epoch_order(10, 0, epoch)
        views[order, epoch_views(order, epoch, 4)] += 1
    assert (views == 1).all()
    assert set(epoch_views(np.arange(5), 7, None)) == {7}


def test_number_of_batches_is_known():
    assert int(index_batches(20, 8, 0, range(6), None).cardinality()) == 18


def test_photos_are_decoded_by_the_one_policy(part_sets):
    train = part_sets[0]
    photos, targets = next(iter(to_dataset(train, SIZE, batch_size=4)))
    expected = np.stack([read_photo(photo, SIZE, train.policy) for photo in train.photos[:4]])
    np.testing.assert_array_equal(photos, expected)
    np.testing.assert_array_equal(targets.numpy().argmax(1), train.labels[:4])


def test_a_view_does_not_depend_on_its_batch(part_sets):
    train = part_sets[0]
    views = []
    for batch_size in (3, 8):
        batches = to_dataset(
            train, SIZE, batch_size=batch_size, augment="factory", epochs=range(1, 2)
        )
        views.append(np.concatenate([photos for photos, _ in batches]))
    np.testing.assert_array_equal(*views)


def test_the_first_view_is_the_photo_itself(part_sets):
    train = part_sets[0]
    first, second = (
        np.concatenate([x for x, _ in part])
        for part in (
            to_dataset(train, SIZE, augment="factory", epochs=range(2)).take(2),
            to_dataset(train, SIZE, augment="factory", epochs=range(1, 2)),
        )
    )
    first = first[: len(train)]
    plain = np.concatenate([x for x, _ in to_dataset(train, SIZE)])
    np.testing.assert_array_equal(first, plain)
    assert np.abs(second - plain).mean() > 1


def test_it_feeds_a_bare_fit(part_sets):
    import keras

    train = part_sets[0]
    model = keras.Sequential(
        [keras.Input((*SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    steps = -(-len(train) // 8)
    data = to_dataset(train, SIZE, batch_size=8, seed=1, epochs=range(3))
    history = model.fit(data, epochs=2, steps_per_epoch=steps, shuffle=False, verbose=0)
    assert len(history.history["loss"]) == 2


@pytest.mark.parametrize("settings", [{}, {"views": 1, "epochs": range(5)}])
def test_augmentation_without_effect_is_an_error(part_sets, settings):
    with pytest.raises(ValueError, match="`augment` would have no effect"):
        to_dataset(part_sets[0], SIZE, augment="light", **settings)


@pytest.mark.parametrize("size", [0, 2.5, True])
def test_a_batch_holds_photos(part_sets, size):
    with pytest.raises(ValueError, match=f"`batch_size` must be a whole number .* not {size}"):
        to_dataset(part_sets[0], SIZE, batch_size=size)


def test_unknown_augmentation(part_sets):
    with pytest.raises(ValueError, match="Unknown augmentation 'strong'"):
        to_dataset(part_sets[0], SIZE, augment="strong")


def test_reader_gives_its_own_error_back(part_sets, tmp_path):
    from dataclasses import replace

    from kerasrecipes.photos.reader import PhotoReader

    train = part_sets[0]
    gone = replace(train.photos[0], path=tmp_path / "gone.png")
    reader = PhotoReader(replace(train, photos=(gone,)), SIZE)
    with pytest.raises(DataError, match=r"gone.png': cannot be read"), reader.errors():
        next(iter(reader.batches(index_batches(1, 1, None, range(1), 1))))
    with pytest.raises(KeyError), reader.__class__(train, SIZE).errors():
        raise KeyError("not the reader's")
