"""ONNX files: the same answers in ONNX Runtime, refused when they are not the model."""

import subprocess
import sys

import numpy as np
import onnx as onnx_package
import pytest

from kerasrecipes.errors import DataError, IntegrityError, MissingDependencyError, VerificationError
from kerasrecipes.export import GraphFacts, onnx
from kerasrecipes.export.checks import check_loaded
from kerasrecipes.serve.predictor import Predictor
from tiny_bundle import contract_of

NAMES = ["blue", "green", "red"]


@pytest.fixture(scope="module")
def photos(tiny):
    return tiny.colour_photos(40, seed=7)[0]


@pytest.fixture(scope="module")
def file(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "deep" / "model.onnx"
    policy = {"max_16bit": 4095}
    return onnx.write(
        trained, path, contract=contract_of(NAMES, description="one line", policy=policy)
    )


def test_answers_like_keras_and_takes_any_number(file, trained, photos):
    loaded = onnx.load(file, threads=2)
    expected = trained.predict(photos.astype("float32"), verbose=0)
    np.testing.assert_allclose(loaded(photos)["scores"], expected, atol=1e-5)
    np.testing.assert_allclose(loaded(photos[:1])["scores"], expected[:1], atol=1e-5)
    assert loaded(photos[:0])["scores"].shape == (0, 3)


def test_file_is_plain_onnx_and_describes_itself(file):
    model = onnx_package.load(file)
    onnx_package.checker.check_model(model, full_check=True)
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == [
        "photos",
        "scores",
    ]
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in model.graph.input} == {
        "photos"
    }
    found = onnx.read_contract(file)
    assert found.output.class_names == tuple(NAMES)
    assert found.input.preparation == {"max_16bit": 4095}
    assert found.description == "one line"
    facts = onnx.inspect_file(file)
    assert (facts.ops["Conv"], facts.kernels, facts.int8_fraction) == (2, 3, 0.0)


def test_resizing_inside_does_not_switch_to_training_mode(resizing_model, photos, tmp_path):
    model, expected = resizing_model
    path = onnx.write(model, tmp_path / "m.onnx", contract=contract_of(NAMES))
    assert np.abs(onnx.load(path)(photos[:8])["scores"] - expected(photos[:8])).max() < 1e-4


def test_writing_and_loading_are_silent(trained, tmp_path, capfd):
    onnx.load(onnx.write(trained, tmp_path / "m.onnx", contract=contract_of(NAMES)))
    assert capfd.readouterr() == ("", "")


def test_loading_needs_no_tensorflow(file):
    code = (
        "import sys\n"
        "from kerasrecipes.export import get_format\n"
        f"f, path = get_format('onnx'), {str(file)!r}\n"
        "f.load(path); f.inspect(path); f.read_contract(path)\n"
        "assert not {'tensorflow', 'keras', 'tf2onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_lone_file_predicts(file, tiny, photos):
    found = Predictor(file).predict([tiny.png(photo) for photo in photos[:3]])
    assert [one.label for one in found] == NAMES
    assert Predictor(file).input.preparation["max_16bit"] == 4095


def test_nan_answers_are_refused(tmp_path, nan_model):
    with pytest.raises(VerificationError, match=r"answers NaN for 3 of 3 classes"):
        onnx.write(nan_model, tmp_path / "m.onnx", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (GraphFacts({"Erf": 1}, ("ai.tf.Erf",), 10**6), "1 operators that ONNX lacks: 'ai.tf.Erf'"),
        (GraphFacts({"Conv": 1}, (), 100), "holds 100 bytes.*lost its weights"),
    ],
)
def test_suspicious_files_are_refused(tmp_path, monkeypatch, trained, facts, message):
    monkeypatch.setattr(onnx, "_inspect", lambda content: facts)
    with pytest.raises(VerificationError, match=message):
        onnx.write(trained, tmp_path / "m.onnx", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []


def test_operators_of_other_makers_are_seen(file):
    model = onnx_package.load(file)
    model.graph.node[0].domain = "com.example"
    assert onnx._inspect(model.SerializeToString()).custom_ops == ("com.example.Cast",)


def test_operators_without_a_counterpart_are_refused(tmp_path):
    import keras

    photo = keras.Input((8, 8, 3))
    x = keras.ops.mean(keras.ops.erfinv(photo / 300.0), axis=(1, 2))
    model = keras.Model(photo, keras.layers.Softmax()(x))
    with pytest.raises(VerificationError, match=r"1 operators that ONNX lacks: 'Erfinv'"):
        onnx.write(model, tmp_path / "m.onnx", contract=contract_of(NAMES))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_lone_file_is_stopped_before_the_runtime(file, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "OnnxModel", lambda *a, **k: pytest.fail("a runtime saw it"))
    content, path = file.read_bytes(), tmp_path / "lone.onnx"
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 100):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises((DataError, IntegrityError)):
            Predictor(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises((DataError, IntegrityError)):
        Predictor(path)


@pytest.mark.parametrize("content", [b"", b"TFL3" * 40, b"\xff" * 100])
def test_what_is_no_onnx_file_is_named(tmp_path, content):
    path = tmp_path / "odd.onnx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"ONNX Runtime cannot open '.*odd.onnx'"):
        onnx.load(path)
    with pytest.raises(DataError, match=r"odd.onnx'"):
        onnx.read_contract(path)
    with pytest.raises(DataError, match=r"no file '.*gone.onnx'"):
        onnx.load(tmp_path / "gone.onnx")


def test_another_kind_of_model_is_refused(file):
    model = onnx_package.load(file)
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 4
    other = onnx.OnnxModel(model.SerializeToString())
    with pytest.raises(DataError, match=r"takes uint8 of shape \(32, 32, 4\), and says that it"):
        check_loaded(other, onnx.read_contract(file), "other")
    del model.graph.input[0].type.tensor_type.shape.dim[:]
    with pytest.raises(DataError, match=r"cannot open|is not a model as this"):
        onnx.OnnxModel(model.SerializeToString())


def test_wrong_arguments(file, trained, tmp_path):
    with pytest.raises(ValueError, match=r"`threads` must be a whole number"):
        onnx.load(file, threads=0)
    with pytest.raises(DataError, match=r"must be uint8 of shape \(n, 32, 32, 3\), received"):
        onnx.load(file)(np.zeros((1, 32, 32, 3), np.float32))
    with pytest.raises(ValueError, match=r"one score per class.*2 class names"):
        onnx.write(trained, tmp_path / "m", contract=contract_of(NAMES[:2]))


def test_missing_extra_is_named(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(MissingDependencyError, match=r'"kerasrecipes\[onnx\]"'):
        onnx.write(trained, tmp_path / "m.onnx", contract=contract_of(NAMES))
