"""The command that helps to choose a backbone."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasrecipes.cli.options import (
    ClassOrder,
    DropSmallClasses,
    GroupBy,
    Json,
    LabelColumn,
    LabelColumns,
    Photos,
    Seed,
    Side,
    SplitBy,
    ValueColumn,
    as_asked,
    print_json,
    scanned,
)
from kerasrecipes.errors import printable

Backbones = Annotated[
    list[str] | None,
    typer.Option(help="What to measure, as often as you like; else all that pip installs."),
]
MaxMs = Annotated[
    float | None,
    typer.Option(help="Largest time for one photo, on this machine with one thread."),
]
MaxMb = Annotated[float | None, typer.Option(help="Largest file, in 10⁶ bytes.")]
Head = Annotated[
    str | None,
    typer.Option(
        help="The head that is to be trained, e.g. ordinal; else that of what the photos are "
        "answered with."
    ),
]
MinRecall = Annotated[
    list[str] | None,
    typer.Option(help="Smallest recall of the weakest class, e.g. 0.9, or of one: crack=0.9."),
]


# What training must be told, too, to split as was split here.
SAME = {
    "image_size", "label", "labels", "value", "classes", "group_by", "split_by", "seed",
    "drop_small_classes",
}  # fmt: skip


def recommend(
    context: typer.Context,
    photos: Photos,
    backbone: Backbones = None,
    max_ms: MaxMs = None,
    max_mb: MaxMb = None,
    min_recall: MinRecall = None,
    image_size: Side = None,
    head: Head = None,
    label: LabelColumn = None,
    labels: LabelColumns = None,
    value: ValueColumn = None,
    classes: ClassOrder = None,
    group_by: GroupBy = None,
    split_by: Annotated[SplitBy, typer.Option(help="How to split.")] = SplitBy.AUTO,
    seed: Seed = 0,
    drop_small_classes: DropSmallClasses = False,
    as_json: Json = False,
) -> None:
    """Measure backbones on photos, and recommend one, before any training.

    Exits with 3 if none keeps to the limits.
    """
    least = _recalls(min_recall)
    from kerasrecipes.choosing.recommend import recommend_backbone

    columns = as_asked(label=label, labels=labels, value=value, classes=classes)
    how: dict[str, Any] = {"group_by": group_by, "drop_small_classes": drop_small_classes}
    chosen, how = scanned(photos, columns, **how)
    how |= {"max_latency_ms": max_ms, "max_size_mb": max_mb, "min_recall": least, "head": head}
    found = recommend_backbone(
        chosen,
        backbones=backbone,
        image_size=None if image_size is None else (image_size, image_size),
        split_by=split_by.value,
        seed=seed,
        **how,
    )
    print_json(found.to_dict()) if as_json else print(found)
    if found.best is None:
        raise typer.Exit(3)
    if not as_json:
        _tell_next(context, photos, found.best.backbone, found.head)


def _tell_next(context: typer.Context, photos: Path, backbone: str, head: str) -> None:
    """Say how to train, on the same split: its test photos are those that were set aside."""
    from kerasrecipes.training.image_classifier import ImageClassifier

    words = ["kerasrecipes", "train", str(photos), "--backbone", backbone]
    for parameter in context.command.params:
        name, value = parameter.name, context.params[parameter.name or ""]
        if name in SAME and value != parameter.default:
            option = parameter.opts[0]
            words += [option] if value is True else [option, str(getattr(value, "value", value))]
    if head != ImageClassifier.head:
        words += ["--set", f"head={head}"]
    print(f"Next: {printable(shlex.join(words))} --to saved_models/…")


def _recalls(given: list[str] | None) -> float | dict[str, float] | None:
    """Read `0.9`, or any number of `class=0.9`."""
    named: dict[str, float] = {}
    for text in given or []:
        name, equals, number = text.rpartition("=")
        try:
            named[name if equals else ""] = float(number)
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is neither a number nor <class>=<number>.", param_hint="'--min-recall'"
            ) from None
    if "" in named and len(given or []) > 1:
        raise typer.BadParameter(
            "one number holds for the weakest class, and so for all. Give it alone, or name a "
            "class each time.",
            param_hint="'--min-recall'",
        )
    return named.get("", named or None)
