"""Open a photo by its content and decode it upright, in RGB, on the background."""

import contextlib
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import TypeVar

import numpy as np
from PIL import Image, ImageFile

from kerasrecipes.errors import DataError, printable
from kerasrecipes.photos.decoding.budget import memory_for, room_for
from kerasrecipes.photos.decoding.deep import has_deep_pixels, load_deep, load_exactly, strips
from kerasrecipes.photos.decoding.parts import judge_layout, judge_parts, png_transparency
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.decoding.process_wide import (
    NO_TRUNCATED_IMAGES,
    SILENT_LIBTIFF,
    SILENT_PILLOW,
)

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "AVIF")
_SPELT = {"WEBP": "WebP"}
_T = TypeVar("_T")
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}


def open_photo(data: bytes, policy: DecodePolicy) -> ImageFile.ImageFile:
    """Open a photo by its content and judge its size by its header, decoding nothing.

    `Image.open` is not used, since it warns and raises by a limit of its own and tries every
    format that Pillow knows, some of which start other programs.

    Raises:
        DataError: With the bare reason.
    """
    if not data:
        raise DataError("empty file")
    for name in FORMATS:
        _register(name)
        factory, accept = Image.OPEN[name]
        if accept and accept(data[:16]) is not True:
            continue
        with SILENT_PILLOW.held(), _readable_errors(name):
            judge_parts(name, data, policy.max_pixels)
            image = factory(BytesIO(data), "")
        _judge_size(image, policy)
        judge_layout(image, data)
        return image
    raise DataError(_not_a_photo(data))


@cache
def _register(name: str) -> None:
    """Import what reads a format: most that a server or a command reads are of the first two."""
    import_module(f"PIL.{_SPELT.get(name, name.title())}ImagePlugin")


def with_rgb(
    image: ImageFile.ImageFile,
    data: bytes,
    policy: DecodePolicy,
    use: Callable[[Image.Image], _T],
) -> tuple[_T, int | None]:
    """Decode an opened photo, upright and on the background, and use it while it has its memory.

    Args:
        image: The opened photo.
        data: Its file.
        policy: How to decode.
        use: What the RGB picture is for; it should keep less.

    Returns:
        What `use` returned, and the largest value if it has more than 8 bits, else `None`.

    Raises:
        DataError: With the bare reason.
    """
    deep = has_deep_pixels(image)
    with _held(image, memory_for(image, deep)):
        with _readable_errors(image.format or "image"):
            _mend_transparency(image, data)
            if deep:
                picture, peak = load_deep(image, data, policy)
            else:
                if image.mode in {"F", "LAB", "HSV"}:
                    raise DataError(_unusable_mode(image.mode))
                image.load()
                picture, peak = image, None
            rgb = flatten(_upright(image, picture), policy)
        return use(rgb), peak


def with_planes(
    image: ImageFile.ImageFile,
    data: bytes,
    policy: DecodePolicy,
    use: Callable[[Sequence[Image.Image]], _T],
) -> tuple[_T, int | None]:
    """Decode an opened photo like `with_rgb`, but into one picture for each of its channels.

    Args:
        image: The opened photo.
        data: Its file.
        policy: How to decode.
        use: What the planes are for, 1 or 3, 0…255; more than 8 bits are floats. It should keep
            less.

    Returns:
        What `use` returned, and the largest value if it has more than 8 bits, else `None`.

    Raises:
        DataError: With the bare reason.
    """
    if not has_deep_pixels(image):
        grey = image.mode == "L" and not image.has_transparency_data
        return with_rgb(
            image, data, policy, lambda rgb: use([rgb.getchannel(0)] if grey else rgb.split())
        )
    # Twice: the values of all channels lie beside the planes that are made of them.
    with _held(image, 2 * memory_for(image, deep=True)):
        with _readable_errors(image.format or "image"):
            _mend_transparency(image, data)
            values, peak = load_exactly(image, data, policy)
            planes = [
                _upright(image, Image.fromarray(np.ascontiguousarray(values[..., i])))
                for i in range(values.shape[-1])
            ]
        return use(planes), peak


@contextlib.contextmanager
def _held(image: ImageFile.ImageFile, size: int) -> Iterator[None]:
    """Hold memory for a photo, and keep its decoder quiet and strict."""
    quiet = SILENT_LIBTIFF.held() if image.format == "TIFF" else contextlib.nullcontext()
    with room_for(size), quiet, NO_TRUNCATED_IMAGES.held(), SILENT_PILLOW.held():
        yield


def _mend_transparency(image: ImageFile.ImageFile, data: bytes) -> None:
    if image.format == "PNG" and "transparency" in image.info:
        image.info["transparency"] = png_transparency(data)


def _judge_size(image: Image.Image, policy: DecodePolicy) -> None:
    width, height = image.size
    if min(width, height) < policy.min_side:
        raise DataError(
            f"too small: {width}x{height} pixels, the shorter side must have {policy.min_side}"
        )
    if width * height > policy.max_pixels:
        raise DataError(
            f"too large: {width}x{height} is {width * height / 1e6:.0f} megapixels, "
            f"the limit is {policy.max_pixels / 1e6:g}"
        )


def _not_a_photo(data: bytes) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return "a HEIC photo, which cannot be read here: convert it to JPEG or PNG"
    if data.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the photo itself: run git lfs pull"
    return f"not a photo: begins with '{printable(data[:12].decode('latin-1'))}'"


def _unusable_mode(mode: str) -> str:
    if mode == "F":
        return "float pixels, which have no known range: save it with 8 or 16 bits"
    return f"a picture in {mode} colours: convert it to RGB"


@contextlib.contextmanager
def _readable_errors(image_format: str) -> Iterator[None]:
    """Turn whatever a decoder raises on hostile bytes into one readable reason."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except Exception as error:
        text = str(error).lower()
        if image_format == "TIFF" and "unknown pixel mode" in text:
            raise DataError(
                "a TIFF whose channels are no picture's: say how many they are by channels, e.g. "
                "channels=5"
            ) from error
        cut = isinstance(error.__cause__ or error, (EOFError, struct.error)) or any(
            word in text for word in ("truncated", "unexpected end", "not enough data")
        )
        if cut:
            raise DataError(f"truncated: the {image_format} data ends too early") from error
        raise DataError(
            f"damaged or truncated {image_format}: {printable(error) or 'unreadable'}"
        ) from error


def _upright(source: ImageFile.ImageFile, picture: Image.Image) -> Image.Image:
    """Apply the EXIF orientation, 1 to 8. Unreadable EXIF data means no rotation."""
    if source.format == "TIFF":
        return picture  # Pillow rotates TIFF files itself while loading
    try:
        orientation = source.getexif().get(0x0112, 1)
    except Exception:  # EXIF is foreign data of any kind; the picture itself is fine
        return picture
    turn = Image.Transpose
    method = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }.get(orientation)
    return picture if method is None else picture.transpose(method)


def flatten(picture: Image.Image, policy: DecodePolicy) -> Image.Image:
    """Return a decoded picture in RGB, on the background if it is transparent."""
    if not picture.has_transparency_data:
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    flat = Image.new("RGB", picture.size)
    for box in strips(picture.size):
        part = picture.crop(box).convert("RGBA")
        below = Image.new("RGBA", part.size, (*policy.background, 255))
        flat.paste(Image.alpha_composite(below, part).convert("RGB"), box)
    return flat
