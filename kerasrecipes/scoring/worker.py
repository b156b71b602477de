"""One process of the local engine: shards come in as lines of JSON, and progress goes out."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from kerasrecipes.records import checked
from kerasrecipes.scoring.job import Job
from kerasrecipes.scoring.shard import scorer_of

# What a line that goes out says: the place of the example that comes next, or how a shard ended.
AT, DONE, FAILED = "at", "done", "failed"


def main() -> None:
    """Answer shards until there are none, or whoever sent them is gone."""
    # Nothing that a library prints may come between the lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(word: str, what: Any = None) -> None:
        out.write(json.dumps([word, what]) + "\n")
        out.flush()

    try:
        first = json.loads(sys.stdin.readline())
        job, to = checked(Job, first["job"]), Path(first["to"])
        for line in sys.stdin:
            told = json.loads(line)
            skipped = {int(place): why for place, why in told["skipped"].items()}
            scorer_of(job).score(
                to, told["number"], told["names"], skipped, lambda place: tell(AT, place)
            )
            tell(DONE)
    except (BrokenPipeError, KeyboardInterrupt):
        # Nobody listens any more: what is left of a line would be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        sys.exit(1)
    except Exception as error:
        tell(FAILED, [type(error).__name__, getattr(error, "errno", None), str(error)])
        sys.exit(1)


if __name__ == "__main__":
    main()
