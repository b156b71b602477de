"""Commands that let other programs ask a saved model, or ask it very much."""

import gc
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasrecipes.cli.kinds import Top
from kerasrecipes.cli.models import signed
from kerasrecipes.cli.options import Json, TrustFile, print_json
from kerasrecipes.cli.promoting import ModelFolder, Who, Why
from kerasrecipes.errors import require

Models = Annotated[
    Path, typer.Argument(help="The folder of the models, saved_models/, or one of them.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for a free one.")]
Host = Annotated[str, typer.Option(help="The address; 0.0.0.0 lets other machines ask.")]
KeysFile = Annotated[
    Path | None, typer.Option(help="A file of hashed keys, of which each request needs one.")
]
WithoutKeys = Annotated[
    bool, typer.Option("--without-keys", help="Let other machines ask without a key.")
]
Workers = Annotated[
    int | None, typer.Option(help="Answers computed at once; else one for each core.")
]
Queue = Annotated[int | None, typer.Option(help="Requests that may wait; else 64.")]
WaitSeconds = Annotated[float | None, typer.Option(help="How long they may wait; else 5.")]
MaxBody = Annotated[float | None, typer.Option(help="Largest request; else 32.")]
MaxLength = Annotated[
    int | None, typer.Option(help="Most tokens of a text, or steps of a signal; else 5000.")
]
HeadSeconds = Annotated[float | None, typer.Option(help="For the head of a request; else 10.")]
BodySeconds = Annotated[float | None, typer.Option(help="For its body, and its answer; else 20.")]
TotalSeconds = Annotated[float | None, typer.Option(help="For all of it; else 60.")]
DrainSeconds = Annotated[
    float | None,
    typer.Option(help="At the end, how long it says that it is not ready and goes on; else 0."),
]
WatchSeconds = Annotated[
    float | None, typer.Option(help="How often aliases are looked up; else 2.")
]
Batch = Annotated[int | None, typer.Option(help="Compute up to so many together; else 1.")]
BatchDelay = Annotated[float | None, typer.Option(help="How long the first waits; else 2.")]
Manage = Annotated[bool, typer.Option("--manage", help="Let requests load and unload models.")]
JournalFile = Annotated[
    Path | None, typer.Option(help="Keep what was answered in this file, e.g. journal.db.")
]

QueueFolder = Annotated[
    Path | None,
    typer.Option(help="Keep here what people should look at: abstentions, and disagreements."),
]
KeepPhotos = Annotated[
    bool, typer.Option("--keep-photos", help="With --review-queue: keep the photos, too.")
]
Otel = Annotated[
    bool, typer.Option("--otel", help="Send spans of requests, as OTEL_ variables say.")
]


def serve(
    models: Models,
    port: Port = 8080,
    host: Host = "127.0.0.1",
    keys: KeysFile = None,
    without_keys: WithoutKeys = False,
    workers: Workers = None,
    queue: Queue = None,
    wait_seconds: WaitSeconds = None,
    max_body_mb: MaxBody = None,
    max_length: MaxLength = None,
    header_seconds: HeadSeconds = None,
    body_seconds: BodySeconds = None,
    total_seconds: TotalSeconds = None,
    drain_seconds: DrainSeconds = None,
    watch_seconds: WatchSeconds = None,
    batch: Batch = None,
    batch_delay_ms: BatchDelay = None,
    manage: Manage = False,
    journal: JournalFile = None,
    review_queue: QueueFolder = None,
    keep_photos: KeepPhotos = False,
    trust: TrustFile = None,
    otel: Otel = False,
) -> None:
    """Serve saved models: photos and texts at /predict, tensors by the Open Inference Protocol.

    The champion of each model answers, or else its latest version. Begin with the page at /.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    _serve(given.pop("models"), given)


def _serve(models: Path, settings: dict[str, Any]) -> None:
    gc.disable()  # there is no garbage yet; `serve_models` enables it once it is ready
    from kerasrecipes.server.running import serve_models

    serve_models(models, **settings)


class RolloutStep(StrEnum):
    """What to do about a candidate."""

    START = "start"
    STATUS = "status"
    STOP = "stop"


def rollout(
    step: Annotated[RolloutStep, typer.Argument(help="Begin, look, or end.")],
    model: ModelFolder,
    policy: Annotated[
        Path | None, typer.Option(help="With start: a TOML file of what is tried, and allowed.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option("--as", help="With start: what means it; else candidate.")
    ] = None,
    who: Who = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Try a candidate beside the version in use; servers take it back where it is worse.

    `status` exits with 3 where it was taken back.
    """
    from kerasrecipes.rollout import rollout_status, start_rollout, stop_rollout

    given = {"alias": alias, "policy": policy, "who": who, "why": why or None}
    allowed = {"start": set(given), "stop": {"who", "why"}, "status": set()}[step.value]
    told: dict[str, Any] = {name: one for name, one in given.items() if one is not None}
    if useless := sorted(told.keys() - allowed):
        option = {"alias": "--as"}.get(useless[0], f"--{useless[0]}")
        raise typer.BadParameter(f"it has no effect with {step.value}.", param_hint=f"'{option}'")
    do = {"start": start_rollout, "status": rollout_status, "stop": stop_rollout}[step.value]
    found = do(model, **told)
    print_json(found.to_dict()) if as_json else print(found)
    if found.was_taken_back:
        raise typer.Exit(3)


def add_key(
    keys: Annotated[Path, typer.Argument(help="The file of hashed keys; made if it is not there.")],
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    admin: Annotated[bool, typer.Option("--admin", help="It may load and unload models.")] = False,
) -> None:
    """Make a key for a server, print it once, and keep its digest alone."""
    require("starlette", "serve", "Serving")
    from kerasrecipes.server.web.keys import new_key

    print(new_key(keys, name, admin))


def score(
    model: Annotated[Path, typer.Argument(help="A model folder, or a .tflite or .onnx file.")],
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder of photos, a .txt file with a path in each line, or a table with a "
            "column path."
        ),
    ],
    to: Annotated[Path, typer.Option(help="The folder of the answers; of the same job, to go on.")],
    engine: Annotated[
        str, typer.Option(help="Who does the work: local (processes here), ray or spark.")
    ] = "local",
    workers: Annotated[int, typer.Option(min=1, help="How many shards are answered at once.")] = 1,
    form: Annotated[str, typer.Option("--format", help="JSON lines, csv or parquet.")] = "jsonl",
    shard_size: Annotated[int, typer.Option(min=1, help="So many photos in each file.")] = 512,
    top: Top = None,
    export: Annotated[
        str | None, typer.Option(help="Which export, e.g. onnx-float32; else the smallest .tflite.")
    ] = None,
    trust: TrustFile = None,
    as_json: Json = False,
) -> None:
    """Let a saved model answer very many photos, in processes that share them.

    What was killed goes on when the same is typed again. Photos that cannot be used are rows with
    the reason.
    """
    from kerasrecipes.scoring.scoring import score as score_all

    signed(model, trust)
    found = score_all(
        model, source, to, engine=engine, workers=workers, form=form, shard_size=shard_size,
        top=top, export=export,
    )  # fmt: skip
    print_json(found.to_dict()) if as_json else print(found)
