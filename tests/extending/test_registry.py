"""Names are read from files, one file is imported for one name, and users add their own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from kerasrecipes import backbones, callbacks, export, heads, losses
from kerasrecipes.errors import PluginError
from kerasrecipes.registry import Registry

REGISTRIES = [package._REGISTRY for package in (backbones, heads, losses, export)]


@dataclass
class Entry:
    name: str


def check(entry):
    if not isinstance(entry, Entry):
        raise ValueError("no entry")


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """Makes a registry over files that are written there, in a package that is new each time."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(files: dict[str, str], **options):
        name = f"catalogue_{tmp_path.name}"
        for file, text in {"__init__.py": "", **files}.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Registry(name, "ENTRIES", "thing", "things()", check=check, **options)

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("catalogue_"):
            del sys.modules[name]


ONE = "from types import SimpleNamespace as E\nENTRIES = (E(name={!r}),)\n"
FAILS = "raise RuntimeError('imported')\nENTRIES = ()\n"


def loaded(registry) -> set[str]:
    start = f"{registry._package}."
    return {name.removeprefix(start) for name in sys.modules if name.startswith(start)}


def test_names_are_listed_without_importing_any(catalogue):
    registry = catalogue({"broken.py": FAILS, "sub/__init__.py": FAILS, "plain.py": "X = 1\n"})
    assert list(registry) == ["broken", "sub"]
    assert "broken" in registry and "plain" not in registry
    assert loaded(registry) == set()


def test_a_name_costs_one_module(catalogue):
    family = "NAMES = ('b', 'c')\n" + ONE.format("b") + "ENTRIES += (E(name='c'),)\n"
    registry = catalogue({"a.py": ONE.format("a"), "family.py": family, "broken.py": FAILS})
    assert list(registry) == ["a", "b", "broken", "c"]
    assert registry.get("c").name == "c" and registry.get("c") is registry.get("c")
    assert loaded(registry) == {"family"}


def test_a_package_inside_takes_part_with_what_it_imports(catalogue):
    inside = {"sub/__init__.py": "from .code import ENTRIES\n", "sub/code.py": ONE.format("sub")}
    registry = catalogue(inside)
    assert list(registry) == ["sub"] and registry.get("sub").name == "sub"


def test_facts_are_read_without_importing(catalogue):
    facts = "raise RuntimeError\nENTRIES = {'a': {'size': 3}, 'b': {'size': 4}}\n"
    registry = catalogue(
        {"file.py": facts}, from_facts=lambda module, facts: SimpleNamespace(**facts, module=module)
    )
    assert list(registry) == ["a", "b"] and registry.get("b").size == 4
    assert registry.get("a").module.endswith(".file") and loaded(registry) == set()


def test_a_mention_is_no_entry(catalogue):
    mentions = "def f():\n    ENTRIES = 1\n    return ENTRIES  # ENTRIES\n"
    assert list(catalogue({"file.py": mentions})) == []


def test_two_files_with_one_name_are_refused(catalogue):
    both = catalogue({"a.py": ONE.format("a"), "b.py": "NAMES = ['a']\n" + ONE.format("a")})
    with pytest.raises(ValueError, match=r"Two modules have a thing 'a': .*\.a and .*\.b"):
        list(both)


def test_a_file_that_is_not_named_as_its_entry_is_refused(catalogue):
    with pytest.raises(ValueError, match="has no thing 'file'. Name the file as its one entry"):
        catalogue({"file.py": ONE.format("other")}).get("file")


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry._kind)
def test_the_files_of_this_package_are_named_as_their_entries(registry):
    """Every entry is found, under its name, and no file has one that `NAMES` leaves out."""
    names = list(registry)
    assert len(names) >= 3
    held = []
    for module in {module for module, _ in registry._declared.values()}:
        entries = getattr(import_module(module), registry._attribute)
        held += entries if isinstance(entries, dict) else [entry.name for entry in entries]
    assert sorted(held) == sorted(registry._declared)
    for name in names:
        registry._check(registry.get(name)) if registry._kind != "loss" else registry.get(name)


def test_what_is_added_is_found_and_checked(catalogue):
    registry = catalogue({"a.py": ONE.format("a")})
    mine = Entry("mine")
    registry.add("mine", mine)
    assert list(registry) == ["a", "mine"] and registry.get("mine") is mine
    with pytest.raises(ValueError, match="no entry"):
        registry.add("other", "text")
    for name in ("with space", "", 3, "model:mine"):
        with pytest.raises(ValueError, match="must be a word of letters, digits"):
            registry.add(name, mine)


def test_a_name_that_is_taken_is_refused(catalogue):
    registry = catalogue({"a.py": ONE.format("a")})
    with pytest.raises(ValueError, match=r"'a' of a thing is taken by 'catalogue_.*\.a'"):
        registry.add("a", Entry("a"), replace=True)
    registry.add("mine", Entry("mine"))
    with pytest.raises(ValueError, match="'mine' was registered before.*replace=True"):
        registry.add("mine", Entry("mine"))
    registry.add("mine", again := Entry("mine"), replace=True)
    assert registry.get("mine") is again


def test_an_unknown_name_is_answered_with_a_known_one(catalogue):
    registry = catalogue({"stripe.py": ONE.format("stripe")})
    with pytest.raises(ValueError, match="Unknown thing 'strip'. Did you mean 'stripe'"):
        registry.get("strip")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a distribution with one module and its entry points, for the test."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def install(package: str, text: str, *names: str, group: str = "some.things") -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        points = "\n".join(f"{name} = {module}:{name}" for name in names)
        (info / "entry_points.txt").write_text(f"[{group}]\n{points}\n")

    yield install
    for name in set(sys.modules) - before:
        if name.startswith("things_"):
            del sys.modules[name]


ENTRY = (
    f"from importlib import import_module\nimport sys\nEntry = sys.modules[{__name__!r}].Entry\n"
)


def test_installed_packages_add_entries(catalogue, installed):
    installed("things-of-theirs", ENTRY + "theirs = Entry('theirs')\n", "theirs")
    registry = catalogue({"a.py": ONE.format("a")}, group="some.things")
    assert list(registry) == ["a", "theirs"]
    assert "things_of_theirs" not in sys.modules
    assert registry.get("theirs").name == "theirs"
    with pytest.raises(ValueError, match="is taken by 'things-of-theirs'"):
        registry.add("theirs", Entry("theirs"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_that_name\n", "ModuleNotFoundError: No module named 'nothing_of"),
        ("theirs = 3\n", "ValueError: no entry"),
        (ENTRY + "theirs = Entry('ours')\n", "ValueError: its own name is 'ours'"),
    ],
)
def test_a_broken_package_is_an_error_where_its_name_is_asked_for(
    catalogue, installed, text, reason
):
    installed("things-of-theirs", text, "theirs")
    registry = catalogue({"a.py": ONE.format("a")}, group="some.things")
    assert list(registry) == ["a", "theirs"] and registry.get("a").name == "a"
    message = f"The thing 'theirs' of the package 'things-of-theirs' cannot be used: {reason}"
    with pytest.raises(PluginError, match=message):
        registry.get("theirs")
    with pytest.warns(UserWarning, match="'things-of-theirs' cannot be used.*It is left out"):
        assert list(registry.entries()) == ["a"]


def test_two_that_offer_one_name_are_refused_where_it_is_asked_for(catalogue, installed):
    installed("things-one", "a = both = 1\n", "a", "both")
    installed("things-two", "both = 1\n", "both")
    registry = catalogue({"a.py": ONE.format("a"), "b.py": ONE.format("b")}, group="some.things")
    assert list(registry) == ["a", "b", "both"] and registry.get("b").name == "b"
    with pytest.raises(ValueError, match=r"offered by 'catalogue.*\.a', 'things-one'. Uninst"):
        registry.get("a")
    with pytest.raises(ValueError, match="'both' is offered by 'things-"):
        registry.get("both")


@pytest.mark.parametrize("kind", ["backbones", "heads", "formats"])
def test_packages_add_to_the_catalogues_of_this_package(kind, installed, tmp_path):
    """In a new process, where a package that is broken does not stop `ls`."""
    installed("things-broken", "broken", "theirs", group=f"kerasrecipes.{kind}")
    code = (
        f"import kerasrecipes as kr; assert 'theirs' in kr.list_{kind}()\n"
        "from kerasrecipes.cli import main; main(['ls'])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "efficientnet_lite0" in done.stdout and "tflite" in done.stdout
    if kind != "heads":
        assert "'theirs' of the package 'things-broken' cannot be used: NameError" in done.stderr


def forget_packages(monkeypatch, registry):
    """Let a registry look for installed packages again, now and after the test."""
    monkeypatch.setitem(vars(registry), "_plugins", {})
    monkeypatch.delitem(vars(registry), "_plugins")
    monkeypatch.setattr(registry, "_loaded", dict(registry._loaded))


def test_packages_add_losses_and_callbacks(installed, monkeypatch):
    text = (
        "import keras\nfrom kerasrecipes.losses import loss_kind\n"
        "class plain(keras.losses.CategoricalCrossentropy):\n    pass\n"
        "yes_or_no = loss_kind(keras.losses.BinaryCrossentropy, 'binary')\nno_loss = 3\n"
    )
    installed("things-lost", text, "plain", "yes_or_no", "no_loss", group="kerasrecipes.losses")
    text = "import keras\nclass counts(keras.callbacks.Callback):\n    pass\nbroken = 3\n"
    installed("things-called", text, "counts", "broken", group="kerasrecipes.callbacks")
    for package in (losses, callbacks):
        forget_packages(monkeypatch, package._REGISTRY)
    with pytest.warns(
        UserWarning, match="loss 'no_loss' of the package 'things-lost' cannot .*`ma"
    ):
        assert "plain" in losses.list_losses() and "no_loss" not in losses.list_losses()
    with pytest.warns(UserWarning, match="no_loss"):
        assert "yes_or_no" in losses.list_losses("binary")
        assert losses.get_loss("plain", label_smoothing=0.1).label_smoothing == 0.1
    assert {"counts", "broken", "EarlyStopping"} <= set(callbacks.list_callbacks())
    assert callbacks.get_callback("counts").__name__ == "counts"
    with pytest.raises(PluginError, match="'broken' of the package 'things-called' cannot be used"):
        callbacks.get_callback("broken")


LOSS = '''"""A loss, and all that is said of it."""
import keras
from keras import ops

class Absolute(keras.losses.Loss):
    """Absolute error of the softmax."""
    def __init__(self, scale=1.0, **options):
        super().__init__(**options)
        self.scale = scale
    def call(self, y_true, y_pred):
        return self.scale * ops.sum(ops.abs(y_true - ops.softmax(y_pred)), axis=-1)

LOSSES = {"absolute": {"make": "Absolute", "on": "logits", "options": ("scale",)}}
'''
HEAD = '''"""A head, and all that is said of it."""
from dataclasses import dataclass
from typing import ClassVar
from kerasrecipes.heads.classification import ClassificationHead

@dataclass(frozen=True)
class Plain(ClassificationHead):
    """Without dropout."""
    name: ClassVar[str] = "plain"
    dropout: float = 0.0

HEADS = (Plain,)
'''


@pytest.mark.parametrize(
    ("package", "file", "text", "make"),
    [
        (losses, "absolute", LOSS, lambda: losses.get_loss("absolute", scale=2.0).scale == 2.0),
        (heads, "plain", HEAD, lambda: heads.make_head("plain").dropout == 0.0),
    ],
    ids=["loss", "head"],
)
def test_one_more_file_in_its_folder_is_all_that_an_entry_takes(
    package, file, text, make, tmp_path, monkeypatch
):
    """The folder is joined to the package for the test, as if the file lay in it."""
    (tmp_path / f"{file}.py").write_text(text)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    for name in ("_declared", "_loaded"):
        monkeypatch.setitem(vars(package._REGISTRY), name, {})
    monkeypatch.delitem(vars(package._REGISTRY), "_declared")
    assert file in list(package._REGISTRY) and make()
    sys.modules.pop(f"{package.__name__}.{file}")
    package._REGISTRY._loaded.clear()


def test_names_are_found_whatever_loads_the_modules(catalogue, monkeypatch):
    """Loaders need not give a source; that of pytest, which rewrites assertions, does not."""
    from kerasrecipes import registry

    def bare(name):
        spec = ModuleSpec(name, loader=None, origin=find_spec(name).origin)
        spec.has_location = True
        return spec

    monkeypatch.setattr(registry, "find_spec", bare)
    assert list(catalogue({"broken.py": FAILS, "plain.py": "X = 1\n"})) == ["broken"]
