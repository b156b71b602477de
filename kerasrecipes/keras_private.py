"""What this package takes from Keras that has no public name: here, and nowhere else.

`tests/test_keras_private.py` says which of it a new version of Keras has changed.
"""

import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def parts_of(layer: "keras.Layer") -> list["keras.Layer"]:
    """List a layer or a model and all layers inside it, down to those that hide in others.

    `Model.layers` stops at the first level.

    Args:
        layer: A Keras layer or model.
    """
    return list(layer._flatten_layers())


def has_graph(model: Any) -> bool:
    """Say whether something is a functional model, whose `nodes_in_order` can be listed."""
    return hasattr(model, "_nodes_by_depth")


def nodes_in_order(model: "keras.Model") -> list[Any]:
    """List one node per call of a layer in a functional model, inputs first.

    A node has an `operation`, `arguments`, `input_tensors`, `outputs` and `is_input`.

    Args:
        model: A model that `has_graph`.
    """
    depths = sorted(model._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in model._nodes_by_depth[depth]]


def functional_of(model: "keras.Model") -> "keras.Model":
    """Return the functional model inside a sequential one that is built; any other as it is."""
    return getattr(model, "_functional", None) or model


def features_of(model: "keras.Model") -> "keras.KerasTensor":
    """Return what the last layer with weights of a functional model reads.

    Args:
        model: A functional or sequential model; of one without weights, or that
            only joins answers of models inside it, it is the answer itself.
            Of several answers, the first is meant.
    """
    import keras

    if len(model.outputs) > 1:
        model = keras.Model(model.input, model.outputs[0])
    for node in reversed(nodes_in_order(model)):
        # What a whole model inside another reads may be parts of an example, or the example.
        if isinstance(node.operation, keras.Model):
            break
        if getattr(node.operation, "weights", None):
            return node.input_tensors[0]
    return model.outputs[0]


def run_graph(model: "keras.Model", inputs: list[Any], counterpart: Callable) -> Any:
    """Run a functional model's graph with other layers, also of another library.

    Args:
        model: A model that `has_graph`.
        inputs: What takes the place of its inputs.
        counterpart: Gives what is called in an operation's place.
    """
    return model._run_through_graph(inputs, counterpart)


def maker_of(tensor: "keras.KerasTensor") -> Any:
    """Return the operation that makes a symbolic tensor."""
    return tensor._keras_history.operation


def spare_names(model: "keras.Model") -> None:
    """Let no operation that Keras names itself from now on have the name of one in a model.

    Keras counts the names that it gave in this process. In a model that was read from a file, or
    made before `clear_session`, there may be others, and a graph cannot have a name twice. Call
    it before operations are added to a graph that somebody else made.

    Args:
        model: A functional or sequential model.
    """
    counts = _name_counts()
    for operation in getattr(functional_of(model), "operations", ()):
        name = operation.name
        counts[name] = max(counts[name], 1)
        start, _, number = name.rpartition("_")
        if start and number.isdecimal():
            counts[start] = max(counts[start], int(number) + 1)


def _name_counts() -> dict[str, int]:
    from keras.src.backend.common.global_state import get_global_attribute

    return get_global_attribute("object_name_uids", defaultdict(int), set_to_default=True)


def count_calls(layer: "keras.Layer") -> int:
    """Count how often a layer was called on symbolic tensors."""
    return len(layer._inbound_nodes)


def rate_or_schedule(optimizer: "keras.optimizers.Optimizer") -> Any:
    """Return what an optimizer was given as its learning rate, a schedule as such."""
    return optimizer._learning_rate


def trained_by(optimizer: "keras.optimizers.Optimizer") -> list["keras.Variable"]:
    """List the variables that a built optimizer updates."""
    return optimizer._trainable_variables


def averages_of(optimizer: "keras.optimizers.Optimizer") -> list["keras.Variable"]:
    """List the moving averages of `trained_by`, of an optimizer with `use_ema`."""
    return optimizer._model_variables_moving_average


def decays(optimizer: "keras.optimizers.Optimizer", variable: "keras.Variable") -> bool:
    """Tell whether a weight was not left out by `exclude_from_weight_decay`."""
    return optimizer._use_weight_decay(variable)


def copy_decay_exclusions(
    old: "keras.optimizers.Optimizer", new: "keras.optimizers.Optimizer"
) -> None:
    """Tell an optimizer what another's `exclude_from_weight_decay` was told.

    Args:
        old: Where it is read.
        new: One that is not built yet: building decides which variables decay.
    """
    for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(old, name):
            setattr(new, name, getattr(old, name))


def take_gradients_as_they_are(optimizer: "keras.optimizers.Optimizer") -> None:
    """Keep an optimizer from adding gradients up over the replicas of a strategy."""
    optimizer._all_reduce_sum_gradients = list


@dataclass(frozen=True)
class RunningFit:
    """What a `fit` was given that it does not tell its callbacks.

    Args:
        validates: Whether it validates after any of its epochs.
        callbacks: All its callbacks, in their order.
    """

    validates: bool
    callbacks: tuple["keras.callbacks.Callback", ...]


def running_fit(model: Any) -> RunningFit | None:
    """Find the `fit` of a model that is running, among the functions that called this one.

    Args:
        model: The model, or `None`.

    Returns:
        What it was given, by the names of its public arguments; `None` if no `fit` of Keras runs.
    """
    frame = sys._getframe().f_back
    while frame is not None:
        given = frame.f_locals if frame.f_code.co_name == "fit" else {}
        if "validation_freq" in given and given.get("self", frame) is model:
            epochs, every = range(given["initial_epoch"], given["epochs"]), given["validation_freq"]
            validates = given["validation_data"] is not None and (
                not epochs or any(model._should_eval(epoch, every) for epoch in epochs)
            )
            return RunningFit(validates, tuple(getattr(given["callbacks"], "callbacks", ())))
        frame = frame.f_back
    return None


def averages_are_in(callback: "keras.callbacks.SwapEMAWeights") -> bool:
    """Say whether the callback has put the averages into the model at present."""
    return callback._ema_weights_in_model


def say_averages_are_in(callback: "keras.callbacks.SwapEMAWeights", swapped: bool) -> None:
    """Tell the callback whether the averages are in the model."""
    callback._ema_weights_in_model = swapped


# Where TensorBoard keeps `tf.summary`, which its `summary` returns.
SUMMARY_OF_TENSORBOARD = "_summary_module"


def find_global_generator() -> Any:
    """Return the generator behind unseeded random layers; `None` until one is drawn from."""
    from keras.src.backend.common.global_state import get_global_attribute
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

    return get_global_attribute(GLOBAL_SEED_GENERATOR)


def make_global_generator() -> Any:
    """Return the generator behind unseeded random layers; a new one draws from Python's."""
    from keras.src.random.seed_generator import global_seed_generator

    return global_seed_generator()


def put_global_generator(generator: Any) -> None:
    """Put back what `find_global_generator` returned."""
    from keras.src.backend.common.global_state import set_global_attribute
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

    set_global_attribute(GLOBAL_SEED_GENERATOR, generator)


def keep_in_archive(archive: "keras.export.ExportArchive", variables: list[Any]) -> None:
    """Write variables that belong to no layer into a SavedModel, so that it may assign to them."""
    archive._tf_trackable.head = variables


def patch_tf2onnx() -> None:
    """Let tf2onnx, which predates numpy 2, run with it."""
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    patch_tf2onnx()
