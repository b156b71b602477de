"""Photos made on the spot: every seed gives another texture."""

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.data import Photo, PhotoFacts, PhotoSet


def texture(seed: int, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Blobs of several sizes, uint8 grey, different for every seed."""
    rng = np.random.default_rng(seed)
    total = np.zeros(size)
    for cells in (6, 14, 30):
        noise = (rng.random((cells, cells)) * 255).astype(np.uint8)
        layer = Image.fromarray(noise).resize(size[::-1], Image.Resampling.BICUBIC)
        total += np.asarray(layer, dtype=float)
    return (total / 3).astype(np.uint8)


def save_photo(path: Path, seed: int = 0, size: tuple[int, int] = (96, 128), **options) -> Path:
    """Write a grey texture as RGB; the extension gives the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(texture(seed, size)).convert("RGB").save(path, **options)
    return path


def png_16bit(values: np.ndarray, colour_type: int) -> bytes:
    """Encode uint16 values as PNG, which Pillow cannot do for colours."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def png_bomb(width: int, height: int) -> bytes:
    """A grey PNG of any size whose data is a few hundred kB."""
    packer = zlib.compressobj(9)
    row = bytes(width // 8 + 2)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def photo_set(labels, *, groups=None, times=None, splits=None, contents=None, alike=None):
    """A set without files. Equal `contents` are identical files, equal `alike` look the same."""
    photos = []
    for i, label in enumerate(labels):
        content = i if contents is None else contents[i]
        look = 10**6 + content if alike is None or alike[i] is None else alike[i]
        values = np.random.default_rng(look).integers(-90, 90, 48 * 48)
        values[content % 48] = 0
        digest = hashlib.sha256(str(content).encode()).hexdigest()
        facts = PhotoFacts(
            digest, 999, 640, 480, "RGB", "JPEG", 8, 1, values.astype(np.int8).tobytes()
        )
        photos.append(
            Photo(
                Path(f"/photos/{label}/{i:04}.jpg"),
                label,
                facts,
                group=groups[i] if groups else None,
                time=times[i] if times else None,
                split=splits[i] if splits else None,
            )
        )
    return PhotoSet(tuple(photos), tuple(sorted(set(labels))), Path("/photos"))


class Maker:
    """What the fixture `make` offers."""

    photo_set = staticmethod(photo_set)

    texture = staticmethod(texture)
    photo = staticmethod(save_photo)
    png_16bit = staticmethod(png_16bit)
    png_bomb = staticmethod(png_bomb)

    @staticmethod
    def folder(root: Path, per_class: dict[str, int], first_seed: int = 0) -> Path:
        """One folder per class with that many different photos."""
        seed = first_seed
        for name, count in per_class.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                save_photo(root / name / f"{name}_{i:03}.png", seed, (48, 64))
                seed += 1
        return root


@pytest.fixture(scope="session")
def make() -> Maker:
    return Maker()
