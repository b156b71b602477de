"""The decoding policy in TensorFlow operators, for graphs that are given a photo's file.

Follows `kerasrecipes.photos.decoding.decode` as far as TensorFlow can. JPEG and PNG; rotation by
EXIF and XMP; transparency on the policy's background; 16-bit PNGs scaled by the declared range; the
limits of size and scans. Photos that need no resizing get the same pixels as in training, CMYK ones
but for rounding. Resized ones differ by rounding, since Pillow rounds to 8 bits between its two
passes and TensorFlow does not. What cannot be decoded alike is refused: other file formats, CMYK
that was not written as Adobe does, 16-bit grey with transparency, EXIF data in texts of PNGs.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.photos.decoding.channels import BITS, GREY, HALF, LUMA, grey_of
from kerasrecipes.photos.decoding.fit import STRETCH, cut_and_spread
from kerasrecipes.photos.decoding.graph_headers import around_jpeg, around_png
from kerasrecipes.photos.decoding.policy import DecodePolicy

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import tensorflow as tf


class GraphDecoder:
    """Decodes the files of photos in a graph; see `kerasrecipes.data.modality.Modality.in_graph`.

    Args:
        image_size: `(height, width)`.
        policy: How to decode.
        channels: Of what the model takes: grey photos are RGB ones, too.
    """

    def __init__(self, image_size: tuple[int, int], policy: DecodePolicy, channels: int):
        self.image_size, self.policy, self.channels = image_size, policy, channels

    def __call__(self, files: "tf.Tensor") -> "tf.Tensor":
        """Decode files; see `decode_files`."""
        import tensorflow as tf

        pixels = decode_files(files, self.image_size, self.policy)
        return tf.repeat(pixels, self.channels // self.policy.channels, axis=-1)

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
        uint8, shape `(n, height, width, policy.channels)`. A file that cannot be used fails the
        whole batch with `InvalidArgumentError`.
    """
    import tensorflow as tf

    # Nothing here needs to be translated from Python, which would take seconds.
    decode = tf.autograph.experimental.do_not_convert(lambda one: _decode(one, image_size, policy))
    return tf.map_fn(
        decode,
        files,
        fn_output_signature=tf.TensorSpec((*image_size, policy.channels), tf.uint8),
    )


def _decode(data: "tf.Tensor", size: tuple[int, int], policy: DecodePolicy) -> "tf.Tensor":
    import tensorflow as tf

    is_jpeg = tf.strings.substr(data, 0, 3) == b"\xff\xd8\xff"
    is_png = tf.strings.substr(data, 0, 8) == b"\x89PNG\r\n\x1a\n"
    known = tf.debugging.Assert(is_jpeg | is_png, ["photo_bytes must be a JPEG or PNG file"])
    with _after([known]):
        pixels = tf.cond(is_jpeg, lambda: _jpeg(data, policy), lambda: _png(data, policy))
    if policy.channels == GREY:
        pixels = _in_grey(pixels)
    return tf.ensure_shape(_fitted(pixels, size, policy), (*size, policy.channels))


def _in_grey(pixels: "tf.Tensor") -> "tf.Tensor":
    """Turn RGB into grey as Pillow does, in whole numbers."""
    import tensorflow as tf

    whole = tf.reduce_sum(tf.cast(pixels, tf.int32) * LUMA, axis=-1, keepdims=True)
    return tf.cast((whole + HALF) // 2**BITS, tf.float32)


def _fitted(pixels: "tf.Tensor", size: tuple[int, int], policy: DecodePolicy) -> "tf.Tensor":
    """Do what `fit.fitted` does."""
    import tensorflow as tf

    how = policy.resize
    if how == STRETCH:
        return _uint8(tf.image.resize(pixels, size, policy.interpolation, antialias=True))
    # Products of sides do not fit into 32 bits.
    height, width = tf.unstack(tf.shape(pixels, tf.int64)[:2], num=2)
    whole = tuple(tf.constant(side, tf.int64) for side in size)
    cut, spread = cut_and_spread(how, (height, width), whole, tf.minimum, tf.maximum)
    top, left = (height - cut[0]) // 2, (width - cut[1]) // 2
    pixels = pixels[top : top + cut[0], left : left + cut[1]]
    resized = tf.image.resize(
        pixels, tf.cast(tf.stack(spread), tf.int32), policy.interpolation, antialias=True
    )
    free = [(side - taken) for side, taken in zip(whole, spread, strict=True)]
    around = [[one // 2, one - one // 2] for one in free]
    # Padding is with zeros: what is not the bars' colour is told by its distance from it.
    fill = tf.constant(grey_of(policy.fill) if policy.channels == GREY else policy.fill, tf.int32)
    apart = tf.pad(tf.cast(_uint8(resized), tf.int32) - fill, [*around, [0, 0]])
    return tf.cast(apart + fill, tf.uint8)


def _jpeg(data: "tf.Tensor", policy: DecodePolicy) -> "tf.Tensor":
    import tensorflow as tf

    size = tf.io.extract_jpeg_shape(data)[:2]
    with _after(_size_checks(size, policy)):
        around = around_jpeg(data, tf.reduce_prod(size))
    with _after(around.checks):
        # The default method differs from Pillow's by up to 7 levels; this one does not.
        pixels = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.cast(_upright(pixels, around.orientation), tf.float32)


def _png(data: "tf.Tensor", policy: DecodePolicy) -> "tf.Tensor":
    import tensorflow as tf

    head = tf.strings.substr(tf.strings.substr(data, 0, 26) + bytes(26), 0, 26)
    size = tf.io.decode_raw(tf.strings.substr(head, 16, 8), tf.int32, little_endian=False)
    with _after(_size_checks(size, policy)):
        around = around_png(data)
    bits, colour = tf.unstack(tf.io.decode_raw(tf.strings.substr(head, 24, 2), tf.uint8), num=2)
    with _after(around.checks):
        pixels = tf.cond(
            bits == 16, lambda: _deep_png(data, policy.max_16bit), lambda: _plain_png(data)
        )
    # Opaque photos of 1, 2 or 4 bits get an opacity of 1, 3 or 15 of 255 from TensorFlow.
    opaque = (around.clear == b"") & (colour != 4) & (colour != 6)
    colours, alpha = pixels[..., :3], tf.where(opaque, tf.constant(255, tf.int64), pixels[..., 3:])
    background = tf.constant(policy.background, tf.int64)
    mixed = (colours * alpha + background * (255 - alpha) + 127) // 255
    return tf.cast(_upright(mixed, around.orientation), tf.float32)


def _plain_png(data: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    return tf.cast(tf.io.decode_png(data, channels=4), tf.int64)


def _deep_png(data: "tf.Tensor", white: int) -> "tf.Tensor":
    """Scale 16 bits to 8 by the declared range."""
    import tensorflow as tf

    pixels = tf.cast(tf.io.decode_png(data, channels=4, dtype=tf.uint16), tf.int64)
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    in_range = tf.debugging.Assert(
        tf.reduce_all(colours <= white),
        [f"a pixel of the PNG is outside the declared range 0 to {white}"],
    )
    with _after([in_range]):
        return tf.concat([(colours * 255 + white // 2) // white, alpha // 256], -1)


def _uint8(pixels: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    return tf.cast(tf.clip_by_value(tf.floor(pixels + 0.5), 0, 255), tf.uint8)


def _size_checks(size: "tf.Tensor", policy: DecodePolicy) -> list:
    """Judge `(height, width)` or `(width, height)` before anything is decoded."""
    import tensorflow as tf

    size = tf.cast(size, tf.int64)
    return [
        tf.debugging.Assert(
            tf.reduce_min(size) >= policy.min_side,
            [f"the photo is too small: the shorter side must have {policy.min_side} pixels", size],
        ),
        tf.debugging.Assert(
            tf.reduce_prod(size) <= policy.max_pixels,
            [f"the photo is too large: the limit is {policy.max_pixels} pixels", size],
        ),
    ]


def _after(checks: list) -> "AbstractContextManager[None]":
    """Run what follows only if checks hold; run eagerly, they are None and have already raised."""
    import tensorflow as tf

    return tf.control_dependencies([check for check in checks if check is not None])


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
