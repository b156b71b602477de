"""Arguments and options that several commands share, and printing for programs."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    Path, typer.Argument(help="A model folder (its latest version is used) or one version of it.")
]
Photos = Annotated[
    Path, typer.Argument(help="A folder with one folder per class, or a CSV or JSONL table.")
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
Side = Annotated[
    int | None,
    typer.Option(
        min=16,
        max=2048,
        help="Side of the square that photos are resized to; else the backbone's.",
    ),
]
Weights = Annotated[
    str, typer.Option(help="default, imagenet (a download), none, or a local file.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything that is drawn.")]
KeepFloat = Annotated[
    float | None,
    typer.Option(
        help="Largest share of weights and arithmetic that int8 leaves in float, e.g. 0.05; the "
        "most sensitive layers are chosen."
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


class Loss(StrEnum):
    """Losses of a classifier that need nothing else to be said."""

    CROSS_ENTROPY = "cross_entropy"
    BALANCED_SOFTMAX = "balanced_softmax"
    FOCAL = "focal"
    LDAM = "ldam"
    GENERALIZED_CROSS_ENTROPY = "generalized_cross_entropy"


ChosenLoss = Annotated[
    Loss | None,
    typer.Option(
        help="What training minimises: balanced_softmax and ldam where classes are rare, "
        "generalized_cross_entropy where labels are wrong; else cross_entropy."
    ),
]
TopEpochs = Annotated[
    int | None,
    typer.Option(help="Epochs of the second stage, which opens the backbone's top; else 16."),
]


def print_json(value: object) -> None:
    """Print plain values for a program to read."""
    print(json.dumps(value, indent=2))
