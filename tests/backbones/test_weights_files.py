import dataclasses
import io
import zipfile

import h5py
import keras
import numpy as np
import pytest

from kerasrecipes.backbones import BackboneSpec, get_backbone
from kerasrecipes.backbones.weights_files import save_npz
from kerasrecipes.errors import DataError


def graph(photo, names=("conv", "conv_bn", "top")):
    x = keras.layers.Conv2D(16, 3, name=names[0])(photo)
    x = keras.layers.BatchNormalization(name=names[1])(x)
    return keras.layers.Conv2D(64, 3, name=names[2])(x)


TOY = BackboneSpec(
    name="toy",
    family="toy",
    summary="toy",
    build_graph=graph,
    blocks=("^.+$",),
    image_size=(16, 16),
    min_image_size=8,
    feature_size=64,
    parameter_count=9_792,
    weights="none",
    weights_licence="none",
    weights_source="none",
    reference="none",
)
OTHER = dataclasses.replace(TOY, name="other", build_graph=lambda photo: graph(photo, "abc"))


@pytest.fixture(scope="module")
def donor():
    return TOY.build(weights=None)


def save(model, path):
    if path.name.endswith(".npz"):
        save_npz(model, path)
    elif path.name.endswith(".keras"):
        model.save(path)
    elif path.name.endswith(".weights.h5"):
        model.save_weights(path)
    return path


def build(path, spec=TOY):
    return spec.build(weights=path)


@pytest.mark.parametrize("suffix", [".npz", ".keras", ".weights.h5"])
def test_saved_weights_come_back(donor, tmp_path, suffix):
    path = save(donor, tmp_path / f"mine{suffix}")
    for given in (path, str(path)):
        found = build(given)
        for old, new in zip(donor.get_weights(), found.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("suffix", [".npz", ".keras", ".weights.h5"])
def test_weights_of_another_backbone_are_refused(donor, tmp_path, suffix):
    path = save(donor, tmp_path / f"mine{suffix}")
    with pytest.raises(
        DataError,
        match=f"The weights in '.*mine{suffix}' do not fit the backbone "
        "'other': 'a is missing', 'b is missing', 'c is missing' and 3 more. "
        "Use weights that "
        "were saved from this backbone.",
    ):
        build(path, OTHER)


def with_head(model):
    pooled = keras.layers.GlobalAveragePooling2D()(model.output)
    return keras.Model(model.input, keras.layers.Dense(2, name="extra")(pooled))


def test_a_head_among_named_arrays_is_refused(donor, tmp_path):
    with pytest.raises(DataError, match="'extra is unknown'"):
        build(save(with_head(donor), tmp_path / "headed.npz"))


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_of_a_whole_model_the_backbone_is_used_and_that_is_said(donor, tmp_path, suffix, capsys):
    path = save(with_head(donor), tmp_path / f"headed{suffix}")
    for old, new in zip(donor.weights, build(path).weights, strict=True):
        assert np.array_equal(old, new)
    assert f"Warning: '{path}' is a whole model" in (said := capsys.readouterr().err)
    assert "those of 'extra' are not" in said
    bigger = dataclasses.replace(TOY, build_graph=lambda p: keras.layers.Conv2D(3, 1)(graph(p)))
    with pytest.raises(DataError, match="is missing"):
        build(path, bigger)


def test_other_shapes_are_named(donor, tmp_path):
    save_npz(donor, tmp_path / "mine.npz")
    arrays = dict(np.load(tmp_path / "mine.npz"))
    arrays["conv/0"] = arrays["conv/0"][..., :8]
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(
        DataError, match=r"conv has \[\(3, 3, 3, 8\), .* instead of \[\(3, 3, 3, 16"
    ):
        build(tmp_path / "other.npz")


@pytest.mark.parametrize("suffix", [".npz", ".keras", ".weights.h5"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_damaged_files_are_refused(donor, tmp_path, suffix, content):
    path = save(donor, tmp_path / f"mine{suffix}")
    path.write_bytes(path.read_bytes()[:-500] if content is None else content)
    with pytest.raises(
        DataError,
        match=f"The weights file '.*mine{suffix}' cannot be used: .*Use a "
        "file that `model.save_weights`, `model.save` or `save_npz` wrote",
    ):
        build(path)


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path):
    for name, member in (("bomb.keras", "model.weights.h5"), ("bomb.npz", "conv/0.npy")):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, bytes(2**26))
        with pytest.raises(DataError, match="it unpacks to 67,108,864 bytes, and at most"):
            build(tmp_path / name)


def header_only(shape, dtype="<f4") -> bytes:
    """The beginning of an `.npy` file that declares a shape and holds nothing."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(2**40,), (2**40, 2**40), (-5, -5), (0, 7)])
def test_arrays_that_declare_more_than_they_hold_are_not_made(tmp_path, shape):
    path = tmp_path / "sparse.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conv/0.npy", header_only(shape) + bytes(8))
    with pytest.raises(DataError, match="cannot be used: it declares an array of float32"):
        build(path)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_weights_that_declare_more_than_they_hold_are_not_read(donor, tmp_path, suffix):
    spec = dataclasses.replace(TOY, load_imagenet=lambda model, path: model.load_weights(path))
    path = tmp_path / "sparse.weights.h5"
    donor.save_weights(path)
    with h5py.File(path, "a") as file:
        file.create_dataset("layers/more", (2**40,), "f4", chunks=(1000,), compression="gzip")
    if suffix == ".keras":
        with zipfile.ZipFile(tmp_path / "sparse.keras", "w") as archive:
            archive.write(path, "model.weights.h5")
    path = path.rename(tmp_path / f"sparse{suffix}") if suffix != ".keras" else path
    with pytest.raises(DataError, match="cannot be used: it unpacks to 4,398,046,.* bytes"):
        build(tmp_path / f"sparse{suffix}", spec)


def test_the_model_in_a_keras_file_is_never_built(donor, tmp_path):
    path = save(donor, tmp_path / "mine.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = b'{"class_name": "Lambda", "config": "anything"}'
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    np.testing.assert_array_equal(build(path).get_weights()[0], donor.get_weights()[0])


def test_a_pickle_in_an_npz_is_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", **{"conv/0": np.array([print], dtype=object)})
    with pytest.raises(DataError, match="cannot be used: it declares an array of object"):
        build(tmp_path / "evil.npz")


def test_hdf5_links_out_of_the_file_are_refused(donor, tmp_path):
    path = save(donor, tmp_path / "mine.weights.h5")
    with h5py.File(tmp_path / "outside.h5", "w") as other:
        other["secret"] = np.ones((3, 3, 3, 16), "float32")
    with h5py.File(path, "a") as file:
        group = next(
            layer["vars"]
            for layer in file["layers"].values()
            if layer["vars"].attrs.get("name") == "conv"
        )
        del group["0"]
        group["0"] = h5py.ExternalLink(str(tmp_path / "outside.h5"), "secret")
    with pytest.raises(DataError, match="cannot be used"):
        build(path)


def test_other_suffixes_are_refused():
    with pytest.raises(
        ValueError,
        match=r"`weights='model.pth'` is not a kind of weights file that "
        "'mobilenet_v2' can read: its name must end in .keras or .weights.h5 or "
        ".npz or .h5; or name the folder of a saved model.",
    ):
        build("model.pth", get_backbone("mobilenet_v2"))
    with pytest.raises(ValueError, match=r"must end in .keras or .weights.h5 or .npz; or name"):
        build("model.h5")


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"`weights`: there is no file 'nowhere.npz'."):
        build("nowhere.npz")
