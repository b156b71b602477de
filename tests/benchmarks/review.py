"""How long `review` takes to show 10,000 photos, the first time and again: python review.py [n]"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import kerasrecipes as kr

KINDS = ("dot", "plain", "stripe")


def part(kind: str, rng: np.random.Generator) -> Image.Image:
    photo = rng.normal(120, 20, (96, 96, 3))
    y, x = rng.integers(8, 64, 2)
    if kind == "dot":
        photo[y : y + 16, x : x + 16] -= 60
    if kind == "stripe":
        photo[:, x : x + 6] += 60
    return Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))


def write(root: Path, count: int) -> Path:
    """Write photos of three kinds, of which 3 % lie in the folder of another."""
    rng = np.random.default_rng(0)
    for i in range(count):
        kind = KINDS[i % 3]
        folder = KINDS[rng.integers(3)] if rng.random() < 0.045 else kind
        (root / folder).mkdir(parents=True, exist_ok=True)
        part(kind, rng).save(root / folder / f"{i:05}.jpg", quality=90)
    return root


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
    import threading

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    folder = Path(tempfile.mkdtemp())
    few, many = write(folder / "few", 300), write(folder / "many", count)
    recipe = kr.ImageClassifier(
        image_size=(96, 96), schedule=kr.UnfreezeSchedule.head_only(epochs=4), augment="none"
    )
    train, val, _ = kr.split_photos(kr.scan_photos(few), test_fraction=0)
    recipe.fit(train, val, verbose=False)
    bundle = recipe.save(folder / "model")
    for attempt in ("first", "again"):
        started = time.monotonic()
        with kr.review_photos(bundle, many) as server:
            print(f"{attempt}: ready after {time.monotonic() - started:.1f} s", flush=True)
            size = len(str(server.session.state()))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            first, *others = seen_in_a_browser(server.address)
            server.shutdown()
        print(f"  first page {first:.2f} s, state {size / 1e6:.2f} MB")
        print(f"  decisions: median {np.median(others):.3f} s, slowest {max(others):.3f} s")


if __name__ == "__main__":
    main()
