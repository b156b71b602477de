"""Keys that sign and check, in PEM files as `openssl` writes them: Ed25519, or ECDSA on P-256."""

import hashlib
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, printable, require
from kerasrecipes.regular import read_regular

_LARGEST = 1 << 14
_MAKE = (
    "Make one by: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem "
    "-pubout -out key.pub"
)


def private_key(path: Path) -> Any:
    """Read a key that signs.

    Args:
        path: A PEM file without a password.

    Raises:
        DataError: If it is none.
        MissingDependencyError: If the extra `sign` is not installed.
        OSError: If it cannot be read.
    """
    serialization = _serialization()
    content = read_regular(path, largest=_LARGEST)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError as error:
        raise DataError(
            f"'{printable(path)}' is protected by a password. Give it without one, e.g. from: "
            "openssl pkey -in key.pem"
        ) from error
    except ValueError as error:
        raise DataError(f"'{printable(path)}' is no private key in PEM. {_MAKE}") from error
    _check_kind(key.public_key(), path)
    return key


def public_key(path: Path) -> Any:
    """Read a key that checks.

    Args:
        path: A PEM file.

    Raises:
        DataError: If it is none.
        MissingDependencyError: If the extra `sign` is not installed.
        OSError: If it cannot be read.
    """
    serialization = _serialization()
    try:
        key = serialization.load_pem_public_key(read_regular(path, largest=_LARGEST))
    except ValueError as error:
        raise DataError(f"'{printable(path)}' is no public key in PEM. {_MAKE}") from error
    _check_kind(key, path)
    return key


def hint_of(key: Any) -> str:
    """Return what a signature says of its key: the SHA-256 of the public one's PEM."""
    return hashlib.sha256(pem_of(key).encode()).hexdigest()


def pem_of(key: Any) -> str:
    """Return a public key as the text of a PEM file.

    Args:
        key: What `public_key` returned.
    """
    serialization = _serialization()
    content: bytes = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return content.decode()


def signature_of(key: Any, content: bytes) -> bytes:
    """Sign something.

    Args:
        key: What `private_key` returned.
        content: What to sign.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(content)
    return bytes(key.sign(content, ec.ECDSA(hashes.SHA256())))


def is_signed(key: Any, signature: bytes, content: bytes) -> bool:
    """Tell whether a signature is of something.

    Args:
        key: What `public_key` returned.
        signature: The signature.
        content: What it should be of.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, content)
        else:
            key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _serialization() -> Any:
    require("cryptography", "sign", "Signing")
    from cryptography.hazmat.primitives import serialization

    return serialization


def _check_kind(key: Any, path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    on_p256 = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    if not (on_p256 or isinstance(key, ed25519.Ed25519PublicKey)):
        raise DataError(
            f"'{printable(path)}' is of another kind than Ed25519 and ECDSA on P-256. {_MAKE}"
        )
