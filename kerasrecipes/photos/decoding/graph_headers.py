"""What stands around the picture in a photo's file, read with TensorFlow operators.

Which way up a photo is stands in EXIF or XMP data, in one of several places. All that Pillow looks
at is found, and read as Pillow reads it, or the photo is refused.
"""

from typing import TYPE_CHECKING, NamedTuple

from kerasrecipes.photos.decoding.budget import MAX_PARTS, MAX_SCANNED_PIXELS, MAX_SCANS
from kerasrecipes.photos.decoding.graph_sums import crc32

if TYPE_CHECKING:
    import tensorflow as tf

_ORIENTATION = 0x0112
_SHORT = 3
_EXIF_MARK = b"Exif\0\0"
_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
# Not compressed, with a language and a translated key, which are empty as a rule.
_XMP_TEXT = r"XML:com\.adobe\.xmp\x00\x00\C[^\x00]*\x00[^\x00]*\x00\C*"
# Bytes of one value, by its type; Pillow passes over values of other types.
_VALUE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 0)
_XMP_ORIENTATION = r'\C*?tiff:Orientation(?:="|>)([0-9])\C*'
# Texts in which Pillow finds EXIF or XMP data, too.
_TEXT_KEYS = r"(?:exif|xmp|Raw profile type exif|XML:com\.adobe\.xmp)\x00\C*"


class Around(NamedTuple):
    """What was found around a picture.

    Args:
        orientation: 1 to 8.
        clear: The content of a PNG's tRNS chunk, empty if there is none.
        checks: What must hold of the file.
    """

    orientation: "tf.Tensor"
    clear: "tf.Tensor"
    checks: list


class _Segments(NamedTuple):
    """What is known of a JPEG after some of its segments."""

    data: "tf.Tensor"
    at: "tf.Tensor"
    marker: "tf.Tensor"
    exif: "tf.Tensor"
    xmp: "tf.Tensor"
    components: "tf.Tensor"
    several: "tf.Tensor"  # scans, perhaps
    adobe: "tf.Tensor"
    regular: "tf.Tensor"


class _Chunks(NamedTuple):
    """What is known of a PNG after some of its chunks."""

    data: "tf.Tensor"
    at: "tf.Tensor"
    kind: "tf.Tensor"
    others: "tf.Tensor"  # than the picture's own, how many
    exif: "tf.Tensor"
    xmp: "tf.Tensor"
    clear: "tf.Tensor"
    colours: "tf.Tensor"  # of the palette, how many
    behind: "tf.Tensor"  # the picture's beginning
    animated: "tf.Tensor"
    left: "tf.Tensor"  # how many may follow
    whole: "tf.Tensor"
    regular: "tf.Tensor"


def around_jpeg(data: "tf.Tensor", pixels: "tf.Tensor") -> Around:
    """Follow the segments of a JPEG up to its first scan.

    Args:
        data: The bytes of the file.
        pixels: How many it has.
    """
    import tensorflow as tf

    size = tf.strings.length(data)
    begin = (2, 0, b"", b"", 0, False, False, True)
    (found,) = tf.while_loop(
        lambda s: (s.marker != 0xDA) & s.regular & (s.at + 4 <= size),
        lambda s: [_next_segment(s)],
        [_Segments(data, *(tf.constant(value) for value in begin))],
        maximum_iterations=MAX_PARTS,
    )
    scans = tf.cond(found.several, lambda: _scans(_from(data, found.at)), lambda: 1)
    work = tf.cast(scans, tf.int64) * tf.cast(pixels, tf.int64)
    few = (scans <= MAX_SCANS) & (work <= MAX_SCANNED_PIXELS)
    by_adobe = (found.components != 4) | found.adobe
    orientation, legible = _orientation(found.exif, found.xmp)
    checks = [
        _require(found.regular & (found.marker == 0xDA), "a JPEG that cannot be followed"),
        _require(legible, "a JPEG whose EXIF data is unusual"),
        _require(by_adobe, "a CMYK JPEG that was not written as Adobe does"),
        _require(few, "too slow: a JPEG in many scans"),
    ]
    return Around(orientation, tf.constant(b""), checks)


def _next_segment(s: _Segments) -> _Segments:
    import tensorflow as tf

    first, marker, high, low = tf.unstack(_bytes(s.data, s.at, 4), num=4)
    padding = (first == 255) & (marker == 255)
    length = tf.where(padding, 2, high * 256 + low)
    content = tf.strings.substr(s.data, s.at + 4, length - 2)
    is_exif = (marker == 0xE1) & _begins(content, _EXIF_MARK)
    is_xmp = (marker == 0xE1) & _begins(content, _XMP_MARK)
    is_frame = (marker >= 0xC0) & (marker < 0xD0) & (marker != 0xC4) & (marker != 0xCC)
    is_scan = marker == 0xDA
    parts = _bytes(content, 0, 6)
    block = _from(content, tf.where(s.exif == b"", 0, len(_EXIF_MARK)))  # the first has its mark
    components = tf.where(is_frame, parts[5], s.components)
    progressive = is_frame & (marker % 4 == 2)
    return _Segments(
        data=s.data,
        at=s.at + tf.where(padding, 1, tf.where(is_scan, 0, length + 2)),
        marker=marker,
        exif=tf.where(is_exif, s.exif + block, s.exif),
        xmp=tf.where(is_xmp, content, s.xmp),
        components=components,
        several=s.several | progressive | (is_scan & (parts[0] != components)),
        adobe=s.adobe | ((marker == 0xEE) & _begins(content, b"Adobe")),
        regular=(first == 255) & (length >= 2) & (padding | _is_segment(marker)),
    )


def around_png(data: "tf.Tensor") -> Around:
    """Follow the chunks of a PNG up to its end.

    Args:
        data: The bytes of the file.
    """
    import tensorflow as tf

    size = tf.strings.length(data)
    begin = (8, b"", 0, b"", b"", b"", 0, False, False, MAX_PARTS + size // 64 + 1, True, True)
    (found,) = tf.while_loop(
        lambda s: (
            (s.kind != b"IEND")
            & (s.whole & s.regular)
            & ((s.left > 0) & (s.others <= MAX_PARTS))
            & (s.at + 12 <= size)
        ),
        lambda s: [_next_chunk(s)],
        [_Chunks(data, *map(tf.convert_to_tensor, begin))],
    )
    exif = tf.strings.substr(found.exif, 0, tf.maximum(tf.strings.length(found.exif) - 1, 0))
    orientation, legible = _orientation(exif, found.xmp)
    bits, colour = tf.unstack(_bytes(data, 24, 2), num=2)
    length = tf.strings.length(found.clear)
    expected = tf.where(colour == 0, 2, tf.where(colour == 2, 6, length))
    fits = (length == expected) & ((colour != 3) | (length <= found.colours))
    checks = [
        _require((found.others <= MAX_PARTS) & (found.left > 0), "too slow: a PNG of many chunks"),
        _require(found.whole & (found.kind == b"IEND"), "a damaged PNG"),
        _require(
            found.regular & legible,
            "a PNG that says in an unusual way which side is up, or what is transparent",
        ),
        _require((found.clear == b"") | fits, "a PNG whose transparency does not fit its colours"),
        _require((bits != 16) | (colour != 4), "a PNG of 16-bit grey with transparency"),
    ]
    return Around(orientation, found.clear, checks)


def _next_chunk(s: _Chunks) -> _Chunks:
    import tensorflow as tf

    length, kind = _number(s.data, s.at), tf.strings.substr(s.data, s.at + 4, 4)
    is_text = _is(kind, b"tEXt", b"zTXt", b"iTXt")
    is_exif, is_clear, is_frame = (_is(kind, name) for name in (b"eXIf", b"tRNS", b"fcTL"))
    # The picture's own sums are looked at by who decodes it.
    is_picture = _is(kind, b"IDAT")
    content = tf.strings.substr(s.data, s.at + 8, tf.where(is_picture, 0, length))
    there = (length >= 0) & (length <= tf.strings.length(s.data) - s.at - 12)
    stated = _number(s.data, s.at + tf.where(there, 8 + length, 0))
    known = tf.strings.regex_full_match(kind, "[a-z][A-Za-z]{3}|IHDR|PLTE|IDAT|IEND")
    is_xmp = _is(kind, b"iTXt") & tf.strings.regex_full_match(content, _XMP_TEXT)
    tells = is_exif | (is_text & tf.strings.regex_full_match(content, _TEXT_KEYS))
    unusual = (tells & ~(is_exif | is_xmp)) | (tells & s.behind & s.animated)
    twice = (is_exif & (s.exif != b"")) | (is_xmp & (s.xmp != b"")) | (is_clear & (s.clear != b""))
    whole = tf.strings.substr(s.data, 16, 8) + bytes(8)  # a frame that fills the picture
    extent = tf.strings.substr(_from(content, 4), 0, 16)
    misplaced = (is_clear & s.behind) | (is_frame & ~s.behind & (extent != whole))
    own = _is(kind, b"IDAT", b"fdAT", b"fcTL")
    return _Chunks(
        data=s.data,
        at=s.at + 12 + tf.minimum(length, tf.strings.length(s.data)),
        kind=kind,
        others=s.others + tf.cast(~own, tf.int32),
        exif=tf.where(is_exif, content + b"\0", s.exif),  # never empty, so that it counts as one
        xmp=tf.where(is_xmp, content, s.xmp),
        clear=tf.where(is_clear, content, s.clear),
        colours=tf.where(_is(kind, b"PLTE"), length // 3, s.colours),
        behind=s.behind | _is(kind, b"IDAT"),
        animated=s.animated | _is(kind, b"acTL"),
        left=s.left - 1,
        whole=there & known & (is_picture | (crc32(kind + content) == stated)),
        regular=~(unusual | twice | misplaced),
    )


def _orientation(exif: "tf.Tensor", xmp: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
    """Read the orientation, 1 to 8, and whether it is told as it is everywhere.

    EXIF data goes before XMP; 1 if neither tells.
    """
    import tensorflow as tf

    exif = tf.strings.regex_replace(exif, r"\A(?:Exif\x00\x00){1,2}", "")
    size = tf.cast(tf.strings.length(exif), tf.int64)
    little, big = _begins(exif, b"II*\0"), _begins(exif, b"MM\0*")
    # Offsets that lead nowhere find zeros.
    block = tf.cast(tf.pad(tf.io.decode_raw(exif, tf.uint8), [[0, 32]]), tf.int64)

    def number(at: tf.Tensor, length: int) -> tf.Tensor:
        places = tf.range(length, dtype=tf.int64)
        powers = tf.where(little, 256**places, 256 ** (length - 1 - places))
        digits = tf.gather(block, tf.clip_by_value(at[..., None] + places, 0, size + 31))
        return tf.reduce_sum(digits * powers, -1)

    table = number(tf.constant(4, tf.int64), 4)
    entries = table + 2 + 12 * tf.range(number(table, 2))
    kinds, counts = number(entries + 2, 2), number(entries + 4, 4)
    lengths = counts * _value_bytes(kinds)
    whole = (lengths <= 4) | (number(entries + 8, 4) + lengths <= size)
    tells = (number(entries, 2) == _ORIENTATION) & (entries + 12 <= size)
    found = tf.boolean_mask(entries, tells)
    # Pillow reads no further than to a value that is cut off.
    usual = tf.reduce_all(
        tf.where(tells, (kinds == _SHORT) & (counts == 1), whole | (entries > tf.reduce_max(found)))
    )
    usual &= tf.size(found) <= 1
    by_xmp = tf.strings.regex_full_match(xmp, _XMP_ORIENTATION)
    digit = tf.strings.regex_replace(xmp, rf"\A{_XMP_ORIENTATION}\z", r"\1")
    otherwise = tf.strings.to_number(tf.where(by_xmp, digit, b"1"), tf.int64)
    value = tf.concat([number(found + 8, 2), otherwise[None]], 0)[0]
    legible = (size == 0) | little | big
    return tf.where((value >= 1) & (value <= 8), value, 1), usual & legible


def _value_bytes(kinds: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    last = len(_VALUE_BYTES) - 1
    return tf.gather(tf.constant(_VALUE_BYTES, tf.int64), tf.minimum(kinds, last))


def _scans(data: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    found = tf.io.decode_raw(data, tf.uint8)
    return tf.reduce_sum(tf.cast((found[:-1] == 0xFF) & (found[1:] == 0xDA), tf.int32))


def _is_segment(marker: "tf.Tensor") -> "tf.Tensor":
    """Whether what follows a marker is a length; other markers do not stand in a head."""
    named = (marker >= 0xC0) & (marker < 0xF0) | (marker == 0xFE)
    return named & (marker != 0xC8) & ((marker < 0xD0) | (marker > 0xD9))


def _require(holds: "tf.Tensor", otherwise: str) -> "tf.Operation":
    import tensorflow as tf

    return tf.debugging.Assert(holds, [f"{otherwise}: pass its pixels instead of the file"])


def _bytes(data: "tf.Tensor", at: "tf.Tensor | int", count: int) -> "tf.Tensor":
    """Read bytes, as numbers; zeros where there are none."""
    import tensorflow as tf

    # A place behind the end would be an error whose text holds the file, and cannot be shown.
    at = tf.minimum(at, tf.strings.length(data))
    found = tf.strings.substr(tf.strings.substr(data, at, count) + bytes(count), 0, count)
    found = tf.io.decode_raw(found, tf.uint8)
    return tf.ensure_shape(tf.cast(found, tf.int32), [count])


def _number(data: "tf.Tensor", at: "tf.Tensor") -> "tf.Tensor":
    """Read four bytes; a number beyond the largest is negative."""
    import tensorflow as tf

    return tf.io.decode_raw(tf.strings.substr(data, at, 4), tf.int32, little_endian=False)[0]


def _begins(content: "tf.Tensor", mark: bytes) -> "tf.Tensor":
    import tensorflow as tf

    return tf.strings.substr(content, 0, len(mark)) == mark


def _from(content: "tf.Tensor", at: "tf.Tensor | int") -> "tf.Tensor":
    import tensorflow as tf

    size = tf.strings.length(content)
    return tf.strings.substr(content, tf.minimum(at, size), size)


def _is(kind: "tf.Tensor", *names: bytes) -> "tf.Tensor":
    import tensorflow as tf

    return tf.reduce_any([kind == name for name in names])
