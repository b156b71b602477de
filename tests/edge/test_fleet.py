"""A fleet that is offline for days: nothing is lost, and nothing counts twice."""

import json
import random
import sys
from pathlib import Path

import pytest

import kerasrecipes as kr
from kerasrecipes.edge import telemetry
from kerasrecipes.edge.collecting import Collector
from kerasrecipes.edge.telemetry import Queue, drain
from power_cut import check_power_cut

TOKEN = "a token of many signs"
DEVICES, DAYS = 1000, 4


def entry(name: str) -> dict:
    return {"request_id": name, "label": "good", "at": 0.0}


@pytest.fixture
def collector(tmp_path):
    """A receiver that nobody can reach by network."""
    with kr.Journal(tmp_path / "journal.db") as journal:
        collector = Collector(journal, TOKEN)
        collector._server.server_close()
        # Nobody cuts its power here: thousands of batches need not reach the disk each.
        journal._connection.execute("PRAGMA synchronous = OFF")
        yield collector


class Network:
    """Loses calls before they arrive, and answers after they did; keeps copies that come late."""

    def __init__(self, collector: Collector, device: str, rng: random.Random):
        self._collector, self._device, self._rng = collector, device, rng
        self.late: list[bytes] = []

    def post(self, batch: dict) -> dict:
        fate = self._rng.random()
        if fate < 0.3:
            raise OSError("no network")
        content = json.dumps({"device": self._device, **batch}).encode()
        told = self._collector.take(content)
        if fate < 0.5:
            raise OSError("the answer was lost")
        if fate < 0.6:
            self.late.append(content)
        return told


def test_a_thousand_devices_offline_for_days(collector, monkeypatch):
    monkeypatch.setattr(telemetry, "BATCH", 4)
    rng, made, kept = random.Random(0), 0, 0
    fleet = [(Queue(":memory:", most=8), Network(collector, f"d{i}", rng)) for i in range(DEVICES)]
    ids = set()
    for day in range(DAYS):
        for number, (queue, network) in enumerate(fleet):
            # Some have far more to say than room.
            for k in range(rng.randrange(5 if number % 20 else 60)):
                queue.put(entry(f"{number}-{day}-{k}"))
                made += 1
            if rng.random() < 0.5:  # the others have no network today
                try:
                    drain(queue, network.post)
                except OSError:
                    pass
    for queue, network in fleet:
        for content in network.late:
            collector.take(content)
        while True:
            try:
                drain(queue, network.post)
                break
            except OSError:
                continue
        kept += queue.waiting
        # What was dropped after the last batch is told with the next one.
        collector.take(json.dumps({"device": network._device, **queue.batch()}).encode())
    lines = list(collector._journal.lines())
    ids = {line.entry.request_id for line in lines}
    assert len(ids) == len(lines) > 2000
    received = sum(line.entry.stands_for for line in lines)
    counts = collector._journal.counts()
    assert received + counts.dropped_at_sources + kept == made
    # Of what was dropped after it was sent, the receiver alone knows whether it arrived.
    surely = sum(queue.dropped for queue, _ in fleet)
    assert 1000 < surely < counts.dropped_at_sources and counts.duplicates > 200
    assert kept < 2 * DEVICES and any(line.entry.stands_for > 1 for line in lines)


def test_the_oldest_are_dropped_and_counted_and_a_sample_stands_for_all():
    queue = Queue(":memory:", most=40)
    for i in range(1000):
        queue.put(entry(str(i)))
    lines = queue.batch(1000)["lines"]
    assert len(lines) == 40 and lines[-1][1]["stands_for"] == 8
    assert sum(one["stands_for"] for _, one in lines) + queue.dropped <= 1000
    assert queue.waiting + queue.dropped == 1000
    assert [number for number, _ in lines] == sorted(number for number, _ in lines)


def test_a_queue_that_begins_anew_is_another_one(collector):
    for name in ("old", "new"):
        queue = Queue(":memory:")
        queue.put(entry(name))
        batch = {"device": "d", **queue.batch()}
        assert collector.take(json.dumps(batch).encode()) == {"last": 1}
        assert collector.take(json.dumps(batch).encode()) == {"last": 1}
    assert len(list(collector._journal.lines())) == 2


KILLED = """
import sys
from kerasrecipes.edge.telemetry import Queue
queue = Queue(sys.argv[1])
for i in range(100_000):
    queue.put({"request_id": str(i)})
    print(i, flush=True)
"""


def test_a_power_cut_loses_nothing_that_was_queued(tmp_path):
    path = tmp_path / "queue.db"
    command = [sys.executable, "-c", KILLED, path]
    check_power_cut(command, path)


def test_a_damaged_file_is_set_aside_and_another_queue_begins(tmp_path, capsys):
    path = tmp_path / "queue.db"
    first = Queue(path)
    first.put(entry("a"))
    known = first.id
    first.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + random.Random(1).randbytes(len(content) - 4096))
    second = Queue(path)
    second.put(entry("b"))
    assert [one["request_id"] for _, one in second.batch()["lines"]] == ["b"]
    assert (tmp_path / "queue.db.damaged").exists() and second.id != known
    assert "is set aside, and begun anew" in capsys.readouterr().err


def test_what_a_receiver_would_not_take_at_once_is_sent_in_parts():
    queue = Queue(":memory:")
    for i in range(9):
        queue.put({"request_id": str(i), "label": "x" * 1_500_000})
    sizes = []

    def post(batch: dict) -> dict:
        sizes.append(len(json.dumps(batch)))
        return {"last": 10**6}  # what it never sent is not forgotten

    queue.put(entry("late"))
    assert drain(queue, post) == 10 and max(sizes) < 8 << 20 and len(sizes) == 4


def test_a_receiver_that_takes_nothing_ends_the_sending():
    queue = Queue(":memory:")
    queue.put(entry("a"))
    with pytest.raises(OSError, match="did not take what it was sent"):
        drain(queue, lambda batch: {"last": 0})
    assert queue.waiting == 1 and Path(telemetry.__file__).is_file()
