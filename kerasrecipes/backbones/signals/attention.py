"""Attention along time: behind convolutions, or alone with positional encodings."""

from typing import TYPE_CHECKING

from kerasrecipes.backbones.signals.parts import convolved, mean_of_steps, normalized
from kerasrecipes.backbones.signals.signal_backbone import BODY, SignalBackbone, blocks

if TYPE_CHECKING:
    import keras

WIDTH, HEADS, INNER, BLOCKS = 64, 4, 128, 2
DROPOUT = 0.1
# The slowest wave of the positions, in steps by 2 pi.
SLOWEST = 10_000.0


def conv_attention_graph(x: "keras.KerasTensor", steps: "keras.KerasTensor") -> "keras.KerasTensor":
    """Two convolutions find what is local; each step then looks at all others."""
    for number, width in enumerate((7, 5), start=1):
        x = convolved(x, steps, f"conv{number}", WIDTH, width)
        x = normalized(x, steps, f"conv{number}")
    return mean_of_steps(_attended(x, steps, "look"), steps)


def transformer_graph(x: "keras.KerasTensor", steps: "keras.KerasTensor") -> "keras.KerasTensor":
    """Two blocks of attention over steps that carry their position as sines and cosines."""
    from keras import layers

    x = layers.Dense(WIDTH, name=f"{BODY}_enter")(x) + _positions(steps)
    x = layers.Dropout(DROPOUT)(x) * steps
    for number in range(BLOCKS):
        name = f"block{number + 1}"
        x = _attended(x, steps, name)
        inner = layers.LayerNormalization(name=f"{BODY}_{name}_inner_norm")(x)
        inner = layers.Dense(INNER, activation="gelu", name=f"{BODY}_{name}_expand")(inner)
        inner = layers.Dense(WIDTH, name=f"{BODY}_{name}_project")(inner)
        x = (x + layers.Dropout(DROPOUT)(inner)) * steps
    return mean_of_steps(layers.LayerNormalization(name=f"{BODY}_last_norm")(x) * steps, steps)


def _attended(x: "keras.KerasTensor", steps: "keras.KerasTensor", name: str) -> "keras.KerasTensor":
    """Add to each step what it finds in all others; what is no step is not looked at."""
    from keras import layers, ops

    seen = ops.greater(ops.swapaxes(steps, 1, 2), 0.0)
    norm = layers.LayerNormalization(name=f"{BODY}_{name}_norm")(x)
    attention = layers.MultiHeadAttention(
        HEADS, WIDTH // HEADS, dropout=DROPOUT, name=f"{BODY}_{name}_attention"
    )
    return (x + attention(norm, norm, attention_mask=seen)) * steps


def _positions(steps: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return sines and cosines of the number of each step (Vaswani et al., 2017, section 3.5)."""
    import numpy as np
    from keras import ops

    half = WIDTH // 2
    waves = np.exp(-np.log(SLOWEST) * np.arange(half) / half).astype(np.float32)
    angles = (ops.cumsum(steps, axis=1) - 1.0) * waves
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


_SHARED = {
    "weights": "none",
    "weights_licence": "none: no pretrained weights",
    "weights_source": "nothing: it trains from random weights",
    "blocks": blocks(),
    "feature_size": WIDTH,
}
NAMES = ("conv_attention", "transformer")
SPECS = (
    SignalBackbone(
        name="conv_attention",
        family="Convolutions with attention",
        summary="Two convolutions, then attention: local patterns that belong together.",
        build_graph=conv_attention_graph,
        parameter_count=38_336,
        reference="Vaswani et al., 2017, arXiv 1706.03762, behind convolutions",
        **_SHARED,  # type: ignore[arg-type]
    ),
    SignalBackbone(
        name="transformer",
        family="Transformer",
        summary="Attention with positions as sines and cosines: needs many signals.",
        build_graph=transformer_graph,
        parameter_count=67_200,
        reference="Vaswani et al., 2017, arXiv 1706.03762",
        **_SHARED,  # type: ignore[arg-type]
    ),
)
