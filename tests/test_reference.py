"""The reference has a page for each topic and public package, and every public name is on it."""

import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest

import kerasrecipes

pytest.importorskip("pdoc")

DOCS = Path(__file__).parents[1] / "docs"
PACKAGES = [
    kerasrecipes,
    *(
        value
        for name in kerasrecipes.__all__
        if inspect.ismodule(value := getattr(kerasrecipes, name))
    ),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """The reference, built once."""
    sys.path.insert(0, str(DOCS))
    spec = importlib.util.spec_from_file_location("build_docs", DOCS / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("reference")
    module.build(folder)
    sys.path.remove(str(DOCS))
    return folder


def text_of(folder: Path, package) -> str:
    return (folder / f"{package.__name__.replace('.', '/')}.html").read_text("utf-8")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_is_on_it_with_its_text(pages, package):
    text = text_of(pages, package)
    for name in package.__all__:
        if inspect.ismodule(getattr(package, name)):
            assert f'href="kerasrecipes/{name}.html"' in text
            continue
        _, found, section = text.partition(f'<section id="{name}">')
        assert found, f"{package.__name__}.{name} has no section."
        section = section.partition("</section>")[0]
        if inspect.isclass(getattr(package, name)) or inspect.isfunction(getattr(package, name)):
            assert '<div class="docstring">' in section, f"{package.__name__}.{name} says nothing."


def test_what_a_class_is_made_of_is_shown(pages):
    section = text_of(pages, kerasrecipes).partition('<section id="ImageClassifier">')[2]
    section = section.partition("</section>")[0]
    assert 'id="ImageClassifier.__init__"' in section and 'id="ImageClassifier.fit"' in section
    assert "efficientnet_lite0" in section


def test_types_are_links_by_public_names(pages):
    text = text_of(pages, kerasrecipes)
    assert '<a href="#PhotoSet">PhotoSet</a>' in text
    assert "photo_set" not in re.sub("<[^>]+>", "", text)


def test_topics_link_to_each_other(pages):
    topics = {path.stem for path in DOCS.glob("*.md")} - {"README"}
    assert len(topics) >= 8
    index = (pages / "index.html").read_text("utf-8")
    for topic in topics:
        assert f'href="{topic}.html"' in index
        page = (pages / f"{topic}.html").read_text("utf-8")
        assert "· kerasrecipes</title>" in page and '.md"' not in page
    for package in PACKAGES:
        assert f'href="{package.__name__.replace(".", "/")}.html"' in index


def test_every_setting_has_a_section(pages):
    page = (pages / "settings.html").read_text("utf-8")
    for setting in kerasrecipes.ImageClassifier.table:
        assert re.search(rf"<h4[^>]*><code>{setting.name}</code></h4>", page), setting.name
    assert "Has no effect under TFMOT: all epochs run." in page


def test_methods_of_bases_are_shown_if_they_are_ours(pages):
    text = text_of(pages, kerasrecipes)
    assert 'id="ImageClassifier.evaluate"' in text and 'id="ImageClassifier.load"' in text
    callbacks = text_of(pages, kerasrecipes.callbacks)
    assert 'id="EarlyStopping.summary"' in callbacks and "EarlyStopping.set_params" not in callbacks
