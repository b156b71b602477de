"""Commands about saved models."""

import json
import sys
import textwrap
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrecipes.cli.kinds import (
    Counted,
    Stream,
    TextColumn,
    Top,
    Workers,
    answers_of,
    is_table,
    sources_of,
    text_columns,
    texts_of,
)
from kerasrecipes.cli.options import (
    Json,
    KeepFloat,
    Model,
    Photos,
    Slices,
    TrustFile,
    print_json,
    with_columns,
)
from kerasrecipes.errors import printable

if TYPE_CHECKING:
    from kerasrecipes.serve.predictor import Prediction

Quantization = Annotated[
    str | None,
    typer.Option(
        help="float32, float16, dynamic, int8 or int4; else float32, or, for texts, dynamic."
    ),
]
# From so many on, people want to know how fast it went.
_MANY = 100


class Form(StrEnum):
    """How predictions are written."""

    TEXT = "text"
    CSV = "csv"
    JSONL = "jsonl"
    TABLE = "table"


# Of a text that is printed beside its answer.
_WIDTH = 100
Signatures = Annotated[
    str | None,
    typer.Option(
        help="What a .tflite does besides: embed (features), or embed,train (learns); of signals, "
        "step (answers step by step)."
    ),
]


@with_columns
def evaluate(model: Model, photos: Photos, slices: Slices = None, as_json: Json = False) -> None:
    """Measure a saved model on photos that it did not train on."""
    from kerasrecipes.training.bundle_evaluation import evaluate_bundle

    found = evaluate_bundle(model, photos, slices=slices or ())
    if as_json:
        return print_json(found.to_dict())
    print(found)


Decide = Annotated[
    bool, typer.Option("--decide", help="Let the file say what its scores mean, as outputs.")
]


def export_saved(
    model: Model,
    format: Annotated[str, typer.Option(help="A format that `kerasrecipes ls` names.")] = "tflite",
    quantization: Quantization = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an export of the same name.")
    ] = False,
    temperature: Annotated[
        float, typer.Option(help="Divide the logits by this, so that scores are honest.")
    ] = 1.0,
    threshold: Annotated[
        str | None,
        typer.Option(help="Of two classes, say one from this probability on, e.g. defective=0.3."),
    ] = None,
    decide: Decide = False,
    signatures: Signatures = None,
    keep_float: KeepFloat = None,
    as_json: Json = False,
) -> None:
    """Write a saved model for a phone, and prove that the file is the same model.

    Exits with 3, and keeps the file out of the model's folder, if it is not.
    """
    from kerasrecipes.release.bundle import Bundle
    from kerasrecipes.verify import Verification

    options: dict[str, Any] = (
        {} if signatures is None else {"signatures": tuple(signatures.split(","))}
    )
    options |= {} if keep_float is None else {"keep_float": keep_float}
    record = Bundle.load(model).export(
        format,
        quantization,
        overwrite=overwrite,
        temperature=temperature,
        threshold=None if threshold is None else _parsed_threshold(threshold),
        decide=decide,
        **options,
    )
    if as_json:
        return print_json(record.to_dict())
    print(f"{Verification.from_dict(record.verification)}\nWritten to {printable(record.path)}")


def _parsed_threshold(text: str) -> dict[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return {name: float(value)}
    except ValueError:
        raise ValueError(
            f"`--threshold` must be CLASS=PROBABILITY, e.g. defective=0.3, received {text!r}."
        ) from None


def starter(
    model: Model,
    to: Annotated[Path, typer.Argument(help="The new folder.")],
    language: Annotated[str, typer.Option(help="cpp, kotlin, python or swift; or triton.")],
    export: Annotated[
        str | None, typer.Option(help="Which export, e.g. tflite-int8; else the smallest .tflite.")
    ] = None,
) -> None:
    """Write a small project in another language, or for another server, that runs a file."""
    from kerasrecipes.release.starter import write_starter

    folder = write_starter(model, language, to, export)
    print(f"Written to '{printable(folder)}'. Begin with its README.md.")


def verify_saved(model: Model, trust: TrustFile = None, as_json: Json = False) -> None:
    """Check a saved model's files and run its exports on its golden photos again.

    Exits with 3 if an export misses its tolerance, with 4 if a file was changed, or with --trust
    the model is not signed by one of them.
    """
    from kerasrecipes.verify import verify_bundle

    told = signed(model, trust)
    found = verify_bundle(model)
    if as_json:
        print_json([verification.to_dict() for verification in found])
    else:
        print("\n".join([*told, *map(str, found)]))
    if not all(verification.passed for verification in found):
        raise typer.Exit(3)


def signed(model: Path, trust: Path | None) -> list[str]:
    """Refuse what is not signed by those who are believed, if that is asked; say who has."""
    if trust is None:
        return []
    from kerasrecipes.signing import check_signature

    return [str(check_signature(model, trust))]


def sign(
    model: Model,
    key: Annotated[
        Path, typer.Option(help="A private key in a PEM file, of Ed25519 or ECDSA on P-256.")
    ],
) -> None:
    """Vouch for a saved model and its exports, as they are now, by a signature beside it."""
    from kerasrecipes.signing import sign_bundle

    print(f"Signed in '{printable(sign_bundle(model, key))}'. Check it by verify --trust.")


@with_columns
def benchmark_saved(
    model: Model,
    photos: Annotated[
        Path | None,
        typer.Argument(
            help="Photos to judge by, a folder or table; else the model's golden photos."
        ),
    ] = None,
    runs: Annotated[int, typer.Option(min=10, help="Timed runs of each export.")] = 100,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also time the operators inside each file.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw accuracy against time and size, e.g. benchmark.png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure every export of a saved model: size, memory, time, and what it still knows."""
    from kerasrecipes.verify import benchmark_bundle

    if plot is not None and (plot.suffix != ".png" or not plot.parent.is_dir()):
        raise typer.BadParameter(
            "name a file that ends with .png, in a folder that exists.", param_hint="'--plot'"
        )
    found = benchmark_bundle(model, photos, runs=runs, profile=profile)
    print_json(found.to_dict()) if as_json else print(found)
    if plot is not None:
        from kerasrecipes.files import complete_file, told_plainly
        from kerasrecipes.report.plots.style import png

        with told_plainly(plot.parent), complete_file(plot) as file:
            file.write(png(found.plot()))
        print(f"Drawn in {printable(plot)}", file=sys.stderr)


def predict(
    model: Annotated[Path, typer.Argument(help="A model folder, or a .tflite or .onnx file.")],
    photos: Annotated[
        list[str],
        typer.Argument(
            help="Photos, folders of photos, patterns in quotes, or - for a path in each line of "
            "the standard input. For texts: texts, tables, .txt files, or - for its lines."
        ),
    ],
    text: TextColumn = None,
    export: Annotated[
        str | None, typer.Option(help="Which export, e.g. onnx-float32; else the smallest .tflite.")
    ] = None,
    stream: Stream = False,
    trust: TrustFile = None,
    as_json: Json = False,
    form: Annotated[
        Form, typer.Option("--format", help="Lines of text, CSV, JSON lines, or aligned columns.")
    ] = Form.TEXT,
    top: Top = None,
    workers: Workers = 1,
) -> None:
    """Say what photos show, texts mean or signals are, by the exported file, without tensorflow.

    A SavedModel alone needs it. Exits with 1 if one of them could not be used.
    """
    from kerasrecipes.serve.predictor import Predictor
    from kerasrecipes.serve.rows import write_csv, write_table

    signed(model, trust)
    predictor = Predictor(model, export=export)
    counted = Counted(answers_of(predictor, photos, text, stream, top, workers))
    if form is Form.CSV:
        write_csv(predictor, counted, sys.stdout)
    elif form is Form.TABLE:
        write_table(counted, sys.stdout)
    else:
        _write_lines(counted, as_json or form is Form.JSONL)
    if form is not Form.TEXT or counted.count > _MANY:
        print(counted.told, file=sys.stderr)
    if counted.failed:
        raise typer.Exit(1)


def _write_lines(found: "Iterable[Prediction]", as_json: bool) -> None:
    for one in found:
        if as_json:
            print(json.dumps(one.to_dict()), flush=True)
        elif one.error:
            print(f"{printable(one.path)}: {printable(one.error)}", file=sys.stderr)
        else:
            print(f"{one.said}  {printable(_in_a_line(one.path))}")


def explain(
    model: Model,
    photos: Annotated[
        list[str], typer.Argument(help="Photos, folders of photos, tables, or texts.")
    ],
    to: Annotated[
        Path | None, typer.Option(help="The folder of the pictures; of texts there are none.")
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="The class to look for; else what the model says.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="layercam, or exact for each place's share in the score; of texts occlusion, or "
            "gradients for each word's share in the score."
        ),
    ] = None,
    text: TextColumn = None,
    as_json: Json = False,
) -> None:
    """Show where in photos, or in which words of texts, a saved model finds what it says.

    Of photos with a heatmap beside each. Of tables with a column mask it tells how often heatmaps
    point at what was marked, and of tables of texts how far answers fall without the words that
    are named. Exits with 1 if a photo or text could not be used.
    """
    from kerasrecipes.release.bundle import Bundle

    bundle = Bundle.load(model)
    if bundle.modality.written:
        failed = _explain_texts(bundle, photos, to, of, method, text, as_json)
    else:
        places = list(sources_of(photos, text, texts=False))
        failed = _explain_photos(bundle, places, to or Path("heatmaps"), of, method, as_json)
    if failed:
        raise typer.Exit(1)


def _explain_texts(
    bundle: Any, given: list[str], to: Path | None, of: str | None, method: str | None,
    text: str | None, as_json: bool,
) -> bool:  # fmt: skip
    """Tell of each text which words matter; return whether one could not be used."""
    from kerasrecipes.errors import DataError
    from kerasrecipes.release.words import TextExplainer

    if to is not None:
        raise typer.BadParameter("of texts there are no pictures.", param_hint="'--to'")
    explainer, failed = TextExplainer(bundle, method or "occlusion"), False
    number = None if of is None else explainer.check(of)
    for one in texts_of(sources_of(given, text, texts=True)):
        try:
            found = explainer.explain(one, number)
        except DataError as error:
            failed = True
            print(printable(error), file=sys.stderr)
        else:
            print(json.dumps(found.to_dict()) if as_json else f"{found}\n", flush=True)
    for table in filter(is_table, given):
        measured = explainer.measure(bundle.scan(table, text=text_columns(text)))
        print(json.dumps(measured.to_dict()) if as_json else measured, flush=True)
    return failed


def _explain_photos(
    bundle: Any, photos: list[Any], to: Path, of: str | None, method: str | None, as_json: bool
) -> bool:
    """Draw a heatmap of each photo; return whether one could not be used."""
    from kerasrecipes.errors import DataError
    from kerasrecipes.photos.modality import MODALITY
    from kerasrecipes.release.explaining import Explainer, write_heatmaps

    explainer, failed = Explainer(bundle, method or "layercam"), False
    for photo, picture, found in write_heatmaps(explainer, photos, to, of):
        if isinstance(found, DataError):
            failed = True
            print(printable(found), file=sys.stderr)
        elif as_json:
            told = {"path": str(photo), "picture": str(picture), "label": found.label}
            print(json.dumps({**told, "score": found.score, "peak": found.peak}), flush=True)
        else:
            print(f"{found.score:6.1%}  {printable(found.label)}  {printable(picture)}")
    for table in filter(is_table, photos):
        scanned = MODALITY.scan(table, bundle.input)
        if any(photo.mask for photo in scanned.photos):
            game = explainer.point(scanned)
            print(json.dumps(game.to_dict()) if as_json else f"\n{game}", flush=True)
    return failed


def _in_a_line(text: str) -> str:
    """Shorten a text that was answered, so that answers stay one below the other."""
    return textwrap.shorten(text, _WIDTH, placeholder=" …") if " " in text else text
