"""Commands that choose from which score on a model acts, and which of two models is better."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kerasrecipes.cli.options import (
    NOT_ENOUGH,
    Json,
    LabelColumn,
    LabelColumns,
    Model,
    ValueColumn,
    as_asked,
    print_json,
)

Classes = Annotated[
    str | None,
    typer.Option(
        help="The classes to be alarmed about: crack,dent; else each class or label by itself."
    ),
]
Recall = Annotated[
    float | None, typer.Option(help="Share of their photos that must be found, e.g. 0.98.")
]
FalseRejects = Annotated[
    float | None, typer.Option(help="Share of other photos that may raise an alarm, e.g. 0.02.")
]
MissCost = Annotated[
    float | None, typer.Option(help="What a missed alarm costs, in false ones, e.g. 50.")
]
Costs = Annotated[
    Path | None,
    typer.Option(
        help="A CSV of what mistakes cost: a row for each true class, a column for each "
        "answer, perhaps one called abstain."
    ),
]
Abstain = Annotated[
    float | None,
    typer.Option(
        help="Leave answers to a person unless clear; share of photos whose right class may be "
        "excluded, e.g. 0.05."
    ),
]
PerClass = Annotated[
    bool, typer.Option("--per-class", help="That --abstain holds for each class by itself.")
]
Confidence = Annotated[
    float, typer.Option(help="Probability that the bounds hold for photos to come.")
]
ModelsAndPhotos = Annotated[
    list[Path],
    typer.Argument(
        metavar="MODEL CHAMPION CHALLENGER PHOTOS",
        help="A model's folder, two versions of it, and photos: tiles 3 4 photos/. Or two "
        "models and photos: tiles/3 other/1 photos/.",
    ),
]
LeaveOutSeen = Annotated[
    bool,
    typer.Option("--leave-out-seen", help="Leave out photos that either was trained or chosen on."),
]

Exported = Annotated[
    bool,
    typer.Option("--exported", help="Ask the exported files, as they answer in use."),
]


def operate(
    model: Model,
    alarm: Classes = None,
    min_recall: Recall = None,
    max_false_rejects: FalseRejects = None,
    miss_cost: MissCost = None,
    costs: Costs = None,
    abstain: Abstain = None,
    per_class: PerClass = False,
    confidence: Confidence = 0.95,
    as_json: Json = False,
) -> None:
    """Choose from which score on a saved model acts, and write a new version of it that does.

    Exits with 3 if what was wished for cannot be shown to hold; the closest is written then.
    """
    from kerasrecipes.release.operating import operate_bundle

    if miss_cost is not None and costs is not None:
        raise typer.BadParameter("give one of --miss-cost and --costs.")
    found = operate_bundle(
        model,
        None if alarm is None else [name.strip() for name in alarm.split(",")],
        min_recall=min_recall,
        max_false_rejects=max_false_rejects,
        costs=costs if miss_cost is None else {"miss": miss_cost, "false_reject": 1.0},
        abstain=abstain,
        per_class=per_class,
        confidence=confidence,
    )
    print_json(found.to_dict()) if as_json else print(found)
    if not found.met:
        raise typer.Exit(3)


def compare(
    models_and_photos: ModelsAndPhotos,
    leave_out_seen: LeaveOutSeen = False,
    exported: Exported = False,
    label: LabelColumn = None,
    labels: LabelColumns = None,
    value: ValueColumn = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page, too.")] = None,
    as_json: Json = False,
) -> None:
    """Tell on new photos whether a saved model may replace another.

    Exits with 0 if the challenger is shown to be better, with 3 if it is shown to be worse in
    anything, and with 6 if no difference is shown.
    """
    from kerasrecipes.files import write_whole
    from kerasrecipes.release.bundle import Bundle
    from kerasrecipes.release.comparing import compare_bundles
    from kerasrecipes.release.comparison import BETTER, NOT_SHOWN

    if len(models_and_photos) == 4:
        folder, *versions, photos = models_and_photos
        first, second = (folder / version for version in versions)
    elif len(models_and_photos) == 3:
        first, second, photos = models_and_photos
    else:
        raise typer.BadParameter("name two models and photos, or a model, two versions and photos.")
    columns = as_asked(label=label, labels=labels, value=value)
    chosen: Any = Bundle.load(first).scan(photos, **columns) if columns else photos
    how = {"leave_out_seen": leave_out_seen, "exported": exported}
    found = compare_bundles(first, second, chosen, **how)
    if html is not None:
        write_whole(html, found.page().encode())
    print_json(found.to_dict()) if as_json else print(found)
    if found.verdict != BETTER:
        raise typer.Exit(NOT_ENOUGH if found.verdict == NOT_SHOWN else 3)
