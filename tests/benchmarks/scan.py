"""How long does it take to scan and check a large folder?

    python tests/benchmarks/scan.py

Makes the photos on the spot. Prints a Markdown section for RESULTS.md.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.environment import library_versions

PHOTOS = 5000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder))
        started = time.monotonic()
        photos = kr.scan_photos(folder)
        scanned = time.monotonic()
        kr.check_photos(photos)
        checked = time.monotonic()
    print("`python tests/benchmarks/scan.py`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()))
    print("\n| | seconds |\n|---|---|")
    print(f"| scanning {PHOTOS:,} JPEG photos of 640×480 | {scanned - started:.1f} |")
    print(f"| checking them, near duplicates included | {checked - scanned:.1f} |")


def make_photos(root: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(PHOTOS):
        path = root / ("odd" if i % 2 else "even") / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        noise = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(path)


if __name__ == "__main__":
    main()
