"""The engine of Ray: shards are rows of a data set of Ray, and `map_batches` answers them."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kerasrecipes.scoring.job import Job
from kerasrecipes.scoring.rows import RowAnswering, behind, rows_of


def run_ray(
    job: Job, to: Path, shards: Iterable[tuple[int, Sequence[str]]], workers: int
) -> Iterator[int]:
    """Let Ray answer shards; a worker that is killed is replaced by Ray.

    Args:
        job: The job.
        to: The folder of the answers, which all machines must see.
        shards: The shards, with the names of their examples.
        workers: How many shards are answered at once.

    Yields:
        The number of each shard that was written.

    Raises:
        KerasRecipesError: What a worker could not use.
        OSError: If a worker could not write.
    """
    import ray
    from ray import data

    rows = [{"number": number, "names": names} for number, names in rows_of(shards)]
    if not rows:
        return
    mine = not ray.is_initialized()
    if mine:
        # What this process can import, its workers can.
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        ray.init(
            num_cpus=workers,
            runtime_env={"env_vars": paths},
            include_dashboard=False,
            log_to_driver=False,
        )
    try:
        answered = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            RowAnswering(job, str(to.absolute())).batch, batch_size=1, concurrency=workers
        )
        for row in answered.iter_rows():
            yield int(row["number"])
    except ray.exceptions.RayError as error:
        raise behind(error, "Ray") from error
    finally:
        if mine:
            ray.shutdown()
