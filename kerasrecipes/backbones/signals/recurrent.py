"""Recurrent networks: GRU and LSTM, which can stream, and the LSTM that reads both ways."""

from functools import partial
from typing import TYPE_CHECKING, Any

from kerasrecipes.backbones.signals.parts import mean_of_steps
from kerasrecipes.backbones.signals.signal_backbone import BODY, SignalBackbone, blocks

if TYPE_CHECKING:
    import keras

UNITS = 64
CELLS = {"gru": "GRU", "lstm": "LSTM"}


def recurrent_graph(
    x: "keras.KerasTensor",
    steps: "keras.KerasTensor",
    *,
    cell: str,
    units: int = UNITS,
    both_ways: bool = False,
) -> "keras.KerasTensor":
    """Read step after step: the mean of all states, beside the last one.

    Args:
        x: Values, shape `(batch, steps, channels)`.
        steps: 1 for each step, 0 behind the last one.
        cell: A key of `CELLS`.
        units: Numbers of a state.
        both_ways: Whether to read from the end, too.
    """
    from keras import layers, ops

    mask = ops.greater(ops.squeeze(steps, axis=-1), 0.0)
    kind: Any = getattr(layers, CELLS[cell])
    layer = kind(units, return_sequences=True, return_state=True, name=f"{BODY}_{cell}")
    if both_ways:
        layer = layers.Bidirectional(layer, name=f"{BODY}_both_ways")
    states, *last = layer(x, mask=mask)
    # An LSTM ends with what it says and what it keeps; the first is a state like the others.
    ends = last[:: len(last) // (1 + both_ways)]
    return ops.concatenate([mean_of_steps(states * steps, steps), *ends], axis=-1)


_SHARED = {
    "weights": "none",
    "weights_licence": "none: no pretrained weights",
    "weights_source": "nothing: it trains from random weights",
    "blocks": blocks(),
    "recurrent": True,
}
NAMES = ("gru", "lstm", "bilstm")
SPECS = (
    SignalBackbone(
        name="gru",
        family="GRU",
        summary="One gated recurrent layer: long memory, small, can stream.",
        build_graph=partial(recurrent_graph, cell="gru"),
        feature_size=2 * UNITS,
        parameter_count=12_864,
        causal=True,
        reference="Cho et al., 2014, arXiv 1406.1078",
        **_SHARED,  # type: ignore[arg-type]
    ),
    SignalBackbone(
        name="lstm",
        family="LSTM",
        summary="One LSTM layer: long memory, can stream.",
        build_graph=partial(recurrent_graph, cell="lstm"),
        feature_size=2 * UNITS,
        parameter_count=16_896,
        causal=True,
        reference="Hochreiter & Schmidhuber, 1997, Long Short-Term Memory",
        **_SHARED,  # type: ignore[arg-type]
    ),
    SignalBackbone(
        name="bilstm",
        family="LSTM",
        summary="An LSTM layer from either end: whole recordings alone, cannot stream.",
        build_graph=partial(recurrent_graph, cell="lstm", both_ways=True),
        feature_size=4 * UNITS,
        parameter_count=33_792,
        reference="Graves & Schmidhuber, 2005, Framewise Phoneme Classification",
        **_SHARED,  # type: ignore[arg-type]
    ),
)
