"""BERT as a flat functional model, in which one tensor passes from each block to the next.

What stands behind the last token is zero in all of them: so a block knows by its input alone what
is no token, a model can be cut between any two blocks, and what was stored at a cut needs no mask.

Reference:
    Devlin et al., 2019, "BERT: Pre-training of Deep Bidirectional Transformers".
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kerasrecipes.surgery.graph import anchored

if TYPE_CHECKING:
    import keras

# Layers whose outputs a file takes as inputs, too; see `Modality.derived`.
MASK, SEGMENTS = "mask", "segment_ids"
NORM_EPSILON = 1e-12
DROPOUT = 0.1


class BertSize(NamedTuple):
    """What sets one member of the family apart."""

    vocabulary: int
    width: int
    blocks: int
    heads: int
    inner: int
    positions: int = 512
    segments: int = 2

    def patterns(self) -> tuple[str, ...]:
        """Return the blocks as regular expressions on layer names, the embeddings first."""
        numbered = (f"{_name(number)}_.+" for number in range(self.blocks))
        return tuple(map(anchored, ("embeddings_.+", *numbered)))


def _name(number: int) -> str:
    return f"block{number + 1:02d}"


def bert_graph(ids: "keras.KerasTensor", size: BertSize) -> "keras.KerasTensor":
    """Map token ids to one row of features for each text, or pair: the mean over its tokens.

    Args:
        ids: int32, shape `(batch, tokens)`; zero is no token. The last token of each parts two
            texts of a pair, too, as BERT's `[SEP]` does.
        size: The member of the family.

    Returns:
        Tensor of shape `(batch, size.width)`.
    """

    x = _embedded(ids, size)
    for number in range(size.blocks):
        x = _block(x, size, _name(number))
    return mean_of_tokens(x)


def mean_of_tokens(x: "keras.KerasTensor") -> "keras.KerasTensor":
    """Average what a block says of each token, zero behind the last one, over those there are.

    Args:
        x: Shape `(batch, tokens, width)`.
    """
    from keras import ops

    count = ops.sum(_real(x), axis=1)
    return ops.sum(x, axis=1) / ops.maximum(count, 1.0)


def _embedded(ids: "keras.KerasTensor", size: BertSize) -> "keras.KerasTensor":
    from keras import layers, ops

    mask = layers.Identity(name=MASK)(ops.cast(ops.not_equal(ids, 0), "int32"))
    segments = layers.Identity(name=SEGMENTS)(_segments(ids, mask))
    positions = ops.maximum(ops.cumsum(mask, axis=1) - 1, 0)
    parts = {
        "tokens": (ids, size.vocabulary),
        "positions": (positions, size.positions),
        "segments": (segments, size.segments),
    }
    x = layers.Add(name="embeddings_sum")(
        [
            layers.Embedding(count, size.width, name=f"embeddings_{part}")(tensor)
            for part, (tensor, count) in parts.items()
        ]
    )
    x = layers.LayerNormalization(epsilon=NORM_EPSILON, name="embeddings_norm")(x)
    x = layers.Dropout(DROPOUT, name="embeddings_dropout")(x)
    return x * ops.expand_dims(ops.cast(mask, x.dtype), axis=-1)


def _segments(ids: "keras.KerasTensor", mask: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return 1 for each token of the second of two texts, else 0.

    A text ends with the token that also stands between two, and that no text can hold.
    """
    from keras import ops

    place = ops.cumsum(mask, axis=1)
    is_last = ops.cast(ops.equal(place, ops.sum(mask, axis=1, keepdims=True)), "int32")
    last = ops.max(ids * is_last, axis=1, keepdims=True)
    ends = ops.cast(ops.equal(ids, last), "int32") * mask
    return ops.minimum(ops.cumsum(ends, axis=1) - ends, 1) * mask


def _real(x: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return 1 for each token and 0 behind the last one, shape `(batch, tokens, 1)`."""
    from keras import ops

    return ops.cast(ops.any(ops.not_equal(x, 0.0), axis=-1, keepdims=True), x.dtype)


def _block(x: "keras.KerasTensor", size: BertSize, name: str) -> "keras.KerasTensor":
    """Let each token look at all others, then at itself; what is no token stays zero."""
    from keras import layers, ops

    real = _real(x)
    seen = ops.swapaxes(ops.not_equal(real, 0.0), 1, 2)
    attention = layers.MultiHeadAttention(
        size.heads, size.width // size.heads, dropout=DROPOUT, name=f"{name}_attention"
    )
    found = attention(x, x, attention_mask=seen)
    x = _added(x, found, f"{name}_attention")
    # "gelu" is the exact one in Keras, as in the reference.
    found = layers.Dense(size.inner, activation="gelu", name=f"{name}_expand")(x)
    found = layers.Dense(size.width, name=f"{name}_project")(found)
    return _added(x, found, f"{name}_project") * real


def _added(x: "keras.KerasTensor", branch: "keras.KerasTensor", name: str) -> "keras.KerasTensor":
    from keras import layers

    branch = layers.Dropout(DROPOUT, name=f"{name}_dropout")(branch)
    x = layers.Add(name=f"{name}_add")([x, branch])
    return layers.LayerNormalization(epsilon=NORM_EPSILON, name=f"{name}_norm")(x)


def keras_arrays(state: Mapping[str, np.ndarray], size: BertSize) -> dict[str, np.ndarray]:
    """Rename and transpose weights as Hugging Face stores them to `<layer>/<index of the weight>`.

    Args:
        state: Names such as `"encoder.layer.0.output.dense.weight"` to values; a pooler is left
            out.
        size: The member of the family.
    """
    arrays = {
        f"embeddings_{ours}/0": state[f"embeddings.{theirs}_embeddings.weight"]
        for ours, theirs in (
            ("tokens", "word"),
            ("positions", "position"),
            ("segments", "token_type"),
        )
    }
    arrays |= _numbered("embeddings_norm", _pair(state, "embeddings.LayerNorm"))
    for number in range(size.blocks):
        theirs, ours = f"encoder.layer.{number}", _name(number)
        heads = (size.heads, size.width // size.heads)
        attention: list[np.ndarray] = []
        for part in ("query", "key", "value"):
            kernel, bias = _dense(state, f"{theirs}.attention.self.{part}")
            attention += [kernel.reshape(size.width, *heads), bias.reshape(heads)]
        kernel, bias = _dense(state, f"{theirs}.attention.output.dense")
        attention += [kernel.reshape(*heads, size.width), bias]
        arrays |= _numbered(f"{ours}_attention", attention)
        arrays |= _numbered(f"{ours}_expand", _dense(state, f"{theirs}.intermediate.dense"))
        arrays |= _numbered(f"{ours}_project", _dense(state, f"{theirs}.output.dense"))
        norms = {"attention": f"{theirs}.attention.output", "project": f"{theirs}.output"}
        for part, place in norms.items():
            arrays |= _numbered(f"{ours}_{part}_norm", _pair(state, f"{place}.LayerNorm"))
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def _pair(state: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    return [state[f"{name}.weight"], state[f"{name}.bias"]]


def _dense(state: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    weight, bias = _pair(state, name)
    return [weight.T, bias]


def _numbered(layer: str, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{layer}/{index}": array for index, array in enumerate(arrays)}
