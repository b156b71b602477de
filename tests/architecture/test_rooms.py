"""The shape of the package: who may import whom, how long things get, what they are called.

`rooms.py` holds the rules of each room, and is the place to change them.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from imports import MODULES, NAMES, ROOT, Module, parents
from rooms import (
    BUILT_ON_KERAS,
    CROWDED,
    FILE_LINES,
    FOLDER_FILES,
    FOR_ALL,
    FUNCTION_LINES,
    LATE_LIBRARIES,
    LEVELS,
    ROOMS,
    SCRIPT_LINES,
    TELLS_NOTHING,
    UPWARD,
)

BY_NAME = {module.name: module for module in MODULES}
KERAS_PRIVATE = "keras_private.py"


def wrong_arrows(module: Module) -> Iterator[str]:
    room, order = ROOMS[module.room], list(ROOMS)
    below = FOR_ALL & set(order[: order.index(module.room)])
    for found in module.imports:
        always = (room.rooms if found.is_room else room.libraries).split()
        later = (room.later if found.is_room else room.later_libraries).split()
        if found.name in (module.room, *below, *always) or (found.later and found.name in later):
            continue
        if (module.room, found.name) in UPWARD:
            continue
        if found.name in later:
            fix = "move the import into the function that needs it"
        elif found.is_room:
            fix = (
                f"move the code to a room that may import '{found.name}', pass the value in as "
                "an argument, or, if the arrow is right and goes down, add it to ROOMS"
            )
        else:
            fix = "do without, or add the library to the room's line in ROOMS"
        yield f"{module.file}:{found.line} imports '{found.name}': {fix}."


def heavy_when_loaded(module: Module) -> Iterator[str]:
    """Find libraries that loading the file loads, by itself or through other files."""
    seen = {module.name} | ({"keras"} if {module.room, module.file} & BUILT_ON_KERAS else set())
    pending = [(module, "", 0)]
    while pending:
        one, way, line = pending.pop()
        for found in one.imports:
            first = line or found.line
            if found.later:
                continue
            if found.name in LATE_LIBRARIES - seen:
                seen.add(found.name)
                yield (
                    f"{module.file}:{first} imports {way}{found.name} at module level: move the "
                    "import into the function; for annotations use `if TYPE_CHECKING:`."
                )
            for name in {*parents(found.target), found.target} & BY_NAME.keys() - seen:
                seen.add(name)
                pending.append((BY_NAME[name], f"{way}{name}, and so ", first))


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


def own_private_names(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if ast.unparse(node.value) == "self":
                yield node.attr


@cache
def own() -> set[str]:
    names = {name for module in MODULES for name in own_private_names(module)}
    return names | {"_asdict", "_replace"}  # of a named tuple, and public


def private_names_of_keras(module: Module) -> Iterator[str]:
    """Find what a new version of a library may change without a word."""
    if module.file == KERAS_PRIVATE:
        return
    fix = f"take it through kerasrecipes/{KERAS_PRIVATE}, and say in its test what needs it."
    for found in module.imports:
        if ".src." in f"{found.target}.":
            yield f"{module.file}:{found.line} imports {found.target}, which is private: {fix}"
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Attribute) or ast.unparse(node.value) in {"self", "cls"}:
            continue
        if re.match("_[a-z]", node.attr) and node.attr not in own():
            yield f"{module.file}:{node.lineno} uses {ast.unparse(node)}, which is private: {fix}"


def names_of_neighbours(module: Module) -> Iterator[str]:
    """Find what a package offers under the name of a module in it, which would hide the other."""
    if not module.file.endswith("__init__.py"):
        return
    for node in ast.walk(module.tree):
        offered = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        if isinstance(node, ast.ImportFrom) and node.module != module.name:
            offered = [alias.asname or alias.name for alias in node.names]
        for name in offered:
            if f"{module.name}.{name}" in NAMES:
                yield (
                    f"{module.file}:{node.lineno} '{name}' is also the name of a module beside "
                    "it: give the module a noun, or the function another verb."
                )


def named_temporary_files(module: Module) -> Iterator[str]:
    """Find what a killed process would leave behind for ever."""
    named = {"mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory"}
    for node in ast.walk(module.tree):
        found = {getattr(node, "attr", None), getattr(node, "name", None)} & named
        if found and module.file != "files.py":
            yield (
                f"{module.file}:{node.lineno} uses tempfile.{found.pop()}: take `TemporaryFolder` "
                "or `complete_file` of kerasrecipes/files.py, whose remains the next write removes."
            )


def levels(module: Module) -> Iterator[str]:
    parts = module.file.removesuffix(".py").split("/")
    if len(parts) > LEVELS:
        yield f"{module.file}: {LEVELS} levels, no deeper; move it up."
    if vague := TELLS_NOTHING & set(parts):
        yield f"{module.file}: name it for what it does, not {vague}."


RULES = [
    wrong_arrows, heavy_when_loaded, too_long, forbidden_statements,
    private_names_of_keras, names_of_neighbours, named_temporary_files, levels,
]  # fmt: skip


def circle(modules: Iterable[Module]) -> list[str]:
    """Find files that import each other in a circle, also inside functions."""
    graph = {module.name: {found.target for found in module.imports} for module in modules}
    graph = {name: targets & graph.keys() - {name} for name, targets in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def crowded(modules: Iterable[Module]) -> set[str]:
    """Find folders with too many files."""
    files = Counter(Path(module.file).parent.as_posix() for module in modules)
    return {folder for folder, count in files.items() if count > FOLDER_FILES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule):
    complaints = [complaint for module in MODULES for complaint in rule(module)]
    assert not complaints, "\n" + "\n".join(complaints)
    assert len(MODULES) > 200


BUNDLE = "from kerasrecipes.bundles.bundle import BundleFolder"


@pytest.mark.parametrize(
    ("rule", "file", "text", "complaint"),
    [
        (wrong_arrows, "data/x.py", "from kerasrecipes.training import recipe", "'training'"),
        (wrong_arrows, "data/x.py", "from ..training import recipe", "'training'"),
        (wrong_arrows, "engine/devices/x.py", "from ...training import recipe", "'training'"),
        (wrong_arrows, "data/x.py", "from kerasrecipes import verify", "'verify'"),
        (wrong_arrows, "data/x.py", "def f():\n    from kerasrecipes.cli import app", "'cli'"),
        (wrong_arrows, "data/x.py", "import kerasrecipes", "'__init__'"),
        (wrong_arrows, "files.py", "from kerasrecipes.environment import import_keras", "'environ"),
        (wrong_arrows, "data/x.py", "import torch", "add the library"),
        (wrong_arrows, "engine/x.py", "from kerasrecipes.optimizers import base", "into the func"),
        (wrong_arrows, "heads/x.py", f"def f():\n    {BUNDLE}", "goes down"),
        (wrong_arrows, "heads/x.py", "def f():\n    require('keras_hub', 'hub', '')", "keras_hub"),
        (heavy_when_loaded, "heads/x.py", "import keras.layers", "TYPE_CHECKING"),
        (heavy_when_loaded, "callbacks/x.py", "import tensorflow as tf", "tensorflow"),
        (
            heavy_when_loaded,
            "engine/x.py",
            "0\nfrom kerasrecipes.quantization.fake_quantization import Rounding",
            ":2 imports kerasrecipes.quantization.fake_quantization, and so keras at",
        ),
        (too_long, "data/x.py", "\n" * 401, "has 401 lines, more than 400"),
        (too_long, "data/x.py", "def f():\n" + "    0\n" * 40, "f has 41 lines"),
        (forbidden_statements, "data/x.py", "assert True", "python -O"),
        (forbidden_statements, "data/x.py", "try:\n    0\nexcept:\n    0", "bare `except`"),
        (private_names_of_keras, "heads/x.py", "layer._flatten_layers()", "keras_private.py"),
        (private_names_of_keras, "heads/x.py", "from keras.src import ops", "keras.src"),
        (names_of_neighbours, "photos/__init__.py", "def scan(): 0", "'scan'"),
        (names_of_neighbours, "photos/__init__.py", "from .folder import x as scan", "'scan'"),
        (names_of_neighbours, "__init__.py", "from kerasrecipes.cli import export", "'export'"),
        (named_temporary_files, "data/x.py", "from tempfile import mkdtemp", "TemporaryFolder"),
        (named_temporary_files, "data/x.py", "tempfile.NamedTemporaryFile()", "complete_file"),
        (levels, "data/helpers/x.py", "", "not {'helpers'}"),
        (levels, "data/a/b/x.py", "", "no deeper"),
    ],
)
def test_the_rules_see_what_they_are_for(rule, file, text, complaint):
    found = list(rule(Module(file, text)))
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("rule", "file", "text"),
    [
        (wrong_arrows, "data/x.py", "from typing import Any\nfrom .splits import split_photos"),
        (wrong_arrows, "heads/x.py", "if TYPE_CHECKING:\n    from kerasrecipes.cli import app"),
        (wrong_arrows, "heads/x.py", "def f():\n    from kerasrecipes.losses import robust"),
        (wrong_arrows, "export/x.py", BUNDLE),
        (wrong_arrows, "export/x.py", "from kerasrecipes.environment import import_keras"),
        (heavy_when_loaded, "callbacks/x.py", "import keras"),
        (heavy_when_loaded, "heads/x.py", "def f():\n    import keras"),
        (too_long, "data/x.py", "def f():\n    '''a\n" + "\n" * 50 + "    '''\n" + "    0\n" * 39),
        (private_names_of_keras, "heads/x.py", "self._symbolic_build()\nlayer.__class__"),
        (private_names_of_keras, "keras_private.py", "layer._flatten_layers()"),
        (names_of_neighbours, "photos/x.py", "def scan(): 0"),
        (names_of_neighbours, "photos/__init__.py", "from kerasrecipes.photos import scan"),
        (named_temporary_files, "files.py", "tempfile.mkdtemp()"),
        (named_temporary_files, "data/x.py", "tempfile.TemporaryFile()"),
        (levels, "data/a/x.py", ""),
    ],
)
def test_the_rules_let_pass_what_is_right(rule, file, text):
    assert list(rule(Module(file, text))) == []


def test_no_file_imports_itself_in_a_circle():
    found = circle(MODULES)
    assert not found, (
        f"{' → '.join(found)}: move what both need to a file below them, or pass it as an argument."
    )


@pytest.mark.parametrize("back", ["from {} import x", "def f():\n    from {} import x"])
def test_a_circle_is_seen_also_through_functions(back):
    splits, table = "kerasrecipes.data.splits", "kerasrecipes.data.table"
    one = Module("data/splits.py", f"import {table}")
    other = Module("data/table.py", back.format(splits))
    assert set(circle([one, other])) == {splits, table}
    typed = Module("data/table.py", f"if TYPE_CHECKING:\n    from {splits} import x")
    assert circle([one, typed]) == []


def test_no_folder_is_crowded():
    found = crowded(MODULES)
    assert not found - CROWDED, f"Over {FOLDER_FILES} files: divide {found - CROWDED}."
    assert not CROWDED - found, f"Take {CROWDED - found} out of CROWDED."
    files = [Module(f"data/{number}.py", "") for number in range(FOLDER_FILES + 1)]
    assert crowded(files) == {"data"}
    assert crowded(files[1:]) == set()


def test_the_table_names_every_room_once_and_in_order():
    found = {module.room for module in MODULES}
    assert found - set(ROOMS) == set(), "Give the new room a line in ROOMS."
    assert set(ROOMS) - found == set(), "Take the room that is gone out of ROOMS."
    order = list(ROOMS)
    for name, room in ROOMS.items():
        seen = {*room.rooms.split(), *room.later.split()}
        above = [other for other in seen if order.index(other) >= order.index(name)]
        assert not above, f"{above} stand above '{name}' in the house: arrows go down."
        assert not set(room.rooms.split()) & set(room.later.split()), f"'{name}' says it twice."
    assert len(found) > 20


def test_the_table_allows_no_arrow_that_is_gone():
    drawn = {(module.room, found.name) for module in MODULES for found in module.imports}
    allowed = {
        (name, other)
        for name, room in ROOMS.items()
        for text in (room.rooms, room.later, room.libraries, room.later_libraries)
        for other in text.split()
    }
    gone = sorted((allowed | UPWARD.keys()) - drawn)
    assert not gone, f"Take out of ROOMS or UPWARD what no file imports any more: {gone}."


def test_recipe_scripts_are_short():
    scripts = sorted((ROOT / "recipes").rglob("*.py"))
    long = [path.name for path in scripts if len(path.read_text().splitlines()) > SCRIPT_LINES]
    assert not long, f"Over {SCRIPT_LINES} lines: {long}. Move the logic into the package."
    assert len(scripts) >= 2
