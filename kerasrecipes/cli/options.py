"""Arguments and options that several commands share, and printing for programs."""

import functools
import inspect
import json
from collections.abc import Callable
from enum import StrEnum
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

# For a scheduler: how a command ends that found too little to tell.
NOT_ENOUGH = 6

Command = Callable[..., None]

Model = Annotated[
    Path, typer.Argument(help="A model folder (its latest version is used) or one version of it.")
]
TrustFile = Annotated[
    Path | None,
    typer.Option(help="A TOML file of whose signatures count; refuse what is not signed by one."),
]
Photos = Annotated[
    Path,
    typer.Argument(
        help="A folder with one folder per class, a CSV or JSONL table, or a .tar file."
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(help="The table's column of one class each, if it is not called label."),
]
LabelColumns = Annotated[
    str | None,
    typer.Option(
        help="The table's column of several labels each ('scratch|dent'), or its columns of 0 "
        "and 1, one per label: scratch,dent."
    ),
]
ValueColumn = Annotated[
    str | None,
    typer.Option(help="The table's column of a number each, if it is not called value."),
]
LabelsFrom = Annotated[
    str | None,
    typer.Option(
        help="What people decided about single photos, as `kerasrecipes review` writes it: a "
        "file, or none; else the one beside the photos."
    ),
]
ClassOrder = Annotated[
    str | None,
    typer.Option(help="The order of the classes: none,light,heavy; or 'by value' for numbers."),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        help="What photos of one part share: a column of the table, 'folder', or a regular "
        "expression with one (group) over the path. A group is never on two sides of a split."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Backbone = Annotated[
    str, typer.Option(help="A backbone that `kerasrecipes ls` names, or hub:… or cv:….")
]
AnyBackbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        help="A backbone that `kerasrecipes ls` names, or hub:… or cv:…; else the usual one.",
    ),
]
Side = Annotated[
    int | None,
    typer.Option(
        min=16,
        max=2048,
        help="Side of the square that photos are resized to; else the backbone's.",
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        help="default, imagenet (a download), none, a local file, or the folder of a saved model."
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything that is drawn.")]
KeepFloat = Annotated[
    float | None,
    typer.Option(
        help="Largest share of weights and arithmetic that int8 leaves in float, e.g. 0.05; the "
        "most sensitive layers are chosen."
    ),
]
Slices = Annotated[
    list[str] | None,
    typer.Option(
        "--slice",
        help="Also measure it by this column of the table, or by label, group, time, brightness, "
        "contrast, sharpness, …; may be given several times.",
    ),
]
FailOnLeak = Annotated[
    bool, typer.Option("--fail-on-leak", help="Stop with an error if the split leaks.")
]
DropSmallClasses = Annotated[
    bool,
    typer.Option(
        "--drop-small-classes", help="Leave out classes with fewer than 2 readable photos."
    ),
]


class SplitBy(StrEnum):
    """How to split photos."""

    AUTO = "auto"
    RANDOM = "random"
    GROUP = "group"
    TIME = "time"


class Augment(StrEnum):
    """Augmentation presets."""

    NONE = "none"
    FLIPS = "flips"
    LIGHT = "light"
    FACTORY = "factory"
    RANDAUGMENT = "randaugment"
    AUGMIX = "augmix"
    # Of texts, which have "none" and "light", too.
    SPANS = "spans"
    WORDS = "words"
    TYPOS = "typos"


class PixelType(StrEnum):
    """What pixels are; see `kerasrecipes.DecodePolicy`."""

    UINT8 = "uint8"
    FLOAT32 = "float32"


class Fit(StrEnum):
    """How photos of another shape fill the image size."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"
    CENTER_CROP = "center_crop"


class LossName(StrEnum):
    """Losses of a classifier that need nothing else to be said."""

    CROSS_ENTROPY = "cross_entropy"
    BALANCED_SOFTMAX = "balanced_softmax"
    FOCAL = "focal"
    ADAPTIVE_FOCAL = "adaptive_focal"
    LDAM = "ldam"
    GENERALIZED_CROSS_ENTROPY = "generalized_cross_entropy"


ChosenFit = Annotated[
    Fit | None,
    typer.Option(
        help="How photos of another shape fill the image size: stretch, letterbox or center_crop; "
        "else they are stretched."
    ),
]
ChosenType = Annotated[
    PixelType | None,
    typer.Option(help="What pixels are: float32 keeps 16 bits of them; else uint8."),
]
ValueRange = Annotated[
    str | None,
    typer.Option(help="What is 0 and what is 255 of photos in .npy files, e.g. 0,10000."),
]
ChosenTiles = Annotated[
    str | None,
    typer.Option(
        metavar="HEIGHTxWIDTH",
        help="Learn from tiles of large photos, which are fitted into so many pixels and cut, and "
        "answer for whole photos: 3000x4000. More of it by --set photos.tiles=…",
    ),
]
ChosenLoss = Annotated[
    LossName | None,
    typer.Option(
        help="What training minimises: balanced_softmax and ldam where classes are rare, "
        "generalized_cross_entropy where labels are wrong, adaptive_focal where answers are too "
        "sure; else cross_entropy."
    ),
]
TopEpochs = Annotated[
    int | None,
    typer.Option(help="Epochs of the second stage, which opens the backbone's top; else 16."),
]


# What commands are told that fit photos, or split them, as their recipe's settings are called.
SPLIT: dict[str, tuple[Any, Any]] = {
    "image_size": (Side, None),
    "label": (LabelColumn, None),
    "labels": (LabelColumns, None),
    "value": (ValueColumn, None),
    "classes": (ClassOrder, None),
    "group_by": (GroupBy, None),
    "split_by": (Annotated[SplitBy, typer.Option(help="How to split.")], SplitBy.AUTO),
    "seed": (Seed, 0),
    "drop_small_classes": (DropSmallClasses, False),
}
# How photos become pixels.
PIXELS: dict[str, tuple[Any, Any]] = {
    "fit": (ChosenFit, None),
    "channels": (SIGNALS["channels"], None),
    "dtype": (ChosenType, None),
    "value_range": (ValueRange, None),
}
FIT: dict[str, tuple[Any, Any]] = {
    "backbone": (Backbone, "efficientnet_lite0"),
    **SPLIT,
    **PIXELS,
    "augment": (Annotated[Augment, typer.Option(help="How views differ.")], Augment.LIGHT),
    "loss": (ChosenLoss, None),
}


def as_asked(modality: str | None = None, /, **typed: Any) -> dict[str, Any]:
    """Read the names of columns and classes as a recipe reads them, of those that were typed.

    Args:
        modality: The kind of data that they are about, where one name may mean two things.
        **typed: What was typed, by the names of settings.
    """
    from kerasrecipes.settings.split_rows import all_split_rows, split_rows_of

    rows = all_split_rows()
    if modality is not None:
        rows |= {row.name: row for row in split_rows_of(modality)}
    return {
        name: rows[name].kind.from_plain(value)
        for name, value in typed.items()
        if value is not None
    }


def scanned(photos: Path, columns: dict[str, Any], **how: Any) -> tuple[Any, dict[str, Any]]:
    """Scan photos if their columns are named; else leave it to what is called.

    Args:
        photos: A folder or a table.
        columns: Of `as_asked`.
        **how: What else a scan is told.

    Returns:
        The photos, and what is still to be told of how they are scanned.
    """
    from kerasrecipes.photos.scan import scan_photos

    return (scan_photos(photos, **columns, **how), {}) if columns else (photos, how)


def with_columns(command: Command) -> Command:
    """Let a command choose which column of a table its photos are judged by.

    It gets the options `--text`, `--label`, `--labels`, `--value` and `--labels-from`, and those of
    recordings; `photos` are scanned, for the model if there is one, when one is typed. Where there
    may be no model that says what it takes, it gets `--recipe`, too.

    Args:
        command: It has the argument `photos`, and perhaps `model`.
    """
    own = inspect.signature(command).parameters
    added = {
        "text": TextColumn,
        "label": LabelColumn,
        "labels": LabelColumns,
        "value": ValueColumn,
        "labels_from": LabelsFrom,
        # Where a command has channels of another kind, recordings are refused anyway.
        **{name: kind for name, kind in SIGNALS.items() if name not in own},
    }
    model = own.get("model")
    any_kind = {} if model and model.default is model.empty else {"recipe": ChosenRecipe}

    @functools.wraps(command)
    def run(**given: Any) -> None:
        typed = {name: given.pop(name) for name in added}
        columns = {name: value for name, value in typed.items() if value is not None}
        kind = given.pop("recipe", RecipeKind.IMAGES)
        if columns or (kind is not RecipeKind.IMAGES and given.get("model") is None):
            if given["photos"] is None:
                raise typer.BadParameter("there are no photos. Name a table.")
            given["photos"] = _scan(given["photos"], given.get("model"), columns, kind)
        command(**given)

    chosen = {name: (kind, RecipeKind.IMAGES) for name, kind in any_kind.items()}
    return with_options(chosen | {name: (kind, None) for name, kind in added.items()})(run)


def with_options(added: dict[str, tuple[Any, Any]]) -> Callable[[Command], Command]:
    """Give a command options that others have, too; it gets them as keywords.

    Args:
        added: By name: the option, and what it is when it is not typed.
    """

    def add(command: Command) -> Command:
        own = inspect.signature(command)
        named = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
        by_name = inspect.Parameter.KEYWORD_ONLY
        options = [
            inspect.Parameter(name, by_name, default=default, annotation=kind)
            for name, (kind, default) in added.items()
        ]
        shown: Any = command
        shown.__signature__ = own.replace(
            parameters=[*(one.replace(kind=by_name) for one in named), *options]
        )
        kinds = {name: kind for name, (kind, _) in added.items()}
        shown.__annotations__ = {**{one.name: one.annotation for one in named}, **kinds}
        return command

    return add


def _scan(photos: Path, model: Path | None, columns: dict[str, Any], kind: RecipeKind) -> Any:
    """Scan photos, or what else a model or somebody wants, by what was typed of their columns."""
    from kerasrecipes.release.bundle import Bundle

    bundle = None if model is None else Bundle.load(model)
    modality = kind_of(kind).recipe.modality if bundle is None else bundle.modality.name
    refuse_columns(modality, columns, decoded=bundle is None)
    scan = kind_of(kind).tools.scan if bundle is None else bundle.scan
    return scan(photos, **as_asked(modality, **columns))


def print_json(value: object) -> None:
    """Print plain values for a program to read."""
    print(json.dumps(value, indent=2))
