"""Hostile names and hostile surroundings: a read-only disk, no home, no terminal."""

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

QUICK = ("--epochs", 1, "--image-size", 48, "--augment", "none", "--backbone", "tiny")
NAMES = [
    "new\nline.png",
    "grin 😀.png",
    "rtl \u202egnp.exe.png",
    "<script>alert(1)<script>.png",
    "-rf.png",
    "--json.png",
    "=cmd|' x'!A1.png",
    "[red]bold[-red].png",
    "%s {0} $HOME `id`.png",
    "\x1b[31mred.png",
    b"caf\xe9.png",
]
CLASSES = {
    "dot": "<script>alert(1)<script>",
    "plain": "-1 \u202e😀\n[red]{{7*7}}",
    "stripe": "2",
}
# Nothing in these may reach a terminal.
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f\u202e\ud800-\udfff]")


@pytest.fixture
def hostile(part_photos, tmp_path):
    """The photos of parts with hostile names of files and classes."""
    root = tmp_path / "photos"
    for kind, label in CLASSES.items():
        (root / label).mkdir(parents=True)
        for i, photo in enumerate(sorted((part_photos / kind).iterdir())):
            name = NAMES[i] if i < len(NAMES) else photo.name
            shutil.copy(photo, os.path.join(os.fsencode(root / label), os.fsencode(name)))
    return root


def test_doctor_prints_no_control_characters(kr, hostile):
    for extra in ([], ["--split", "auto"]):
        code, out, err = kr("doctor", hostile, *extra)
        assert code == 0 and err == "" and not RAW.search(out)
        assert "<script>alert(1)<script>  " in out
    code, out, _ = kr("doctor", hostile, "--json")
    assert code == 0 and json.loads(out)["counts"]["all"] == dict.fromkeys(CLASSES.values(), 16)


def test_predict_prints_one_line_per_photo(kr, model, hostile):
    code, out, err = kr("predict", model, hostile)
    assert code == 0 and err == "" and not RAW.search(out)
    assert len(out.splitlines()) == 48
    code, out, _ = kr("predict", model, hostile, "--json")
    found = {json.loads(line)["path"] for line in out.splitlines()}
    assert found == {str(path) for path in hostile.rglob("*.png")}


def test_names_on_the_command_line(shell, model, hostile):
    folder = hostile / CLASSES["dot"]
    done = shell("predict", model, "--", *os.listdir(folder), cwd=folder)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 16
    assert not RAW.search(done.stdout)
    done = shell("predict", model, "--json", "-x\udce9.png", cwd=folder)
    assert done.returncode == 2
    done = shell("predict", model, "no\nsuch\udce9.png", cwd=folder)
    assert done.returncode == 1 and not RAW.search(done.stderr)
    assert len(done.stderr.splitlines()) == 1


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_from_hostile_photos_to_predictions(kr, hostile, tmp_path, tiny_known, drawn):
    to = tmp_path / "mod\udce9ls <b>\n😀"
    code, out, err = kr("train", hostile, "--to", to, *QUICK)
    assert code == 0, err
    assert not RAW.search(out) and not RAW.search(err)
    page = (to / "1" / "report.html").read_text(encoding="utf-8")
    parser = Tags()
    parser.feed(page)
    assert "script" not in parser.tags and "&lt;b&gt;" in page
    assert "&lt;script&gt;alert(1)&lt;script&gt;" in page and "{{7*7}}" in page
    stated = json.loads((to / "1" / "bundle.json").read_text(encoding="utf-8"))
    assert stated["outputs"][0]["class_names"] == sorted(CLASSES.values())
    assert kr("evaluate", to, hostile)[0] == 0
    code, out, err = kr("export", to)
    assert code == 0, err
    assert not RAW.search(out)
    assert kr("verify", to)[0] == 0
    code, out, _ = kr("predict", to, hostile, "--json")
    assert code == 0
    assert {json.loads(line)["label"] for line in out.splitlines()} <= set(CLASSES.values())


@pytest.fixture
def writable_again(photos):
    yield photos
    for path in [photos, *photos.rglob("*")]:
        path.chmod(0o755)


FIXTURES = Path(__file__).parents[1] / "fixtures"
COMMANDS = """
import json, os, sys
sys.path.insert(0, sys.argv[2])
from tiny_backbone import tiny_backbone
from kerasrecipes import get_backbone, register_backbone
from kerasrecipes.cli import main
register_backbone(tiny_backbone())
get_backbone("efficientnet_lite0").build((48, 48))
for command in json.loads(sys.argv[1]):
    try:
        main(command)
    except SystemExit as end:
        if end.code:
            raise
    os.environ.pop("KERASRECIPES_CACHE", None)
"""


@pytest.mark.proof
def test_read_only_photos_no_home_no_cache(writable_again, tmp_path):
    """(For the user root nothing is read-only; the rest holds for root, too.)"""
    photos = writable_again
    for path in [*photos.rglob("*"), photos]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    blocked = tmp_path / "file"
    blocked.write_text("")
    environment = {k: v for k, v in os.environ.items() if k not in {"HOME", "XDG_CACHE_HOME"}}
    environment["KERASRECIPES_CACHE"] = str(blocked)
    to = tmp_path / "m"
    # One process for all, since each would load tensorflow anew; the variable is for the first,
    # and for the pretrained weights that are made before it.
    commands = [
        ["train", photos, "--to", to, *QUICK], ["doctor", photos], ["evaluate", to, photos],
        ["export", to], ["verify", to], ["predict", to, photos],
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps([[*map(str, one)] for one in commands]),
         str(FIXTURES)],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "not writable" in done.stderr and "KERASRECIPES_CACHE" in done.stderr
    assert len(re.findall("^ *[0-9.]+%  .*png$", done.stdout, re.MULTILINE)) == 48


def test_a_destination_that_cannot_be_written_stops_before_the_training(
    kr, photos, tmp_path, monkeypatch, tiny_known
):
    import tempfile

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    monkeypatch.setattr(
        "kerasrecipes.training.fine_tune.scan_photos", lambda *_, **__: pytest.fail("too late")
    )
    code, out, err = kr("train", photos, "--to", tmp_path / "m", *QUICK)
    assert code == 1 and out == "" and err.count("\n") == 1
    assert "Nothing was saved in" in err and "Read-only file system" in err
    assert "Name a folder that can be written" in err


def test_a_reader_that_stops_early(model, photos):
    command = f"{sys.executable} -m kerasrecipes predict {model} {photos} | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert "photos/dot/00.png" in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full(unbuffered):
    """Python itself says nothing, or "Exception ignored", of what it could not print at its end."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kerasrecipes", "--version"],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "OSError: Not all could be printed: No space left on device. Free some space where it "
        "goes, then run the command again\n"
    )


def test_a_closed_output(model):
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&-"):
        command = f"{sys.executable} -m kerasrecipes verify {model} {closed}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("locale", [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"COLUMNS": "1"}])
def test_poor_terminals(shell, photos, model, locale):
    environment = {**os.environ, "PYTHONCOERCECLOCALE": "0", "TERM": "dumb", **locale}
    for verb in (["--help"], ["ls"], ["doctor", photos], ["predict", model, photos]):
        done = shell(*verb, env=environment, errors="replace")
        assert done.returncode == 0 and done.stdout, done.stderr
