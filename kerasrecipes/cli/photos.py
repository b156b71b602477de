"""Commands about photos, before any training."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kerasrecipes.cli.kinds import (
    SIGNALS,
    ChosenRecipe,
    RecipeKind,
    TextColumn,
    kind_of,
    refuse_columns,
)
from kerasrecipes.cli.options import (
    PIXELS,
    Augment,
    ClassOrder,
    FailOnLeak,
    GroupBy,
    Json,
    LabelColumn,
    LabelColumns,
    LabelsFrom,
    Model,
    Photos,
    Seed,
    SplitBy,
    ValueColumn,
    ValueRange,
    as_asked,
    print_json,
    with_options,
)
from kerasrecipes.errors import printable

Synthetic = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ARGUMENT=VALUE",
        help="Also show defects that training draws into good photos, by the arguments of "
        'SyntheticDefects, as often as you like: good=free, classes={crack="scratch"}.',
    ),
]


@with_options({name: (kind, None) for name, kind in SIGNALS.items()})
def doctor(
    photos: Photos,
    recipe: ChosenRecipe = RecipeKind.IMAGES,
    text: TextColumn = None,
    label: LabelColumn = None,
    labels: LabelColumns = None,
    value: ValueColumn = None,
    classes: ClassOrder = None,
    group_by: GroupBy = None,
    labels_from: LabelsFrom = None,
    value_range: ValueRange = None,
    split: Annotated[
        SplitBy | None, typer.Option(help="Also make this split, and judge it for leaks.")
    ] = None,
    seed: Seed = 0,
    fail_on_leak: FailOnLeak = False,
    as_json: Json = False,
    **signals: Any,
) -> None:
    """Say what is in a folder of photos, a table of texts or recordings, and what is wrong.

    Exits with 1 if there is an error among the findings.
    """
    from dataclasses import replace

    named = {"label": label, "labels": labels, "value": value, "text": text}
    decided = {"classes": classes, "labels_from": labels_from, "value_range": value_range}
    kind = kind_of(recipe)
    asked = as_asked(kind.recipe.modality, **named, **decided, **signals)
    refuse_columns(kind.recipe.modality, asked, decoded=True)
    found = kind.tools.scan(photos, **asked, group_by=group_by, max_unreadable_fraction=1.0)
    if fail_on_leak and split is None and not any(one.split for one in found.items):
        raise typer.BadParameter(
            "there is no split that could leak. Add e.g. --split auto.",
            param_hint="'--fail-on-leak'",
        )
    sets: tuple[Any, ...] = (found,)
    if split is not None:
        train, val, test = kind.tools.split(found, split_by=split.value, seed=seed)
        sets = (replace(train, excluded=found.excluded, ignored=found.ignored), val, test)
    report = kind.tools.check(*sets)
    print_json(report.to_dict()) if as_json else print(report)
    if not report.ok or (fail_on_leak and report.leaks):
        raise typer.Exit(1)


def review(
    model: Model,
    photos: Photos,
    label: LabelColumn = None,
    labels: LabelColumns = None,
    value: ValueColumn = None,
    to: Annotated[
        Path | None,
        typer.Option(help="The file of decisions; else labels.csv beside the photos."),
    ] = None,
    who: Annotated[str | None, typer.Option(help="Who decides; else this user's name.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    seed: Seed = 0,
) -> None:
    """Put labels right on a page of this machine: what is likely wrong, and what is odd.

    Keeps each decision in a file that train, doctor and evaluate take into account.
    """
    from contextlib import suppress
    from webbrowser import open_new

    from kerasrecipes.review import review_photos

    columns = as_asked(label=label, labels=labels, value=value)
    with review_photos(model, photos, **columns, to=to, who=who, port=port, seed=seed) as server:
        print(f"Open {server.address}\nEnd with Ctrl-C.", flush=True)
        if open_page:
            open_new(server.address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
        print(f"\n{server.session.summary()}")


@with_options(PIXELS)
def show_augmentation(
    context: typer.Context,
    photos: Photos,
    recipe: ChosenRecipe = RecipeKind.IMAGES,
    text: TextColumn = None,
    label: LabelColumn = None,
    labels: LabelColumns = None,
    value: ValueColumn = None,
    augment: Annotated[Augment, typer.Option(help="How views differ.")] = Augment.LIGHT,
    views: Annotated[int, typer.Option(min=1, max=20, help="Views beside each photo.")] = 8,
    count: Annotated[
        int, typer.Option("--photos", min=1, max=40, help="How many photos, over all classes.")
    ] = 6,
    image_size: Annotated[
        int, typer.Option(min=16, max=2048, help="Side of the square that the model will see.")
    ] = 224,
    synthetic: Synthetic = None,
    backbone: Annotated[str, typer.Option(help="Whose tokenizer splits texts.")] = "minilm",
    seed: Seed = 0,
    to: Annotated[Path, typer.Option(help="The PNG file to write.")] = Path("contact.png"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file of the same name.")
    ] = False,
    **pixels: Any,
) -> None:
    """Draw photos, or print texts, and the views that training would see of them."""
    _refuse_idle(context, recipe)
    columns = as_asked(text=text, label=label, labels=labels, value=value)
    if recipe is RecipeKind.TEXTS:
        kind = kind_of(recipe)
        chosen = kind.recipe(backbone, augment=augment.value, seed=seed)
        texts = kind.tools.scan(photos, **columns)
        print(chosen.show_views(texts, views=views, count=count))
    else:
        _check_picture(photos, to, overwrite)
        how = {"views": views, "count": count, "image_size": (image_size, image_size)}
        how["synthetic"] = synthetic and _synthetic_of(synthetic)
        columns |= as_asked("photos", **pixels)
        _draw_sheet(photos, to, columns, augment.value, seed=seed, **how)


def _synthetic_of(said: list[str]) -> Any:
    """Read what defects are to be drawn, as `--set` reads it."""
    from kerasrecipes.settings.photo_rows import IMAGE_CLASSIFIER
    from kerasrecipes.settings.written.recipe_file import RecipeFile

    found = RecipeFile(IMAGE_CLASSIFIER)
    try:
        for text in said:
            found.assign(f"synthetic_defects.{text}")
        return found.settings()["synthetic_defects"]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--synthetic'") from error


def _draw_sheet(photos: Path, to: Path, columns: dict[str, Any], augment: str, **how: Any) -> None:
    from kerasrecipes.files import TemporaryFolder, told_plainly
    from kerasrecipes.photos.scan import scan_photos
    from kerasrecipes.report.plots.contact_sheet import draw_augmentation
    from kerasrecipes.report.plots.style import png

    figure = draw_augmentation(scan_photos(photos, **columns), augment, **how)
    with told_plainly(to.parent), TemporaryFolder(beside=to.parent) as folder:
        (folder / to.name).write_bytes(png(figure))
        (folder / to.name).replace(to)
    print(f"Written to {printable(to)}")


def _refuse_idle(context: typer.Context, recipe: RecipeKind) -> None:
    """Refuse options that are about the other kind of data."""
    if recipe is RecipeKind.SIGNALS:
        told = "signals are not augmented yet, so there is nothing to show."
        raise typer.BadParameter(told, param_hint="'--recipe'")
    texts = recipe is RecipeKind.TEXTS
    of_photos = ("image_size", "to", "overwrite", "synthetic", *PIXELS)
    idle = of_photos if texts else ("text", "backbone")
    for name in idle:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(
                f"it would have no effect on {'texts' if texts else 'photos'}. Leave it out.",
                param_hint=f"'{option}'",
            )


def _check_picture(photos: Path, to: Path, overwrite: bool) -> None:
    """Find out before photos are read that the picture must not be written."""
    option: Any = {"param_hint": "'--to'"}
    if to.suffix.lower() != ".png":
        raise typer.BadParameter(f"'{printable(to)}' must end in .png.", **option)
    if photos.is_dir() and to.resolve().is_relative_to(photos.resolve()):
        raise typer.BadParameter(
            f"'{printable(to)}' lies inside the photos, where it would be taken for one of them. "
            "Name a file elsewhere.",
            **option,
        )
    if to.exists() and not overwrite:
        raise typer.BadParameter(
            f"'{printable(to)}' exists already. Add --overwrite, or name another file.", **option
        )
    if not to.parent.is_dir():
        raise typer.BadParameter(f"there is no folder '{printable(to.parent)}'.", **option)
