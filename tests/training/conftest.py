import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CHILD = Path(__file__).with_name("child_fit.py")


@pytest.fixture(scope="session")
def start_child(part_photos):
    """Starts a process that fits recipes one after the other; see `child_fit.py`."""

    def start(to: Path, fits: dict, cpus: int = 1, save: str | None = None, **environment):
        request = json.dumps({"cpus": cpus, "fits": fits, "save": save})
        command = [sys.executable, CHILD, part_photos, to, request]
        # Nothing of the parent's imports: another backend, other devices.
        settings = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=settings, **pipes)

    return start


@pytest.fixture(scope="session")
def end_child():
    """Waits for such a process, and returns the losses and the weights of each of its fits."""

    def end(child: subprocess.Popen, to: Path) -> dict:
        try:
            out, errors = child.communicate(timeout=600)
        finally:
            child.kill()
        assert child.returncode == 0, errors
        found = {}
        for name, losses in json.loads(out.splitlines()[-1]).items():
            with np.load(to / f"{name}.npz") as arrays:
                found[name] = (np.array(losses), list(arrays.values()))
        return found

    return end
