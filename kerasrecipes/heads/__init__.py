"""Heads: one task per file, with its layers, its loss and its metrics."""

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import did_you_mean, listed
from kerasrecipes.evaluation.task import Task as Task
from kerasrecipes.heads.head import ClassHead as ClassHead, Head as Head
from kerasrecipes.lazy import lazy_names
from kerasrecipes.registry import Registry

if TYPE_CHECKING:
    from kerasrecipes.heads.classification import ClassificationHead as ClassificationHead
    from kerasrecipes.heads.embedding import EmbeddingHead as EmbeddingHead
    from kerasrecipes.heads.margin import MarginHead as MarginHead
    from kerasrecipes.heads.multi_label import MultiLabelHead as MultiLabelHead
    from kerasrecipes.heads.ordinal import OrdinalHead as OrdinalHead
    from kerasrecipes.heads.regression import RegressionHead as RegressionHead

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "classification": "ClassificationHead",
        "embedding": "EmbeddingHead",
        "margin": "MarginHead",
        "multi_label": "MultiLabelHead",
        "ordinal": "OrdinalHead",
        "regression": "RegressionHead",
    },
    own="ClassHead Head Task get_head get_task list_heads make_head register_head",
)


def _check_class(head: object) -> None:
    if not isinstance(head, type) or not issubclass(head, Head) or not is_dataclass(head):
        raise ValueError(
            "A head must be a dataclass that is a kerasrecipes.heads.Head, the class itself, not "
            f"{head!r}."
        )
    said = [name for name in ("name", "trains", "task") if not hasattr(head, name)]
    if lacks := said + sorted(getattr(head, "__abstractmethods__", ())):
        raise ValueError(
            f"The head {head.__name__} lacks {listed(lacks, 8)}. See ClassificationHead, which "
            "has them."
        )


_REGISTRY: Registry[type[Head]] = Registry(
    __name__,
    "HEADS",
    "head",
    "kerasrecipes.list_heads()",
    check=_check_class,
    group="kerasrecipes.heads",
)
_TASKS: Registry[Task] = Registry(
    __name__, "TASKS", "task", "the files of kerasrecipes/heads/", check=lambda task: None
)


def list_heads() -> list[str]:
    """Return the names of all heads."""
    return list(_REGISTRY)


@named
def register_head(head: type[Head], replace: bool = False) -> None:
    """Add a head, for this process.

    Register it before a bundle is loaded that has it. A package of yours can do it for every
    process, by an entry point `name = module:class` in the group `kerasrecipes.heads`.

    Args:
        head: The class, a dataclass; often a `ClassHead`, or a `Head` with a `Task` of its own.
        replace: Whether it may take the place of one that was registered before.

    Raises:
        ValueError: If it is no head, or its name cannot be used or is taken.
    """
    _check_class(head)
    if head.task.name in _TASKS and _TASKS.get(head.task.name) is not head.task:
        raise ValueError(
            f"The task {head.task.name!r} of the head {head.name!r} has the name of another one. "
            "Give it a `name` of its own."
        )
    _REGISTRY.add(head.name, head, replace)


@named
def get_task(name: str) -> Task:
    """Return a task by name, as a bundle or a file says it.

    Args:
        name: The task of a head, also of one from outside this package.

    Raises:
        ValueError: If there is no such task.

    Example:
        >>> get_task("classification").quality_name
        'accuracy'
    """
    if name not in _TASKS:
        for head in _REGISTRY.entries().values():
            if head.task.name == name:
                return head.task
    return _TASKS.get(name)


@named
def get_head(name: str) -> type[Head]:
    """Return the class of a head by name.

    Args:
        name: One of `list_heads()`.

    Raises:
        ValueError: If there is no such head.
        PluginError: If an installed package adds it, and it cannot be used.

    Example:
        >>> get_head("classification").name
        'classification'
    """
    return _REGISTRY.get(name)


@named
def make_head(name: str, **options: Any) -> Head:
    """Make a head by name.

    Args:
        name: A name of `list_heads()`.
        **options: The arguments of that head.

    Returns:
        The head, its choice of loss checked.

    Raises:
        ValueError: If there is no such head, it does not have an option, or a value is not
            usable.

    Example:
        >>> make_head("margin", loss_name="cosface").scale
        30.0
    """
    kind: Any = get_head(name)  # a dataclass, which `_check_class` made sure of
    known = [field.name for field in fields(kind)]
    for option in options:
        if option not in known:
            raise ValueError(
                f"The head {name!r} has no option {option!r}.{did_you_mean(option, known)} "
                f"Its options: {listed(known, 8)}."
            )
    return kind(**options)
