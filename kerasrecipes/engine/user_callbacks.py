"""The callbacks of a stage, also those that know of no stages."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from kerasrecipes.keras_private import SUMMARY_OF_TENSORBOARD

if TYPE_CHECKING:
    import keras


def summaries_of(stage: str, callbacks: Sequence["keras.callbacks.Callback"]) -> dict[str, dict]:
    """Collect what callbacks have to say of a stage.

    Args:
        stage: The stage's name.
        callbacks: Its callbacks. One without a `summary()` that returns a dict says nothing:
            Keras's TensorBoard has something else of that name.

    Returns:
        Stage and kind of the callback → what it says. Of several of one kind, the last has the
        plain name, and those before it a number.
    """
    kinds: Counter[str] = Counter()
    found: list[tuple[str, dict]] = []
    for callback in reversed(callbacks):
        said = _summary(callback)
        if said is not None:
            kind = type(callback).__name__
            kinds[kind] += 1
            number = f" {kinds[kind]}" if kinds[kind] > 1 else ""
            found.append((f"{stage}: {kind}{number}", dict(said)))
    return dict(reversed(found))


def _summary(callback: Any) -> Mapping[str, Any] | None:
    said = inspect.getattr_static(callback, "summary", None)
    if not callable(said):
        return None
    needed = [
        one
        for one in inspect.signature(callback.summary).parameters.values()
        if one.default is one.empty and one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}
    ]
    found = None if needed else callback.summary()
    return found if isinstance(found, Mapping) else None


@contextmanager
def counted_on(
    callbacks: Sequence["keras.callbacks.Callback"], epochs: int, steps: int, planned: int
) -> Iterator[None]:
    """Let callbacks that know of no stages count epochs and steps over all of them, for the block.

    Each stage is a `fit` whose epochs count from 0. Callbacks of this package that say what they
    found in a stage go on counting in it; what else there is, Keras's and people's own, would
    write epoch 0 anew with each stage: several rows of one number, curves on top of each other.

    Args:
        callbacks: The user's own callbacks.
        epochs: Epochs that were run before this stage.
        steps: Steps that were run before it.
        planned: Epochs that there will be at most, with those before and those of later stages.
    """
    import keras

    from kerasrecipes.callbacks.base import Resumable

    with ExitStack() as changes:
        for one in {id(one): one for one in callbacks}.values():
            if isinstance(one, Resumable):
                continue
            for hook in ("on_epoch_begin", "on_epoch_end"):
                changes.enter_context(_replaced(one, hook, _later(getattr(one, hook), epochs)))
            changes.enter_context(_replaced(one, "set_params", _of_all(one.set_params, planned)))
            if isinstance(one, keras.callbacks.TensorBoard):
                summary = _CountedOn(one.summary, steps)
                changes.enter_context(_replaced(one, SUMMARY_OF_TENSORBOARD, summary))
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    own = vars(owner)
    before = {name: own[name]} if name in own else {}
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)
        own.update(before)


def _later(hook: Callable[..., Any], epochs: int) -> Callable[..., Any]:
    def called(epoch: int, *args: Any, **kwargs: Any) -> Any:
        return hook(epoch + epochs, *args, **kwargs)

    return called


def _of_all(set_params: Callable[[dict], Any], planned: int) -> Callable[[dict], Any]:
    def called(params: dict) -> Any:
        return set_params({**params, "epochs": planned})

    return called


class _CountedOn:
    """`tf.summary` as TensorBoard uses it, whose steps are those of all stages together."""

    def __init__(self, summary: Any, steps: int):
        self._summary, self._steps = summary, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._summary, name)

    def scalar(self, name: str, value: Any, step: Any) -> Any:
        counts_steps = name.startswith(("batch_", "evaluation_"))
        return self._summary.scalar(name, value, step=step + self._steps if counts_steps else step)
