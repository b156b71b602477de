"""The engine of Spark: shards are rows of a data frame, and `mapInPandas` answers them."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.errors import MissingDependencyError
from kerasrecipes.scoring.job import Job
from kerasrecipes.scoring.rows import RowAnswering, behind, rows_of

# So often Spark tries a shard on this machine; on a cluster, its own setting says.
_TRIES = 4
_MOST_TASKS = 10_000


def run_spark(
    job: Job, to: Path, shards: Iterable[tuple[int, Sequence[str]]], workers: int
) -> Iterator[int]:
    """Let Spark answer shards; a task whose worker is killed is tried again by Spark.

    Args:
        job: The job.
        to: The folder of the answers, which all machines must see.
        shards: The shards, with the names of their examples.
        workers: How many shards are answered at once, where no session of Spark is open.

    Yields:
        The number of each shard that was written, when all are.

    Raises:
        MissingDependencyError: If Java is not installed.
        KerasRecipesError: What a worker could not use.
        OSError: If a worker could not write.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    rows = list(rows_of(shards))
    if not rows:
        return
    session = SparkSession.getActiveSession()
    mine = session is None
    try:
        session = _begun(workers) if mine else session
        frame = session.createDataFrame(rows, "number int, names string")
        frame = frame.repartitionByRange(min(len(rows), _MOST_TASKS), "number")
        answering = RowAnswering(job, str(to.absolute()))
        for row in frame.mapInPandas(answering.frames, "number int").collect():
            yield int(row["number"])
    except PySparkException as error:
        raise behind(error, "Spark") from error
    finally:
        if mine and session is not None:
            session.stop()


def _begun(workers: int) -> Any:
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # What this process can import, its workers can.
    paths = os.pathsep.join(filter(None, sys.path))
    begun = SparkSession.builder.master(f"local[{workers},{_TRIES}]")
    for name, value in {
        "spark.app.name": "kerasrecipes score",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.executorEnv.PYTHONPATH": paths,
    }.items():
        begun = begun.config(name, value)
    try:
        return begun.getOrCreate()
    except PySparkRuntimeError as error:
        if "JAVA" not in str(error).upper():
            raise
        raise MissingDependencyError(
            "The engine 'spark' needs Java 17 or newer, which does not start here. Install "
            "it, e.g. default-jre-headless, or set JAVA_HOME."
        ) from error
