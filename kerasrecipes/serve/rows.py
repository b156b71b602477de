"""Predictions as rows of a table, for spreadsheets and for people."""

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from kerasrecipes.errors import printable, require

if TYPE_CHECKING:
    from kerasrecipes.serve.predictor import Prediction, Predictor


def columns_of(predictor: "Predictor") -> list[str]:
    """Return the columns of a table of what a model answers, the same for all examples.

    Args:
        predictor: The model.
    """
    output = predictor.output
    if not predictor.class_names:
        return ["path", "number", "unit", "error"]
    told = {
        "alarm": output.alarm is not None,
        "novelty": any(other.task == "novelty" for other in predictor.others),
        "is_new": any(other.task == "novelty" for other in predictor.others),
        "abstained": output.abstains,
    }
    flags = [name for name, there in told.items() if there]
    scores = [f"score of {name}" for name in predictor.class_names]
    return ["path", "label", "score", *flags, *scores, "error"]


def write_csv(predictor: "Predictor", found: "Iterable[Prediction]", file: TextIO) -> None:
    """Write predictions as CSV, line by line as they come.

    Args:
        predictor: The model.
        found: What it says.
        file: Where to write.
    """
    columns = columns_of(predictor)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for one in found:
        plain = _plain(one)
        writer.writerow([_cell(plain.get(name)) for name in columns])
        file.flush()


def parquet_of(predictor: "Predictor", found: "Iterable[Prediction]") -> bytes:
    """Return predictions as a Parquet file with the columns of the CSV.

    Args:
        predictor: The model.
        found: What it says.

    Raises:
        MissingDependencyError: If pyarrow is not installed.
    """
    arrow = require("pyarrow", "parquet", "Parquet")
    parquet = require("pyarrow.parquet", "parquet", "Parquet")
    kinds = {"alarm": arrow.bool_(), "is_new": arrow.bool_(), "abstained": arrow.bool_()}
    kinds |= dict.fromkeys(("path", "label", "unit", "error"), arrow.string())
    columns = columns_of(predictor)
    schema = arrow.schema([(name, kinds.get(name, arrow.float64())) for name in columns])
    rows = []
    for one in found:
        plain = _plain(one)
        rows.append({name: _told(plain.get(name)) for name in columns})
    file = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows, schema), file)
    return file.getvalue()


def write_table(found: "Iterable[Prediction]", file: TextIO) -> None:
    """Write predictions in aligned columns, when all of them are there.

    Args:
        found: What a model says.
        file: Where to write.
    """
    rows = [(printable(one.path), printable(one.error) or one.said) for one in found]
    width = max((len(path) for path, _ in rows), default=0)
    for path, said in rows:
        file.write(f"{path:{width}}  {said}\n")


def _plain(one: "Prediction") -> dict[str, Any]:
    plain = one.to_dict()
    return plain | {f"score of {name}": score for name, score in one.scores.items()}


def _told(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else printable(value)
