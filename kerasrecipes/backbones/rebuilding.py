"""Repeating a functional model's graph on another input."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def rebuild(
    model: "keras.Model",
    photo: "keras.KerasTensor",
    scale: Callable[["keras.KerasTensor"], "keras.KerasTensor"],
    *,
    skip: tuple[type, ...] = (),
    names: dict[str, str] | None = None,
) -> "keras.KerasTensor":
    """Repeat a model's graph on another input, with fresh layers and no nested models.

    Calling the model itself would make it one opaque layer; calling its layers a second
    time would leave each with two outputs, so that `layer.output` raises.

    Args:
        model: A functional model with one image input.
        photo: The input of the model to be.
        scale: Applied to `photo` before anything else.
        skip: Layer classes to leave out (a scaling that `scale` replaces).
        names: New names, by the beginning of the old one, for layers that Keras numbered.

    Returns:
        The output tensor. The new layers hold the old ones' weights.
    """
    import keras

    copier = _Copier(photo, scale(photo), skip, names or {})
    inputs = keras.tree.pack_sequence_as(model.input, [photo])
    copy = keras.models.clone_model(
        model, inputs, clone_function=copier.renew, call_function=copier.call
    )
    for old, new in copier.fresh.values():
        if old.weights and new.built:
            new.set_weights(old.get_weights())
    return copy.outputs[0]


class _Copier:
    """The two functions that Keras's `clone_model` asks for."""

    def __init__(
        self,
        photo: "keras.KerasTensor",
        scaled: "keras.KerasTensor",
        skip: tuple[type, ...],
        names: dict[str, str],
    ):
        self.photo, self.scaled, self.skip, self.names = photo, scaled, skip, names
        self.fresh: dict[int, tuple[keras.Layer, keras.Layer]] = {}

    def renew(self, layer: Any) -> Any:
        """Make a new layer of the same configuration, once per old layer."""
        import keras

        if not isinstance(layer, keras.Layer) or isinstance(layer, keras.Sequential):
            return layer
        if id(layer) not in self.fresh:
            config = layer.get_config()
            for start, name in self.names.items():
                config["name"] = name if layer.name.startswith(start) else config["name"]
            self.fresh[id(layer)] = (layer, type(layer).from_config(config))
        return self.fresh[id(layer)][1]

    def call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Apply a new layer; what consumed the photo now gets the scaled one."""
        import keras

        args, kwargs = keras.tree.map_structure(
            lambda value: self.scaled if value is self.photo else value, (args, kwargs)
        )
        if isinstance(layer, self.skip):
            return args[0]
        if isinstance(layer, keras.Sequential):
            x = args[0]
            for inner in layer.layers:
                x = self.renew(inner)(x)
            return x
        return layer(*args, **kwargs)
