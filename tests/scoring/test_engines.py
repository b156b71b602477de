"""Ray and Spark in local mode, a worker of each killed in the middle: line by line as here."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import kerasrecipes as kr
from kerasrecipes.errors import DataError, MissingDependencyError
from kerasrecipes.scoring import rows

PHOTOS, SHARD = 600, 20
WORKERS = {"ray": ("ray::MapBatches", ""), "spark": (sys.executable, "pyspark.daemon")}


@pytest.fixture(scope="module")
def photos(tiny, tmp_path_factory):
    root = tmp_path_factory.mktemp("many")
    for number, photo in enumerate(tiny.colour_photos(PHOTOS, seed=81)[0]):
        (root / f"{number:04}.png").write_bytes(tiny.png(photo))
    (root / "0301.png").write_bytes(b"no photo")
    return root


def processes():
    """Process to its parent and what it is called, of all that this one has begun."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            found[int(place.name)] = parent, place.joinpath("cmdline").read_text()
        except (OSError, ValueError):  # it ended
            continue
    mine = {os.getpid()}
    while more := {one for one, (parent, _) in found.items() if parent in mine} - mine:
        mine |= more
    return {one: found[one] for one in mine if one in found}


def kill_one(engine, to, killed):
    """Kill a worker as soon as the first answers are there."""
    own, parents = WORKERS[engine]
    while not killed:
        time.sleep(0.01)
        if not any(to.glob("scores-*")):
            continue
        there = processes()
        for one, (parent, called) in there.items():
            if called.startswith(own) and parents in there.get(parent, (0, ""))[1]:
                os.kill(one, signal.SIGKILL)
                killed.append(one)
                break


@pytest.mark.proof
@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_an_engine_writes_what_this_machine_does(engine, exported_once, photos, tmp_path):
    pytest.importorskip({"ray": "ray.data", "spark": "pyspark.sql"}[engine])
    kr.score(exported_once, photos, tmp_path / "here", shard_size=SHARD)
    to, killed = tmp_path / engine, []
    killer = threading.Thread(target=kill_one, args=(engine, to, killed), daemon=True)
    killer.start()
    found = kr.score(exported_once, photos, to, engine=engine, workers=2, shard_size=SHARD)
    assert len(killed) == 1 and (found.rows, found.failed) == (PHOTOS, 1)
    here = sorted(path.name for path in (tmp_path / "here").glob("scores-*"))
    assert len(here) == PHOTOS // SHARD == len(list(to.glob("scores-*")))
    for name in here:
        lines = (tmp_path / "here" / name).read_text().splitlines()
        assert (to / name).read_text().splitlines() == lines


@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_an_engine_that_is_not_installed_names_its_extra(
    engine, exported_once, photos, tmp_path, monkeypatch
):
    for name in ("ray", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=rf"kerasrecipes\[{engine}\]"):
        kr.score(exported_once, photos, tmp_path / "to", engine=engine)
    assert not (tmp_path / "to").exists()


def test_what_a_worker_could_not_use_is_found_behind_the_error_of_an_engine():
    class Told(Exception):
        cause = DataError("no such model")

    assert str(rows.behind(Told("…"), "Ray")) == "no such model"
    spark = Exception("Job aborted:\n  at java\nkerasrecipes.errors.DataError: no such model\n  at")
    said = "Spark could not go on: kerasrecipes.errors.DataError: no such model"
    assert str(rows.behind(spark, "Spark")) == said
    assert str(rows.behind(Exception("gone\nmore"), "Ray")) == "Ray could not go on: gone"
