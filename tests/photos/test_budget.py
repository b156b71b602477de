"""Pictures that cost more than they weigh: refused by the budget, before anything is decoded."""

import io
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding import budget
from kerasrecipes.photos.decoding.budget import Memory
from kerasrecipes.photos.decoding.decode import decode_photo
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.inspection import inspect_photo
from pngs import GREY, RGBA, chunk, in_chunks, png

SIZE = (16, 16)


def encoded(image_format: str, mode: str = "RGB", size=(48, 32), **options) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(file, image_format, **options)
    return file.getvalue()


def bmp(width: int, height: int, body: bytes) -> bytes:
    palette = bytes(4 * 255) + b"\1\2\3\0"
    sizes = (14 + 40 + len(palette) + len(body), 14 + 40 + len(palette))
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", sizes[0], 0, 0, sizes[1]) + info + palette + body


def with_scans(jpeg: bytes, times: int) -> bytes:
    """Repeat the last scan of a JPEG, with a comment before each that speaks of the end."""
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + (b"\xff\xfe\0\4\xff\xd9" + last) * times + b"\xff\xd9"


def one_by_one(jpeg: bytes, times: int) -> bytes:
    """Scans of one component each, as baseline JPEGs may have them, without any data."""
    scans = b"".join(b"\xff\xda\0\x08\1" + bytes([1 + i % 3, 0, 0, 63, 0]) for i in range(times))
    return jpeg[: jpeg.rindex(b"\xff\xda")] + scans + b"\xff\xd9"


def segments(segment: bytes, times: int) -> bytes:
    jpeg = encoded("JPEG")
    return jpeg[:2] + segment * times + jpeg[2:]


def tiff(entries: list[tuple[int, int, int, int]], count: int | None = None) -> bytes:
    """A TIFF of one directory: tag, type, number of values, value or offset."""
    listed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, count or len(entries)) + listed + bytes(40_000)


def tiff_of_jpeg(jpeg: bytes, side: int) -> bytes:
    numbers = {256: side, 257: side, 258: 8, 259: 7, 262: 1, 273: 200, 277: 1, 278: side}
    entries = [(tag, 4, 1, value) for tag, value in {**numbers, 279: len(jpeg)}.items()]
    return tiff(entries)[:200].ljust(200, b"\0") + jpeg


def lines(rows: int, width: int, *, order: str = "<", page: int = 1, colours: int = 1) -> bytes:
    """A TIFF of one row a strip, all of which are the same bytes, each colour by itself."""
    strips = rows * colours
    first = 8 + 18 * (page - 1)
    places = first + 2 + 12 * 11 + 4
    pixels = places + 8 * strips
    entries = [
        (256, 1, width),
        (257, 1, rows),
        (258, colours, pixels + 256 * (width // 256 + 1) if colours > 1 else 8),
    ]
    entries += [(259, 1, 1), (262, 1, 2 if colours > 1 else 1), (273, strips, places)]
    entries += [(277, 1, colours), (278, 1, 1), (279, strips, places + 4 * strips)]
    entries += [(284, 1, 2 if colours > 1 else 1), (305, 4, 0)]
    directory = struct.pack(f"{order}H", len(entries))
    for tag, count, value in entries:
        short = tag not in {257, 273, 279} and count == 1
        told = struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
        directory += struct.pack(f"{order}HHI", tag, 3 if short or tag == 258 else 4, count) + told
    before = struct.pack(f"{order}HHHIII", 1, 256, 3, 1, 9, first) if page == 2 else b""
    begin = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + before
    depths = struct.pack(f"{order}3H", 8, 8, 8)
    tables = struct.pack(f"{order}I", pixels) * strips + struct.pack(f"{order}I", width) * strips
    return begin + directory + bytes(4) + tables + bytes(range(256)) * (width // 256 + 1) + depths


def gif_after(blocks: bytes) -> bytes:
    whole = encoded("GIF", "L", (8, 8))
    begin = 13 + (3 << (whole[10] & 7) + 1 if whole[10] & 128 else 0)
    return whole[:begin] + blocks + whole[begin:]


# Its frame, which is to be wiped away, is larger than its screen.
GIF_FRAME = (
    b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"!\xf9\4\x08\0\0\0\0,"
    + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\2\2\x4c\1\0;"
)  # fmt: skip
HEADER = struct.pack(">IIBBBBB", 4, 1, 8, 0, 0, 0, 0)
GREYS = encoded("JPEG", "L", progressive=True)
# The size in its header is judged, not its data.
_FRAME = GREYS.index(b"\xff\xc2") + 5
LARGE = GREYS[:_FRAME] + struct.pack(">HH", 7000, 7000) + GREYS[_FRAME + 4 :]
SLOW = {
    "run lengths": (bmp(2_781_000, 32, b"\1\0\0\0" * 32), "run-length encoded BMP of 89.0 megap"),
    "idle run lengths": (bmp(64, 64, b"\0\2\0\0" * 30_000), "and 4 bytes for each: save it as PNG"),
    "scans": (with_scans(GREYS, 64), "a JPEG in 65 scans or more"),
    "scans of a large JPEG": (with_scans(LARGE, 36), "in 41 scans or more of 49.0 megapixels"),
    "baseline scans": (one_by_one(encoded("JPEG"), 65), "a JPEG in 65 scans"),
    "scans in a TIFF": (tiff_of_jpeg(with_scans(GREYS, 64), 48), r"a JPEG in \d+ scans"),
    "empty segments": (segments(b"\xff\xfe\0\2", 17_000), "more than 1000 segments"),
    "EXIF in pieces": (segments(b"\xff\xe1\0\x09Exif\0\0x", 6_000), "more than 1000 segments"),
    "padding": (segments(b"\xff", 66_000), "more than 1000 segments"),
    "chunks": (in_chunks(HEADER, [chunk(b"abCd")] * 6_000, [], []), "more than 1000 chunks"),
    "chunks behind": (in_chunks(HEADER, [], [], [chunk(b"abCd")] * 6_000), "than 1000 chunks"),
    "empty data": (in_chunks(HEADER, [], [b""] * 6_000, []), r"more than 21\d\d chunks"),
    "plain numbers": (b"P2 4001 4000 255 1", "PPM of 16 million values as text"),
    "another white": (b"P6 3000 2000 254 1", "or with a largest one other than 255"),
    "comments": (b"P3 9 9 255 " + b"#\n" * 1001, "more than 1000 comments"),
    "a long comment": (b"P5 #" + b"a" * 70_000 + b"\n9 9 255 ", "without a header"),
    "strips": (lines(200_001, 8), "more than 200000 places and lengths of strips"),
    "strips of another page": (lines(200_001, 8, page=2), "more than 200000 places and lengths"),
    "strips, cut": (tiff([(273, 3, 300_000, 8)], count=900)[:30], "more than 200000 numbers"),
    "strips that are not there": (lines(300_000, 256)[:1_000_000], "more than 200000 numbers"),
    "numbers": (tiff([(700, 4, 200_001, 8)]), "more than 200000 numbers"),
    "entries": (tiff([(256, 3, 1, 9)], count=1001), "more than 1000 entries"),
    "blocks": (gif_after(b"!\xfe\0" * 110_000), r"more than 105\d\d\d blocks"),
    "a large frame": (GIF_FRAME, "too large: a frame of 65535x65535 pixels"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SLOW)
def test_what_would_take_too_long_is_refused(kind, tmp_path):
    data, message = SLOW[kind]
    (tmp_path / "photo").write_bytes(data)
    with pytest.raises(DataError, match=message):
        decode_photo(data, SIZE)
    with pytest.raises(DataError, match=message):
        inspect_photo(tmp_path / "photo", DecodePolicy())


def test_what_is_just_within_the_budget_is_decoded():
    pixels = np.arange(4, dtype=np.uint8)[None].repeat(8, 0).repeat(4, 1)
    for data in (
        with_scans(GREYS, 64 - GREYS.count(b"\xff\xda")),
        GREYS + b"\xff\xda" * 100,  # what is behind the picture is not read
        encoded("JPEG") + encoded("JPEG", progressive=True) * 20,
        one_by_one(encoded("JPEG"), 60),
        segments(b"\xff\xfe\0\2", 900),
        png(pixels, 8, GREY, before=[chunk(b"abCd")] * 900),
        bmp(64, 32, (b"\x40\1\0\0") * 32),
        b"P2 32 32 255 # a comment\n" + b"7 " * 1024,
        b"P6 32 32 # a comment\n 254 " + bytes(3072),
        gif_after(b"!\xfe\0" * 90_000),
    ):
        assert decode_photo(data, SIZE).shape == (16, 16, 3)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("colours", [1, 3])
def test_one_row_a_strip_is_ordinary(order, colours):
    data = lines(101_000 // colours, 80, order=order, colours=colours)
    photo = decode_photo(data, (8, 80))
    assert np.array_equal(photo[..., 0], np.arange(80)[None].repeat(8, 0))


def test_no_more_than_the_second_frame_is_looked_at(tmp_path):
    path = tmp_path / "pages"
    pages = [Image.new("L", (8, 8), shade) for shade in (1, 90, 200)]
    for image_format in ("TIFF", "GIF"):
        pages[0].save(path, image_format, save_all=True, append_images=pages[1:])
        data = path.read_bytes()
        if image_format == "TIFF":
            with Image.open(path) as opened:
                opened.seek(2)
                third = opened._frame_pos[2]
            data = data[:third] + b"\xff" * 40
        else:
            data = data[: data.rindex(b",")] + b"\1" * 40
        path.write_bytes(data)
        assert inspect_photo(path, DecodePolicy()).frames == 2
        pages[0].save(path, image_format)
        assert inspect_photo(path, DecodePolicy()).frames == 1


def test_a_damaged_second_page_is_noticed(tmp_path):
    path = tmp_path / "pages.tif"
    Image.new("L", (8, 8)).save(path, save_all=True, append_images=[Image.new("L", (8, 8))])
    with Image.open(path) as opened:
        opened.seek(1)
        second = opened._frame_pos[1]
    path.write_bytes(path.read_bytes()[:second] + b"\1")
    with pytest.raises(DataError, match="a later frame cannot be read"):
        inspect_photo(path, DecodePolicy())


def test_a_large_photo_waits_but_is_not_passed_for_ever():
    memory, done = Memory(10), []
    started = threading.Event()

    def take(size: int) -> None:
        started.set()
        with memory.taken(size):
            done.append(size)

    with memory.taken(4):
        large = threading.Thread(target=take, args=(1000,))
        large.start()
        started.wait()
        while not memory._queue:
            pass
        small = threading.Thread(target=take, args=(1,))  # there is room for it, but not its turn
        small.start()
        assert done == []
    large.join()
    small.join()
    assert done == [1000, 1] and memory._free == 10


def test_the_deepest_photo_takes_the_memory_that_is_set_aside(tmp_path):
    small, large = (tmp_path / name for name in ("small.png", "large.png"))
    small.write_bytes(png(np.zeros((9, 9, 4), np.uint8), 16, RGBA))
    large.write_bytes(png(np.zeros((1500, 2000, 4), np.uint8), 16, RGBA))
    code = (
        "import resource\n"
        "from kerasrecipes.photos.decoding.decode import decode_photo\n"
        f"decode_photo({str(small)!r}, (9, 9))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"decode_photo({str(large)!r}, (9, 9))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    # A process that this one starts begins with its peak, so that one between them is needed.
    start = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    )
    run = [sys.executable, "-c", start, code]
    found = subprocess.run(run, check=True, capture_output=True, text=True)
    with Image.open(large) as image:
        assert int(found.stdout) * 1024 < budget.memory_for(image, deep=True) == 16 * 3_000_000


def test_libtiff_does_not_write_to_the_terminal(capfd):
    noise = np.random.default_rng(0).bytes(4000)
    numbers = {256: 200, 257: 200, 258: 1, 259: 4, 262: 1, 273: 200, 277: 1, 278: 200, 279: 4000}
    data = tiff([(tag, 4, 1, value) for tag, value in numbers.items()])[:200] + noise

    def by_pillow() -> str:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
        return capfd.readouterr().err

    assert "Fax4" in by_pillow()
    decode_photo(data, SIZE)
    assert capfd.readouterr().err == ""
    assert "Fax4" in by_pillow()  # what the program set is back
