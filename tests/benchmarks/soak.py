"""Whether a server's memory stays where it is, and whether each of very many requests is answered.

    python tests/benchmarks/soak.py [--minutes 60] [--per-second 56]

Most requests are small tensors for a tiny model, so that there may be many; the others are photos,
tensors of 150 kB for an EfficientNet, and what must be refused. The answers to photos are kept in a
journal. Memory is looked at every five seconds.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats
from serving import Client, Server, make_model, request_of

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

CONNECTIONS, SAMPLE_SECONDS, BLOCKS = 4, 5, 11
# The first half is not judged: SQLite keeps 2 MB of the journal in memory, once there are as many.
WARM = 1 / 2


@dataclass(frozen=True)
class Kind:
    """What is asked, how often of a hundred times, and the status that must come."""

    content: bytes
    share: int
    status: int


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def models_in(root: Path) -> Path:
    """Write two models, and return their folder."""
    from tiny_bundle import trained_model, write_bundle

    served = root / "served"
    shutil.copytree(make_model(root / "new") / "1", served / "tiles" / "1")
    write_bundle(served / "colours", trained_model()).export("tflite", "float32")
    return served


def kinds() -> list[Kind]:
    from tiny_bundle import SIZE, colour_photos, png

    photo = png(colour_photos(1, seed=5)[0][0])
    return [
        Kind(request_of((*SIZE, 3), "colours"), 88, 200),
        Kind(post("/predict?model=colours", photo), 5, 200),
        Kind(request_of((224, 224, 3), "tiles"), 3, 200),
        Kind(post("/predict?model=colours", photo[:300]), 1, 422),
        Kind(post("/v2/models/colours/infer", b'{"inputs": [' + b"[" * 500), 1, 400),
        Kind(post("/v2/models/none/infer", b"{}"), 1, 404),
        Kind(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 1, 200),
    ]


class Load:
    """Asks at a steady rate, from some connections, until the time is over."""

    def __init__(self, port: int, per_second: float, seconds: float):
        many = [kind for kind in kinds() for _ in range(kind.share)]
        self._many = [many[i] for i in np.random.default_rng(0).permutation(len(many))]
        self._port, self._gap, self._total = port, 1 / per_second, int(per_second * seconds)
        self._lock, self._next = threading.Lock(), iter(range(self._total))
        self.wrong: Counter[str] = Counter()
        self.asked: Counter[int] = Counter()
        self.times: list[float] = []
        self._begun = time.perf_counter()
        self._threads = [threading.Thread(target=self._run) for _ in range(CONNECTIONS)]
        for thread in self._threads:
            thread.start()

    def _numbers(self) -> Iterator[int]:
        while True:
            with self._lock:
                number = next(self._next, None)
            if number is None:
                return
            yield number

    def _run(self) -> None:
        client = Client(self._port)
        for number in self._numbers():
            kind, due = self._many[number % len(self._many)], self._begun + number * self._gap
            time.sleep(max(0, due - time.perf_counter()))
            asked = time.perf_counter()
            try:
                status = client.ask(kind.content)
            except Exception as error:
                self.wrong[f"{type(error).__name__}: {error}"] += 1
                client.close()
                continue
            self.times.append(time.perf_counter() - asked)
            self.asked[status] += 1
            if status != kind.status:
                self.wrong[f"{status} in place of {kind.status}"] += 1
        client.close()

    @property
    def runs(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)


def slope(minutes: np.ndarray, megabytes: np.ndarray) -> tuple[float, float, float]:
    """Return MB per hour with its 95 % interval, of means of blocks, since samples are alike."""
    hours = np.array([block.mean() for block in np.array_split(minutes, BLOCKS)]) / 60
    means = [block.mean() for block in np.array_split(megabytes, BLOCKS)]
    found = stats.linregress(hours, means)
    half = stats.t.ppf(0.975, BLOCKS - 2) * found.stderr
    return found.slope, found.slope - half, found.slope + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--per-second", type=float, default=56)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        server = Server(models_in(root), "--workers", "2", "--journal", str(root / "journal.db"))
        load = Load(server.port, arguments.per_second, arguments.minutes * 60)
        begun, samples, busy = time.perf_counter(), [], []
        while load.runs:
            samples.append(((time.perf_counter() - begun) / 60, server.memory_kb() / 1e3))
            busy.append(os.getloadavg()[0])
            if len(samples) % 60 == 1:
                told = f"{samples[-1][0]:.0f} min: {samples[-1][1]:.1f} MB"
                print(f"{told}, {sum(load.asked.values())} answers, wrong {dict(load.wrong)}")
                sys.stdout.flush()
            time.sleep(SAMPLE_SECONDS)
        minutes, megabytes = np.array(samples).T
        judged = minutes >= WARM * arguments.minutes
        mean, low, high = slope(minutes[judged], megabytes[judged])
        print(
            f"{sum(load.asked.values())} requests in {minutes[-1]:.0f} minutes, by status "
            f"{dict(load.asked)}; errors {sum(load.wrong.values())} {dict(load.wrong)}\n"
            f"p50, p99 and longest answer: {np.percentile(load.times, 50) * 1e3:.1f}, "
            f"{np.percentile(load.times, 99) * 1e3:.1f}, {max(load.times) * 1e3:.0f} ms\n"
            f"memory from {megabytes[judged][0]:.1f} to {megabytes[-1]:.1f} MB, {mean:+.2f} MB an "
            f"hour (95 % interval {low:+.2f} to {high:+.2f}) after the first "
            f"{WARM * arguments.minutes:.0f} minutes; load of the machine {np.mean(busy):.1f}"
        )
        server.end()


if __name__ == "__main__":
    main()
