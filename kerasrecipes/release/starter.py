"""Small projects around an exported file, for developers of apps and servers to begin with."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.export_record import ExportRecord, no_exports, opened
from kerasrecipes.bundles.labels import LABELS_FILE, labels_text
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, listed, unknown_name
from kerasrecipes.export import get_format
from kerasrecipes.export.tflite.runtime import TFLiteModel
from kerasrecipes.export.triton import write_triton
from kerasrecipes.files import TemporaryFolder, check_new_folder, sync_folder, told_plainly
from kerasrecipes.heads import get_task
from kerasrecipes.photos.decoding.channels import RGB
from kerasrecipes.photos.modality import channels_of, policy_of
from kerasrecipes.release.starting.words import check_words, write_words
from kerasrecipes.texts.modality import tokens_of

if TYPE_CHECKING:
    from kerasrecipes.bundles.bundle import BundleFolder

_TEMPLATES = Path(__file__).parent / "starters"
_SUFFIX = ".j2"
# What looks at photos in C++, of whatever model.
CLASSIFIER_CPP = tuple(_TEMPLATES / "cpp" / f"photo_classifier.{end}" for end in ("cc", "h"))
# They can be told which of several outputs to read.
_OF_SEVERAL = ("python", "swift")
# No language: the folder that NVIDIA's server loads, also of models that take no photos.
_TRITON = "triton"
# The templates for texts lie in a folder of this name, by language.
_TEXTS = "texts"
# Where the model, labels and golden photos go.
_ASSETS = {"kotlin": "app/src/main/assets", "swift": "PhotoClassifier/Resources"}
_RGB_ALONE = {"kotlin", "swift"}
_GOLDEN = 5
_LONGEST_SIDE = 512
# Runtimes round differently; 8 bits make a step of a score out of it.
_TOLERANCE = {"float32": 0.01, "float16": 0.02}
_TOLERANCE_8_BIT = 0.06
# Of each task: what a file gives, and what the project makes of it.
_WORDS = {
    "classification": ("score of each class", "the top class and its score"),
    "ordinal": ("score of each class", "the median class and its score"),
    "multi_label": ("score of each label", "the labels that reach their thresholds"),
    "regression": ("number", "the number and its unit"),
}


def list_starters() -> list[str]:
    """List the languages that `write_starter` knows.

    Example:
        >>> list_starters()
        ['cpp', 'kotlin', 'python', 'swift', 'triton']
    """
    known = (folder.name for folder in _TEMPLATES.iterdir() if folder.is_dir())
    return sorted({_TRITON, *known} - {_TEXTS})


@named
def write_starter(
    bundle: "BundleFolder | str | Path", language: str, to: str | Path, export: str | None = None
) -> Path:
    """Write a small project that runs an exported `.tflite` file in another language.

    It loads the file, prepares a photo as the model wants it (the same resize as in training,
    in plain code), checks some golden photos, and answers as `predict` does: with the top class,
    the median of ordered classes, the labels that reach their thresholds, or a number. The golden
    photos are the bundle's, decoded, shrunk to 512 pixels and stored without loss, with what the
    exported file gives them. Of texts, the project in C++ or Python splits them as the tokenizer of
    the training does; a text in C++ that has one of some rare marks is refused when it runs.

    `"triton"` stands for the folder that Triton Inference Server loads from its model repository,
    `config.pbtxt` and all, with an `.onnx` file; also of texts and signals.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        language: One of `list_starters()`.
        to: The new folder; it must not exist, or be empty.
        export: Which export, e.g. `"tflite-int8"`; by default the smallest verified `.tflite`, or
            `.onnx` for Triton.

    Returns:
        The folder; its `README.md` says how to build it, but for Triton's, which needs none.

    Raises:
        ValueError: If the language or the export is unknown.
        DataError: If the model takes neither photos nor single texts, or photos not stretched, or
            what the language has no words for (grey photos, texts), gives embeddings, or has a
            rule for what it answers, the file says what it decides, the bundle has no verified
            `.tflite` export, or the folder is not empty.
        IntegrityError: If a file of the bundle changed.
        OSError: If nothing can be written there.
    """
    from kerasrecipes.bundles.bundle import BundleFolder

    if language not in list_starters():
        raise unknown_name("language", language, list_starters(), "kerasrecipes.list_starters()")
    to = Path(to)
    check_new_folder(to)
    bundle = BundleFolder.load(bundle)
    for_triton = language == _TRITON
    if not for_triton:
        _check_inputs(bundle, language)
        _check_answers(bundle)
    chosen = _chosen(bundle, export, "onnx" if for_triton else "tflite")
    with told_plainly(to), opened(chosen, bundle) as record:
        to.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFolder(to.parent) as outer:
            folder = outer / "starter"
            if for_triton:
                write_triton(bundle, record, folder)
            else:
                _write(bundle, record, language, folder)
            sync_folder(folder)
            folder.rename(to)  # onto an empty folder, or none
    return to


def _write(bundle: "BundleFolder", record: ExportRecord, language: str, folder: Path) -> None:
    _check_outputs(record, language)
    assets = folder / _ASSETS.get(language, ".")
    assets.mkdir(parents=True, exist_ok=True)
    facts = {**_facts(bundle, record), "golden": _write_model(bundle, record, assets, language)}
    if bundle.manifest.modality == _TEXTS:
        words = write_words(tokens_of(bundle.input), language, folder)
        _render(f"{_TEXTS}/{language}", folder, {**facts, **words})
    else:
        _render(language, folder, {**facts, **_photo_facts(bundle)})


def _write_model(bundle: "BundleFolder", record: ExportRecord, folder: Path, language: str) -> int:
    """Write the file, its labels and golden examples, and return how many these are."""
    (folder / "golden").mkdir()
    (folder / "model.tflite").write_bytes(record.path.read_bytes())
    (folder / LABELS_FILE).write_text(labels_text(_lines(bundle)), encoding="utf-8")
    return _write_golden(bundle, record, folder / "golden", language)


def write_assets(
    bundle: "BundleFolder", folder: Path, export: str | None
) -> tuple[dict[str, object], ExportRecord]:
    """Write what a project for photos in Python or C++ reads, into a folder that is empty.

    Args:
        bundle: The model.
        folder: Where to.
        export: Which export; by default the smallest verified `.tflite`.

    Returns:
        What a program must know of the model, and the record of its export.

    Raises:
        DataError: As `write_starter`.
        ValueError: If there is no such export.
        IntegrityError: If a file of the bundle changed.
    """
    _check_photos(bundle)
    _check_answers(bundle)
    with opened(_chosen(bundle, export, "tflite"), bundle) as record:
        _check_outputs(record, "edge")
        _write_model(bundle, record, folder, "cpp")
        return {**_facts(bundle, record), **_photo_facts(bundle)}, record


def _check_inputs(bundle: "BundleFolder", language: str) -> None:
    """Refuse what a project in a language does not prepare."""
    if bundle.manifest.modality == _TEXTS:
        check_words(tokens_of(bundle.input), language)
    else:
        _check_photos(bundle)
        _check_channels(bundle, language)


def _check_photos(bundle: "BundleFolder") -> None:
    """Refuse what is no photo, or is not prepared as the projects do."""
    modality = bundle.manifest.modality
    if modality != "photos":
        raise DataError(
            f"This prepares photos, and this model takes {modality}. Ask its exported file by "
            "kerasrecipes.Predictor, which needs no tensorflow."
        )
    policy = policy_of(bundle.input)
    policy.check_picture("A starter prepares")
    if (how := policy.resize) != "stretch":
        raise DataError(
            f"A starter stretches photos to the model's size, and this model has them by {how!r}. "
            "Ask its exported file by kerasrecipes.Predictor, or a server, which fit them so."
        )


def _check_answers(bundle: "BundleFolder") -> None:
    """Refuse answers that the projects have no words for."""
    task, (noun, _) = bundle.output.task, bundle.modality.noun
    if task not in _WORDS:
        told = " or ".join(dict.fromkeys(numbers for numbers, _ in _WORDS.values()))
        raise DataError(
            f"A starter answers for a {noun} with the {told}, and this model learned the task "
            f"{task!r}. Read its exported file as kerasrecipes.Predictor does."
        )
    if bundle.output.rule is not None:
        raise DataError(
            "A starter answers with the top class, and this model goes by costs, or leaves what is "
            "not clear to a person. Export it with decide=True (--decide), and let your app act on "
            "the output 'decision'."
        )


def _check_channels(bundle: "BundleFolder", language: str) -> None:
    """Refuse grey photos where a project prepares RGB alone."""
    if language in _RGB_ALONE and channels_of(bundle.input) != RGB:
        raise DataError(
            f"A starter in {language} prepares RGB photos, and this model takes grey ones. Take "
            "that in 'cpp' or 'python', whose preparation of photos can be carried over."
        )


def _check_outputs(record: ExportRecord, language: str) -> None:
    """Refuse a file of several outputs, where a project would not know which to read."""
    outputs = get_format(record.format).read_contract(record.path).outputs
    if any(output.decides for output in outputs):
        raise DataError(
            f"The export '{record.name}' answers with {listed(one.name for one in outputs)}, and a "
            "starter reads scores alone. Export without decide=True (--decide)."
        )
    if len(outputs) > 1 and language not in _OF_SEVERAL:
        raise DataError(
            f"The export '{record.name}' answers with {listed(one.name for one in outputs)}, and "
            "this program reads files of one output. Write a starter in Python, or of photos in "
            "Swift, or ask the file by kerasrecipes.Predictor."
        )


def _lines(bundle: "BundleFolder") -> tuple[str, ...]:
    """Return what the columns of an answer stand for: a number has a unit at most."""
    return bundle.class_names or (bundle.output.unit,)


def _chosen(bundle: "BundleFolder", export: str | None, format: str) -> ExportRecord:
    records = {name: r for name, r in bundle.exports().items() if r.format == format}
    if export is not None and export not in records:
        raise unknown_name("export", export, records, "Bundle.exports()")
    verified = [record for record in records.values() if record.verification.get("passed")]
    if not verified:
        raise DataError(no_exports(bundle, format))
    if export is not None:
        return records[export]
    return min(verified, key=lambda record: (record.size_bytes, record.name))


def _facts(bundle: "BundleFolder", record: ExportRecord) -> dict[str, object]:
    """Return what the templates may mention. No name of a class: those are data, not code."""
    output = bundle.output
    numbers, said = _WORDS[output.task]
    return {
        "task": output.task,
        "numbers": numbers,
        "said": said,
        "thresholds": [float(limit) for limit in output.limits()],
        "alarm": _alarm(output),
        "width_of_answer": output.width,
        "place": _place(record, output.name),
        "tolerance": f"{_TOLERANCE.get(record.quantization, _TOLERANCE_8_BIT) * _unit(bundle):.3g}",
        "model": listed([f"{bundle.folder.parent.name}, version {bundle.folder.name}"]),
        "export": record.name,
        "megabytes": f"{record.size_bytes / 1e6:.2f}",
        "sha256": record.sha256,
    }


def _photo_facts(bundle: "BundleFolder") -> dict[str, object]:
    """Return what the templates for photos may mention besides."""
    policy = policy_of(bundle.input)
    height, width = bundle.input.shape[:2]
    return {
        "height": height,
        "width": width,
        "channels": channels_of(bundle.input),
        "interpolation": policy.interpolation,
        "background": policy.background,
        "max_16bit": policy.max_16bit,
    }


def _place(record: ExportRecord, name: str) -> int:
    """Return which of the outputs of a file, from 0, has a name."""
    model = get_format(record.format).load(record.path)
    return model.place_of(name) if isinstance(model, TFLiteModel) else 0


def _alarm(output: OutputSpec) -> dict[str, object] | None:
    """Say of an alarm which lines of the labels it adds up: names are data."""
    if output.alarm is None:
        return None
    lines = [i for i, name in enumerate(output.class_names, 1) if name in output.alarm.classes]
    return {"lines": lines, "threshold": output.alarm.threshold}


def _unit(bundle: "BundleFolder") -> float:
    """Return what gaps between answers are measured by."""
    return get_task(bundle.output.task).gap_unit(np.asarray(bundle.golden().answers))


def _write_golden(bundle: "BundleFolder", record: ExportRecord, folder: Path, language: str) -> int:
    """Write examples as they are answered here and there alike, and their scores."""
    model = get_format("tflite").load(record.path)
    lines: list[str] = []
    exactly = ".6f" if bundle.class_names else ".8g"
    texts = bundle.manifest.modality == _TEXTS
    for ending, content in _golden_texts(bundle) if texts else _golden_photos(bundle, language):
        name = f"{len(lines)}.{ending}"
        (folder / name).write_bytes(content)
        scores = model(bundle.decode(content)[None])[bundle.output.name][0]
        lines.append(" ".join([name, *(f"{score:{exactly}}" for score in scores)]))
    (folder / "golden.txt").write_text("\n".join(lines) + "\n", encoding="ascii")
    return len(lines)


def _golden_texts(bundle: "BundleFolder") -> Iterator[tuple[str, bytes]]:
    golden = bundle.golden()
    return (("txt", golden.files[i]) for i in _golden_places(bundle))


def _golden_photos(bundle: "BundleFolder", language: str) -> Iterator[tuple[str, bytes]]:
    """Yield photos without loss, as every decoder reads them alike."""
    from kerasrecipes.photos.decoding.decode import decode_upright

    golden = bundle.golden()
    # C++ reads the one format that needs no library.
    kind = "PPM" if language == "cpp" else "PNG"
    for i in _golden_places(bundle):
        photo = decode_upright(golden.files[i], policy_of(bundle.input), name=golden.names[i])
        photo.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        content = BytesIO()
        photo.save(content, kind)
        yield kind.lower(), content.getvalue()


def _golden_places(bundle: "BundleFolder") -> list[int]:
    """Choose a few golden examples: of as many classes as there are, or over all numbers."""
    targets = np.asarray(bundle.golden().targets)
    if not bundle.class_names:
        by_size = np.argsort(targets, kind="stable")
        order = by_size[np.linspace(0, len(by_size) - 1, _GOLDEN).astype(int)]
    else:
        # The first of each class or combination of labels, then the second of each, and so on.
        kinds = np.unique(targets, axis=0, return_inverse=True)[1].ravel()
        seen = [int(np.sum(kinds[:i] == kind)) for i, kind in enumerate(kinds)]
        order = np.lexsort((kinds, np.array(seen)))[:_GOLDEN]
    return list(dict.fromkeys(map(int, order)))


def _render(language: str, folder: Path, facts: dict[str, object]) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([_TEMPLATES / language, _TEMPLATES]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # nothing but numbers, names of ours and one escaped line
    )
    for path in sorted(one for one in (_TEMPLATES / language).rglob("*") if one.is_file()):
        name = path.relative_to(_TEMPLATES / language).as_posix()
        target = folder / name.removesuffix(_SUFFIX)
        target.parent.mkdir(parents=True, exist_ok=True)
        told = name.endswith(_SUFFIX)
        text = environment.get_template(name).render(facts) if told else path.read_text("utf-8")
        target.write_text(text, encoding="utf-8")
