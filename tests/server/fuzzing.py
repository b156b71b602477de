"""Fuzz what reads bytes of strangers, guided by coverage (`pip install atheris`).

    python tests/server/fuzzing.py requests|photos|bundles [-max_total_time=600] [CORPUS ...]

Options are libFuzzer's. Whatever is raised other than what the function documents ends it, and the
bytes are kept in a file. Begin bundles with a folder of real `bundle.json`, `.npz` and
`export.json` files, and photos with one of small photos, so that it need not find their forms.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["kerasrecipes"]):
    from kerasrecipes.bundles.export_record import ExportRecord
    from kerasrecipes.bundles.manifest import parse_manifest
    from kerasrecipes.errors import DataError, IntegrityError
    from kerasrecipes.file_budget import read_arrays
    from kerasrecipes.photos.decoding.decode import decode_photo
    from kerasrecipes.regular import LARGEST_RECORD
    from kerasrecipes.server.refused import Refused
    from kerasrecipes.server.web.protocol import parse_request, write_answer


def requests(content: bytes) -> None:
    """Read a request whose first byte tells how much of the rest is JSON, and answer it."""
    length = None if content[:1] in {b"", b"{"} else str(content[0])
    body = content if length is None else content[1:]
    try:
        asked = parse_request(body, length)
        write_answer("tiles", "1", asked, {"scores": np.zeros((1, 2), np.float32)})
    except Refused:
        pass


def photos(content: bytes) -> None:
    try:
        assert decode_photo(content, (8, 8)).shape == (8, 8, 3)
    except DataError:
        pass


def bundles(content: bytes) -> None:
    for read in (
        lambda: parse_manifest(content, Path("tiles/1")),
        lambda: ExportRecord.parse(content, "tiles/1"),
        lambda: read_arrays(io.BytesIO(content), LARGEST_RECORD),
    ):
        try:
            read()
        except (DataError, IntegrityError, ValueError):
            pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "requests": requests,
    "photos": photos,
    "bundles": bundles,
}


def main() -> None:
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
