"""What a server needs around it: the client asks, and each file starts what there is."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from kerasrecipes.cli import app
from kerasrecipes.server.web.keys import new_key

FOLDER = Path(__file__).parents[2] / "recipes" / "serve_models"
CLIENT = FOLDER / "ask_server.py"


def commands() -> dict[str, list[str]]:
    """Return how each file starts the server."""
    container = re.search(r"^CMD (\[.*\])$", (FOLDER / "Containerfile").read_text(), re.M)[1]
    unit = re.search(r"^ExecStart=(.*)$", (FOLDER / "kerasrecipes.service").read_text(), re.M)[1]
    found = {"container": json.loads(container), "unit": shlex.split(unit)}
    for path in FOLDER.glob("*.yaml"):
        args = re.search(r"args: \[(.*?)\]", path.read_text(), re.S)[1]
        found[path.stem] = [word.strip(' "\n') for word in args.split(",")]
    return found


@pytest.mark.parametrize("name", ["container", "unit", "kubernetes", "kserve"])
def test_each_starts_a_server_that_asks_for_keys(name):
    program, verb, *arguments = commands()[name]
    assert program.split("/")[-1] == "kerasrecipes" and verb == "serve"
    context = get_command(app).commands["serve"].make_context("serve", arguments)
    assert context.params["host"] == "0.0.0.0" and context.params["keys"]
    assert context.params["port"] == 8080


FAKE = """#!/bin/sh
echo "$@" >> calls
[ "$1" = monitor ] && exit {monitor}
exit {retrain}
"""


@pytest.mark.parametrize(
    "monitor, retrain, code", [(0, 9, 0), (6, 9, 0), (5, 0, 0), (5, 3, 3), (4, 9, 4), (1, 9, 1)]
)
def test_a_successor_is_trained_where_the_monitor_says_so(monitor, retrain, code, tmp_path):
    program = tmp_path / "bin" / "kerasrecipes"
    program.parent.mkdir()
    program.write_text(FAKE.format(monitor=monitor, retrain=retrain))
    program.chmod(0o755)
    told = {"PATH": f"{program.parent}:/usr/bin:/bin", "MODEL": "models/a b", "QUEUE": "queue/a b"}
    done = subprocess.run(["sh", FOLDER / "renew.sh"], cwd=tmp_path, env=told, check=False)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert done.returncode == code and len(calls) == 1 + (monitor == 5)
    for call in calls:
        verb, *words = call.replace("models/a b", "models/a").replace("queue/a b", "queue").split()
        words = [word for word in words if word not in ("saw", "a", "change")]
        parsed = get_command(app).commands[verb].make_context(verb, words).params
        assert "models/a" in str(parsed.get("bundle", parsed.get("model")))


def test_the_client_asks_about_a_folder(start, models, photos, tmp_path):
    key = new_key(tmp_path / "keys", "line-2")
    server = start(models, "--keys", str(tmp_path / "keys"))
    (tmp_path / "photos").mkdir()
    for number, photo in enumerate((*photos[:2], b"no photo")):
        (tmp_path / "photos" / f"{number}.png").write_bytes(photo)

    def ask(environment):
        command = [sys.executable, CLIENT, server.address, tmp_path / "photos"]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    done = ask({"KERASRECIPES_KEY": key})
    assert done.returncode == 0 and done.stdout.count(".png") == 2
    assert "2.png: " in done.stderr and "not a photo" in done.stderr
    assert "Send a key that this server knows" in ask({}).stderr
    server.end()
    done = ask({})
    assert done.returncode == 1 and "does not answer" in done.stderr
