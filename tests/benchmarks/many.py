"""What scanning, splitting and the search for look-alikes take of very many photos and texts.

    python tests/benchmarks/many.py [--photos 10000 100000] [--prints 50000 200000]
                                    [--texts 20000 100000]

Makes photos of 12 × 12 pixels on the spot, fingerprints of noise, and a table of texts of 5 to 60
words, of which one in twenty is another with one word changed. Each size runs in a
process of its own; CPU seconds count all its threads and processes. Prints a Markdown section for
RESULTS.md.
"""

import argparse
import csv
import json
import os
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
    parser.add_argument("--texts", type=int, nargs="*", default=[20_000, 100_000])
    parser.add_argument("--measure", nargs=2)
    asked = parser.parse_args()
    if asked.measure:
        what, where = asked.measure
        return print(json.dumps(MEASURED[what](where)))
    from kerasrecipes.environment import library_versions

    rows = []
    for count in asked.photos:
        with tempfile.TemporaryDirectory() as folder:
            make_photos(Path(folder), count)
            rows += [(count, *row) for row in measured("photos", folder)]
    for count in asked.prints:
        rows += [(count, *row) for row in measured("prints", str(count))]
    for count in asked.texts:
        with tempfile.TemporaryDirectory() as folder:
            make_texts(Path(folder, "texts.csv"), count)
            rows += [(count, *row) for row in measured("texts", f"{folder}/texts.csv")]
    print(f"`python {' '.join(['tests/benchmarks/many.py', *sys.argv[1:]])}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()))
    print("\n| | number | CPU s | CPU ms each | s | peak MB |\n|---|---|---|---|---|---|")
    for count, name, seconds, clock, memory in rows:
        each = f"{seconds:.1f} | {1e3 * seconds / count:.3f}"
        print(f"| {name} | {count:,} | {each} | {clock:.0f} | {memory:,} |")


def measured(what: str, where: str) -> list[list]:
    command = [sys.executable, __file__, "--measure", what, where]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def of_photos(folder: str) -> list[tuple]:
    import kerasrecipes as kr

    return of_scan("photos", kr.scan_photos, kr.split_photos, folder)


def of_texts(table: str) -> list[tuple]:
    import kerasrecipes as kr

    return of_scan("texts", kr.scan_texts, kr.split_texts, table)


def of_scan(noun: str, scan, split, source: str) -> list[tuple]:
    found, scanned = measured_here(f"{noun}: scan", lambda: scan(source))
    return [scanned, measured_here(f"{noun}: split, look-alikes together", lambda: split(found))[1]]


def measured_here(what: str, call) -> tuple:
    began, clock = sum(os.times()[:4]), time.monotonic()
    found = call()
    return found, (what, sum(os.times()[:4]) - began, time.monotonic() - clock, peak())


def of_prints(told: str) -> list[tuple]:
    from kerasrecipes.photos.likeness.prints import PRINT_BYTES, PrintFile
    from kerasrecipes.photos.likeness.similar import Likenesses

    rng, count = np.random.default_rng(0), int(told)
    file = PrintFile()
    prints = [
        file.keep(rng.integers(-60, 61, PRINT_BYTES, dtype=np.int8).tobytes()) for _ in range(count)
    ]
    what = "fingerprints: search for look-alikes"
    return [measured_here(what, lambda: Likenesses().pairs(prints, 0.94))[1]]


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


def make_texts(table: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    letters = list("etaoinshrdlucmfwypvbgk")
    words = np.array(["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(20_000)])
    often = 1 / np.arange(1, len(words) + 1)
    lengths = rng.integers(5, 60, count)
    drawn = np.split(
        rng.choice(words, lengths.sum(), p=often / often.sum()), np.cumsum(lengths)[:-1]
    )
    for number in range(0, count, 20):
        drawn[number] = drawn[rng.integers(count)].copy()
        drawn[number][rng.integers(len(drawn[number]))] = rng.choice(words)
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((" ".join(text), "ab"[i % 2]) for i, text in enumerate(drawn))


MEASURED = {"photos": of_photos, "prints": of_prints, "texts": of_texts}

if __name__ == "__main__":
    main()
