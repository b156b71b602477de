"""The file of a signature, as OpenSSF model signing 1.0 lays it out.

A Sigstore bundle (`v0.3`) holds a DSSE envelope, and that an in-toto statement of all files with
their SHA-256. What Sigstore itself adds, certificates and a public log, is not in it.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from kerasrecipes.records import checked, parse_json

_MEDIA = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"


def written(
    name: str, files: Mapping[str, str], hint: str, sign: Callable[[bytes], bytes]
) -> bytes:
    """Return the file of a signature.

    Args:
        name: What is signed.
        files: SHA-256 of each file, by its name.
        hint: What is said of the key.
        sign: Returns the signature of something.
    """
    serialization = {
        "method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [],
    }  # fmt: skip
    resources = [
        {"name": one, "algorithm": "sha256", "digest": sha256}
        for one, sha256 in sorted(files.items())
    ]
    statement = {
        "_type": _STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": _root(resources)}}],
        "predicateType": _PREDICATE,
        "predicate": {"serialization": serialization, "resources": resources},
    }
    payload = json.dumps(statement, sort_keys=True).encode()
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": _PAYLOAD,
        "signatures": [{"sig": base64.b64encode(sign(_pae(payload))).decode(), "keyid": ""}],
    }
    told = {
        "mediaType": _MEDIA,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": envelope,
    }
    return json.dumps(told, indent=2).encode() + b"\n"


def read(content: bytes, is_signed: Callable[[str, bytes, bytes], bool]) -> dict[str, str] | None:
    """Return what a signature is of.

    Args:
        content: The file.
        is_signed: Tells, of a hint of the key, a signature and what it should be of, whether that
            is so.

    Returns:
        SHA-256 of each file, by its name; `None` if nobody who is believed has signed.

    Raises:
        ValueError: If it is no such file; the message says why.
    """
    told = checked(dict[str, Any], parse_json(content))
    try:
        if told["mediaType"] != _MEDIA:
            raise ValueError(f"its mediaType is not {_MEDIA}")
        envelope = told["dsseEnvelope"]
        if envelope["payloadType"] != _PAYLOAD:
            raise ValueError(f"its payloadType is not {_PAYLOAD}")
        (first,) = envelope["signatures"]
        payload, signature = (_bytes(one) for one in (envelope["payload"], first["sig"]))
        hint = str(told["verificationMaterial"]["publicKey"]["hint"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"it is no signature by a key: {error!r}") from error
    if not is_signed(hint, signature, _pae(payload)):
        return None
    return _files(checked(dict[str, Any], parse_json(payload)))


def _files(statement: dict[str, Any]) -> dict[str, str]:
    """Return the files of a statement that was signed."""
    try:
        if (statement["_type"], statement["predicateType"]) != (_STATEMENT, _PREDICATE):
            raise ValueError("it says something else than which files a model has")
        (subject,) = statement["subject"]
        resources = statement["predicate"]["resources"]
        if {one["algorithm"] for one in resources} - {"sha256"}:
            raise ValueError("it is of other digests than SHA-256")
        if subject["digest"]["sha256"] != _root(resources):
            raise ValueError("its digest is not that of its files")
        return {cast(str, one["name"]): cast(str, one["digest"]) for one in resources}
    except (KeyError, TypeError) as error:
        raise ValueError(f"what was signed is no statement of a model: {error!r}") from error


def _root(resources: list[dict[str, str]]) -> str:
    """Return the digest of all digests, in their order."""
    return hashlib.sha256(b"".join(bytes.fromhex(one["digest"]) for one in resources)).hexdigest()


def _pae(payload: bytes) -> bytes:
    """Return what DSSE signs."""
    return b" ".join(
        [b"DSSEv1", b"%d" % len(_PAYLOAD), _PAYLOAD.encode(), b"%d" % len(payload), payload]
    )


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
