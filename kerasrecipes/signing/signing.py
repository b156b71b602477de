"""Signing a saved model, and refusing what nobody signed who is believed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.sealed import names_in
from kerasrecipes.errors import IntegrityError, listed, printable
from kerasrecipes.files import digest, write_whole
from kerasrecipes.regular import LARGEST_RECORD, read_regular
from kerasrecipes.signing.envelope import read, written
from kerasrecipes.signing.keys import hint_of, is_signed, private_key, public_key, signature_of
from kerasrecipes.signing.trust import Trust


@dataclass(frozen=True)
class Signed:
    """A signature that counts.

    Args:
        who: Whose key it is, as the file of trust calls it.
        file: The signature.
        files: How many files it is of.
    """

    who: str
    file: Path
    files: int

    def __str__(self) -> str:
        return f"Signed by {printable(self.who)}: {self.files} files, in '{printable(self.file)}'."


def signature_file(folder: Path) -> Path:
    """Return where the signature of a version lies: beside it, e.g. `saved_models/tiles/4.sig`."""
    return folder.with_name(f"{folder.name}.sig")


@named
def sign_bundle(bundle: BundleFolder | str | Path, key: str | Path) -> Path:
    """Vouch for a version of a model and its exports, as they are now.

    An export that is added or replaced later is not vouched for: sign again.

    Args:
        bundle: A bundle, or its folder.
        key: A private key in a PEM file: Ed25519, or ECDSA on P-256.

    Returns:
        The signature, a file beside the version's folder. It is laid out as OpenSSF model signing
        1.0 does, whose tool checks those by P-256.

    Raises:
        DataError: If it is no such key.
        IntegrityError: If a file of the bundle was changed.
        MissingDependencyError: If the extra `sign` is not installed.
        OSError: If the signature cannot be written.
    """
    secret = private_key(Path(key))
    model = BundleFolder.load(bundle)
    model.exports()  # their seal is checked, too
    hint = hint_of(secret.public_key())
    content = written(
        model.folder.name, _digests(model.folder), hint, lambda told: signature_of(secret, told)
    )
    path = signature_file(model.folder)
    write_whole(path, content)
    return path


@named
def check_signature(bundle: BundleFolder | str | Path, trust: Trust | str | Path) -> Signed:
    """Refuse a model that is not signed, or by others than those who are believed.

    Args:
        bundle: A bundle, or its folder.
        trust: Whose signatures count, or a TOML file that says so.

    Returns:
        Whose signature it is.

    Raises:
        DataError: If the file of trust, or a key in it, cannot be used.
        IntegrityError: If it is not signed, by somebody else, or not as it was when it was.
        MissingDependencyError: If the extra `sign` is not installed.
    """
    believed = trust if isinstance(trust, Trust) else Trust.read(trust)
    keys = {name: public_key(path) for name, path in believed.keys.items()}
    model = BundleFolder.load(bundle)
    path = signature_file(model.folder)
    remedy = f"Sign it by: kerasrecipes sign {printable(model.folder)} --key key.pem"
    try:
        content = read_regular(path, largest=LARGEST_RECORD)
    except OSError as error:
        why = "is not signed" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
        raise IntegrityError(f"'{printable(model.folder)}' {why}. {remedy}") from error
    who, stated = _read(path, content, keys)
    if stated is None:
        raise IntegrityError(
            f"'{printable(path)}' is not the signature of {listed(keys)}, and nobody else is "
            f"believed. {remedy}"
        )
    found = _digests(model.folder)
    if wrong := sorted(one for one in {*stated, *found} if stated.get(one) != found.get(one)):
        raise IntegrityError(
            f"'{printable(model.folder)}' is not as it was signed by {printable(who)}: "
            f"{listed(wrong)}. If that is meant to be so, sign it again."
        )
    return Signed(who, path, len(found))


def _read(path: Path, content: bytes, keys: dict[str, Any]) -> tuple[str, dict[str, str] | None]:
    """Return whose signature it is, and which files it is of."""
    who = ""

    def believed(hint: str, signature: bytes, told: bytes) -> bool:
        nonlocal who
        # A hint is not signed: it may choose a key, and never stands for one.
        for name, key in keys.items():
            if hint_of(key) == hint and is_signed(key, signature, told):
                who = name
                return True
        return False

    try:
        found = read(content, believed)
        return who, found
    except ValueError as error:
        raise IntegrityError(f"'{printable(path)}' cannot be used: {error}.") from error


def _digests(folder: Path) -> dict[str, str]:
    return {name: digest(folder / name) for name in names_in(folder)}
