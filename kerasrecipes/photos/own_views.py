"""Views of photos that somebody's own function or Keras layers make, the same ones for one seed."""

import inspect
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.errors import NoEffectError, first_line, printable

if TYPE_CHECKING:
    import keras

# What stands for layers in files: their names and arguments, in JSON.
LAYERS = "keras.layers:"
# What files keep of a layer is what its views depend on.
_IDLE = ("name", "trainable", "dtype", "seed", "data_format")
_TRIES, _TWICE = 64, 4
_ENDS = (-0.5, 255.5)
# Less is rounding, and no other view.
_SEEN = 0.5
# They mix photos of a batch, and leave the labels alone.
_MIXERS = ("CutMix", "MixUp")
# Each generator of a layer counts on from numbers of its own.
_STATE, _APART = "seed_generator_state", 1 << 16


@dataclass(frozen=True)
class OwnViews:
    """Something that makes views of photos and is not an `Augmentation`.

    Args:
        made_by: A function of a photo and a seed, or a tuple of layers of Keras.
    """

    made_by: Callable[[np.ndarray, int], Any] | tuple[Any, ...]
    # Functions may use generators that threads share, and layers hold one.
    _one_at_a_time: threading.Lock = field(
        default_factory=threading.Lock, repr=False, compare=False, hash=False
    )

    @property
    def called(self) -> str:
        """What messages call it."""
        if isinstance(self.made_by, tuple):
            return ", ".join(type(layer).__name__ for layer in self.made_by)
        return getattr(self.made_by, "__name__", None) or type(self.made_by).__name__

    def view(self, photo: np.ndarray, seed: Sequence[int]) -> np.ndarray:
        """Return one view.

        Args:
            photo: uint8 or float32, shape `(height, width, channels)`.
            seed: Numbers that say which one.

        Returns:
            float32 of the same shape, 0…255.

        Raises:
            ValueError: If it is no such view.
        """
        (one,) = np.random.SeedSequence(seed).generate_state(1)
        with self._one_at_a_time:
            if isinstance(self.made_by, tuple):
                found = np.clip(_through(self.made_by, photo, int(one)), 0, 255)
            else:
                found = np.asarray(self.made_by(photo.copy(), int(one)))
        self._check(found, photo, int(one))
        return found.astype(np.float32)

    def _check(self, found: np.ndarray, photo: np.ndarray, seed: int) -> None:
        called = f"`augment` {printable(self.called)!r}"
        asked = f" (seed {seed}). It gets {photo.dtype} photos and must return photos like them"
        if found.shape != photo.shape:
            raise ValueError(
                f"{called} makes the shape {found.shape} of {photo.shape}{asked}: crop and resize "
                "inside it."
            )
        if found.dtype.kind not in "uif":
            raise ValueError(f"{called} returns {found.dtype}{asked}, whole numbers or floats.")
        low, high = float(found.min()), float(found.max())
        if not _ENDS[0] <= low <= high <= _ENDS[1]:
            raise ValueError(
                f"{called} returns numbers from {low:g} to {high:g}{asked}, 0 to 255: use np.clip."
            )
        if found.dtype.kind == "f" and high <= 1 < photo.max():
            raise ValueError(
                f"{called} returns numbers from {low:g} to {high:g}{asked}, 0 to 255: do not scale "
                "them."
            )


def is_own(value: Any) -> bool:
    """Tell whether something is meant as views of one's own: a function, or layers.

    Args:
        value: What `augment` was set to.
    """
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_layer, value))
    return callable(value) and not isinstance(value, type)


def own_views(value: Any) -> OwnViews:
    """Return what makes views as a function, a layer, a list of layers or their text in a file say.

    Args:
        value: Something of which `is_own` is true, or a text that begins with `LAYERS`.

    Raises:
        ValueError: If a layer is none that changes photos, or a function takes other arguments.
    """
    if isinstance(value, str):
        value = _read_layers(value)
    layers = (value,) if _is_layer(value) else tuple(value) if not callable(value) else None
    if layers is not None:
        for layer in layers:
            if not _changes_photos(type(layer)):
                raise ValueError(
                    f"`augment` holds the layer {type(layer).__name__}, which is none of "
                    "keras.layers that change photos, e.g. RandomRotation. Put it into a function "
                    "of (photo, seed)."
                )
        return OwnViews(layers)
    try:
        inspect.signature(value).bind("photo", "seed")
    except TypeError:
        raise ValueError(
            f"`augment` {OwnViews(value).called!r} must be a function of (photo, seed): a uint8 "
            "photo of shape (height, width, 3), and a whole number below 2**32 from which all that "
            "it draws must come."
        ) from None
    return OwnViews(value)


def written_layers(layers: Iterable[Any]) -> str:
    """Write layers down as `own_views` reads them.

    Args:
        layers: Layers of `keras.layers`.
    """
    told = [
        [type(layer).__name__, {k: v for k, v in layer.get_config().items() if k not in _IDLE}]
        for layer in layers
    ]
    return LAYERS + json.dumps(told, sort_keys=True)


def try_views(views: OwnViews, shape: tuple[int, int, int]) -> None:
    """Ask for some views of a drawn photo, so that what does not work is told before training.

    Args:
        views: What makes them.
        shape: `(height, width, channels)` of photos, as the model takes them.

    Raises:
        ValueError: If a view is no photo like the first, or one seed gives two views.
        NoEffectError: If no view differs from the photo.
    """
    rng = np.random.default_rng(0)
    height, width, channels = shape
    coarse = rng.integers(0, 256, (6, 6, max(3, channels)), np.uint8)
    rows, columns = np.arange(height) * 6 // height, np.arange(width) * 6 // width
    photo = coarse[rows[:, None], columns, :channels]
    if isinstance(views.made_by, tuple):
        _check_written(views.made_by)
    changed = 0
    for seed in range(_TRIES):
        view = _tried(views, photo, seed)
        if np.abs(view - photo).max() < _SEEN:
            continue
        if not np.array_equal(view, _tried(views, photo, seed)):
            raise ValueError(
                f"`augment` {printable(views.called)!r} makes two views of one photo and one seed: "
                "it draws from elsewhere. Take all that is random from the seed, e.g. by "
                "rng = np.random.default_rng(seed)."
            )
        changed += 1
        if changed == _TWICE:
            return
    if not changed:
        raise NoEffectError(
            f"`augment` {printable(views.called)!r} would have no effect: it left a photo as it is "
            f"with {_TRIES} seeds. Leave it out, or let it change photos more often."
        )


def _tried(views: OwnViews, photo: np.ndarray, seed: int) -> np.ndarray:
    try:
        return views.view(photo, (seed,))
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("`augment`"):
            raise
        raise ValueError(
            f"`augment` {printable(views.called)!r} fails on a {photo.dtype} photo of shape "
            f"{photo.shape}: {type(error).__name__}: {first_line(error)}"
        ) from error


def _through(layers: "tuple[keras.Layer, ...]", photo: np.ndarray, seed: int) -> np.ndarray:
    """Send a photo through layers whose generators begin at a seed."""
    import keras

    x = photo[None].astype(np.float32)
    states = [one for layer in layers for one in layer.variables if one.path.endswith(_STATE)]
    for number, state in enumerate(states):
        state.assign(np.asarray([seed, number * _APART], "uint32"))
    for layer in layers:
        x = layer(x, training=True)
    return np.asarray(keras.ops.convert_to_numpy(x))[0]


def _is_layer(value: Any) -> bool:
    return any(kind.__module__.startswith("keras.") for kind in type(value).__mro__) and hasattr(
        value, "get_config"
    )


def _changes_photos(kind: type) -> bool:
    """Tell whether a class is one of Keras's own whose layers change photos."""
    import keras

    found: Any = getattr(keras.layers, kind.__name__, None)
    mixes = kind.__name__ in _MIXERS
    return found is kind and hasattr(kind, "transform_images") and not mixes


def _check_written(layers: Sequence[Any]) -> None:
    """Refuse layers that Keras cannot make again from what they say of themselves."""
    for layer in layers:
        written = written_layers([layer])
        try:
            alike = written_layers(_read_layers(written)) == written
        except ValueError:
            alike = False
        if not alike:
            raise ValueError(
                f"`augment` holds a {type(layer).__name__}, which Keras cannot make again from its "
                "configuration, so that no saved recipe could have it. Put it into a function of "
                "(photo, seed)."
            )


def _read_layers(text: str) -> list[Any]:
    import keras

    try:
        told = json.loads(text.removeprefix(LAYERS))
        pairs = [(getattr(keras.layers, str(name), object), options) for name, options in told]
        if all(_changes_photos(kind) and isinstance(how, Mapping) for kind, how in pairs):
            return [kind(**options) for kind, options in pairs]
    except (TypeError, ValueError):
        pass
    raise ValueError(f"`augment` holds layers that cannot be made: {printable(text)!r}.")
