"""How long does scanning take, and does training memory grow with the data set?

    python tests/benchmarks/scale.py

Makes photos on the spot. Memory is what the process holds for itself (anonymous memory), at its
largest; the pages of the cache file, which the system may drop at any time, do not count.
Prints a Markdown section for RESULTS.md.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.versions import library_versions

PHOTOS = 5000
SIZES = (800, 3200)


def main() -> None:
    if len(sys.argv) == 3:
        print(peak_while_fitting(Path(sys.argv[1]), int(sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_photos(root)
        started = time.monotonic()
        photos = kr.scan_photos(root)
        scanned = time.monotonic()
        kr.check_photos(photos)
        checked = time.monotonic()
        peaks = {n: float(run(root, n)) for n in SIZES}
    print("`python tests/benchmarks/scale.py`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()), "\n")
    print("| | |\n|---|---|")
    print(f"| scanning {PHOTOS:,} JPEG photos of 640×480 | {scanned - started:.1f} s |")
    print(f"| checking them, near duplicates included | {checked - scanned:.1f} s |")
    for n, peak in peaks.items():
        print(f"| peak memory of a fit on {n:,} photos | {peak:.0f} MB |")


def make_photos(root: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(PHOTOS):
        path = root / ("odd" if i % 2 else "even") / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        noise = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(path)


def run(root: Path, count: int) -> str:
    command = [sys.executable, __file__, str(root), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def peak_while_fitting(root: Path, count: int) -> float:
    photos = kr.scan_photos(root)
    train, val = photos.select(range(count)), photos.select(range(PHOTOS - 200, PHOTOS))
    recipe = kr.ImageClassifier(
        schedule=kr.UnfreezeSchedule.two_phase(epochs=1, head_epochs=1), views=2
    )
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], anonymous_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    recipe.fit(train, val, verbose=False)
    done.set()
    watcher.join()
    return peak[0]


def anonymous_mb() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
