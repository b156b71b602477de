"""What scanning, splitting and the search for look-alikes take of very many photos.

    python tests/benchmarks/many.py [--photos 10000 100000] [--prints 50000 200000]

Makes photos of 12 × 12 pixels on the spot, and fingerprints of noise. Each size runs in a process
of its own; CPU seconds count all its threads. Prints a Markdown section for RESULTS.md.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_SIDE = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--prints", type=int, nargs="*", default=[50_000, 200_000])
    parser.add_argument("--measure", nargs=2)
    asked = parser.parse_args()
    if asked.measure:
        what, where = asked.measure
        return print(json.dumps(of_photos(where) if what == "photos" else of_prints(int(where))))
    from kerasrecipes.environment import library_versions

    rows = []
    for count in asked.photos:
        with tempfile.TemporaryDirectory() as folder:
            make_photos(Path(folder), count)
            rows += [(count, *row) for row in measured("photos", folder)]
    for count in asked.prints:
        rows += [(count, *row) for row in measured("prints", str(count))]
    print(f"`python {' '.join(['tests/benchmarks/many.py', *sys.argv[1:]])}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()))
    print("\n| | number | CPU s | ms each | peak MB |\n|---|---|---|---|---|")
    for count, name, seconds, memory in rows:
        print(f"| {name} | {count:,} | {seconds:.1f} | {1e3 * seconds / count:.2f} | {memory:,} |")


def measured(what: str, where: str) -> list[list]:
    command = [sys.executable, __file__, "--measure", what, where]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def of_photos(folder: str) -> list[tuple[str, float, int]]:
    import kerasrecipes as kr

    began = time.process_time()
    photos = kr.scan_photos(folder)
    scanned = time.process_time()
    first = ("scan", scanned - began, peak())
    kr.split_photos(photos)
    return [first, ("split, look-alikes together", time.process_time() - scanned, peak())]


def of_prints(count: int) -> list[tuple[str, float, int]]:
    from kerasrecipes.photos.similar import Likenesses

    rng = np.random.default_rng(0)
    prints = rng.integers(-60, 61, (count, 48 * 48), dtype=np.int8).tobytes()
    began = time.process_time()
    Likenesses().pairs(prints, count, 0.94)
    return [("search for look-alikes", time.process_time() - began, peak())]


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def make_photos(root: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / "ab"[number % 2] / f"{number // 2000:04}"
        if number % 2000 < 2:
            folder.mkdir(parents=True)
        pixels = rng.integers(0, 256, (_SIDE, _SIDE), dtype=np.uint8)
        header = f"P5 {_SIDE} {_SIDE} 255\n".encode()
        (folder / f"{number:07}.pgm").write_bytes(header + pixels.tobytes())


if __name__ == "__main__":
    main()
