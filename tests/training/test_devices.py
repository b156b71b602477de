"""Several devices share each batch, and end with the weights of one."""

import numpy as np
import pytest

from kerasrecipes import UnfreezeSchedule

SEARCHED = UnfreezeSchedule.full(learning_rate="auto")
SAME = {"mix": "mixup", "clip_norm": 0.05}


def alike(one, other):
    """Compare losses and weights, relative to what a weight is in size."""
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5)
    for a, b in zip(one[1], other[1], strict=True):
        assert np.abs(a - b).max() <= 1e-5 * max(1, np.abs(a).max())


def test_two_devices_do_what_one_does(start_child, end_child, tmp_path):
    """Photos do not divide by the batch, nor the batch by the devices; an epoch's last batch
    has one photo, so that one device has none. Clipping and mixtures see whole batches."""
    two = {"devices": ["CPU:0", "CPU:1"]}
    fits = {"one": {**SAME, "batch_size": 23}, "two": {**SAME, **two, "batch_size": 23}}
    found = end_child(start_child(tmp_path, fits, cpus=2), tmp_path)
    alike(found["one"], found["two"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": "gpus"}, "`devices` must be None, 'auto', a number of GPUs, or"),
        ({"devices": True}, "`devices` must be None, 'auto'"),
        ({"devices": 1}, "`devices=1` asks for fewer than 2 devices"),
        ({"devices": ["CPU:0", "CPU:0"]}, "asks for fewer than 2 devices"),
        ({"devices": "auto", "accumulate": 2}, "`accumulate` does not work together .* raise `b"),
        ({"devices": "auto", "batch_norm": "train"}, "statistics of its own share"),
        ({"devices": "auto", "l2_sp": 0.1}, "`l2_sp` does not work together with `devices`"),
        (
            {"devices": "auto", "schedule": SEARCHED},
            "the search runs on one. Give each stage a rate",
        ),
        ({"devices": "auto", "head": "embedding"}, "compares the photos of a whole batch"),
    ],
)
def test_wrong_wishes_are_refused_before_any_photo_is_read(quick_recipe, changes, message):
    with pytest.raises(ValueError, match=message):
        quick_recipe(**changes).fit(None, None)


@pytest.mark.parametrize(
    ("devices", "message"),
    [(2, "asks for more GPUs than there are: 0"), (["CPU:0", "CPU:7"], r"names \['CPU:7'\]")],
)
def test_devices_that_are_not_here(part_sets, quick_recipe, devices, message):
    with pytest.raises(ValueError, match=message):
        quick_recipe(devices=devices).fit(*part_sets[:2], verbose=False)
