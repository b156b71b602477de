"""What docstrings, README and the pages in docs/ say is so: examples run, names exist."""

import ast
import doctest
import inspect
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

import kerasrecipes
from tiny_bert import draw_texts, write_table
from tiny_signals import write_long_table

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kerasrecipes"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SECTIONS = {"Args", "Returns", "Yields", "Raises", "Example", "Reference"}

SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
WITH_EXAMPLES = [name for name, path in SOURCES.items() if ">>> " in path.read_text("utf-8")]


@dataclass(frozen=True)
class Documented:
    """A public function, method or class as it is written."""

    module: str
    owner: str
    node: ast.FunctionDef | ast.ClassDef

    def __str__(self) -> str:
        return ".".join(filter(None, (self.module, self.owner, self.node.name)))

    @property
    def is_class(self) -> bool:
        return isinstance(self.node, ast.ClassDef)

    @property
    def doc(self) -> str:
        return ast.get_docstring(self.node) or ""

    @property
    def parameters(self) -> list[str]:
        """What a caller may pass, in order."""
        if not self.is_class:
            return _parameters(self.node, method=bool(self.owner))
        for node in self.node.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return _parameters(node, method=True)
        return [
            node.target.id
            for node in self.node.body
            if isinstance(node, ast.AnnAssign)
            and not node.target.id.startswith("_")
            and "ClassVar" not in ast.dump(node.annotation)
        ]


def _parameters(function: ast.FunctionDef, method: bool) -> list[str]:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    static = any(getattr(mark, "id", "") == "staticmethod" for mark in function.decorator_list)
    names = names[1:] if method and not static else names
    names += [f"*{given.vararg.arg}"] if given.vararg else []
    names += [argument.arg for argument in given.kwonlyargs]
    return names + ([f"**{given.kwarg.arg}"] if given.kwarg else [])


def find_documented(module: str, text: str) -> Iterator[Documented]:
    pending = [("", node) for node in ast.parse(text).body]
    while pending:
        owner, node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield Documented(module, owner, node)
            if isinstance(node, ast.ClassDef):
                pending += [(node.name, child) for child in node.body]


def documented_arguments(doc: str) -> list[str] | None:
    """Return the names in a docstring's `Args`, or `None` if it has no such section."""
    _, section, rest = f"\n{doc}\n".partition("\nArgs:\n")
    if not section:
        return None
    section = re.split(r"^\S", rest, maxsplit=1, flags=re.MULTILINE)[0]
    names = re.findall(r"^    (\*{0,2}\w+(?:, \*{0,2}\w+)*): ", section, flags=re.MULTILINE)
    return [name for together in names for name in together.split(", ")]


PUBLIC = {name: getattr(kerasrecipes, name) for name in kerasrecipes.__all__}
for _room in [value for value in PUBLIC.values() if inspect.ismodule(value)]:
    PUBLIC |= {name: getattr(_room, name) for name in _room.__all__}
DOCUMENTED = [
    documented
    for module, path in SOURCES.items()
    for documented in find_documented(module, path.read_text("utf-8"))
]


def test_every_module_function_and_class_says_what_it_is():
    silent = [
        module
        for module, path in SOURCES.items()
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    for documented in DOCUMENTED:
        if documented.doc:
            continue
        # Only what may inherit one is imported: some files need libraries of an extra.
        inherited = documented.owner and inspect.getdoc(
            getattr(
                getattr(import_module(documented.module), documented.owner), documented.node.name
            )
        )
        if not inherited:
            silent.append(str(documented))
    assert not silent, f"Give them a docstring: {silent}"
    assert len(SOURCES) > 90
    assert len(DOCUMENTED) > 250


def test_args_are_the_arguments():
    differing, checked = [], 0
    for documented in DOCUMENTED:
        stated = documented_arguments(documented.doc)
        if stated is not None:
            checked += 1
            if stated != documented.parameters:
                differing.append(
                    f"{documented} takes {documented.parameters}, its `Args` say {stated}"
                )
    assert not differing, "\n".join(differing)
    assert checked > 100


def test_public_functions_and_classes_have_args():
    public = {
        f"{value.__module__}.{name}"
        for name, value in PUBLIC.items()
        if hasattr(value, "__module__")
    }
    found = [documented for documented in DOCUMENTED if str(documented) in public]
    missing = [
        str(documented)
        for documented in found
        if documented.parameters and documented_arguments(documented.doc) is None
    ]
    assert not missing, f"Say what each argument means, in a section `Args`: {missing}"
    assert len(found) > 30


def test_sections_have_their_usual_names():
    odd = [
        f"{documented}: {heading}"
        for documented in DOCUMENTED
        for heading in re.findall(r"^(\w+):$", documented.doc, flags=re.MULTILINE)
        if heading not in SECTIONS
    ]
    assert not odd, f"Use {sorted(SECTIONS)}: {odd}"


def test_the_checks_see_a_wrong_docstring():
    text = (
        "def f(a, *, b=1, **more):\n"
        "    '''Do.\n\n    Args:\n        a, b: One\n            c: two.\n"
        "        **more: Three.\n\n    Returns:\n        d: It.\n    '''\n"
        "class C:\n    x: int\n    kind: ClassVar[str]\n    def m(self, y): ...\n"
    )
    found = {documented.node.name: documented for documented in find_documented("x", text)}
    assert documented_arguments(found["f"].doc) == found["f"].parameters == ["a", "b", "**more"]
    assert (found["C"].parameters, found["m"].parameters) == (["x"], ["y"])
    assert documented_arguments("Do.") is None


@pytest.fixture(scope="session")
def photos_folder(tmp_path_factory, part_photos) -> Path:
    """A working folder as the examples have it: with `photos/`, two of each part."""
    root = tmp_path_factory.mktemp("examples")
    for path in sorted(part_photos.rglob("*.png")):
        to = root / "photos" / path.parent.name / f"part{int(path.stem) // 2}_{path.name}"
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    write_table(root / "tickets.jsonl", draw_texts(60), ("intent", "body"))
    write_long_table(root / "steps.csv")
    return root


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_give_what_they_say(name, photos_folder, monkeypatch):
    monkeypatch.chdir(photos_folder)
    module = import_module(name)
    # A reader has imported these, and scanned the folder.
    known = {**PUBLIC, "np": import_module("numpy"), "photos": kerasrecipes.scan_photos("photos")}
    known["signals"] = kerasrecipes.scan_signals("steps.csv", id="walk")
    known["texts"] = kerasrecipes.scan_texts("tickets.jsonl", label="intent")
    ran, said = 0, []
    for test in doctest.DocTestFinder().find(module, globs={**known, **vars(module)}):
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
        ran += runner.run(test, out=said.append).attempted
    assert not said, "".join(said)
    written = re.findall(r"^ +>>> ", SOURCES[name].read_text("utf-8"), flags=re.MULTILINE)
    assert ran == len(written)


def test_examples_are_found_and_none_is_skipped():
    texts = [SOURCES[name].read_text("utf-8") for name in WITH_EXAMPLES]
    assert not [text for text in texts if "+SKIP" in text]
    assert len(WITH_EXAMPLES) > 25
    assert sum(text.count(">>> ") for text in texts) > 50


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the page and the text of each fenced block in one language; `""` for none."""
    return [
        (page.name, text)
        for page in PAGES
        for kind, text in re.findall(
            r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        if kind == language
    ]


def _named(node: ast.AST, page: str):
    """Follow a name such as `kr.callbacks.EarlyStopping`; `None` if it does not begin so."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if getattr(node, "id", "") != "kr":
        return None
    found = kerasrecipes
    for name in reversed(names):
        assert hasattr(found, name), f"{page}: there is no kr.{'.'.join(reversed(names))}."
        found = getattr(found, name)
    return found


def test_pages_python_names_what_exists():
    named = 0
    for page, text in blocks("python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute):
                named += _named(node, page) is not None
            if isinstance(node, ast.Call) and (called := _named(node.func, page)):
                _check_call(called, node)
    assert named >= 30
    assert {page for page, _ in blocks("python")} >= {"README.md", "extend.md", "optimize.md"}


def test_pages_mention_names_that_exist():
    """In sentences and tables, between backticks."""
    for page in PAGES:
        for text in re.findall(r"`(?:kr|kerasrecipes)((?:\.\w+)+)[`(]", page.read_text("utf-8")):
            found = kerasrecipes
            for name in text.split(".")[1:]:
                assert hasattr(found, name), f"{page.name}: there is no kr{text}."
                found = getattr(found, name)


def _check_call(function, call: ast.Call, *first: str) -> None:
    """Bind a call's arguments, unless some of them are hidden behind a star."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return
    keywords = {keyword.arg: None for keyword in call.keywords if keyword.arg}
    inspect.signature(function).bind(*first, *call.args, **keywords)


def test_pages_methods_exist():
    """Follow the names that the blocks assign from the public functions."""
    made = {
        "recipe": kerasrecipes.ImageClassifier,
        "bundle": kerasrecipes.Bundle,
        "report": kerasrecipes.RunReport,
    }
    seen = set()
    for _, text in blocks("python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = made.get(getattr(node.func.value, "id", ""))
                if owner is not None:
                    seen.add(node.func.attr)
                    _check_call(getattr(owner, node.func.attr), node, "self")
    assert {"fit", "evaluate", "save", "export"} <= seen


def commands() -> list[str]:
    """Return the command lines of the pages, without comments."""
    lines = [
        line
        for kind in ("", "sh", "bash", "console")
        for _, text in blocks(kind)
        for line in text.splitlines()
    ]
    lines = [line.removeprefix("$ ").partition(" #")[0].strip() for line in lines]
    return [line for line in lines if line.startswith("kerasrecipes ")]


def test_pages_commands_parse():
    from typer.main import get_command

    verbs = get_command(import_module("kerasrecipes.cli").app).commands
    used = set()
    for line in commands():
        verb, *arguments = shlex.split(line.replace("[", " ").replace("]", " "))[1:]
        assert verb in verbs, f"There is no verb in '{line}'."
        used.add(verb)
        options = {name for parameter in verbs[verb].params for name in parameter.opts}
        named = [word.partition("=")[0] for word in arguments if word.startswith("-")]
        unknown = set(named) - options - {"--help"}
        assert not unknown, f"{unknown} is no option in '{line}'."
        if "…" not in line and "[" not in line and "<" not in line:
            verbs[verb].make_context(verb, arguments)  # raises if it does not parse
    assert used == set(verbs), f"No page shows {set(verbs) - used}."
    assert len(commands()) >= 8


def test_pages_make_targets_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {
        target
        for page in [*PAGES, ROOT / ".ci" / "run"]
        for target in re.findall(r"(?:^|`|exec )make (\w+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert named <= targets
    assert {"demo", "docs", "test"} <= named


def test_pages_links_lead_somewhere():
    local = [
        page.parent / link
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf-8"))
        if "://" not in link
    ]
    missing = [link for link in local if not link.exists()]
    assert not missing, f"Links to files that do not exist: {missing}"
    assert len(local) >= 9
