"""Measuring a file in a process that does nothing else, and that may crash alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from kerasrecipes.errors import VerificationError, printable

_SECONDS = 120


def measure_alone(
    module: str,
    function: str,
    *arguments: object,
    failing: str = "cannot be loaded and run in a process of its own",
    remedy: str = "Export the model again",
) -> Any:
    """Call a function of this package in a new process.

    Args:
        module: Where it is, e.g. `"kerasrecipes.export.footprint"`.
        function: A function without arguments that reads `sys.argv[1:]`, and prints JSON in
            the last line.
        *arguments: What it finds in `sys.argv[1:]`; the last one is the file, for the message.
        failing: What to say of the file when the process fails.
        remedy: What to do then.

    Returns:
        What it printed.

    Raises:
        VerificationError: If the process fails, crashes, or takes too long.
    """
    package = str(Path(__file__).parents[2])
    # What this process can import, the new one can.
    searched = os.pathsep.join(filter(None, [package, *sys.path]))
    code = f"from {module} import {function}; {function}()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            env={**os.environ, "PYTHONPATH": searched},
            stdin=subprocess.DEVNULL,
        )
        reason = _reason(done)
    except subprocess.TimeoutExpired:
        reason = f"it took more than {_SECONDS} seconds"
    if reason:
        raise VerificationError(
            f"'{printable(arguments[-1])}' {failing}: {printable(reason)}. {remedy}."
        )
    return json.loads(done.stdout.splitlines()[-1])


def _reason(done: subprocess.CompletedProcess) -> str:
    """Say why a process failed; nothing if it did not."""
    if done.returncode < 0:
        return f"it was ended by signal {-done.returncode}"
    told = done.stderr.strip().splitlines() or [f"it ended with exit code {done.returncode}"]
    # Without the type of the exception, which says nothing to a user.
    return re.sub(r"^[\w.]*Error: ", "", told[-1]).rstrip(".") if done.returncode else ""
