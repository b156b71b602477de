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
