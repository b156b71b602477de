"""Commands for a model that is in use."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasrecipes.cli.options import NOT_ENOUGH, Json, Model, Seed, print_json
from kerasrecipes.errors import printable

# For a scheduler: beside 0, when all is well, and `NOT_ENOUGH`.
ALARM = 5


Watched = Annotated[
    Path,
    typer.Argument(help="A model folder or a version of it, or a .tflite file with features."),
]
NewPhotos = Annotated[
    Path, typer.Argument(help="New photos: a folder, without classes if you like, or a table.")
]
History = Annotated[
    Path | None,
    typer.Option(help="A file that remembers the looks, e.g. drift.db; evidence adds up then."),
]
Ordinary = Annotated[
    bool,
    typer.Option(
        "--ordinary", help="These are as they should be: learn from them how windows differ."
    ),
]
Labels = Annotated[
    bool,
    typer.Option(
        "--labels", help="They have labels by now: compare how good the answers are instead."
    ),
]
Page = Annotated[
    Path | None, typer.Option("--html", help="Write the report as a page, with photos, too.")
]
Looks = Annotated[
    float, typer.Option(min=2, help="Looks per alarm without cause, e.g. 520: ten years, weekly.")
]
Reference = Annotated[
    Path | None,
    typer.Option(
        help="Labelled held-out photos to compare with, or the profile.npz of a model; else the "
        "model's own profile."
    ),
]


def drift(
    model: Watched,
    photos: NewPhotos,
    history: History = None,
    ordinary: Ordinary = False,
    labels: Labels = False,
    looks: Looks = 520,
    reference: Reference = None,
    seed: Seed = 0,
    html: Page = None,
    as_json: Json = False,
) -> None:
    """Tell whether new photos still are as those that a model was measured on.

    Exits with 5 if they are not, and with 6 if there are too few to tell.
    """
    from kerasrecipes.drift.detecting import detect_drift
    from kerasrecipes.drift.profiling import profile_bundle
    from kerasrecipes.drift.report import INSUFFICIENT
    from kerasrecipes.files import write_whole

    held_out: Any = reference
    if reference is not None and reference.suffix != ".npz":
        held_out = profile_bundle(model, reference, seed=seed)
    found = detect_drift(
        model,
        photos,
        reference=held_out,
        history=history,
        ordinary=ordinary,
        labels=labels,
        looks_per_false_alarm=looks,
        seed=seed,
    )
    if html is not None:
        write_whole(html, found.page().encode())
    print_json(found.to_dict()) if as_json else print(found)
    if found.alarm:
        raise typer.Exit(ALARM)
    if found.verdict == INSUFFICIENT:
        raise typer.Exit(NOT_ENOUGH)


def monitor(
    journal: Annotated[Path, typer.Argument(help="The journal of predictions, e.g. journal.db.")],
    bundle: Annotated[
        Path, typer.Option(help="The model whose predictions are looked at: its folder.")
    ],
    settings: Annotated[
        Path | None, typer.Option(help="A TOML file: budgets, and who is told of alarms.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="A file that remembers the looks; else beside the journal.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a dashboard, too.")] = None,
    as_json: Json = False,
) -> None:
    """Look at what a model answered since the last run: drift, quality, latency and errors.

    Exits with 5 if somebody should look at something, and with 6 if there is too little to tell.
    """
    from kerasrecipes.files import write_whole
    from kerasrecipes.watching.watching import watch_journal

    found = watch_journal(journal, bundle, settings=settings, history=history)
    if html is not None:
        write_whole(html, found.page().encode())
    print_json(found.to_dict()) if as_json else print(found)
    if found.alarm:
        raise typer.Exit(ALARM)
    if found.is_insufficient:
        raise typer.Exit(NOT_ENOUGH)


def edge(
    model: Model,
    to: Annotated[Path, typer.Option(help="The new folder.")],
    name: Annotated[str, typer.Option(help="Name of the device; each needs its own.")] = "",
    collector: Annotated[
        str, typer.Option(help="Address of the receiver, e.g. https://…/collect.")
    ] = "",
    export: Annotated[
        str | None, typer.Option(help="Which export, e.g. tflite-int8; else the smallest .tflite.")
    ] = None,
    smaller: Annotated[
        str | None, typer.Option(help="A smaller export that answers while it is hot or slow.")
    ] = None,
    slow_ms: Annotated[
        float | None, typer.Option(help="With --smaller: the model alone may take so long.")
    ] = None,
    hot_celsius: Annotated[
        float | None, typer.Option(help="With --smaller: from which temperature on it is hot.")
    ] = None,
    temperature: Annotated[
        str, typer.Option(help="The device's file that tells it, in thousandths of a degree.")
    ] = "/sys/class/thermal/thermal_zone0/temp",
    rollout: Annotated[
        float, typer.Option(min=0, max=100, help="As an update: percent of devices that take it.")
    ] = 100.0,
    key: Annotated[
        Path | None, typer.Option(help="A private key, a PEM file: updates must be signed by it.")
    ] = None,
) -> None:
    """Write a folder for a small device: a Python file, its twin in C++, a model.

    It answers without a network, tells a receiver later, and takes new models safely.
    """
    from kerasrecipes.edge.writing import write_edge

    folder = write_edge(
        model, to, name=name, collector=collector, export=export, smaller=smaller, slow_ms=slow_ms,
        hot_celsius=hot_celsius, temperature=temperature, rollout_percent=rollout, key=key,
    )  # fmt: skip
    print(f"Written to '{printable(folder)}'. Begin with its README.md.")


def collect(
    journal: Annotated[Path, typer.Argument(help="The journal, e.g. journal.db.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port.")] = 8090,
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than this machine's are open.")
    ] = "127.0.0.1",
    token_from: Annotated[
        str, typer.Option(help="The environment variable with the token that devices must show.")
    ] = "COLLECT_TOKEN",
) -> None:
    """Take what devices send into a journal, each answer once. Ends with Ctrl-C."""
    from kerasrecipes.edge.collecting import Collector
    from kerasrecipes.serve.journal import Journal

    token = os.environ.get(token_from, "")
    if not token:
        raise typer.BadParameter(
            f"the environment has no {printable(token_from)}.", param_hint="'--token-from'"
        )
    with Journal(journal) as opened:
        collector = Collector(opened, token, host, port)
        print(f"Taking what devices send to {collector.address}", flush=True)
        try:
            collector.serve()
        except KeyboardInterrupt:
            print("Ended; what was acknowledged is kept.")
        finally:
            collector.stop()
