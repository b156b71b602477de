"""Recipes on the command line: from a file, from options, from single settings; and new ones."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrecipes._version import __version__
from kerasrecipes.cli.kinds import (
    SIGNALS,
    ChosenRecipe,
    RecipeKind,
    TextColumn,
    kind_of,
    refuse_columns,
)
from kerasrecipes.cli.options import (
    LabelColumn,
    LabelColumns,
    Photos,
    ValueColumn,
    as_asked,
    with_options,
)
from kerasrecipes.errors import DataError, listed, printable

if TYPE_CHECKING:
    from kerasrecipes.settings.written.recipe_file import RecipeFile

Config = Annotated[
    Path | None,
    typer.Option(
        help="A recipe in TOML, as init writes one and each run with --run keeps one. Options "
        "count more.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SETTING=VALUE",
        help="Any setting of a recipe, as often as you like: dropout=0.3, schedule.epochs=4, "
        "class_weights=none. Counts most.",
    ),
]


def told_recipe(
    context: typer.Context,
    config: Path | None,
    assignments: list[str] | None,
    recipe: Any = None,
    *,
    cuts: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Join what a file, the options of a command and `--set` say; the later one counts.

    Args:
        context: The command that runs; its options have the names of settings.
        config: The file, if there is one.
        assignments: Texts such as `"dropout=0.3"`.
        recipe: The class of the recipe; `None` for an `ImageClassifier`.
        cuts: Whether the command can cut photos into tiles.

    Returns:
        The settings of the recipe, and how the photos are chosen and split.

    Raises:
        BadParameter: If a setting is not known, or its value cannot be made.
        ValueError: If the way to split is not usable.
    """
    from kerasrecipes.settings.photo_rows import IMAGE_CLASSIFIER
    from kerasrecipes.settings.written.recipe_file import RecipeFile

    if recipe is None:
        found = RecipeFile(IMAGE_CLASSIFIER)
    else:
        found = RecipeFile(recipe.table, modality=recipe.modality)
    with _usage("--config"):
        if config is not None:
            found.read(config)
    _take_options(found, context)
    with _usage("--set"):
        for text in assignments or []:
            found.assign(text)
    with _usage("--set" if config is None else "--config"):
        settings = found.settings()
    split = found.split()  # whose values are judged as they are anywhere else
    if not cuts and split.get("tiles") is not None:
        raise typer.BadParameter(
            "`tiles` is for train alone: this command does not cut photos. Leave it out.",
            param_hint="'--config'",
        )
    return settings, split


def _take_options(found: "RecipeFile", context: typer.Context) -> None:
    """Take what was typed, and not what an option is without."""
    from kerasrecipes.settings.split_rows import all_split_rows, split_rows_of

    typed = {
        name: value.value if isinstance(value, Enum) else value
        for name, value in context.params.items()
        if (source := context.get_parameter_source(name)) and source.name != "DEFAULT"
    }
    if "image_size" in typed:
        typed["image_size"] = [typed["image_size"]] * 2
    settings = {row.name for row in found.table}
    split = {row.name for row in split_rows_of(found.modality)}
    others = {"image_size", "augment", *all_split_rows()} - settings - split
    if wrong := sorted(others & typed.keys()):
        raise typer.BadParameter(
            f"{listed(wrong)} would have no effect: it is not about {found.modality}. Leave it out."
        )
    found.plain |= {name: value for name, value in typed.items() if name in settings}
    said = {name: value for name, value in typed.items() if name in split}
    found.plain[found.modality] = {**found.plain.get(found.modality, {}), **said}


@contextmanager
def _usage(option: str) -> Iterator[None]:
    """Tell of a wrong setting as of a wrong option."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None
    except OSError as error:
        told = f"'{printable(error.filename)}' cannot be read: {error.strerror}."
        raise typer.BadParameter(told, param_hint=f"'{option}'") from None


@with_options({name: (kind, None) for name, kind in SIGNALS.items()})
def init(
    photos: Photos,
    to: Annotated[Path, typer.Option(help="The file to write.")] = Path("recipe.toml"),
    recipe: ChosenRecipe = RecipeKind.IMAGES,
    text: TextColumn = None,
    label: LabelColumn = None,
    labels: LabelColumns = None,
    value: ValueColumn = None,
    **signals: Any,
) -> None:
    """Write a recipe in which each setting is explained, to be changed and trained with."""
    from kerasrecipes.files import write_whole
    from kerasrecipes.settings.written.template import recipe_template

    columns = as_asked(text=text, label=label, labels=labels, value=value, **signals)
    refuse_columns(kind_of(recipe).recipe.modality, columns)
    counted = _counted(recipe, photos, columns)
    words = ["kerasrecipes", "train", str(photos), "--config", str(to)]
    words += [] if recipe is RecipeKind.IMAGES else ["--recipe", recipe.value]
    line = f"{printable(shlex.join(words))} --to saved_models/…"
    begins = (
        f"A recipe for {counted}, by kerasrecipes {__version__}.\n"
        "Each setting stands here as it is by default. To change one, take the # before it away.\n"
        f"Then: {line}"
    )
    kind = kind_of(recipe)
    written = recipe_template(kind.recipe, kind.fine_tune, begins, columns)
    if os.path.lexists(to):
        raise typer.BadParameter(
            f"'{printable(to)}' exists already. Name another file.", param_hint="'--to'"
        )
    write_whole(to, written.encode(errors="backslashreplace"))
    print(f"Written to {printable(to)}. Change what you like.\nNext: {line}")


def _counted(recipe: RecipeKind, source: Path, columns: dict[str, Any]) -> str:
    """Count examples and classes without reading a photo."""
    from kerasrecipes.data.tables.answers import Asked
    from kerasrecipes.data.tables.folder import walk_folder
    from kerasrecipes.data.tables.remote import here
    from kerasrecipes.data.tables.table import is_table, read_table
    from kerasrecipes.photos.decoding.names import looks_like_a_photo

    if not recipe.of_photos:
        found = kind_of(recipe).tools.scan(source, **columns)
        return f"{len(found):,} {found.noun[1]}{_named(found.target, len(found.class_names))}"
    root = here(source)
    if is_table(root):
        rows, answers = read_table(root, None, Asked(**columns))
        names = len(answers.class_names({row.label for row in rows}))
        return f"{len(rows):,} photos{_named(answers.target, names)}"
    if columns:
        raise DataError(
            f"'{printable(source)}' is a folder, which has no columns. Leave {listed(columns)} "
            "out, or name a table."
        )
    photos, *_, classes = walk_folder(root, looks_like_a_photo)
    return f"{len(photos):,} photos of {len(classes):,} classes"


def _named(target: str, names: int) -> str:
    what = {"class": f" of {names:,} classes", "labels": f" with {names:,} labels"}
    return what.get(target, " with a number each")
