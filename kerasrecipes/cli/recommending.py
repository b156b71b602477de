"""The command that helps to choose a backbone."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasrecipes.cli.kinds import SIGNALS, ChosenRecipe, RecipeKind, kind_of, refuse_columns
from kerasrecipes.cli.options import (
    SPLIT,
    Json,
    Photos,
    as_asked,
    print_json,
    scanned,
    with_options,
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


@with_options(SPLIT | {name: (kind, None) for name, kind in SIGNALS.items()})
def recommend(
    context: typer.Context,
    photos: Photos,
    backbone: Backbones = None,
    max_ms: MaxMs = None,
    max_mb: MaxMb = None,
    min_recall: MinRecall = None,
    head: Head = None,
    recipe: ChosenRecipe = RecipeKind.IMAGES,
    as_json: Json = False,
    **split: Any,
) -> None:
    """Measure backbones on photos, and recommend one, before any training.

    Of signals it trains families of networks, beside a classical baseline. Exits with 3 if none
    keeps to the limits.
    """
    if not recipe.of_photos:
        return _for_signals(context, photos, backbone, recipe, as_json)
    refuse_columns("photos", (name for name in SIGNALS if split.pop(name) is not None))
    least = _recalls(min_recall)
    from kerasrecipes.choosing.recommend import recommend_backbone

    columns = as_asked(**{name: split[name] for name in ("label", "labels", "value", "classes")})
    how: dict[str, Any] = {name: split[name] for name in ("group_by", "drop_small_classes")}
    side = split["image_size"]
    chosen, how = scanned(photos, columns, **how)
    how |= {"max_latency_ms": max_ms, "max_size_mb": max_mb, "min_recall": least, "head": head}
    found = recommend_backbone(
        chosen,
        backbones=backbone,
        image_size=None if side is None else (side, side),
        split_by=split["split_by"].value,
        seed=split["seed"],
        **how,
    )
    print_json(found.to_dict()) if as_json else print(found)
    if found.best is None:
        raise typer.Exit(3)
    if not as_json:
        _tell_next(context, photos, found.best.backbone, found.head)


def _for_signals(
    context: typer.Context,
    source: Path,
    families: list[str] | None,
    recipe: RecipeKind,
    as_json: bool,
) -> None:
    """Compare families of networks for signals."""
    if recipe is not RecipeKind.SIGNALS:
        raise typer.BadParameter(
            "of texts there is one backbone. Train it: it is measured beside TF-IDF.",
            param_hint="'--recipe'",
        )
    from kerasrecipes.choosing.families import recommend_family
    from kerasrecipes.settings.split_rows import split_rows_of

    named = {row.name for row in split_rows_of("signals")} | {"split_by", "seed"}
    others = {"photos", "backbone", "recipe", "as_json"}
    for parameter in context.command.params:
        name = parameter.name or ""
        typed = context.params[name] != parameter.default
        if name not in named | others and typed:
            raise typer.BadParameter("it is not for signals.", param_hint=f"'{parameter.opts[0]}'")
    told = {name: context.params[name] for name in named if name in context.params}
    how = {"split_by": told.pop("split_by").value, "seed": told.pop("seed")}
    dropped = told.pop("drop_small_classes")
    columns = as_asked(**told)
    signals = kind_of(recipe).tools.scan(source, **columns, drop_small_classes=dropped)
    found = recommend_family(signals, families=families, **how)
    print_json(found.to_dict()) if as_json else print(found)


def _tell_next(context: typer.Context, photos: Path, backbone: str, head: str) -> None:
    """Say how to train, on the same split: its test photos are those that were set aside."""
    from kerasrecipes.training.image_classifier import ImageClassifier

    words = ["kerasrecipes", "train", str(photos), "--backbone", backbone]
    if (recipe := context.params["recipe"]) is not RecipeKind.IMAGES:
        words += ["--recipe", recipe.value]
    for parameter in context.command.params:
        name, value = parameter.name, context.params[parameter.name or ""]
        if name in SPLIT and value != parameter.default:
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
