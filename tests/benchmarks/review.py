"""How soon does `review` show photos, once it is known which are worth a look?

python tests/benchmarks/review.py [photos]
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.evaluation.mistakes.suspect import KINDS as REASONS, Suspect
from kerasrecipes.review.session import Session

KINDS = ("dot", "plain", "stripe")


def write(root: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    for i in range(count):
        path = root / KINDS[i % 3] / f"{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (240, 320, 3), np.uint8)).save(path, quality=80)
    return root


def found(count: int) -> list[Suspect]:
    """Suspect every third photo, with eight others beside it."""
    rng = np.random.default_rng(0)
    kinds = sorted(REASONS)
    return [
        Suspect(kinds[i % 4], i, 0.5, "", "plain", tuple(rng.integers(count, size=8).tolist()), "x")
        for i in range(0, count, 3)
    ]


def seen_in_a_browser(address: str) -> list[float]:
    """Return the seconds until the first photo stands there, then of ten decisions."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        arguments = {"executable_path": "/usr/bin/chromium-headless-shell"}
        browser = driver.chromium.launch(**arguments, args=["--no-sandbox"])
        page = browser.new_page()
        started = time.monotonic()
        page.goto(address)
        page.wait_for_selector("#facts dd")
        page.locator("#large").evaluate("one => one.decode()")
        seconds = [time.monotonic() - started]
        for i in range(10):
            started = time.monotonic()
            page.keyboard.press("k")
            page.get_by_text(f"{i + 1} of ", exact=False).first.wait_for()
            seconds.append(time.monotonic() - started)
        browser.close()
    return seconds


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder) / "photos", count)
        started = time.monotonic()
        photos = kr.scan_photos(root)
        print(f"{count:,} photos scanned in {time.monotonic() - started:.1f} s", flush=True)
        with kr.ReviewServer() as server:
            server.session = Session(photos, found(count), REASONS, root / "labels.csv")
            threading.Thread(target=server.serve_forever, daemon=True).start()
            first, *others = seen_in_a_browser(server.address)
            server.shutdown()
    print(f"first page, {len(found(count)):,} to look at: {first:.2f} s")
    print(f"a decision: median {np.median(others):.3f} s, slowest {max(others):.3f} s")


if __name__ == "__main__":
    main()
