import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def kr(capsys):
    """Runs the command line in this process; returns exit code, stdout and stderr."""
    from kerasrecipes.cli import main

    def run(*arguments) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        found = capsys.readouterr()
        assert "Traceback" not in found.err
        return end.value.code or 0, found.out, found.err

    return run


@pytest.fixture
def shell():
    """Runs the command line in a process of its own; returns the finished process."""

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "kerasrecipes", *map(str, arguments)]
        options = {"capture_output": True, "encoding": "utf-8", "timeout": 300, **options}
        done = subprocess.run(command, check=False, **options)
        assert "Traceback" not in (done.stderr or "")
        return done

    return run


@pytest.fixture
def model(small_saved, tmp_path):
    """A model folder with one version, free to be damaged."""
    shutil.copytree(small_saved.folder, tmp_path / "saved_models" / "parts" / "1")
    return tmp_path / "saved_models" / "parts"


@pytest.fixture
def photos(part_photos, tmp_path):
    """A folder of photos, free to be changed."""
    return shutil.copytree(part_photos, tmp_path / "photos")
