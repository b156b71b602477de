"""Commands about photos, before any training."""

from typing import Annotated

import typer

from kerasrecipes.cli.options import FailOnLeak, GroupBy, Json, Photos, Seed, SplitBy, print_json


def doctor(
    photos: Photos,
    group_by: GroupBy = None,
    split: Annotated[
        SplitBy | None, typer.Option(help="Also make this split, and judge it for leaks.")
    ] = None,
    seed: Seed = 0,
    fail_on_leak: FailOnLeak = False,
    as_json: Json = False,
) -> None:
    """Say what is in a folder of photos, and what is wrong with it.

    Exits with 1 if there is an error among the findings.
    """
    from dataclasses import replace

    from kerasrecipes.data.check import check_photos
    from kerasrecipes.data.scan import scan_photos
    from kerasrecipes.data.split import split_photos

    found = scan_photos(photos, group_by=group_by, max_unreadable_fraction=1.0)
    if fail_on_leak and split is None and not any(photo.split for photo in found.photos):
        raise typer.BadParameter(
            "there is no split that could leak. Add e.g. --split auto.",
            param_hint="'--fail-on-leak'",
        )
    sets = (found,)
    if split is not None:
        train, val, test = split_photos(found, by=split.value, seed=seed)
        sets = (replace(train, excluded=found.excluded, ignored=found.ignored), val, test)
    report = check_photos(*sets)
    print_json(report.to_dict()) if as_json else print(report)
    if not report.ok or (fail_on_leak and report.leaks):
        raise typer.Exit(1)
