"""Labels as arrays and lists: which of the three kinds they are, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.data.examples import CLASS, LABELS, NUMBER
from kerasrecipes.data.tables.answers import Label
from kerasrecipes.data.tables.spelling import trimmed, written
from kerasrecipes.errors import listed, repeated

TARGETS = (CLASS, LABELS, NUMBER)


@dataclass(frozen=True)
class Answered:
    """What photos are answered with.

    Args:
        labels: One for each photo.
        class_names: All classes or labels, in order.
        target: `"class"`, `"labels"` or `"number"`.
    """

    labels: list[Label]
    class_names: list[str]
    target: str


def read_labels(
    y: Any, count: int, class_names: Sequence[str] | None = None, target: str | None = None
) -> Answered:
    """Find out what labels say.

    Args:
        y: Whole numbers that count in `class_names`; rows of 0 and 1, one column per name, where
            rows with a single 1 each are classes; texts; lists of texts; or numbers.
        count: How many there must be.
        class_names: The names, in order.
        target: What they are, where it is not as above.

    Raises:
        ValueError: If they are none of these, say something unknown, or are not as many.
    """
    if target not in {None, *TARGETS}:
        raise ValueError(f"`target` must be one of {listed(TARGETS)} or None, not {target!r}.")
    names = _checked_names(class_names)
    told: Any = list(y) if isinstance(y, list | tuple) else np.asarray(y)
    if not isinstance(told, list) and told.ndim == 0:
        raise ValueError(f"`y` must have one label for each of the {count} photos, not {y!r}.")
    if len(told) != count:
        raise ValueError(
            f"`y` must have one label for each of the {count} photos, not {len(told)}."
        )
    if isinstance(told, list) and told and _are_lists_of_text(told):
        return _from_lists(told, names, target)
    array = np.asarray(told)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind in "UOS" and array.ndim == 1:
        return _from_texts(told if isinstance(told, list) else list(array), names, target)
    if array.ndim == 2 and array.dtype.kind in "biuf":
        return _from_rows(array, names, target)
    if array.ndim == 1 and array.dtype.kind in "biuf":
        return _from_numbers(array, names, target)
    raise ValueError(
        "`y` must hold class numbers, texts, lists of texts, rows of 0 and 1, or numbers; got "
        f"{array.dtype} of shape {array.shape}."
    )


def _checked_names(class_names: Sequence[str] | None) -> list[str] | None:
    if isinstance(class_names, str):
        raise ValueError(f"`class_names` must be a list of names, not {class_names!r}.")
    names = None if class_names is None else [trimmed(name) for name in class_names]
    if names and (doubled := repeated(names)):
        raise ValueError(f"`class_names` names {listed(doubled)} more than once.")
    return names


def _are_lists_of_text(told: list) -> bool:
    several = all(isinstance(one, list | tuple | set | frozenset | np.ndarray) for one in told)
    return several and all(isinstance(name, str | bytes) for one in told for name in one)


def _from_lists(told: list, names: list[str] | None, target: str | None) -> Answered:
    _agree(target, LABELS, "lists of texts")
    labels = [tuple(sorted({trimmed(name) for name in one} - {""})) for one in told]
    found = sorted({name for one in labels for name in one})
    return Answered(list(labels), _known(found, names), LABELS)


def _from_texts(told: list, names: list[str] | None, target: str | None) -> Answered:
    _agree(target, CLASS, "texts")
    named = [written(one) for one in told]
    wrong = [i for i, label in enumerate(named) if label is None]
    if wrong:
        raise ValueError(
            f"`y` has texts and beside them {told[wrong[0]]!r} (number {wrong[0]}), which is no "
            f"class; {len(wrong)} are such. Give each photo the name of its class."
        )
    labels = [label for label in named if label is not None]
    return Answered(list(labels), _known(sorted(set(labels)), names), CLASS)


def _from_rows(array: np.ndarray, names: list[str] | None, target: str | None) -> Answered:
    if names is None:
        raise ValueError(
            f"`y` has rows of {array.shape[1]} numbers each. Pass `class_names`, the name of each "
            "column."
        )
    if array.shape[1] != len(names):
        raise ValueError(
            f"`y` has rows of {array.shape[1]} numbers each, and `class_names` {len(names)} names."
        )
    if not np.isin(array, (0, 1)).all():
        row = int(np.flatnonzero(~np.isin(array, (0, 1)).all(axis=1))[0])
        raise ValueError(
            f"`y` has a row that is not of 0 and 1: number {row}, {array[row].tolist()}."
        )
    single = bool((array.sum(axis=1) == 1).all())
    wanted = target or (CLASS if single else LABELS)
    if wanted == NUMBER or (wanted == CLASS and not single):
        raise ValueError(f"`target={wanted!r}` does not suit rows of 0 and 1, several in a row.")
    if wanted == CLASS:
        return Answered([names[i] for i in array.argmax(axis=1)], names, CLASS)
    several = [tuple(sorted(names[i] for i in np.flatnonzero(row))) for row in array]
    return Answered(list(several), names, LABELS)


def _from_numbers(array: np.ndarray, names: list[str] | None, target: str | None) -> Answered:
    wrong = np.flatnonzero(~np.isfinite(array.astype(np.float64)))
    if len(wrong):
        raise ValueError(
            f"`y` has {len(wrong)} numbers that are NaN or infinite, the first of them number "
            f"{wrong[0]}. Leave those photos out."
        )
    whole = bool((array == np.rint(array)).all())
    wanted = target or (CLASS if names or array.dtype.kind != "f" else NUMBER)
    if wanted == NUMBER:
        if names:
            raise ValueError("`class_names` would have no effect: `y` holds numbers.")
        return Answered([float(number) for number in array], [], NUMBER)
    if wanted == LABELS or not whole:
        raise ValueError(
            "`y` holds single numbers that are not whole, so they are no classes. Leave "
            "`class_names` out if they are to be predicted."
            if not whole
            else "`target='labels'` needs lists of texts, or rows of 0 and 1, for `y`."
        )
    numbers = array.astype(np.int64)
    if names is None and target is None:
        raise ValueError(
            "`y` holds whole numbers. Pass `class_names`, the name of class 0, 1 and so on; or "
            "target='number' if the numbers themselves are to be predicted."
        )
    if names is None:
        found = [str(number) for number in np.unique(numbers)]
        return Answered([str(number) for number in numbers], found, CLASS)
    beyond = np.flatnonzero((numbers < 0) | (numbers >= len(names)))
    if len(beyond):
        raise ValueError(
            f"`y` has the class {numbers[beyond[0]]} (number {beyond[0]}), and `class_names` only "
            f"{len(names)} names, 0 to {len(names) - 1}."
        )
    return Answered([names[number] for number in numbers], names, CLASS)


def _agree(target: str | None, found: str, what: str) -> None:
    if target not in {None, found}:
        raise ValueError(f"`target={target!r}` does not suit `y`, which holds {what}.")


def _known(found: list[str], names: list[str] | None) -> list[str]:
    if names is None:
        return found
    if unknown := sorted(set(found) - set(names)):
        raise ValueError(f"`y` has {listed(unknown)}, which `class_names` does not name.")
    return names
