"""The shape of the package: who may import whom, how long things get, what they are called.

`ROOMS` is the map of the package, and the place to change it.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kerasrecipes"

FILE_LINES = 400
FUNCTION_LINES = 40
SCRIPT_LINES = 120


@dataclass(frozen=True)
class Room:
    """What the files of one folder, or one file beside the folders, may import.

    Args:
        rooms: Rooms it may import anywhere. They stand above it in the table.
        later: Rooms it may import inside functions only; these may stand below it.
        libraries: Third-party packages it may import anywhere.
        later_libraries: Third-party packages it may import inside functions only.
    """

    rooms: str = ""
    later: str = ""
    libraries: str = ""
    later_libraries: str = ""


# From the bottom of the package to its top. Types (`if TYPE_CHECKING:`) are free.
ROOMS = {
    "_version": Room(),
    "errors": Room(),
    "files": Room("errors"),
    "registry": Room(),
    "silence": Room(later_libraries="keras tensorflow"),
    "versions": Room("_version"),
    "templates": Room("errors files"),
    "data": Room("errors", libraries="numpy PIL", later_libraries="tensorflow"),
    "backbones": Room(
        "errors files registry silence",
        libraries="numpy",
        later_libraries="keras h5py keras_hub keras_cv",
    ),
    "heads": Room("errors registry", later="losses", later_libraries="keras"),
    "losses": Room("errors", libraries="keras numpy"),
    "layers": Room(libraries="keras"),
    "optimizers": Room(libraries="keras"),
    "monitor": Room("errors", libraries="numpy", later_libraries="scipy"),
    "callbacks": Room(
        "errors files monitor",
        libraries="numpy keras",
        later_libraries="matplotlib mlflow tensorboard tensorflow",
    ),
    "evaluation": Room("errors", libraries="numpy", later_libraries="scipy sklearn"),
    "report": Room(
        "errors evaluation",
        later="data",  # the mistakes are shown as photos
        libraries="numpy",
        later_libraries="jinja2 matplotlib",
    ),
    "model_file": Room("errors silence", later="layers"),
    "inference": Room("data errors", libraries="numpy", later_libraries="keras"),
    "bundle": Room(
        "data errors files",
        later="export model_file report",  # its methods open what lies in the folder
        libraries="numpy pydantic",
    ),
    "export": Room(
        "errors files registry silence",
        # An export is verified before it is added to the bundle; int8 has its rounding corrected.
        later="bundle data inference layers optimization verify",
        libraries="numpy flatbuffers",
        later_libraries="ai_edge_litert jinja2 keras litert_quantizer onnx onnxruntime tensorflow "
        "tf2onnx",
    ),
    "verify": Room(
        "data errors evaluation export",
        later="bundle inference report",
        libraries="numpy",
        later_libraries="matplotlib",
    ),
    "serve": Room("data errors export", later="bundle monitor", libraries="numpy"),
    "training": Room(
        "backbones bundle data errors evaluation files heads inference report silence versions",
        later="callbacks export losses model_file optimizers verify",
        libraries="numpy",
        later_libraries="ai_edge_litert jax keras scipy sklearn tensorflow",
    ),
    "optimization": Room(
        "backbones bundle data errors evaluation files heads inference report silence training",
        later="callbacks export layers model_file verify",
        libraries="numpy",
        later_libraries="keras tensorflow tensorflow_model_optimization tf_keras",
    ),
    "cli": Room(
        "_version errors",
        later="backbones bundle data export files monitor optimization report serve templates "
        "training verify",
        libraries="typer",
    ),
    "__main__": Room("cli"),
    "__init__": Room("_version", later="errors"),
}
TO_COME = {"monitor"}

# Imported at the top of a file, these would make every command slow; some are optional, too.
LATE_LIBRARIES = {
    "ai_edge_litert", "keras", "keras_cv", "keras_hub", "matplotlib", "onnx", "onnxruntime",
    "sklearn", "tensorflow", "tensorflow_model_optimization", "tf2onnx", "tf_keras",
}  # fmt: skip
BUILT_ON_KERAS = {"callbacks", "layers", "losses", "optimizers"}
TELLS_NOTHING = {"common", "core", "helpers", "misc", "util", "utils"}


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    file: str
    text: str

    @property
    def room(self) -> str:
        return self.file.partition("/")[0].removesuffix(".py")

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


@dataclass(frozen=True)
class Import:
    """One imported room or library, and whether the import runs inside a function only."""

    line: int
    name: str
    is_room: bool
    later: bool


MODULES = [
    Module(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
]


def find_imports(module: Module) -> Iterator[Import]:
    """Yield what a module imports from other rooms and from third parties, without types."""
    pending: list[tuple[ast.AST, bool]] = [(module.tree, False)]
    while pending:
        node, later = pending.pop()
        for name in _imported_names(node, module):
            top, _, rest = name.partition(".")
            if top == "kerasrecipes":
                if (room := rest.partition(".")[0] or "__init__") != module.room:
                    yield Import(node.lineno, room, True, later)
            elif top not in sys.stdlib_module_names:
                yield Import(node.lineno, top, False, later)
        later |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        children = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            children = node.orelse
        pending += [(child, later) for child in children]


def _imported_names(node: ast.AST, module: Module) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        package = ["kerasrecipes", *module.file.split("/")[:-1]]
        base = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*base, *([node.module] if node.module else [])])
        if base == "kerasrecipes":
            return [f"{base}.{alias.name}" for alias in node.names]
        return [base]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        # `require("keras_hub", …)` and `import_module("…")`
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if called in {"require", "import_module"}:
            return [str(node.args[0].value)]
    return []


def wrong_arrows(module: Module) -> Iterator[str]:
    room = ROOMS[module.room]
    for found in find_imports(module):
        always = (room.rooms if found.is_room else room.libraries).split()
        later = (room.later if found.is_room else room.later_libraries).split()
        if found.name in always or (found.later and found.name in later):
            continue
        if found.name in later:
            fix = "move the import into the function that needs it"
        elif found.is_room:
            fix = (
                f"move the code to a room that may import '{found.name}', pass the value in as "
                "an argument, or, if the arrow is right, add it to ROOMS in this file"
            )
        else:
            fix = "do without, or add the library to the room's line in ROOMS in this file"
        yield f"{module.file}:{found.line} imports '{found.name}': {fix}."


def late_libraries_at_the_top(module: Module) -> Iterator[str]:
    allowed = {"keras"} if module.room in BUILT_ON_KERAS else set()
    for found in find_imports(module):
        if not found.later and found.name in LATE_LIBRARIES - allowed:
            yield (
                f"{module.file}:{found.line} imports {found.name} at module level: move the "
                "import into the function; for annotations use `if TYPE_CHECKING:`."
            )


def too_long(module: Module) -> Iterator[str]:
    if (lines := len(module.text.splitlines())) > FILE_LINES:
        yield f"{module.file} has {lines} lines, more than {FILE_LINES}: split it in two."
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if (lines := _length(node)) > FUNCTION_LINES:
                yield (
                    f"{module.file}:{node.lineno} {node.name} has {lines} lines without its "
                    f"docstring, more than {FUNCTION_LINES}: give a part of it a name of its own."
                )


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        lines -= node.body[0].end_lineno - node.body[0].lineno + 1
    return lines


def forbidden_statements(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assert):
            yield (
                f"{module.file}:{node.lineno} asserts, which `python -O` leaves out: raise an "
                "error that says what is wrong, what was received, and what to do."
            )
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield (
                f"{module.file}:{node.lineno} has a bare `except`, which also catches Ctrl-C: "
                "name the exceptions."
            )


def names_of_neighbours(module: Module) -> Iterator[str]:
    """Find public functions called like a module beside them, or like their own."""
    folder = (PACKAGE / module.file).parent
    neighbours = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    neighbours.add(Path(module.file).stem)
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in neighbours:
            yield (
                f"{module.file}:{node.lineno} '{node.name}' is also the name of a module beside "
                "it: give the module a noun, or the function another verb."
            )


RULES = [
    wrong_arrows, late_libraries_at_the_top, too_long, forbidden_statements, names_of_neighbours,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule):
    complaints = [complaint for module in MODULES for complaint in rule(module)]
    assert not complaints, "\n" + "\n".join(complaints)
    assert len(MODULES) > 90


@pytest.mark.parametrize(
    ("rule", "file", "text", "complaint"),
    [
        (wrong_arrows, "data/x.py", "from kerasrecipes.training import recipe", "'training'"),
        (wrong_arrows, "data/x.py", "from ..training import recipe", "'training'"),
        (wrong_arrows, "data/x.py", "from kerasrecipes import verify", "'verify'"),
        (wrong_arrows, "data/x.py", "def f():\n    from kerasrecipes.cli import app", "'cli'"),
        (wrong_arrows, "data/x.py", "import kerasrecipes", "'__init__'"),
        (wrong_arrows, "data/x.py", "import torch", "add the library"),
        (
            wrong_arrows,
            "verify/x.py",
            "from kerasrecipes.bundles.bundle import Bundle",
            "into the func",
        ),
        (wrong_arrows, "heads/x.py", "def f():\n    require('keras_hub', 'hub', '')", "keras_hub"),
        (late_libraries_at_the_top, "heads/x.py", "import keras.layers", "TYPE_CHECKING"),
        (late_libraries_at_the_top, "callbacks/x.py", "import tensorflow as tf", "tensorflow"),
        (too_long, "data/x.py", "\n" * 401, "has 401 lines, more than 400"),
        (too_long, "data/x.py", "def f():\n" + "    0\n" * 40, "f has 41 lines"),
        (forbidden_statements, "data/x.py", "assert True", "python -O"),
        (forbidden_statements, "data/x.py", "try:\n    0\nexcept:\n    0", "bare `except`"),
        (names_of_neighbours, "data/x.py", "def scan(): 0", "'scan'"),
        (names_of_neighbours, "x.py", "def export(): 0", "'export'"),
    ],
)
def test_the_rules_see_what_they_are_for(rule, file, text, complaint):
    found = list(rule(Module(file, text)))
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("rule", "file", "text"),
    [
        (wrong_arrows, "data/x.py", "from typing import Any\nfrom .scan import scan_photos"),
        (wrong_arrows, "heads/x.py", "if TYPE_CHECKING:\n    from kerasrecipes.cli import app"),
        (
            wrong_arrows,
            "verify/x.py",
            "def f():\n    from kerasrecipes.bundles.bundle import Bundle",
        ),
        (late_libraries_at_the_top, "callbacks/x.py", "import keras"),
        (late_libraries_at_the_top, "heads/x.py", "def f():\n    import keras"),
        (too_long, "data/x.py", "def f():\n    '''a\n" + "\n" * 50 + "    '''\n" + "    0\n" * 39),
        (names_of_neighbours, "data/x.py", "def _scan(): 0"),
    ],
)
def test_the_rules_let_pass_what_is_right(rule, file, text):
    assert list(rule(Module(file, text))) == []


def test_the_table_names_every_room_once_and_in_order():
    found = {module.room for module in MODULES}
    assert found - set(ROOMS) == set(), "Give the new room a line in ROOMS."
    assert set(ROOMS) - found == TO_COME, "Take the room that is there now out of TO_COME."
    order = list(ROOMS)
    for name, room in ROOMS.items():
        below = [other for other in room.rooms.split() if order.index(other) > order.index(name)]
        assert not below, f"'{name}' stands above {below} in ROOMS: arrows go one way."
        assert not set(room.rooms.split()) & set(room.later.split()), f"'{name}' says it twice."
        assert set(room.later.split()) <= set(ROOMS)
        early = set(room.libraries.split()) & LATE_LIBRARIES
        assert early <= {"keras"} if name in BUILT_ON_KERAS else not early
    assert len(found) > 20


def test_rooms_are_two_levels_deep_and_say_what_they_hold():
    for module in MODULES:
        parts = module.file.removesuffix(".py").split("/")
        assert len(parts) <= 2, f"{module.file}: two levels, no deeper; move it up."
        vague = TELLS_NOTHING & set(parts)
        assert not vague, f"{module.file}: name it for what it does, not {vague}."


def test_recipe_scripts_are_short():
    scripts = sorted((ROOT / "recipes").rglob("*.py"))
    long = [path.name for path in scripts if len(path.read_text().splitlines()) > SCRIPT_LINES]
    assert not long, f"Over {SCRIPT_LINES} lines: {long}. Move the logic into the package."
    assert len(scripts) >= 2
