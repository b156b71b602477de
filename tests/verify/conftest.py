import importlib.util
import shutil
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "tiny_bundle", Path(__file__).parents[1] / "export" / "tiny_bundle.py"
)
_tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_tiny)


@pytest.fixture(scope="session")
def tiny():
    """The module that makes tiny photos, models and bundles."""
    return _tiny


@pytest.fixture(scope="session")
def trained():
    return _tiny.trained_model()


@pytest.fixture(scope="session")
def exported_once(tmp_path_factory, trained):
    """A bundle with a float32 and an int8 export; not to be changed."""
    bundle = _tiny.write_bundle(tmp_path_factory.mktemp("saved_models") / "colours", trained)
    bundle.export("tflite", "float32")
    bundle.export("tflite", "int8")
    return bundle


@pytest.fixture
def exported(exported_once, tmp_path):
    """A copy of the bundle with exports, free to be damaged."""
    from kerasrecipes.bundle import Bundle

    folder = tmp_path / "colours" / "1"
    shutil.copytree(exported_once.folder, folder)
    return Bundle.load(folder)


@pytest.fixture
def bundle(exported):
    """A copy of the bundle without exports."""
    shutil.rmtree(exported.folder / "exports")
    return exported
