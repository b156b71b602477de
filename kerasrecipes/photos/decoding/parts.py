"""Count what a photo's file consists of, decoding nothing, and refuse what would take too long.

Each format is walked as its decoder would walk it, and only as far. What is damaged passes: its
decoder says so.
"""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import ImageFile

from kerasrecipes.errors import DataError, listed
from kerasrecipes.photos.decoding.budget import (
    MAX_BLOCKS,
    MAX_HEADER_BYTES,
    MAX_NUMBERS,
    MAX_PARTS,
    MAX_RUN_LENGTH_PIXELS,
    MAX_SCANNED_PIXELS,
    MAX_SCANS,
    MAX_SLOW_VALUES,
    MIN_STRIP_PIXELS,
    SMALL_FILE_BYTES,
)

# Neither stuffed bytes nor restarts nor padding.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])", re.DOTALL)
_NO_LENGTH = {0x01, 0xC8, 0xD8, 0xD9, *range(0xF0, 0xFE)}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_SCAN, _END = 0xDA, 0xD9
# How a scan of all of so many components begins.
_WHOLE_SCANS = {n: bytes([0xFF, _SCAN, 0, 6 + 2 * n, n]) for n in (1, 3, 4)}
_GREY, _PALETTE = 0, 3  # of a PNG
# What begins with a capital letter must be understood.
_PNG_KIND = re.compile(rb"[a-z][A-Za-z]{3}|IHDR|PLTE|IDAT|IEND")
_GIF_BLOCK = re.compile(rb"[!,;]")
# With what may stand before it: spaces and comments.
_PPM_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*+[\r\n])*+[^\s#]+(?=\s)")
_TIFF_BYTES = {1, 2, 6, 7}  # types that are read as they are
_TIFF_SHORT, _TIFF_LONG = 3, 4
_TIFF_BYTES_OF = {_TIFF_SHORT: 2, _TIFF_LONG: 4, 16: 8}  # whole numbers, by type
_STRIPS, _TILES = 273, 324
_OF_STRIPS = {_STRIPS, 279, _TILES, 325}


def judge_parts(image_format: str, data: bytes, max_pixels: int) -> None:
    """Refuse a file of so many parts, or of parts so arranged, that reading it takes too long.

    Args:
        image_format: As Pillow calls it.
        data: The bytes of the file.
        max_pixels: The limit of pixels, for formats that need memory to be opened.

    Raises:
        DataError: With the bare reason.
    """
    try:
        if image_format == "JPEG":
            if len(data) > SMALL_FILE_BYTES:  # others are judged when they are open
                _judge_jpeg(data)
        elif image_format == "PNG":
            _judge_png(data)
        elif image_format == "GIF":
            _judge_gif(data, max_pixels)
        elif image_format == "TIFF":
            _judge_tiff(data, max_pixels)
        elif image_format == "PPM":
            _judge_ppm(data)
    except (IndexError, struct.error):
        return  # the data ends too early, as its decoder will find, too


def judge_layout(image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse an opened, not yet loaded photo that Pillow would take too long to decode.

    Args:
        image: The photo.
        data: The bytes of its file.

    Raises:
        DataError: With the bare reason.
    """
    decoder = image.tile[0][0] if image.tile else ""
    if decoder == "jpeg":
        if len(data) <= SMALL_FILE_BYTES and not _is_plain(image, data):
            with contextlib.suppress(IndexError, struct.error):
                _judge_jpeg(data)
        return
    pixels = image.width * image.height
    if decoder == "bmp_rle":
        if pixels > MAX_RUN_LENGTH_PIXELS or len(data) > 4 * pixels + 2**16:
            raise DataError(
                f"too slow: a run-length encoded BMP of {pixels / 1e6:.1f} megapixels and "
                f"{len(data) / 1e6:.1f} MB, the limit is {MAX_RUN_LENGTH_PIXELS / 1e6:g} "
                "megapixels and 4 bytes for each: save it as PNG"
            )
    elif decoder in {"ppm", "ppm_plain"}:
        values = pixels * len(image.getbands())
        if values > MAX_SLOW_VALUES:
            raise DataError(
                f"too slow: a PPM of {values / 1e6:.0f} million values as text, or with a largest "
                f"one other than 255; the limit is {MAX_SLOW_VALUES / 1e6:g} million: save it as "
                "PNG"
            )
    elif image.info.get("compression") in {"jpeg", "tiff_jpeg"}:
        tags: Any = getattr(image, "tag_v2", {})
        strips = tags.get(_STRIPS) or tags.get(_TILES) or (0,)
        judge_scans(data.count(b"\xff\xda") / len(strips), pixels)


def _is_plain(jpeg: Any, data: bytes) -> bool:
    """Tell whether an opened JPEG has one scan, of all components; else it may have many."""
    begin = (
        jpeg.fp.tell() - 8 - 2 * jpeg.layers
    )  # it is read up to the end of its first scan's head
    first = data[begin : begin + 5] if begin > 0 else b""
    return "progressive" not in jpeg.info and first == _WHOLE_SCANS.get(jpeg.layers)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind, position and length of each chunk's content, up to the end of the PNG."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, length
        if kind == b"IEND":
            return
        at += length + 12


def png_transparency(data: bytes) -> bytes | int | tuple[int, ...]:
    """Read which colours of a PNG with a tRNS chunk are see-through.

    Pillow gives those of 1, 2 and 4 bits as they lie in the file, but the pixels in 8 bits.

    Args:
        data: The bytes of a file that `judge_parts` let pass.

    Returns:
        The opacity of each colour of the palette; or the grey or RGB colour that is see-through,
        in 16 bits if the pixels are, else in 8.
    """
    raw = next(data[at : at + n] for kind, at, n in png_chunks(data) if kind == b"tRNS")
    bits, colour = data[24:26]
    if colour == _PALETTE:
        return raw
    white = 2**bits - 1
    step = 255 // white or 1
    found = [
        (value & white) * step
        for value in struct.unpack_from(">H" if colour == _GREY else ">3H", raw)
    ]
    return found[0] if colour == _GREY else tuple(found)


def _judge_count(count: int, parts: str, limit: int = MAX_PARTS) -> None:
    if count > limit:
        raise DataError(f"too slow: more than {limit} {parts}: save it anew")


def _judge_jpeg(data: bytes) -> None:
    at, parts, scans, components, pixels, several = 2, 0, 0, 0, 0, False
    while found := _MARKER.search(data, at):
        start, end = found.span()
        parts += 1 if scans else 1 + start - at
        if parts > MAX_PARTS:
            _judge_count(parts, "segments")
        marker, at = data[end - 1], end
        if marker in _NO_LENGTH:
            if marker == _END and scans:
                return
            continue
        if marker == _SCAN:
            scans += 1
            if not several and data[at + 2] == components:
                return
            judge_scans(scans, pixels)
        elif marker in _FRAMES and not scans:
            height, width, components = struct.unpack_from(">HHB", data, at + 3)
            pixels, several = width * height, marker in _PROGRESSIVE
        at += data[at] << 8 | data[at + 1]


def judge_scans(scans: float, pixels: int) -> None:
    """Refuse a JPEG that goes over its pixels too often.

    Raises:
        DataError: With the bare reason.
    """
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise DataError(
            f"too slow: a JPEG in {scans:.0f} scans or more of {pixels / 1e6:.1f} megapixels; the "
            f"limit is {MAX_SCANS}, and {MAX_SCANNED_PIXELS / 1e6:g} megapixels in all: save it "
            "anew"
        )


def _judge_png(data: bytes) -> None:
    """Refuse what is damaged, too: Pillow notices only some of it, and TensorFlow another part."""
    others, limit, whole = 0, MAX_PARTS + len(data) // 64, False
    before: set[bytes] = set()
    for total, (kind, at, length) in enumerate(png_chunks(data), start=1):
        others += kind not in {b"IDAT", b"fdAT", b"fcTL"}
        if others > MAX_PARTS or total > limit:
            _judge_count(total, "chunks", MAX_PARTS if others > MAX_PARTS else limit)
        if total == 1 and kind != b"IHDR":
            raise DataError("damaged PNG: its header is not at the beginning: save it anew")
        if not _PNG_KIND.fullmatch(kind):
            unknown = listed([kind.decode("latin-1")])
            raise DataError(f"damaged PNG: a part of an unknown kind, {unknown}: save it anew")
        stated = data[at + length : at + length + 4]
        if len(stated) < 4:
            break
        if zlib.crc32(memoryview(data)[at - 4 : at + length]) != int.from_bytes(stated):
            raise DataError(
                f"damaged PNG: the checksum of its {kind.decode()} is wrong: save it anew"
            )
        if kind == b"tRNS" and before & {b"tRNS", b"IDAT"}:
            raise DataError("damaged PNG: transparency in the wrong place: save it anew")
        before.add(kind)
        whole = kind == b"IEND"
    if not whole:
        raise DataError("truncated: the PNG data ends too early")


def _judge_gif(data: bytes, max_pixels: int) -> None:
    at, blocks, images = 13 + _palette_bytes(data[10:11]), 0, 0
    while found := _GIF_BLOCK.search(data, at):
        blocks += 1 + found.start() - at
        at = found.end()
        if found[0] == b";":
            return
        if found[0] == b",":
            images += 1
            left, top, width, height, flags = struct.unpack_from("<HHHHc", data, at)
            if (left + width) * (top + height) > max_pixels:  # Pillow enlarges the picture to it
                raise DataError(f"too large: a frame of {width}x{height} pixels")
            if images == 2:
                return
            at += 9 + _palette_bytes(flags)
        at += 1  # the kind of an extension, or the width of a code
        while size := data[at : at + 1] and data[at]:
            at += size + 1
            blocks += 1
            _judge_count(blocks, "blocks", MAX_BLOCKS + len(data) // 64)
        at += 1
        _judge_count(blocks, "blocks", MAX_BLOCKS + len(data) // 64)


def _palette_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 128 else 0


def _judge_tiff(data: bytes, max_pixels: int) -> None:
    """Judge the directories of the first picture, and of a second one, which is looked for."""
    order = "<" if data[:2] == b"II" else ">"
    if data[2] == 43:  # for files of more than 4 GB
        start, number, count, entry = 8, "Q", "Q", struct.Struct(order + "HHQQ")
    else:
        start, number, count, entry = 4, "I", "H", struct.Struct(order + "HHII")
    (at,) = struct.unpack_from(order + number, data, start)
    for _ in range(2):
        (entries,) = struct.unpack_from(order + count, data, at)
        _judge_count(entries, "entries")
        at += struct.calcsize(count)
        whole = min(entries, (len(data) - at) // entry.size)
        found = [entry.unpack_from(data, at + i * entry.size) for i in range(whole)]
        _judge_numbers(
            {tag: told for tag, *told in found}, order == ">", entry, len(data), max_pixels
        )
        (at,) = struct.unpack_from(order + number, data, at + entries * entry.size)
        if not at:
            return


def _judge_numbers(
    found: dict[int, list[int]], big: bool, entry: struct.Struct, size: int, max_pixels: int
) -> None:
    """Let as many strips pass as the pixels need that are declared, if the file can hold them."""

    def value(tag: int, otherwise: int) -> int:
        kind, _, told = found.get(tag, (_TIFF_LONG, 1, otherwise))
        if kind == _TIFF_SHORT:
            told = told >> 8 * (entry.size // 2 - 2) - 16 if big else told & 0xFFFF
        return told

    strips = others = 0
    for tag, (kind, values, _) in found.items():
        if tag in _OF_STRIPS and values * _TIFF_BYTES_OF.get(kind, size + 1) <= size:
            strips += values
        elif kind not in _TIFF_BYTES:
            others += values
    pixels = min(value(256, 0) * value(257, 0), max_pixels) * min(value(277, 1), 4)
    most = max(MAX_NUMBERS, 2 * pixels // MIN_STRIP_PIXELS)  # a place and a length for each
    _judge_count(others, "numbers", MAX_NUMBERS)
    _judge_count(strips, "places and lengths of strips", most)


def _judge_ppm(data: bytes) -> None:
    if data[:2] in {b"P1", b"P2", b"P3"}:
        _judge_count(data.count(b"#"), "comments")
    at = 2
    for _ in range(2 if data[:2] in {b"P1", b"P4"} else 3):
        found = _PPM_NUMBER.match(data, at, MAX_HEADER_BYTES)
        if found is None:
            _judge_count(len(data), "bytes without a header", MAX_HEADER_BYTES)
            return
        at = found.end()
