"""Pixels as a PNG file that is the same on every machine."""

import struct
import zlib

import numpy as np

_BLOCK = 65535
_GREY, _RGB = 0, 2


def encode_png(pixels: np.ndarray) -> bytes:
    """Write pixels as a PNG file, not compressed.

    Compressed bytes, and with them the digest by which a photo is known, would depend on the
    version of zlib.

    Args:
        pixels: uint8, shape `(height, width)` or `(height, width, 3)`.

    Returns:
        The file, a little larger than the pixels.
    """
    height, width = pixels.shape[:2]
    colour = _GREY if pixels.ndim == 2 else _RGB
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each begins with "no filter"
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = (
        _chunk(b"IHDR", header),
        _chunk(b"IDAT", _stored(rows.tobytes())),
        _chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _stored(data: bytes) -> bytes:
    """Wrap data as zlib does it without compression (RFC 1950, RFC 1951)."""
    blocks = []
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        last = start + _BLOCK >= len(data)
        blocks.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    return b"\x78\x01" + b"".join(blocks) + struct.pack(">I", zlib.adler32(data))


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
