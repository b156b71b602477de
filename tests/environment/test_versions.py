"""What a bundle and a run write down of the libraries they were made with."""

from importlib.metadata import PackageNotFoundError

import pytest

from kerasrecipes import environment


@pytest.mark.parametrize(
    ("installed", "found"),
    [
        ({"keras": "3.15.1", "tensorflow": "2.21.0"}, {"keras": "3.15.1", "tensorflow": "2.21.0"}),
        ({"keras-nightly": "3.16.0.dev1"}, {"keras": "3.16.0.dev1"}),
        ({"tf-nightly": "2.23.0.dev1", "numpy": "2"}, {"tensorflow": "2.23.0.dev1", "numpy": "2"}),
    ],
    ids=["released", "Keras of tonight", "TensorFlow of tonight"],
)
def test_a_library_has_one_name_also_before_it_is_released(monkeypatch, installed, found):
    def version(name):
        try:
            return installed[name]
        except KeyError:
            raise PackageNotFoundError(name) from None

    monkeypatch.setattr(environment, "version", version)
    libraries = environment.library_versions()
    assert {k: v for k, v in libraries.items() if k not in ("kerasrecipes", "python")} == found
