"""What vouches for the exports of a bundle: `exports/exports.sha256`, as `sha256sum` writes it.

Its first line binds it to the bundle, and each other one names the record of an export, which
tells the digest of the exported file. While an export is being replaced there are two lines for
it, since both the old and the new one are as they were written, and one of them is there.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasrecipes.bundles.manifest import MANIFEST
from kerasrecipes.errors import IntegrityError, printable
from kerasrecipes.files import complete_file
from kerasrecipes.regular import read_regular

EXPORTS = "exports"
EXPORT_SEAL = "exports.sha256"
RECORD_FILE = "export.json"
# In place of the digest of a record that may be absent, since it is about to be added.
ABSENT = "0" * 64
_LINE = re.compile(f"([0-9a-f]{{64}})  ([^/]+)/{re.escape(RECORD_FILE)}")

# Names of exports, and the digests that their records may have.
Seal = dict[str, tuple[str, ...]]


def read_seal(bundle: Path) -> Seal | None:
    """Read which exports a bundle has.

    Args:
        bundle: The bundle's folder.

    Returns:
        The seal, or `None` if there is none.

    Raises:
        IntegrityError: If it is damaged, no file, or that of another bundle.
    """
    where = f"{EXPORTS}/{EXPORT_SEAL}"
    try:
        text = read_regular(where, inside=bundle).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(bundle / where, f"cannot be read: {error.strerror}") from error
    seal: Seal = {}
    for match in filter(None, map(_LINE.fullmatch, text.split("\n"))):
        seal[match[2]] = (*seal.get(match[2], ()), match[1])
    if text != _text(bundle, seal):
        raise _refused(bundle / where, "was changed, or vouches for another bundle")
    return seal


def write_seal(bundle: Path, seal: Seal) -> None:
    """Vouch for exports, and for no others.

    Args:
        bundle: The bundle's folder.
        seal: What `read_seal` will return.
    """
    with complete_file(bundle / EXPORTS / EXPORT_SEAL) as file:
        file.write(_text(bundle, seal).encode())


@contextmanager
def sealing(bundle: Path, seal: Seal, name: str, sha256: str) -> Iterator[None]:
    """Vouch for an export that the block puts into its place.

    Whenever the block ends or the process is killed, what is there has a line.

    Args:
        bundle: The bundle's folder.
        seal: What it vouches for so far.
        name: The export's name.
        sha256: The digest of its record.
    """
    write_seal(bundle, {**seal, name: (*seal.get(name, (ABSENT,)), sha256)})
    yield
    write_seal(bundle, {**seal, name: (sha256,)})


def _text(bundle: Path, seal: Seal) -> str:
    manifest = hashlib.sha256(read_regular(MANIFEST, inside=bundle)).hexdigest()
    lines = [f"{manifest}  ../{MANIFEST}"]
    lines += [f"{one}  {name}/{RECORD_FILE}" for name, all in sorted(seal.items()) for one in all]
    return "".join(f"{line}\n" for line in lines)


def _refused(path: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"'{printable(path)}' {why}, so that nothing vouches for the exports. Restore it from a "
        "copy, or export each again with --overwrite."
    )
