"""The callbacks of a stage, also those that know of no stages."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
def own_folders(stage: str, callbacks: Sequence["keras.callbacks.Callback"]) -> Iterator[None]:
    """Let each `TensorBoard` write into a folder of this stage, inside its own, for the block.

    Each stage is a `fit` whose epochs count from 0: in one folder, the curves of the stages
    would lie on top of each other.

    Args:
        stage: The stage's name.
        callbacks: The user's own callbacks.
    """
    import keras

    boards = [one for one in callbacks if isinstance(one, keras.callbacks.TensorBoard)]
    folders = [board.log_dir for board in boards]
    for board in boards:
        board.log_dir = str(Path(board.log_dir) / re.sub(r"[^\w.-]+", "-", stage))
    try:
        yield
    finally:
        for board, folder in zip(boards, folders, strict=True):
            board.log_dir = folder
