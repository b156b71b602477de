"""Several devices share each batch, and end with the weights of one."""

import json
import socket
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from kerasrecipes import TrainingError, UnfreezeSchedule
from kerasrecipes.engine.devices.workers import told_of_lost_workers

SEARCHED = UnfreezeSchedule.full(learning_rate="auto")
# Photos do not divide by the batch, nor the batch by two; an epoch's last batch has one photo,
# so that one of two has none. Clipping and mixtures see whole batches.
FITS = {"fit": {"batch_size": 23, "mix": "mixup", "clip_norm": 0.05}}


def fits(**changes):
    return {name: {**fit, **changes} for name, fit in FITS.items()}


def alike(one, other):
    """Compare losses and weights, relative to what a weight is in size."""
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5)
    for a, b in zip(one[1], other[1], strict=True):
        assert np.abs(a - b).max() <= 1e-5 * max(1, np.abs(a).max())


@pytest.fixture(scope="module")
def alone(start_child, end_child, tmp_path_factory):
    """What one device in one process makes of each fit."""
    folder = tmp_path_factory.mktemp("alone")
    return end_child(start_child(folder, fits()), folder)


@pytest.mark.proof
def test_two_devices_do_what_one_does(start_child, end_child, tmp_path, alone):
    """Also when they compute blocks once more, and when they were cut off in the last stage."""
    two = fits(devices=["CPU:0", "CPU:1"])
    two["fit"]["rematerialise"] = True
    resumed = {"resumed": {**two["fit"], "run_folder": str(tmp_path / "run"), "cut": 2}}
    found = end_child(start_child(tmp_path, two | resumed, cpus=2), tmp_path)
    for name in FITS:
        alike(alone[name], found[name])
    np.testing.assert_array_equal(found["fit"][0], found["resumed"][0])
    for one, other in zip(found["fit"][1], found["resumed"][1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.proof
def test_two_processes_do_what_one_does(start_child, end_child, tmp_path, alone):
    folders = [tmp_path / "0", tmp_path / "1"]
    children = []
    for folder, task in zip(folders, tasks(2), strict=True):
        folder.mkdir()
        children.append(start_child(folder, fits(devices="workers"), TF_CONFIG=task))
    try:
        found = [end_child(one, folder) for one, folder in zip(children, folders, strict=True)]
    finally:
        # One that waits for a dead one must not wait for long.
        for one in children:
            one.kill()
    for name in FITS:
        alike(alone[name], found[0][name])
        for one, other in zip(found[0][name][1], found[1][name][1], strict=True):
            np.testing.assert_array_equal(one, other)


def tasks(count: int) -> list[str]:
    """Return the TF_CONFIG of each of some workers on this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    workers = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [
        json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        for index in range(count)
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": "gpus"}, "`devices` must be None, 'auto', 'workers', a number of GPUs, or"),
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


@pytest.mark.parametrize(
    "config",
    ["", "{", "[]", '{"cluster": {"worker": ["one:1"]}, "task": {"type": "worker", "index": 0}}'],
)
def test_workers_that_are_not_named(quick_recipe, monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="needs the environment variable TF_CONFIG to name at le"):
        quick_recipe(devices="workers").fit(None, None)


def test_what_workers_cannot_do(part_sets, quick_recipe, monkeypatch, tmp_path):
    monkeypatch.setenv("TF_CONFIG", tasks(2)[1])
    tf.constant(0)
    recipe = quick_recipe(devices="workers")
    with pytest.raises(ValueError, match="before tensorflow computes anything"):
        recipe.fit(*part_sets[:2], verbose=False)
    with pytest.raises(ValueError, match="`run_folder` does not work together with `devices='wor"):
        recipe.fit(*part_sets[:2], run_folder=tmp_path / "run")
    recipe.fitted_ = SimpleNamespace(model=object(), train=object())
    with pytest.raises(ValueError, match="This is worker 1. .* worker 0 saves it"):
        recipe.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_lost_worker_is_told_of():
    with pytest.raises(TrainingError, match="Another worker has failed"), told_of_lost_workers():
        raise tf.errors.UnavailableError(None, None, "Collective ops is aborted")
