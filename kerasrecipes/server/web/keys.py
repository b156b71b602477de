"""Who may ask: keys, of which a file holds the digests alone.

A line is `NAME:SHA-256`, or `NAME:SHA-256:admin` for who may load and unload models. A key is 32
random bytes, so that a plain digest of it tells nothing.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, printable, repeated
from kerasrecipes.files import told_plainly
from kerasrecipes.regular import append_regular, append_whole, read_regular
from kerasrecipes.server.refused import Refused

_LINE = re.compile(r"([A-Za-z0-9][\w.-]{0,63}):([0-9a-f]{64})(:admin)?", re.ASCII)
_LONGEST = 200


@dataclass(frozen=True)
class Client:
    """Who asks.

    Args:
        name: What the file calls it; empty where no keys are asked for.
        admin: Whether it may load and unload models.
    """

    name: str = ""
    admin: bool = False


class Keys:
    """The clients that may ask, by the digests of their keys.

    Args:
        path: The file.

    Raises:
        DataError: If it is no file of keys, or holds none.
        OSError: If it cannot be read.
    """

    def __init__(self, path: Path):
        lines = read_regular(path, largest=1 << 20).decode("utf-8", "replace").splitlines()
        told = [one.strip() for one in lines if one.strip() and not one.startswith("#")]
        self._clients: list[tuple[str, Client]] = []
        for line in told:
            if (found := _LINE.fullmatch(line)) is None:
                raise DataError(
                    f"'{printable(path)}' is no file of keys: a line is not NAME:SHA-256. Add keys "
                    f"by: kerasrecipes new-key {printable(path)} NAME"
                )
            self._clients.append((found[2], Client(found[1], bool(found[3]))))
        if not self._clients:
            raise DataError(
                f"'{printable(path)}' holds no key, so nobody could ask. Add one by: kerasrecipes "
                f"new-key {printable(path)} NAME"
            )
        if doubled := repeated(client.name for _, client in self._clients):
            raise DataError(f"'{printable(path)}' has two keys for '{doubled[0]}'. Remove one.")

    def client(self, key: str) -> Client:
        """Return whose key it is.

        Raises:
            Refused: If it is nobody's.
        """
        digest = _digest(key[:_LONGEST])
        # All are compared, so that the time tells nothing.
        found = [who for known, who in self._clients if hmac.compare_digest(known, digest)]
        if not found:
            reason = "Send a key that this server knows, as 'Authorization: Bearer KEY'."
            raise Refused(HTTPStatus.UNAUTHORIZED, reason, {"WWW-Authenticate": "Bearer"})
        return found[0]


@named
def new_key(path: str | Path, name: str, admin: bool = False) -> str:
    """Make a key, and add its digest to a file of keys.

    Args:
        path: The file; made if it is not there.
        name: Whose key it is.
        admin: Whether it may load and unload models.

    Returns:
        The key, which is written nowhere.

    Raises:
        DataError: If the name cannot be used, or has a key.
        OSError: If the file cannot be written.
    """
    path, key = Path(path), secrets.token_urlsafe(32)
    line = f"{name}:{_digest(key)}{':admin' * admin}"
    if not _LINE.fullmatch(line):
        raise DataError(
            f"`name` must be of letters, digits, '.', '-' and '_', at most 64, received {name!r}."
        )
    if path.exists() and name in [who.name for _, who in Keys(path)._clients]:
        raise DataError(f"'{printable(path)}' has a key for '{name}'. Remove its line first.")
    with told_plainly(path):
        with append_regular(path):
            path.chmod(0o600)
        append_whole(path, line + "\n")
    return key


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
