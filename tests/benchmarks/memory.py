"""Does the memory of a fit grow with the number of photos?

    python tests/benchmarks/memory.py

Makes photos on the spot and fits the default recipe to few and to many of them, each in a
process of its own. Memory is what the process holds for itself (anonymous memory) at its
largest; the pages of the cache file, which the system may drop at any time, do not count.
Prints a Markdown section for RESULTS.md.
"""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.environment import library_versions

COUNTS = (1000, 4000)


def main() -> None:
    if len(sys.argv) == 2:
        print(peak_while_fitting(Path(sys.argv[1])))
        return
    peaks = {}
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            make_photos(Path(folder), count + count // 10)
            peaks[count] = measured(folder)
    print("`python tests/benchmarks/memory.py`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()), "\n")
    print("| photos to train on | peak memory of the fit |\n|---|---|")
    for count, peak in peaks.items():
        print(f"| {count:,} | {peak:.0f} MB |")


def make_photos(root: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        path = root / ("odd" if i % 2 else "even") / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        noise = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC).save(path)


def measured(folder: str) -> float:
    command = [sys.executable, __file__, folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def peak_while_fitting(root: Path) -> float:
    train, val, _ = kr.split_photos(kr.scan_photos(root), test_fraction=0, val_fraction=1 / 11)
    schedule = kr.UnfreezeSchedule.two_phase(epochs=1, head_epochs=1)
    with PeakMemory() as peak:
        kr.ImageClassifier(schedule=schedule, views=2).fit(train, val)
    return peak.megabytes


class PeakMemory:
    """The most anonymous memory that this process held inside a `with` block."""

    megabytes = 0.0

    def __enter__(self) -> "PeakMemory":
        self._done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.megabytes = max(self.megabytes, anonymous_mb())


def anonymous_mb() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
