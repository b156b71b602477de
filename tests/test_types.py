"""Editors complete what is annotated: every public name says what it takes and returns."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import kerasrecipes as kr
from kerasrecipes.training.recipe import Recipe

ROOMS = [one for name in kr.__all__ if inspect.ismodule(one := getattr(kr, name))]
PUBLIC = {
    f"{package.__name__}.{name}": getattr(package, name)
    for package in (kr, *ROOMS)
    for name in package.__all__
    if callable(getattr(package, name))
}
CALLED = ("__init__", "__call__", "__iter__", "__len__", "__getitem__")


def functions(public: Any) -> Iterator[Any]:
    """Yield a function, or the methods of a class that people call; not those of Keras."""
    if not inspect.isclass(public):
        yield public
        return
    for kind in public.__mro__:
        for name, member in vars(kind).items():
            if not kind.__module__.startswith("kerasrecipes."):
                continue
            member = getattr(member, "fget", None) or getattr(member, "__func__", member)
            member = getattr(member, "func", member)
            ours = getattr(member, "__module__", "").startswith("kerasrecipes.")
            if ours and inspect.isfunction(member) and (name in CALLED or name[0] != "_"):
                yield member


def missing(function: Any) -> list[str]:
    """Name the parameters without a type, and "return" if it is not known what comes back."""
    signature = inspect.signature(function)
    found = [
        name
        for name, parameter in signature.parameters.items()
        if name not in {"self", "cls"} and parameter.annotation is inspect.Parameter.empty
    ]
    unsaid = signature.return_annotation is inspect.Signature.empty
    return found + ["return"] * (unsaid and function.__name__ != "__init__")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_takes_and_returns(name):
    unsaid = {one.__qualname__: missing(one) for one in functions(PUBLIC[name]) if missing(one)}
    assert not unsaid, f"Annotate {unsaid} of {name}."


def test_all_public_names_were_looked_at():
    assert len(PUBLIC) > 150
    assert sum(1 for public in PUBLIC.values() for _ in functions(public)) > 400


def test_what_is_missing_is_found():
    def half(one: int, two, *, three: int = 3):
        return one

    assert missing(half) == ["two", "return"]


@pytest.mark.parametrize(
    "method, kind",
    [
        (Recipe.fit, kr.RunReport),
        (Recipe.save, kr.Bundle),
        (kr.quantize, kr.QuantizedModel),
        (kr.fine_tune_images, kr.FineTuned),
        (kr.optimize, kr.OptimizationResult),
        (kr.evaluate_bundle, kr.BundleEvaluation),
        (kr.export_model, kr.ExportRecord),
    ],
)
def test_an_editor_knows_what_comes_back(method, kind):
    found = inspect.signature(method).return_annotation
    name = found if isinstance(found, str) else found.__name__
    assert getattr(kr, name, None) is not None and issubclass(getattr(kr, name), kind)
