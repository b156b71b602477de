"""Repeating a functional model's graph on another input."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kerasrecipes.errors import listed, printable
from kerasrecipes.keras_private import has_graph, nodes_in_order, parts_of
from kerasrecipes.surgery.graph import not_ours

if TYPE_CHECKING:
    import keras

OTHER_FLOATS = frozenset({"float16", "bfloat16", "float64"})


def rebuild(
    model: "keras.Model",
    photo: "keras.KerasTensor",
    scale: Callable[["keras.KerasTensor"], "keras.KerasTensor"] = lambda x: x,
    *,
    skip: tuple[type, ...] = (),
    names: dict[str, str] | None = None,
    taken: frozenset[str] = frozenset(),
    weights: bool = True,
    single: bool = False,
    after: Callable[[Any, "keras.KerasTensor"], "keras.KerasTensor"] = lambda old, new: new,
    refused: dict[int, Exception] | None = None,
) -> "keras.KerasTensor":
    """Repeat a model's graph on another input, with fresh layers and no nested models.

    Calling the model itself would make it one opaque layer; calling its layers a second
    time would tie the two models together. The new layers are all trainable; low-rank
    weights come out merged into their kernels; and `training=False` in a call is left out,
    since Keras overrides it anyway (keras#20285): `trainable` is what holds a layer still.

    Args:
        model: A functional model with one image input.
        photo: The input of the model to be.
        scale: Applied to `photo` before anything else.
        skip: Layer classes to leave out (a scaling that `scale` replaces).
        names: New names, by the beginning of the old one, for layers that Keras numbered.
        taken: Names that no layer may get, such as `TAKEN`; one that has such a name, or one that
            is `not_ours`, is renamed.
        weights: Whether the new layers get the old ones' weights, or random ones.
        single: Whether layers that compute in 16 or in 64 bits do so in 32.
        after: Called with each tensor of the old graph and its new counterpart; returns
            what the layers behind it shall see.
        refused: Where the reason goes if a layer cannot be made anew, by the `id` of what then
            stands in its place and computes nothing. `None` to raise it.

    Returns:
        The output tensor; a list of them if the model has several.
    """
    copier = _Copier(skip, names or {}, taken, after, single, refused)
    outputs = copier.run(model, [scale(photo)])
    if weights:
        for old, new in copier.fresh.values():
            try:
                copy_weights(old, new)
            except Exception as error:  # of a layer of the user
                if refused is None:
                    raise
                refused[id(new)] = _cannot_renew(old, error)
    if refused is not None:
        refused |= copier.shared()
    return outputs[0] if len(outputs) == 1 else outputs


def follow(model: "keras.Model", photos: Any, after: Callable[[Any, Any], Any]) -> None:
    """Compute what a functional model computes, tensor by tensor, in inference.

    Args:
        model: The model, of one input.
        photos: Its value.
        after: Called with each tensor of the graph and its value, in the order of `rebuild`.
    """
    _Follower((), {}, frozenset(), after, False, None).run(model, [photos])


class _Copier:
    """Walks a graph, and those of the models nested in it, and calls a copy of each layer."""

    def __init__(
        self,
        skip: tuple[type, ...],
        names: dict[str, str],
        taken: frozenset[str],
        after: Callable,
        single: bool,
        refused: dict[int, Exception] | None,
    ):
        self.skip, self.names, self.after = skip, names, after
        self.taken, self.spared = set(taken), bool(taken)
        self.single, self.refused = single, refused
        self.fresh: dict[int, tuple[Any, Any]] = {}

    def run(self, model: "keras.Model", inputs: list[Any], prefix: str = "") -> list[Any]:
        """Repeat a model's graph on `inputs`; names that are taken begin with `prefix`."""
        import keras

        made = dict(zip(map(id, model.inputs), inputs, strict=True))
        for node in nodes_in_order(model):
            if node.is_input:
                continue
            args, kwargs = node.arguments.fill_in(made)
            outputs = keras.tree.flatten(self.call(node.operation, args, kwargs, prefix))
            for old, new in zip(node.outputs, outputs, strict=True):
                made[id(old)] = self.after(old, new)
        return [made[id(output)] for output in model.outputs]

    def call(self, layer: Any, args: tuple, kwargs: dict, prefix: str) -> Any:
        """Apply the copy of a layer, or of the layers of a nested model."""
        import keras

        if isinstance(layer, self.skip):
            return args[0]
        if is_functional(layer):
            graph = as_functional(layer)
            given = keras.tree.flatten(args[0] if args else kwargs["inputs"])
            outputs = self.run(graph, given, f"{prefix}{layer.name}_")
            return outputs[0] if len(outputs) == 1 else outputs
        if kwargs.get("training") is False:
            kwargs = {name: value for name, value in kwargs.items() if name != "training"}
        try:
            return self._renewed(layer, prefix)(*args, **kwargs)
        except Exception as error:  # of a layer of the user, or of Keras that refuses it
            if self.refused is None:
                raise
            absent = _absent(layer)
            self.refused[id(absent)] = error
            return absent(*args, **kwargs)

    def _renewed(self, layer: Any, prefix: str) -> Any:
        """Make a new layer of the same configuration, once per old layer."""
        if id(layer) not in self.fresh:
            config = self._config(layer)
            for start, name in self.names.items():
                config["name"] = name if layer.name.startswith(start) else config["name"]
            config["name"] = self._free_name(config.get("name", layer.name), prefix)
            for lora in ("lora_rank", "lora_alpha"):
                config.pop(lora, None)
            if "trainable" in config:
                config["trainable"] = True
            try:
                self.fresh[id(layer)] = (layer, type(layer).from_config(config))
            except Exception as error:  # of a layer of the user
                raise _cannot_renew(layer, error) from error
        return self.fresh[id(layer)][1]

    def shared(self) -> dict[int, Exception]:
        """Say, by its copy's `id`, which layer has a part that another has: each gets its own."""
        import keras

        owners: dict[int, Any] = {}
        found: dict[int, Exception] = {}
        for old, new in self.fresh.values():
            for part in parts_of(old) if isinstance(old, keras.Layer) else ():
                owner = owners.setdefault(id(part), old)
                if owner is not old and part.weights:
                    found[id(new)] = ValueError(
                        f"its layers {listed([owner.name, old.name])} share {listed([part.name])}, "
                        "and each would get one of its own. Let one layer hold it, and call that "
                        "layer in both places."
                    )
        return found

    def _config(self, layer: Any) -> dict[str, Any]:
        try:
            config = layer.get_config()
        except Exception as error:  # of a layer of the user
            raise _cannot_renew(layer, error) from error
        return in_single_precision(config) if self.single else config

    def _free_name(self, name: str, prefix: str) -> str:
        # A scope may not begin with an underscore: SavedModel export would fail.
        name = name.lstrip("_") or "layer"
        name = not_ours(name) if self.spared else name
        base = f"{prefix}{name}" if name in self.taken else name
        number, free = 1, base
        while free in self.taken:
            number, free = number + 1, f"{base}_{number}"
        self.taken.add(free)
        return free


class _Follower(_Copier):
    """Walks a graph with its own layers, and values in place of tensors."""

    def call(self, layer: Any, args: tuple, kwargs: dict, prefix: str) -> Any:
        kwargs = {name: value for name, value in kwargs.items() if name != "training"}
        return super().call(layer, args, kwargs, prefix)

    def _renewed(self, layer: Any, prefix: str) -> Any:
        return layer


def _absent(layer: Any) -> Any:
    """Make what stands in a graph for a layer, knowing only what it would give."""
    import keras

    class Absent(keras.Operation):
        def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
            return self.absent_layer.compute_output_spec(*args, **kwargs)

    (absent := Absent()).absent_layer = layer
    return absent


def _cannot_renew(layer: Any, error: Exception) -> ValueError:
    return ValueError(
        f"its layer {listed([layer.name])} ({type(layer).__name__}) "
        f"{reason_and_remedy(layer, error)}"
    )


class _Unlike(ValueError):
    """A layer and its copy are not made of the same parts."""


def reason_and_remedy(operation: Any, error: Exception) -> str:
    """Say why a layer cannot be made from its configuration, and what to do.

    Args:
        operation: The layer.
        error: What was raised.
    """
    if type(operation).__name__ == "Lambda":
        return (
            "holds Python code, which is never loaded from a file. Write what it does with "
            "keras.ops in the model, or as a layer of your own that is registered by "
            "@keras.saving.register_keras_serializable()."
        )
    if isinstance(error, NotImplementedError):
        return (
            "does not say how it was made, or something that it was given does not, such as a "
            "regularizer. A class of your own needs `get_config`."
        )
    if isinstance(error, _Unlike):
        return str(error)
    # Keras puts a page of config before what was wrong.
    text = str(error).rpartition("Exception encountered:")[2]
    lines = [line for line in text.splitlines() if line.strip()] or [type(error).__name__]
    reason = printable(lines[0].strip()).partition(". ")[0].partition(": {")[0][:200].rstrip(".")
    return (
        f"cannot be made from its configuration: {reason}. A class or function of your own needs "
        "@keras.saving.register_keras_serializable() above it, and a `get_config` that tells all "
        "arguments; it must be imported where the model is loaded."
    )


def in_single_precision(config: Any) -> Any:
    """Return a layer's config in which what computes or keeps numbers in 16 or 64 bits uses 32.

    Args:
        config: What `get_config` returned, or a part of it.
    """
    if isinstance(config, list | tuple):
        return type(config)(map(in_single_precision, config))
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return config | {"config": {"name": "float32"}}
    return {
        key: "float32"
        if key == "dtype"
        and isinstance(value, str)
        and value.removeprefix("mixed_") in OTHER_FLOATS
        else in_single_precision(value)
        for key, value in config.items()
    }


@contextmanager
def single_precision() -> Iterator[None]:
    """Let layers that are made while the block runs compute in 32 bits, whatever is set."""
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def is_functional(model: Any) -> bool:
    """Say whether something is a model whose graph can be read, nested or not."""
    import keras

    if isinstance(model, keras.Sequential):
        return model.built
    return isinstance(model, keras.Model) and has_graph(model)


def as_functional(model: "keras.Model") -> "keras.Model":
    """Return a functional model over the same layers where a model, as `Sequential`, is none."""
    import keras

    if has_graph(model):
        return model
    return keras.Model(model.inputs, model.outputs, name=model.name)


def flattened(model: "keras.Model") -> "keras.Model":
    """Return a model without nested models, whose low-rank weights are merged.

    Args:
        model: Any model.

    Returns:
        The model itself where it is flat, not functional, or has several inputs; otherwise
        a flat copy.
    """
    import keras

    if not is_functional(model):
        return model
    layers = [layer for layer in model.layers if isinstance(layer, keras.Layer)]
    nested = any(is_functional(layer) or getattr(layer, "lora_enabled", 0) for layer in layers)
    if not nested or len(model.inputs) != 1:
        return model
    photo = keras.Input(batch_shape=model.inputs[0].shape, name=model.inputs[0].name)
    graph = keras.Model(model.input, model.output, name=model.name)
    return keras.Model(photo, rebuild(graph, photo), name=model.name)


def clone_graph(
    model: "keras.Model",
    renewed: Callable[[Any], Any],
    called: Callable[..., Any] | None = None,
) -> "keras.Model":
    """Repeat a flat model's graph with other layers.

    Args:
        model: A flat functional model.
        renewed: Gives the layer that takes a layer's place; asked again for each further call.
        called: Called as `called(layer, *args, **kwargs)` with what `renewed` gave; returns
            what the layers behind it see. By default it calls the layer.

    Returns:
        The new model, not compiled.
    """
    import keras

    # Over the same layers, but not compiled, so that its optimizer is not copied.
    bare = keras.Model(model.input, model.output, name=model.name)
    return keras.models.clone_model(bare, clone_function=renewed, call_function=called)


def copied(model: "keras.Model") -> "keras.Model":
    """Return a copy of a functional model with its weights, not compiled.

    Args:
        model: The model; it stays as it is.
    """
    import keras

    # Over the same layers, but not compiled, so that its optimizer is not copied.
    copy = keras.models.clone_model(keras.Model(model.input, model.output, name=model.name))
    copy.set_weights(model.get_weights())
    return copy


def copy_weights(old: Any, new: Any) -> None:
    """Copy the weights of a layer, or of a model of the same layers.

    This is done as by saving and loading: low-rank weights come out merged, and an adapted
    Normalization learns of its new values, which `set_weights` does not tell it.

    Args:
        old: A layer or a model.
        new: One of the same configuration.

    Raises:
        ValueError: If they are not made of the same parts.
    """
    import keras

    if not isinstance(old, keras.Layer):
        return
    kept, taken = (
        [(part, store) for part in parts_of(one) if (store := _own_variables(part))]
        for one in (old, new)
    )
    if len(kept) != len(taken):
        raise _Unlike(
            f"has {len(taken)} parts with weights when it is made from its configuration, and has "
            f"{len(kept)} now: a layer that it holds in two places becomes two. Let it hold each "
            "layer once, and call it again."
        )
    for (_, store), (other, _) in zip(kept, taken, strict=True):
        other.load_own_variables(store)


def _own_variables(layer: Any) -> dict[str, Any]:
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    return store
