"""Convolutions along time: FCN, and TCN, whose answers depend on earlier steps alone."""

from typing import TYPE_CHECKING

from kerasrecipes.backbones.signals.parts import convolved, mean_of_steps, normalized
from kerasrecipes.backbones.signals.signal_backbone import BODY, SignalBackbone, blocks

if TYPE_CHECKING:
    import keras

FCN = ((128, 8), (256, 5), (128, 3))
TCN_FILTERS, TCN_WIDTH, TCN_BLOCKS = 64, 3, 5


def fcn_graph(x: "keras.KerasTensor", steps: "keras.KerasTensor") -> "keras.KerasTensor":
    """Three convolutions, each normalized, and the mean over time."""
    for number, (filters, width) in enumerate(FCN, start=1):
        x = convolved(x, steps, f"conv{number}", filters, width)
        x = normalized(x, steps, f"conv{number}")
    return mean_of_steps(x, steps)


def tcn_graph(x: "keras.KerasTensor", steps: "keras.KerasTensor") -> "keras.KerasTensor":
    """Residual blocks of two causal convolutions, whose dilation doubles from block to block."""
    from keras import layers

    x = layers.Dense(TCN_FILTERS, name=f"{BODY}_enter")(x) * steps
    for number in range(TCN_BLOCKS):
        branch = x
        for part in "ab":
            name = f"block{number + 1}{part}"
            branch = convolved(
                branch, steps, name, TCN_FILTERS, TCN_WIDTH, dilation=2**number, causal=True
            )
            # Over the channels of one step, so that no later one has a part in it.
            branch = layers.LayerNormalization(name=f"{BODY}_{name}_norm")(branch)
            branch = layers.ReLU()(branch) * steps
        x = layers.Add()([x, branch])
    return mean_of_steps(x, steps)


_SHARED = {
    "weights": "none",
    "weights_licence": "none: no pretrained weights",
    "weights_source": "nothing: it trains from random weights",
    "blocks": blocks(),
}
NAMES = ("fcn", "tcn")
SPECS = (
    SignalBackbone(
        name="fcn",
        family="FCN",
        summary="Three convolutions: the first to try for patterns that are short and local.",
        build_graph=fcn_graph,
        feature_size=FCN[-1][0],
        parameter_count=265_728,
        reference="Wang et al., 2017, Time Series Classification from Scratch, arXiv 1611.06455",
        **_SHARED,  # type: ignore[arg-type]
    ),
    SignalBackbone(
        name="tcn",
        family="TCN",
        summary="Causal dilated convolutions: 125 steps back, quick to train, can stream.",
        build_graph=tcn_graph,
        feature_size=TCN_FILTERS,
        parameter_count=124_928,
        causal=True,
        reference="Bai et al., 2018, arXiv 1803.01271",
        **_SHARED,  # type: ignore[arg-type]
    ),
)
