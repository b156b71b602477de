"""Ask a server of saved models about photos: a client to begin yours with.

You get   one line for each photo: its label and score, whether to raise an alarm, and the id by
          which you can say later what it should have been.
Run       python ask_server.py http://127.0.0.1:8080 photos/
Expect    as many answers per second as the server computes; what it is too busy for waits.

This file is yours: copy it, read it from top to bottom, change it. It needs Python alone.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

# What you will want to change first.
MODEL = None  # which model, where the server has several
KEY_FROM = "KERASRECIPES_KEY"  # the variable of the environment that holds the key
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
SECONDS, TRIES = 30, 5


def main() -> None:
    arguments = parse_arguments()
    if arguments.smoke:
        print(f"A photo would go to {address('http://127.0.0.1:8080')}.\nDone.")
        return
    if arguments.server is None or not arguments.photos:
        sys.exit("Name a server and photos: python ask_server.py http://127.0.0.1:8080 photos/")
    photos = [photo for given in arguments.photos for photo in find(given)]
    if not photos:
        sys.exit(f"There are no photos in {arguments.photos[0]}.")
    for photo in photos:
        answer = ask(arguments.server, photo.read_bytes())
        if "error" in answer:
            print(f"{photo}: {answer['error']}", file=sys.stderr)
            continue
        label = "ask a person" if answer.get("abstained") else answer.get("label")
        flags = "  ALARM" * answer.get("alarm", False) + "  NEW" * answer.get("is_new", False)
        print(f"{answer['id']}  {answer.get('score', 0):6.1%}  {label}{flags}  {photo}")
    print("Done.")


def find(place: Path) -> list[Path]:
    """Return a photo, or those in a folder."""
    if not place.exists():
        sys.exit(f"There is no {place}.")
    if place.is_dir():
        return sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [place]


def address(server: str) -> str:
    return f"{server.rstrip('/')}/predict" + (f"?model={MODEL}" if MODEL else "")


def ask(server: str, content: bytes) -> dict:
    """Send a photo, again after a while if the server is too busy, and return its answer."""
    key = os.environ.get(KEY_FROM)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(address(server), content, headers)
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or attempt == TRIES:
                return json.load(error)
            time.sleep(attempt * float(error.headers.get("Retry-After", 1)))
        except urllib.error.URLError as error:
            sys.exit(f"{server} does not answer: {error.reason}. Is it running?")
    return {}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("server", nargs="?", help="e.g. http://127.0.0.1:8080")
    parser.add_argument("photos", nargs="*", type=Path, help="photos, and folders of photos")
    parser.add_argument("--smoke", action="store_true", help="ask nobody")
    return parser.parse_args()


if __name__ == "__main__":
    main()
