"""How much each layer of a model changes the answers when it computes in 8 bits."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.inference import BATCH, batch_runner
from kerasrecipes.errors import unknown_name
from kerasrecipes.keras_private import nodes_in_order, parts_of
from kerasrecipes.quantization.activation_ranges import measure_ranges
from kerasrecipes.quantization.batch_norm_folding import fold_batch_norm
from kerasrecipes.quantization.bias_correction import rounded_kernel, shift_biases
from kerasrecipes.quantization.plan import QuantizationPlan, plan_quantization
from kerasrecipes.quantization.sensitivity_report import LayerSensitivity, QuantizationSensitivity
from kerasrecipes.surgery.multiply_adds import node_multiply_adds
from kerasrecipes.surgery.rebuilding import clone_graph

if TYPE_CHECKING:
    import keras

# Of the calibration photos; each costs a forward pass for every layer.
PHOTOS = 32
# The logarithm of a probability that float32 can hardly tell from zero says nothing.
SMALLEST_SCORE = 1e-7


@named
def layer_sensitivity(model: "keras.Model", calibration: np.ndarray) -> QuantizationSensitivity:
    """Round one layer at a time as an int8 file would, and compare the answers with float.

    A layer's kernel, inputs and outputs are rounded and its bias is corrected, all others compute
    in float. One graph serves them all, so it takes as many forward passes as there are layers.

    Args:
        model: A functional classifier of photos with values 0…255; it stays as it is.
        calibration: Training photos, shape `(n, height, width, 3)`, values 0…255.

    Returns:
        What each layer with a kernel does to the answers, the first and the last ones included.

    Raises:
        ValueError: If the model is not functional, nothing in it can compute in 8 bits, or it was
            trained to.
    """
    from kerasrecipes.quantization.fake_quantization import is_quantization_aware

    if is_quantization_aware(model):
        raise ValueError(
            f"The model {model.name!r} was trained with rounding, which cannot be switched off. "
            "Pass the recipe or the model that it was made from."
        )
    folded = fold_batch_norm(model)
    plan = plan_quantization(folded, ends=True)
    if not plan.quantized:
        raise ValueError(
            f"No layer of {model.name!r} can compute in 8 bits: that needs a Conv2D, "
            "DepthwiseConv2D or Dense layer with a ReLU or no activation inside."
        )
    rounded = plan_quantization(folded).quantized
    trial = _Trial(folded, plan, calibration)
    layers = [
        LayerSensitivity(
            name,
            **trial.changes({name}),
            parameters=math.prod(trial.layers[name].kernel.shape),
            multiply_adds=work,
            rounded=name in rounded,
        )
        for name, work in _work_in_order(folded, plan).items()
    ]
    held = [layer for layer in layers if layer.rounded]
    together = LayerSensitivity(
        "all that are rounded",
        **trial.changes(rounded),
        parameters=sum(layer.parameters for layer in held),
        multiply_adds=sum(layer.multiply_adds for layer in held),
    )
    return QuantizationSensitivity(tuple(layers), together, len(trial.photos))


def layers_to_keep(
    model: "keras.Model", calibration: np.ndarray, keep_float: float | Sequence[str]
) -> tuple[frozenset[str], QuantizationSensitivity | None]:
    """Name the layers of a model that an int8 file shall leave in float.

    Args:
        model: As in `layer_sensitivity`.
        calibration: As there.
        keep_float: Names of layers; or the largest share of the weights, and of the arithmetic,
            of those that are chosen by their sensitivity.

    Returns:
        The names, and what they were chosen by, unless they were given.

    Raises:
        ValueError: If a name is unknown or stays in float anyway, nothing would be rounded, the
            share is none, or as in `layer_sensitivity`.
    """
    check_keep_float(keep_float)
    if isinstance(keep_float, int | float):
        found = layer_sensitivity(model, calibration)
        return frozenset(found.most_sensitive(keep_float)), found
    rounded = plan_quantization(fold_batch_norm(model)).quantized
    known = {layer.name for layer in parts_of(model)}
    for name in keep_float:
        if name in rounded:
            continue
        if name in known:
            raise ValueError(
                f"`keep_float` names {name!r}, which has no 8-bit arithmetic anyway. Leave it out."
            )
        raise unknown_name("layer", name, rounded, "kerasrecipes.measure_sensitivity(recipe)")
    if rounded <= set(keep_float):
        raise ValueError(
            f"`keep_float` names all {len(rounded)} layers that 'int8' rounds, so that nothing "
            "would get smaller. Name fewer, or leave the model in float32."
        )
    return frozenset(keep_float), None


def check_keep_float(value: object, argument: str = "keep_float", share: bool = True) -> None:
    """Judge which layers are to be spared before any work.

    Args:
        value: As `keep_float` in `layers_to_keep`.
        argument: Its name in a message.
        share: Whether it may be a share, too.

    Raises:
        ValueError: If it is neither a share nor names.

    Example:
        >>> check_keep_float(["stem_conv"])
    """
    if share and isinstance(value, int | float) and 0 < value < 1:
        return
    if isinstance(value, list | tuple | set | frozenset) and value:
        if all(isinstance(name, str) for name in value):
            return
    also = "a share of the weights between 0 and 1, e.g. 0.05, or " if share else ""
    raise ValueError(f"`{argument}` must be {also}names of layers, not {value!r}.")


class _Trial:
    """One graph in which the rounding of each layer can be switched on."""

    def __init__(self, folded: "keras.Model", plan: QuantizationPlan, calibration: np.ndarray):
        ranges = measure_ranges(folded, plan, calibration)
        self.layers = {name: folded.get_layer(name) for name in plan.quantized}
        self.exact = {name: layer.get_weights() for name, layer in self.layers.items()}
        shift_biases(folded, plan, ranges, calibration)
        self.rough = {
            name: [rounded_kernel(layer), *layer.get_weights()[1:]]
            for name, layer in self.layers.items()
        }
        for name, layer in self.layers.items():
            layer.set_weights(self.exact[name])
        self.touched = plan.touched
        model, self.switches = _with_switches(folded, ranges)
        self.run = batch_runner(model)
        some = calibration[:: -(-len(calibration) // PHOTOS)]
        self.photos = np.asarray(some, np.float32)
        self.before = self._scores()

    def changes(self, names: frozenset[str] | set[str]) -> dict[str, Any]:
        """Return how far the answers move when some layers are rounded."""
        touched = {one for name in names for one in self.touched[name]} & self.switches.keys()
        self._switch(names, touched, self.rough, 1.0)
        try:
            after = self._scores()
        finally:
            self._switch(names, touched, self.exact, 0.0)
        moved = _centred(after) - _centred(self.before)
        return {
            "score_gap": float(np.abs(after - self.before).max(axis=1).mean()),
            "logit_error": float(np.sqrt((moved**2).mean())),
            "flips": int((after.argmax(axis=1) != self.before.argmax(axis=1)).sum()),
        }

    def _switch(self, names: Any, touched: Any, weights: Any, on: float) -> None:
        for name in names:
            self.layers[name].set_weights(weights[name])
        for name in touched:
            self.switches[name].on.assign(on)

    def _scores(self) -> np.ndarray:
        starts = range(0, len(self.photos), BATCH)
        return np.concatenate([self.run(self.photos[i : i + BATCH])[0] for i in starts])


def _centred(scores: np.ndarray) -> np.ndarray:
    """Return the scores before the softmax, up to the constant that it does not see."""
    logits = np.log(np.maximum(scores, SMALLEST_SCORE))
    return logits - logits.mean(axis=1, keepdims=True)


def _work_in_order(folded: "keras.Model", plan: QuantizationPlan) -> dict[str, int]:
    """Return the multiply-adds of the layers that are rounded, in the order of the graph."""
    work: dict[str, int] = {}
    for node in nodes_in_order(folded):
        if (name := node.operation.name) in plan.quantized:
            work[name] = work.get(name, 0) + node_multiply_adds(node)
    return work


def _with_switches(
    folded: "keras.Model", ranges: dict[str, tuple[float, float]]
) -> tuple["keras.Model", dict[str, Any]]:
    """Repeat a graph, over the same layers, with roundings that are switched off."""
    from kerasrecipes.quantization.fake_quantization import ActivationRange

    class Switch(ActivationRange):
        """Rounds, or lets values pass."""

        def __init__(self, **options: Any):
            super().__init__(**options)
            self.on = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(
            self, inputs: "keras.KerasTensor", training: bool | None = False
        ) -> "keras.KerasTensor":
            return inputs + self.on * (super().call(inputs) - inputs)

    switches: dict[str, Switch] = {}

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = layer(*args, **kwargs)
        if layer.name not in ranges:
            return outputs
        if layer.name not in switches:
            switches[layer.name] = Switch()
            switches[layer.name].set_range(*ranges[layer.name])
        return switches[layer.name](outputs)

    return clone_graph(folded, lambda layer: layer, called), switches
