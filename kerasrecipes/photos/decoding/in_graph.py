"""The decoding policy in TensorFlow operators, for graphs that are given a photo's file.

Follows `kerasrecipes.photos.decoding.decode` as far as TensorFlow can. JPEG and PNG; EXIF rotation
of JPEGs; transparency on the policy's background; 16-bit PNGs scaled by the declared range; the
limits of size. Photos that need no resizing get the same pixels as in training. Resized ones
differ by rounding, since Pillow rounds to 8 bits between its two passes and TensorFlow does not.
EXIF in PNGs is not looked at, and other file formats are refused.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.photos.decoding.policy import DecodePolicy

if TYPE_CHECKING:
    import tensorflow as tf

_ORIENTATION = 0x0112
# APP1, two bytes of length, "Exif", two zeros.
_EXIF_MARKER = {0: 0xFF, 1: 0xE1, 4: 0x45, 5: 0x78, 6: 0x69, 7: 0x66, 8: 0, 9: 0}
_HEADER_BYTES = 1 << 16


class GraphDecoder:
    """Decodes the files of photos in a graph; see `kerasrecipes.data.modality.Modality.in_graph`.

    Args:
        image_size: `(height, width)`.
        policy: How to decode.
    """

    def __init__(self, image_size: tuple[int, int], policy: DecodePolicy):
        self.image_size, self.policy = image_size, policy

    def __call__(self, files: "tf.Tensor") -> "tf.Tensor":
        """Decode files; see `decode_files`."""
        return decode_files(files, self.image_size, self.policy)

    def trials(self) -> list[bytes]:
        """Return files to try a graph on: a ramp of greys, as PNG and as JPEG."""
        import tensorflow as tf

        height, width = (max(side, self.policy.min_side) for side in self.image_size)
        greys = np.linspace(0, 255, width).astype(np.uint8)
        drawn = np.broadcast_to(greys[None, :, None], (height, width, 3))
        return [tf.io.encode_png(drawn).numpy(), tf.io.encode_jpeg(drawn).numpy()]


def decode_files(
    files: "tf.Tensor", image_size: tuple[int, int], policy: DecodePolicy
) -> "tf.Tensor":
    """Decode JPEG and PNG files to photos of one size.

    Args:
        files: The bytes of the files, a vector of strings.
        image_size: `(height, width)`.
        policy: How to decode.

    Returns:
        uint8, shape `(n, height, width, 3)`. A file that cannot be used fails the whole batch
        with `InvalidArgumentError`.
    """
    import tensorflow as tf

    return tf.map_fn(
        lambda data: _decode(data, image_size, policy),
        files,
        fn_output_signature=tf.TensorSpec((*image_size, 3), tf.uint8),
    )


def _decode(data: "tf.Tensor", size: tuple[int, int], policy: DecodePolicy) -> "tf.Tensor":
    import tensorflow as tf

    is_jpeg = tf.strings.substr(data, 0, 3) == b"\xff\xd8\xff"
    is_png = tf.strings.substr(data, 0, 8) == b"\x89PNG\r\n\x1a\n"
    known = tf.debugging.Assert(is_jpeg | is_png, ["photo_bytes must be a JPEG or PNG file"])
    with tf.control_dependencies([known] if known is not None else []):
        pixels = tf.cond(is_jpeg, lambda: _jpeg(data, policy), lambda: _png(data, policy))
    resized = tf.image.resize(pixels, size, policy.interpolation, antialias=True)
    return tf.ensure_shape(_uint8(resized), (*size, 3))


def _jpeg(data: "tf.Tensor", policy: DecodePolicy) -> "tf.Tensor":
    import tensorflow as tf

    with tf.control_dependencies(_size_checks(tf.io.extract_jpeg_shape(data)[:2], policy)):
        # The default method differs from Pillow's by up to 7 levels; this one does not.
        pixels = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.cast(_upright(pixels, _orientation(data)), tf.float32)


def _png(data: "tf.Tensor", policy: DecodePolicy) -> "tf.Tensor":
    import tensorflow as tf

    size = tf.io.decode_raw(tf.strings.substr(data, 16, 8), tf.int32, little_endian=False)
    with tf.control_dependencies(_size_checks(size, policy)):
        pixels = tf.cond(
            tf.strings.substr(data, 24, 1) == b"\x10",
            lambda: _deep_png(data, policy.max_16bit),
            lambda: _plain_png(data),
        )
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    background = tf.constant(policy.background, tf.int64)
    mixed = (colours * alpha + background * (255 - alpha) + 127) // 255
    return tf.cast(mixed, tf.float32)


def _plain_png(data: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    pixels = tf.cast(tf.io.decode_png(data, channels=4), tf.int64)
    # Opaque photos of 1, 2 or 4 bits get an opacity of 1, 3 or 15 of 255 from TensorFlow.
    bits = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 24, 1), tf.uint8)[0], tf.int64)
    opaque = tf.reduce_all(pixels[..., 3] == 2**bits - 1)
    alpha = tf.where(opaque, tf.constant(255, tf.int64), pixels[..., 3:])
    return tf.concat([pixels[..., :3], alpha], -1)


def _deep_png(data: "tf.Tensor", white: int) -> "tf.Tensor":
    """Scale 16 bits to 8 by the declared range."""
    import tensorflow as tf

    pixels = tf.cast(tf.io.decode_png(data, channels=4, dtype=tf.uint16), tf.int64)
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    in_range = tf.debugging.Assert(
        tf.reduce_all(colours <= white),
        [f"a pixel of the PNG is outside the declared range 0 to {white}"],
    )
    with tf.control_dependencies([in_range] if in_range is not None else []):
        return tf.concat([(colours * 255 + white // 2) // white, alpha // 257], -1)


def _uint8(pixels: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    return tf.cast(tf.clip_by_value(tf.floor(pixels + 0.5), 0, 255), tf.uint8)


def _size_checks(size: "tf.Tensor", policy: DecodePolicy) -> list:
    """Judge `(height, width)` or `(width, height)` before anything is decoded."""
    import tensorflow as tf

    size = tf.cast(size, tf.int64)
    checks = [
        tf.debugging.Assert(
            tf.reduce_min(size) >= policy.min_side,
            [f"the photo is too small: the shorter side must have {policy.min_side} pixels", size],
        ),
        tf.debugging.Assert(
            tf.reduce_prod(size) <= policy.max_pixels,
            [f"the photo is too large: the limit is {policy.max_pixels} pixels", size],
        ),
    ]
    return [check for check in checks if check is not None]  # None when run eagerly


def _upright(pixels: "tf.Tensor", orientation: "tf.Tensor") -> "tf.Tensor":
    """Apply the EXIF orientation, 1 to 8."""
    import tensorflow as tf

    def has(*values: int) -> tf.Tensor:
        return tf.reduce_any(orientation == tf.constant(values, orientation.dtype))

    def when(condition: tf.Tensor, change: Callable) -> None:
        nonlocal pixels
        before = pixels
        pixels = tf.cond(condition, lambda: change(before), lambda: before)

    when(has(5, 6, 7, 8), lambda photo: tf.transpose(photo, (1, 0, 2)))
    when(has(2, 3, 6, 7), lambda photo: tf.reverse(photo, [1]))
    when(has(3, 4, 7, 8), lambda photo: tf.reverse(photo, [0]))
    return pixels


def _orientation(data: "tf.Tensor") -> "tf.Tensor":
    """Read the orientation from a JPEG's EXIF block; 1 if there is none."""
    import tensorflow as tf

    head = tf.io.decode_raw(tf.strings.substr(data, 0, _HEADER_BYTES), tf.uint8)
    head = tf.cast(tf.pad(head, [[0, 32]]), tf.int64)  # offsets that lead nowhere find zeros
    last = tf.size(head, tf.int64) - 1
    windows = last + 1 - 16
    found = tf.reduce_all([head[at : windows + at] == byte for at, byte in _EXIF_MARKER.items()], 0)
    # TIFF begins after the marker; without one, in the zeros at the end.
    begin = tf.reduce_min(tf.concat([tf.where(found)[:, 0] + 10, [last - 16]], 0))
    is_little = tf.gather(head, begin) == ord("I")

    def number(at: tf.Tensor, size: int) -> tf.Tensor:
        places = tf.range(size, dtype=tf.int64)
        powers = tf.where(is_little, 256**places, 256 ** (size - 1 - places))
        digits = tf.gather(head, tf.clip_by_value(at[..., None] + places, 0, last))
        return tf.reduce_sum(digits * powers, -1)

    table = begin + number(begin + 4, 4)
    entries = table + 2 + 12 * tf.range(number(table, 2))
    values = tf.boolean_mask(number(entries + 8, 2), number(entries, 2) == _ORIENTATION)
    value = tf.concat([values, [1]], 0)[0]
    return tf.where((value >= 1) & (value <= 8), value, 1)
