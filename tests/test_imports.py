"""What importing the package offers, and what it leaves for later."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import kerasrecipes

HEAVY = ("tensorflow", "keras", "sklearn", "matplotlib")


def test_the_lazy_names_are_those_that_editors_see():
    seen: dict[str, tuple[str, ...]] = {}
    for node in ast.parse(Path(kerasrecipes.__file__).read_text()).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for statement in node.body:
                module = statement.module.removeprefix("kerasrecipes.")
                seen[module] = tuple(alias.asname or alias.name for alias in statement.names)
    assert seen == kerasrecipes._WHERE, "Name it in both: under TYPE_CHECKING and in _WHERE."
    assert len(kerasrecipes._MODULES) == sum(map(len, seen.values())), "A name stands there twice."
    assert sum(map(len, seen.values())) > 30


def test_every_public_name_imports():
    for name in kerasrecipes.__all__:
        assert getattr(kerasrecipes, name) is not None
    assert dir(kerasrecipes) == sorted(kerasrecipes.__all__)
    assert len(kerasrecipes.__all__) > 30


def test_an_unknown_name_is_answered_with_a_known_one():
    with pytest.raises(AttributeError, match="no 'scan_photo'. Did you mean 'scan_photos'?"):
        _ = kerasrecipes.scan_photo


def loaded_by(code: str) -> list[str]:
    """Run code in a new process and return the heavy libraries that it loaded."""
    probe = (
        "import json, sys\n"
        "try:\n"
        f"    {code}\n"
        "finally:\n"
        f"    print('\\n' + json.dumps([name for name in {HEAVY} if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_probe_sees_a_loaded_library():
    assert loaded_by("sys.modules['keras'] = sys") == ["keras"]


@pytest.mark.parametrize(
    "code",
    [
        "import kerasrecipes",
        "import kerasrecipes as kr; kr.list_backbones(), kr.list_formats(), kr.list_heads()",
        "from kerasrecipes import Bundle, Predictor, ImageClassifier, scan_photos, verify_bundle",
        *(
            f"from kerasrecipes.cli import main; main({arguments})"
            for arguments in (["--help"], ["train", "--help"], ["ls"], ["ls", "--json"])
        ),
    ],
)
def test_looking_around_loads_nothing_heavy(code):
    assert loaded_by(code) == []


def test_predict_and_verify_load_nothing_heavy(small_saved, part_photos):
    photo = next(part_photos.rglob("*.png"))
    for arguments in (
        ["predict", str(small_saved.folder), str(photo)],
        ["verify", str(small_saved.folder)],
    ):
        assert loaded_by(f"from kerasrecipes.cli import main; main({arguments})") == []
