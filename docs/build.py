"""Write the reference: a page for each topic in this folder, and one for each public package.

`make docs` puts the pages into build/docs.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pdoc.doc
import pdoc.render

import kerasrecipes
from kerasrecipes.settings.written.reference import settings_sections

HERE = Path(__file__).parent
INDEX = "README.md"


def build(folder: Path) -> None:
    """Write all pages.

    Args:
        folder: Where to.
    """
    templates = HERE / "template"
    pdoc.render.configure(docformat="google", show_source=False, template_directory=templates)
    rooms = [getattr(kerasrecipes, name) for name in kerasrecipes.__all__]
    packages = [kerasrecipes, *filter(inspect.ismodule, rooms)]
    with loaded(packages), types_by_public_names(packages):
        pages = {page.__name__: pdoc.doc.Module(page) for page in [*topics(), *packages]}
        for name, page in pages.items():
            path = folder / f"{name.replace('.', '/')}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pdoc.render.html_module(page, pages), "utf-8")
        (folder / "search.js").write_text(pdoc.render.search_index(pages), "utf-8")


def topics() -> Iterator[ModuleType]:
    """Make a module of each topic's Markdown, since modules are what pdoc writes pages of."""
    for path in sorted(HERE.glob("*.md")):
        text = path.read_text("utf-8").replace(f"({INDEX})", "(index.html)")
        if path.stem == "settings":
            text += settings_sections(kerasrecipes.ImageClassifier, kerasrecipes.fine_tune_images)
        page = ModuleType("index" if path.name == INDEX else path.stem)
        page.__doc__ = re.sub(r"\]\((\w+)\.md\b", r"](\1.html", text)
        page.__all__, page.title = [], text.partition("\n")[0].removeprefix("# ")
        yield page


@contextmanager
def loaded(packages: list[ModuleType]) -> Iterator[None]:
    """Let packages hold what they list: names load on use, and pdoc looks at what is there."""
    before = [dict(vars(package)) for package in packages]
    for package in packages:
        vars(package).update({name: getattr(package, name) for name in package.__all__})
    try:
        yield
    finally:
        for package, names in zip(packages, before, strict=True):
            for name in package.__all__:
                if name not in names:
                    delattr(package, name)


@contextmanager
def types_by_public_names(packages: list[ModuleType]) -> Iterator[None]:
    """Write types in signatures by the names that users import, which have sections to link to."""
    public = {}
    for package in packages:
        for name in package.__all__:
            module = getattr(getattr(package, name), "__module__", package.__name__)
            public.setdefault(f"{module}.{name}", f"{package.__name__}.{name}")
    written = pdoc.doc.formatannotation

    def renamed(annotation: object) -> str:
        names = r"\bkerasrecipes(\.\w+)+"
        return re.sub(names, lambda found: public.get(found[0], found[0]), written(annotation))

    pdoc.doc.formatannotation = renamed
    try:
        yield
    finally:
        pdoc.doc.formatannotation = written


if __name__ == "__main__":
    build(Path(sys.argv[1]))
    print(f"Wrote {sys.argv[1]}/index.html")
