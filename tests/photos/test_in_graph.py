"""The decoder of SavedModels against that of training, over what JPEG and PNG files can carry."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.decode import decode_photo
from kerasrecipes.photos.decoding.graph_sums import crc32
from kerasrecipes.photos.decoding.in_graph import decode_files
from kerasrecipes.photos.decoding.policy import DecodePolicy
from pngs import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, chunk, png

SIDE = 12  # square, so that no orientation needs resizing
POLICY = DecodePolicy(background=(10, 200, 90))
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
LAYOUTS = [(bits, GREY) for bits in (1, 2, 4, 8, 16)] + [(bits, PALETTE) for bits in (1, 2, 4, 8)]
LAYOUTS += [(bits, colour) for bits in (8, 16) for colour in (RGB, GREY_ALPHA, RGBA)]
XMP = b"XML:com.adobe.xmp"
EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def by_graph():
    import tensorflow as tf

    graph = tf.function(lambda files: decode_files(files, (SIDE, SIDE), POLICY))

    def decode(data: bytes) -> np.ndarray | None:
        try:
            return graph(tf.constant([data]))[0].numpy().astype(int)
        except tf.errors.InvalidArgumentError:
            return None

    return decode


def check(by_graph, data: bytes, *, refused: bool = False, apart: int = 0) -> None:
    """Either decode alike, or the graph refuses what it must and what training refuses."""
    theirs = by_graph(data)
    try:
        ours = decode_photo(data, (SIDE, SIDE), POLICY).astype(int)
    except DataError:
        refused = True
    assert (theirs is None) == refused
    if theirs is not None:
        assert np.abs(ours - theirs).max() <= apart


def exif(
    orientation: int, order: str = "<", kind: int = 3, count: int = 1, maker_bytes: int = 3
) -> bytes:
    """A TIFF directory of the camera's maker, who can be cut off, and the orientation."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    maker = struct.pack(f"{order}HHI4s", 0x010F, 2, maker_bytes, b"me\0\0")
    value = struct.pack(f"{order}{'I' if kind == 4 else 'H'}", orientation)
    turned = struct.pack(f"{order}HHI4s", 0x0112, kind, count, value)
    return head + struct.pack(f"{order}H", 2) + maker + turned + bytes(4)


def xmp(orientation: int, as_element: bool) -> bytes:
    if as_element:
        return b"<x><tiff:Orientation>%d</tiff:Orientation></x>" % orientation
    return b'<x tiff:Make="a" tiff:Orientation="%d" tiff:Orientation="9"/>' % orientation


def text(kind: bytes, key: bytes, content: bytes) -> bytes:
    if kind == b"iTXt":
        return chunk(kind, key + b"\0\0\0\0\0" + content)
    if kind == b"zTXt":
        return chunk(kind, key + b"\0\0" + zlib.compress(content))
    return chunk(kind, key + b"\0" + content)


def carrier(name: str, orientation: int) -> bytes:
    """The chunk of a PNG that says which way is up."""
    profile = b"\nexif\n   1\n" + (b"Exif\0\0" + exif(orientation)).hex().encode()
    return {
        "eXIf": chunk(b"eXIf", exif(orientation)),
        "eXIf of a Mac": chunk(b"eXIf", exif(orientation, ">")),
        "eXIf with its mark": chunk(b"eXIf", b"Exif\0\0" + exif(orientation)),
        "attribute": text(b"iTXt", XMP, xmp(orientation, False)),
        "element": text(b"iTXt", XMP, xmp(orientation, True)),
        "compressed": chunk(b"iTXt", XMP + b"\0\1\0\0\0" + zlib.compress(xmp(orientation, True))),
        "profile": text(b"zTXt", b"Raw profile type exif", profile),
        "plain profile": text(b"tEXt", b"Raw profile type exif", profile),
        "plain": text(b"tEXt", b"exif", exif(orientation)),
        "XMP as text": text(b"tEXt", XMP, xmp(orientation, True)),
        "long": chunk(b"eXIf", exif(orientation, kind=4)),
    }[name]


READ = ["eXIf", "eXIf of a Mac", "eXIf with its mark", "attribute", "element"]
NOT_READ = ["compressed", "profile", "plain profile", "plain", "XMP as text", "long"]
HARMLESS = [
    chunk(b"gAMA", struct.pack(">I", 100_000)),
    chunk(b"sRGB", b"\0"),
    chunk(b"iCCP", b"a\0\0" + zlib.compress(b"no profile")),
    chunk(b"pHYs", bytes(9)),
    text(b"tEXt", b"Comment", b'tiff:Orientation="6"'),
    text(b"zTXt", b"Author", b"me"),
    chunk(b"abCd", b"eXIf"),
]


@st.composite
def pngs(draw) -> bytes:
    """A PNG of any layout, with what it may carry around the picture."""
    bits, colour = draw(st.sampled_from(LAYOUTS))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    samples = rng.integers(0, draw(st.sampled_from([2, 2**bits])), (SIDE, SIDE, CHANNELS[colour]))
    before = draw(st.lists(st.sampled_from(HARMLESS), max_size=2, unique=True))
    if colour == PALETTE:
        entries = draw(st.integers(1, 2**bits))
        before.append(chunk(b"PLTE", rng.bytes(3 * entries)))
        if draw(st.booleans()):
            opacity = rng.choice([0, 3, 10, 15, 255], draw(st.integers(1, entries)))
            before.append(chunk(b"tRNS", opacity.astype(np.uint8).tobytes()))
    elif colour in {GREY, RGB} and draw(st.booleans()):
        clear = samples[0, 0] + (2**bits if bits < 16 and draw(st.booleans()) else 0)
        before.append(chunk(b"tRNS", clear.astype(">u2").tobytes()))
    after = []
    for kinds in (READ[:3], READ[3:]):
        if draw(st.booleans()):
            found = carrier(draw(st.sampled_from(kinds)), draw(st.integers(0, 9)))
            draw(st.sampled_from([before, after])).append(found)
    if not after and draw(st.booleans()):
        before.append(chunk(b"acTL", struct.pack(">II", 1, 0)))
        before.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, SIDE, SIDE, 0, 0, 1, 1, 0, 0)))
    return png(samples, bits, colour, before=before, after=after, interlaced=draw(st.booleans()))


@EXAMPLES
@given(data=pngs())
def test_pngs_are_decoded_alike(by_graph, data):
    check(by_graph, data)


def chunks_of(data: bytes) -> list[bytes]:
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append(data[at : at + length + 12])
        at += length + 12
    return found


@st.composite
def damaged_pngs(draw) -> bytes:
    """A PNG of which a bit is turned, the end is missing, or a part is changed."""
    data = draw(pngs())
    place = draw(st.integers(8, len(data) - 1))
    how = draw(st.sampled_from(["bit", "end", "part", "sum", "kind", "order", "none"]))
    if how == "bit":
        return data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
    if how == "end":
        return data[:place]
    parts = chunks_of(data)
    at = draw(st.integers(1, len(parts) - 1))
    one = parts[at]
    if how == "sum":
        parts[at] = one[:-1] + bytes([one[-1] ^ 1])
    elif how == "kind":
        kind = draw(st.sampled_from([b"abCd", b"ABCd", b"ab1d", b"\0\0\0\0", b"IDAT", b"IEND"]))
        parts[at] = chunk(kind, one[8:-4])
    elif how == "order":
        del parts[at]
        parts.insert(draw(st.integers(1, len(parts))), one)
    elif how == "part" and one[4:8] != b"IDAT":
        inside = bytearray(one[8:-4])
        if inside:
            inside[place % len(inside)] ^= 1 << place % 8
        parts[at] = chunk(one[4:8], bytes(inside))
    return data[:8] + b"".join(parts)


@EXAMPLES
@given(data=damaged_pngs())
def test_damaged_pngs_are_refused_by_both(by_graph, data):
    check(by_graph, data)


@pytest.mark.parametrize("length", [4, 5, 7, 8, 33, 70_001])
def test_sums_are_those_of_pngs(length):
    content = np.random.default_rng(length).bytes(length)
    assert int(crc32(tf_string(content))) % 2**32 == zlib.crc32(content)


def tf_string(content: bytes):
    import tensorflow as tf

    return tf.constant(content)


@pytest.mark.parametrize("name", [*READ, *NOT_READ])
def test_a_png_is_upright_whatever_says_so_or_is_refused(by_graph, name):
    samples = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3))
    for sides in ({"before": [carrier(name, 6)]}, {"after": [carrier(name, 6)]}):
        data = png(samples, **sides)
        assert np.array_equal(decode_photo(data, (SIDE, SIDE)), np.rot90(samples, -1)) or name in {
            "plain profile", "plain", "XMP as text"
        }  # fmt: skip
        check(by_graph, data, refused=name in NOT_READ)


def test_pngs_that_decoders_understand_otherwise_are_refused(by_graph):
    samples = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    clear = chunk(b"tRNS", b"\0\5")
    frame = struct.pack(">IIIIIHHBB", 0, SIDE - 2, SIDE, 2, 0, 1, 1, 0, 0)
    turned = carrier("eXIf", 6)
    moves = [chunk(b"acTL", struct.pack(">II", 2, 0))]
    next_frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, SIDE, SIDE, 0, 0, 1, 1, 0, 0))
    for around in (
        {"before": [clear, clear]},
        {"after": [clear]},
        {"before": [chunk(b"tRNS", b"\0\5\0\5")]},
        {"before": [*moves, chunk(b"fcTL", frame)]},
        {"before": moves, "after": [next_frame, turned]},
        {"before": [turned, turned]},
        {"before": [chunk(b"eXIf", b"II+\0" + exif(6)[4:])]},
        {"before": [chunk(b"eXIf", exif(6, count=2))]},
        {"before": [chunk(b"eXIf", exif(6, maker_bytes=5))]},
        {"before": [chunk(b"iTXt", XMP + b"\0\0\0en\0" + xmp(6, True))]},
        {"before": [chunk(b"abCd")] * 1001},
    ):
        check(by_graph, png(samples, 8, GREY, **around), refused=True)
    translated = chunk(b"iTXt", XMP + b"\0\0\0en\0XMP\0" + xmp(6, True))
    check(by_graph, png(samples, 8, GREY, before=[translated]))
    palette = [chunk(b"PLTE", bytes(6)), chunk(b"tRNS", b"\0\1\2")]
    check(by_graph, png(samples % 2, 8, PALETTE, before=palette), refused=True)


@st.composite
def jpegs(draw) -> tuple[bytes, str]:
    """A JPEG of any mode, with what it may carry before the picture."""
    mode = draw(st.sampled_from(["L", "RGB", "CMYK"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    noise = rng.integers(0, 256, (SIDE, SIDE, len(mode))).astype(np.uint8)
    picture = Image.fromarray(noise[..., 0] if mode == "L" else noise, mode)
    options = {
        "quality": draw(st.sampled_from([10, 75, 100])),
        "progressive": draw(st.booleans()),
        "subsampling": draw(st.sampled_from([0, 1, 2])),
        "restart_marker_rows": draw(st.sampled_from([0, 1])),
    }
    if draw(st.booleans()):
        options["icc_profile"] = bytes(70_000)
    if draw(st.booleans()):
        options["comment"] = b"Exif\0\0" + exif(3)
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    order, turn = draw(st.sampled_from("<>")), st.integers(0, 9)
    segments = []
    if draw(st.booleans()):
        block = exif(draw(turn), order)
        cut = draw(st.sampled_from([20, len(block)]))
        segments += [b"Exif\0\0" + part for part in (block[:cut], block[cut:]) if part]
    if draw(st.booleans()):
        told = xmp(draw(turn), draw(st.booleans()))
        segments.insert(0, b"http://ns.adobe.com/xap/1.0/\0" + told)
    marked = [b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in segments]
    at = draw(st.sampled_from([2, 20]))  # before or behind JFIF's, if that is there
    at = at if file.getvalue()[2:4] == b"\xff\xe0" else 2
    return file.getvalue()[:at] + b"".join(marked) + file.getvalue()[at:], mode


@EXAMPLES
@given(found=jpegs())
def test_jpegs_are_decoded_alike(by_graph, found):
    data, mode = found
    check(by_graph, data, apart=int(mode == "CMYK"))


def test_jpegs_that_decoders_understand_otherwise_are_refused(by_graph):
    file = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 4)).astype(np.uint8)
    Image.fromarray(noise, "CMYK").save(file, "JPEG")
    check(by_graph, file.getvalue().replace(b"Adobe", b"Other"), refused=True)
    file = io.BytesIO()
    Image.fromarray(noise[..., 0]).save(file, "JPEG", progressive=True)
    whole = file.getvalue()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    check(by_graph, whole[:-2] + last * 20 + b"\xff\xd9")
    check(by_graph, whole[:-2] + last * 64 + b"\xff\xd9", refused=True)
    twice = exif(6)[:8] + struct.pack("<H", 2) + 2 * exif(6)[22:34] + bytes(4)
    thrice = 2 * b"Exif\0\0" + exif(6)
    for block in (exif(6, kind=4), exif(6, count=2), exif(6, maker_bytes=5), twice, thrice):
        segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
        check(by_graph, whole[:2] + segment + whole[2:], refused=True)


def test_files_that_are_cut_off_are_refused_in_words(by_graph):
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE)).save(file, "JPEG", exif=exif(6), comment=b"c" * 300)
    whole = png(np.zeros((SIDE, SIDE)), 8, GREY, before=[carrier("eXIf", 6)])
    lying = whole[:33] + b"\x7f\xff\xff\xf0" + whole[37:]
    for data in (
        *(file.getvalue()[:n] for n in range(3, 450, 7)),
        *(whole[:n] for n in (8, 20, 40)),
    ):
        check(by_graph, data, refused=True)
    check(by_graph, lying, refused=True)
