"""Who imports whom, read from the source without running it."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "kerasrecipes"


@dataclass(frozen=True)
class Module:
    """One file of the package, by its path in the package."""

    file: str
    text: str

    @property
    def room(self) -> str:
        return self.file.partition("/")[0].removesuffix(".py")

    @property
    def name(self) -> str:
        dotted = f"kerasrecipes/{self.file}".removesuffix(".py").replace("/", ".")
        return dotted.removesuffix(".__init__")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> tuple["Import", ...]:
        return tuple(_imports(self))


@dataclass(frozen=True)
class Import:
    """One imported module, and whether the import runs inside a function only."""

    line: int
    target: str
    later: bool

    @property
    def is_room(self) -> bool:
        return self.target.partition(".")[0] == "kerasrecipes"

    @property
    def name(self) -> str:
        """The room or the library that the module belongs to."""
        top, _, rest = self.target.partition(".")
        return rest.partition(".")[0] or "__init__" if self.is_room else top


MODULES = [
    Module(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
]
NAMES = {module.name for module in MODULES}


def _imports(module: Module) -> Iterator[Import]:
    """Yield what a module imports from the package and from third parties, without types."""
    pending: list[tuple[ast.AST, bool]] = [(module.tree, False)]
    while pending:
        node, later = pending.pop()
        for target in _targets(node, module):
            if target.partition(".")[0] not in sys.stdlib_module_names:
                yield Import(node.lineno, target, later)
        later |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        children = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            children = node.orelse
        pending += [(child, later) for child in children]


def _targets(node: ast.AST, module: Module) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        package = ["kerasrecipes", *module.file.split("/")[:-1]]
        base = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*base, *([node.module] if node.module else [])])
        inner = [f"{base}.{alias.name}" for alias in node.names]
        return {one if one in NAMES else base for one in inner}
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        # `require("keras_hub", …)` and `import_module("…")`
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if called in {"require", "import_module"}:
            return {str(node.args[0].value)}
    return set()


def parents(name: str) -> list[str]:
    """The packages whose `__init__` runs before the module."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(2, len(parts))]
