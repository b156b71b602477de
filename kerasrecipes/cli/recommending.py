"""Commands that help to choose a backbone, and settings of its head."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasrecipes.cli.kinds import (
    SIGNALS,
    ChosenRecipe,
    Kind,
    RecipeKind,
    TextColumn,
    kind_of,
    refuse_columns,
)
from kerasrecipes.cli.options import (
    FIT,
    PIXELS,
    SPLIT,
    Json,
    LabelsFrom,
    Photos,
    as_asked,
    print_json,
    scanned,
    with_options,
)
from kerasrecipes.cli.recipes import Assignments, Config, told_recipe
from kerasrecipes.errors import DataError, printable

# What a search is told of how a source is split; the rest is for the scan.
SPLIT_HOW = ("split_by", "test_fraction", "val_fraction")
# What a scan is told of tables, and of pixels.
COLUMNS = ("label", "labels", "value", "classes", *PIXELS)

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
Minutes = Annotated[float, typer.Option(help="How long it may take in all.")]
Measure = Annotated[
    str,
    typer.Option(
        help="What is compared: loss, accuracy, or with each class counting alike balanced_loss "
        "or balanced_accuracy."
    ),
]
Licence = Annotated[
    list[str] | None,
    typer.Option(
        help="A licence that pretrained weights may have, e.g. Apache-2.0, as often as you like; "
        "else any."
    ),
]
Try = Annotated[
    list[str] | None,
    typer.Option(
        "--try",
        metavar="SETTING=[VALUES]",
        help='Values of a setting to try besides, e.g. backbone=["efficientnet_lite0", '
        '"efficientnet_lite2"] or image_size=[[224, 224], [288, 288]].',
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(
        help="A folder for the trials, the recipe and a page; the same command goes on there, and "
        "several may search at once."
    ),
]


@with_options(SPLIT | {name: (kind, None) for name, kind in SIGNALS.items()} | PIXELS)
def recommend(
    context: typer.Context,
    photos: Photos,
    backbone: Backbones = None,
    max_ms: MaxMs = None,
    max_mb: MaxMb = None,
    min_recall: MinRecall = None,
    licence: Licence = None,
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
    typed = (name for name in SIGNALS if split[name] is not None)
    refuse_columns("photos", typed, decoded=True)
    least = _recalls(min_recall)
    from kerasrecipes.choosing.recommend import recommend_backbone

    columns = as_asked("photos", **{name: split[name] for name in COLUMNS})
    how: dict[str, Any] = {name: split[name] for name in ("group_by", "drop_small_classes")}
    side = split["image_size"]
    chosen, how = scanned(photos, columns, **how)
    how |= {"max_latency_ms": max_ms, "max_size_mb": max_mb, "min_recall": least}
    how |= {"head": head, "licences": licence}
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
        if name in SPLIT | PIXELS and value != parameter.default:
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


@with_options(FIT)
def tune(
    context: typer.Context,
    photos: Photos,
    minutes: Minutes = 30.0,
    measure: Measure = "loss",
    tried: Try = None,
    recipe: ChosenRecipe = RecipeKind.IMAGES,
    text: TextColumn = None,
    test_fraction: Annotated[float, typer.Option(help="Share that the search never sees.")] = 0.2,
    val_fraction: Annotated[float, typer.Option(help="Share that a fit will choose by.")] = 0.2,
    labels_from: LabelsFrom = None,
    config: Config = None,
    assignments: Assignments = None,
    run: Run = None,
    as_json: Json = False,
    **typed: Any,
) -> None:
    """Search for settings of a head that do better on photos, and say honestly whether they do.

    The backbone sees each photo once; a head is then judged in seconds. --run keeps a recipe.toml
    for `train --config`.
    """
    kind = _with_a_backbone(recipe)
    settings, split = told_recipe(context, config, assignments, kind.recipe)
    from kerasrecipes.tuning.tuning import tune as search

    begun = kind.recipe(**settings)
    how = {name: split[name] for name in SPLIT_HOW if name in split}
    columns = {name: value for name, value in split.items() if name not in how}
    found = search(
        kind.tools.scan(photos, **columns),
        recipe=begun,
        minutes=minutes,
        measure=measure,
        space=_space(tried, begun),
        run_folder=run,
        **how,
    )
    print_json(found.to_dict()) if as_json else print(found)
    if run is not None:
        _keep(found, photos, split, run, recipe, as_json)
    if found.interrupted:
        raise typer.Exit(130)


def _with_a_backbone(recipe: RecipeKind) -> Kind:
    """Return what belongs to a kind of data that has a pretrained backbone."""
    if recipe is RecipeKind.SIGNALS:
        raise DataError(
            "Of signals there is no pretrained backbone whose head could be chosen. Compare "
            "families of networks: kerasrecipes recommend."
        )
    return kind_of(recipe)


def _keep(
    found: Any, photos: Path, split: dict[str, Any], run: Path, recipe: RecipeKind, as_json: bool
) -> None:
    """Write the recipe with what options say of the data, and say what to do next."""
    from kerasrecipes.files import write_whole
    from kerasrecipes.settings.written.recipe_file import recipe_text
    from kerasrecipes.tuning.tuning import PAGE, RECIPE

    text = recipe_text(found.recipe, {"source": str(photos), **split})
    write_whole(run / RECIPE, text.encode())
    if not as_json:
        words = ["kerasrecipes", "train", str(photos), "--config", str(run / RECIPE)]
        words += [] if recipe is RecipeKind.IMAGES else ["--recipe", recipe.value]
        print(f"\nThe page: {printable(run / PAGE)}")
        print(f"Next: {printable(shlex.join(words))} --to saved_models/…")


def _space(tried: list[str] | None, recipe: Any) -> dict[str, list[Any]]:
    """Read `setting=[values]`, each value as a recipe reads it."""
    import tomllib

    rows = {row.name: row for row in recipe.table}
    space = {}
    for text in tried or []:
        name, _, values = text.partition("=")
        try:
            found = tomllib.loads(f"values = {values}")["values"]
        except tomllib.TOMLDecodeError:
            found = None
        if not isinstance(found, list):
            raise typer.BadParameter(
                f"{printable(text)!r} is not <setting>=[<values>], e.g. depths=[2, 5].",
                param_hint="'--try'",
            )
        name = name.strip()
        space[name] = [rows[name].kind.from_plain(v) if name in rows else v for v in found]
    return space


@with_options({name: option for name, option in (SPLIT | PIXELS).items() if name != "image_size"})
def auto(
    context: typer.Context,
    photos: Photos,
    to: Annotated[Path, typer.Option(help="The model's folder, e.g. saved_models/tiles.")],
    minutes: Minutes = 20.0,
    max_mb: MaxMb = None,
    max_ms: MaxMs = None,
    max_drop: Annotated[float, typer.Option(help="Accuracy that the file may lose.")] = 0.01,
    backbone: Backbones = None,
    measure: Measure = "loss",
    run: Annotated[
        Path | None,
        typer.Option(help="Keeps what each step found; the same command goes on after a break."),
    ] = None,
    as_json: Json = False,
    **split: Any,
) -> None:
    """Check, recommend, tune, train and optimize within minutes, until a file keeps to limits.

    Exits with 3 if none does; the trained model is saved all the same, and the nearest named.
    """
    from kerasrecipes.photos.scan import scan_photos
    from kerasrecipes.tuning.automatic import auto as made

    columns = as_asked("photos", **{name: split[name] for name in COLUMNS})
    how = {name: split[name] for name in ("group_by", "drop_small_classes")}
    done = made(
        scan_photos(photos, **columns, **how),
        to,
        minutes=minutes,
        max_size_mb=max_mb,
        max_latency_ms=max_ms,
        max_drop=max_drop,
        backbones=backbone,
        measure=measure,
        split_by=split["split_by"].value,
        seed=split["seed"],
        run_folder=run,
    )
    print_json(done.to_dict()) if as_json else print(done)
    if not done.met:
        raise typer.Exit(3)
