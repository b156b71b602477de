"""What uvloop would change: CPU time of the server for each answer, with its loop and asyncio's.

    pip install uvloop
    python tests/benchmarks/event_loop.py [--seconds 1.5] [--rounds 12]

The model is the mean of a photo of 224 × 224, so that most of an answer is the server's work. Both
servers are there all the time and are asked in turn.
"""

import argparse
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from serving import Server, ask_often, cpu_seconds, promote, request_of

# Takes the arguments of `python -m kerasrecipes`, and lets uvloop make the loop.
UVLOOP = """#!/bin/sh
shift 2
exec '{python}' -c "import sys, uvloop; uvloop.install()
from kerasrecipes.__main__ import main
sys.exit(main())" "$@"
"""


def make_model(root: Path) -> tuple[int, ...]:
    """Write a bundle that computes next to nothing, and return the shape of its photos."""
    import keras

    from tiny_bundle import CLASS_NAMES, write_bundle

    photo = keras.Input((224, 224, 3))
    x = keras.layers.GlobalAveragePooling2D()(photo)
    x = keras.layers.Dense(len(CLASS_NAMES), activation="softmax")(x)
    bundle = write_bundle(root / "tiles", keras.Model(photo, x))
    bundle.export("tflite", "float32")
    promote(root / "tiles", 1)
    return bundle.input.shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="of each round")
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        content = request_of(make_model(Path(made) / "served"))
        servers = {"asyncio": Server(Path(made) / "served", "--workers", "2")}
        installing = Path(made) / "uvloop"
        installing.write_text(UVLOOP.format(python=sys.executable))
        installing.chmod(0o755)
        sys.executable = str(installing)
        servers["uvloop"] = Server(Path(made) / "served", "--workers", "2")
        found: dict[str, list] = {name: [] for name in servers}
        for number in range(given.rounds):
            for name in sorted(servers, reverse=bool(number % 2)):
                server = servers[name]
                before = cpu_seconds(server.process.pid)
                answers = ask_often(server.port, content, 4, lambda n: 0.0, given.seconds)
                assert {code for code, _ in answers} == {200}
                took = cpu_seconds(server.process.pid) - before
                found[name].append((1e3 * took / len(answers), len(answers) / given.seconds))
        print(f"uvloop {version('uvloop')}, load of the machine {os.getloadavg()[0]:.0f}")
        for name, server in servers.items():
            cpu, rate = np.transpose(found[name])
            print(
                f"{name}: CPU ms of an answer, least {cpu.min():.3f}, median {np.median(cpu):.3f}, "
                f"most {cpu.max():.3f}; median {np.median(rate):.0f} answers/s; "
                f"{server.memory_kb() / 1e3:.0f} MB"
            )
            server.end()


if __name__ == "__main__":
    main()
