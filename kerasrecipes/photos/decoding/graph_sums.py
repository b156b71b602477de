"""Checksums of the parts of a PNG, with TensorFlow operators.

What a checksum becomes by further bytes is linear in its bits. So it is found for all bytes at
once, each alone, and then for pairs, for pairs of these, and so on.
"""

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

_POLYNOMIAL = 0xEDB88320  # of the PNG specification, annex D
_DIGITS, _BITS, _LEVELS = 8, 4, 31


def crc32(content: "tf.Tensor") -> "tf.Tensor":
    """Return what `zlib.crc32` does.

    Args:
        content: A string of at least 4 bytes.

    Returns:
        int32; negative where `zlib.crc32` has a larger number.
    """
    import tensorflow as tf

    tables = tf.constant(_tables())
    found = tf.cast(tf.io.decode_raw(content, tf.uint8), tf.int32)
    found = tf.concat([tf.bitwise.invert(found[:4]) & 255, found[4:]], 0)

    def joined(level: tf.Tensor, parts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Nothing is changed by zeros in front.
        pairs = tf.reshape(tf.pad(parts, [[tf.size(parts) % 2, 0]]), (-1, 2))
        return level + 1, _moved(pairs[:, 0], tables[level]) ^ pairs[:, 1]

    _, found = tf.while_loop(
        lambda level, parts: tf.size(parts) > 1,
        joined,
        [tf.constant(0), _moved(found, tables[0])],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
    )
    return tf.bitwise.invert(found[0])


def _moved(sums: "tf.Tensor", table: "tf.Tensor") -> "tf.Tensor":
    """Return what checksums become by the zeros that a table is for."""
    import tensorflow as tf

    moved = tf.zeros_like(sums)
    for digit in range(_DIGITS):
        value = tf.bitwise.right_shift(sums, digit * _BITS) & (2**_BITS - 1)
        moved ^= tf.gather(table[digit], value)
    return moved


@functools.cache
def _tables() -> np.ndarray:
    """What each digit of a checksum becomes by 1, 2, 4, 8, … zeros."""
    bits = [1 << bit for bit in range(_DIGITS * _BITS)]
    for _ in range(8):
        bits = [bit >> 1 ^ (_POLYNOMIAL if bit & 1 else 0) for bit in bits]
    tables = np.zeros((_LEVELS, _DIGITS, 2**_BITS), np.uint32)
    for table in tables:
        for digit in range(_DIGITS):
            for bit in range(_BITS):
                has = np.arange(2**_BITS) >> bit & 1 == 1
                table[digit, has] ^= np.uint32(bits[_BITS * digit + bit])
        bits = [_by_table(bit, table) for bit in bits]
    return tables.view(np.int32)


def _by_table(bits: int, table: np.ndarray) -> int:
    digits = [int(table[digit, bits >> _BITS * digit & 15]) for digit in range(_DIGITS)]
    return functools.reduce(lambda one, other: one ^ other, digits)
