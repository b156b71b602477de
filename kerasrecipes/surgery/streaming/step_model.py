"""A causal model over time as a function of one step and a state, so that it can stream.

The graph is walked from its outputs. What treats each step by itself is called as it is; what sums,
remembers or looks back gets a state, which the caller holds: nothing is kept inside the model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasrecipes.keras_private import nodes_in_order

if TYPE_CHECKING:
    import keras

# The layer that says which steps there are: one that is fed is.
STEPS = "steps"
# What treats each step by itself, by the names of Keras's classes.
_EACH = frozenset(
    """Activation Add Any BatchNormalization Cast Concatenate Dense Divide Dropout ELU ExpandDims
    Gelu Greater GreaterEqual Identity LayerNormalization LeakyReLU Maximum Minimum Multiply
    Normalization ReLU Relu Sigmoid Softmax Square Squeeze Subtract Tanh TrueDivide Where
    ZerosLike""".split()
)
_CELLS = {"GRU": ("h",), "LSTM": ("h", "c"), "SimpleRNN": ("h",)}
State = dict[str, Any]


@dataclass
class StepModel:
    """A model that answers after each step.

    Args:
        model: A functional model from `(batch, steps, channels)` to answers.

    Raises:
        ValueError: If an answer depends on later steps; the message names the layer.
    """

    model: "keras.Model"

    def __post_init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._made = {
            id(tensor): node for node in nodes_in_order(self.model) for tensor in node.outputs
        }
        self._plans: dict[int, Callable[..., Any]] = {}
        pending, seen = [*self.model.outputs], set[int]()
        while pending:
            node = self._made[id(pending.pop())]
            if id(node) in seen or node.is_input:
                continue
            seen.add(id(node))
            self._plans[id(node)] = self._plan(node)
            pending += [] if node.operation.name == STEPS else node.input_tensors

    def initial(self) -> State:
        """Return the state before the first step: zeros."""
        from keras import ops

        return {name: ops.zeros(shape, "float32") for name, shape in self.shapes.items()}

    def step(self, values: Any, state: Mapping[str, Any]) -> tuple[list[Any], State]:
        """Take one step.

        Args:
            values: float32, shape `(1, 1, channels)`.
            state: What `initial` or the last step returned.

        Returns:
            The answers after this step, and the new state.
        """
        found: dict[int, Any] = {id(tensor): values for tensor in self.model.inputs}
        after: State = {}
        return [self._value(one, found, state, after) for one in self.model.outputs], after

    def _value(self, tensor: Any, found: dict[int, Any], state: Any, after: State) -> Any:
        if id(tensor) not in found:
            node = self._made[id(tensor)]
            made = self._plans[id(node)](node, found, state, after)
            outputs = made if isinstance(made, list | tuple) else [made]
            found.update(zip(map(id, node.outputs), outputs, strict=True))
        return found[id(tensor)]

    def _given(self, node: Any, found: dict[int, Any], state: Any, after: State) -> tuple:
        values = {
            id(tensor): self._value(tensor, found, state, after) for tensor in node.input_tensors
        }
        args, kwargs = node.arguments.fill_in(values)
        return args, kwargs

    def _plan(self, node: Any) -> Callable[..., Any]:
        """Return what computes a node for one step, after noting the state that it needs."""
        operation, kind = node.operation, type(node.operation).__name__
        over_time = len(node.input_tensors[0].shape) == 3
        if operation.name == STEPS:
            return _one
        if kind in _CELLS and not getattr(operation, "go_backwards", False):
            names = [f"{operation.name}_{part}" for part in _CELLS[kind]]
            self.shapes |= dict.fromkeys(names, (1, operation.units))
            return lambda *given: self._remembered(names, *given)
        if kind == "Conv1D" and operation.padding == "causal" and operation.strides == (1,):
            reach = (operation.kernel_size[0] - 1) * operation.dilation_rate[0]
            self.shapes[operation.name] = (1, reach, node.input_tensors[0].shape[-1])
            return self._looked_back
        if kind == "Sum" and over_time and operation.axis in (1, [1], (1,)):
            name = f"sum_{len(self.shapes)}"
            self.shapes[name] = (1, node.input_tensors[0].shape[-1])
            return lambda *given: self._summed(name, *given)
        if not over_time or kind in _EACH:
            return self._called
        raise ValueError(
            f"An answer step by step cannot be had of {self.model.name!r}: its layer "
            f"{operation.name!r} ({kind}) looks at later steps, too, or at all of them at once. "
            "Train a causal network: 'gru', 'lstm' or 'tcn'."
        )

    def _called(self, node: Any, *context: Any) -> Any:
        args, kwargs = self._given(node, *context)
        return node.operation(*args, **kwargs)

    def _remembered(self, names: list[str], node: Any, *context: Any) -> Any:
        """Run the cell of a recurrent layer once."""
        from keras import ops

        args, _ = self._given(node, *context)
        state, after = context[1], context[2]
        said, states = node.operation.cell(args[0][:, 0], [state[name] for name in names])
        after |= dict(zip(names, states, strict=True))
        after_each = ops.expand_dims(said, 1) if node.operation.return_sequences else said
        return [after_each, *states] if node.operation.return_state else after_each

    def _looked_back(self, node: Any, *context: Any) -> Any:
        """Convolve the last steps, which the state holds, with this one."""
        from keras import ops

        args, _ = self._given(node, *context)
        layer, (_, state, after) = node.operation, context
        seen = ops.concatenate([state[layer.name], args[0]], axis=1)
        after[layer.name] = seen[:, 1:]
        near = seen[:, :: layer.dilation_rate[0]]
        found = ops.tensordot(near, layer.kernel, axes=[[1, 2], [0, 1]])
        found = found if layer.bias is None else found + layer.bias
        return layer.activation(ops.expand_dims(found, 1))

    def _summed(self, name: str, node: Any, *context: Any) -> Any:
        args, _ = self._given(node, *context)
        context[2][name] = context[1][name] + args[0][:, 0]
        return context[2][name]


def _one(node: Any, *context: Any) -> Any:
    """Return that the step that is fed is one."""
    from keras import ops

    return ops.ones((1, 1, 1), "float32")
