"""TFMOT's pruning, clustering and quantization-aware training of Keras 3 models."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes.errors import DataError, TrainingError
from kerasrecipes.export.tflite.graph import inspect_content
from kerasrecipes.export.tflite.runtime import TFLiteModel
from kerasrecipes.optimization.tfmot.bridge import import_tfmot, to_tf_keras
from kerasrecipes.optimization.tfmot.stages import prune_by_tfmot, quantization_aware_twin
from kerasrecipes.optimization.tfmot.training import TwinTrainer, train_for_int8


@pytest.fixture
def trainer(photo_set):
    val = replace(photo_set, photos=photo_set.photos[:6])
    return TwinTrainer(photo_set, val, epochs=2, learning_rate=1e-3, batch_size=4)


def int8_kernels(content):
    """Return the 8-bit kernels of a file, output channels first."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    details = interpreter.get_tensor_details()
    # Weights are the tensors that were quantized channel by channel.
    found = [
        interpreter.get_tensor(one["index"])
        for one in details
        if one["dtype"] is np.int8 and one["quantization_parameters"]["scales"].size > 1
    ]
    assert len(found) == 3
    return found


@pytest.mark.parametrize(
    "scheme",
    ["pcqat", *(pytest.param(one, marks=pytest.mark.proof) for one in ("qat", "pqat", "cqat"))],
)
def test_a_scheme_ends_in_an_int8_file_that_holds_what_it_promises(
    scheme, trained, trainer, tiny, capfd
):
    before = trained.get_weights()
    twin = train_for_int8(
        trained,
        trainer,
        scheme,
        sparsity=0.75 if scheme in {"pqat", "pcqat"} else None,
        clusters=8 if scheme in {"cqat", "pcqat"} else None,
    )
    content = twin.convert()
    said = capfd.readouterr().err.splitlines()
    facts = inspect_content(content)
    assert facts.int8_kernels == facts.kernels == 3 and not facts.custom_ops
    assert facts.ops["QUANTIZE"] + facts.ops["DEQUANTIZE"] == 2  # at the ends
    assert "BATCH" not in str(facts.ops) and facts.ops["ADD"] == 1  # norms are folded
    photos, labels = tiny.colour_photos(30, seed=7)
    scores = TFLiteModel(content)(photos)["scores"]
    assert np.mean(scores.argmax(1) == labels) > 0.9
    assert np.abs(scores - twin.model.predict(photos.astype("float32"), verbose=0)).max() < 0.02
    for kernel in int8_kernels(content):
        zeros, values = (kernel == 0).mean(), max(len(np.unique(one)) for one in kernel)
        assert (zeros >= 0.74) if scheme in {"pqat", "pcqat"} else (zeros < 0.5)
        assert (values <= 8) if scheme in {"cqat", "pcqat"} else (values > 8)
    assert all(np.array_equal(a, b) for a, b in zip(before, trained.get_weights(), strict=True))
    assert all(line.startswith("TFMOT ") for line in said[:-1])
    assert said[-1].startswith("Validation loss by epoch: ")
    assert len(said) == {"qat": 2, "pqat": 3, "cqat": 3, "pcqat": 4}[scheme]


def test_pruned_weights_come_home(trained, trainer):
    tfmot, _ = import_tfmot()
    model = keras.models.clone_model(trained)
    model.set_weights(trained.get_weights())
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, begin_step=0, frequency=1)
    prune_by_tfmot(model, trainer.fit, schedule)
    kernels = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]
    assert [(kernel == 0).mean() for kernel in kernels] == pytest.approx([0.5] * 3, abs=0.01)
    kept = kernels[0] != 0
    assert (kernels[0][kept] != trained.get_weights()[0][kept]).any()


def test_a_training_is_seeded_holds_batch_norm_and_keeps_its_best(trained, trainer):
    wild = replace(trainer, epochs=3, learning_rate=0.3)
    twins = [to_tf_keras(trained) for _ in range(3)]
    histories = [
        replace(wild, seed=seed).fit(twin, keep_best=True)
        for twin, seed in zip(twins, (1, 1, 2), strict=True)
    ]
    assert histories[0] == histories[1] != histories[2]
    norm = next(layer for layer in trained.layers if "batch_norm" in layer.name)
    statistics = twins[0].get_layer(norm.name).get_weights()[2:]
    assert np.array_equal(np.stack(statistics), np.stack(norm.get_weights()[2:]))
    _, val = wild._data(SimpleNamespace(inputs=[np.zeros((1, 32, 32, 3))]))[1]
    best = min(histories[0]["val_loss"])
    assert twins[0].evaluate(val, verbose=0)[0] == pytest.approx(best, rel=1e-4)


def test_what_a_teacher_says_is_learned(trained, trainer):
    always = np.tile(np.float32([[0, 0, 1]]), (12, 1))
    twin = to_tf_keras(trained)
    replace(trainer, targets=always, epochs=8, learning_rate=0.05).fit(twin)
    photos = np.random.default_rng(0).uniform(0, 255, (20, 32, 32, 3))
    assert (twin.predict(photos, verbose=0).argmax(1) == 2).all()


@pytest.mark.parametrize(("classes", "rounded"), [(2, False), (200, True)])
def test_a_head_stays_in_float_unless_it_is_large(classes, rounded):
    photo = keras.Input((8, 8, 3))
    x = layers.Conv2D(64, 3, name="conv")(layers.Conv2D(64, 3, name="first")(photo))
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    model = keras.Model(photo, layers.Dense(classes, activation="softmax", name="logits")(x))
    names = {layer.name for layer in quantization_aware_twin(model).core.layers}
    assert {"quant_conv", "quant_first"} <= names
    assert ("quant_logits" in names) is rounded


def test_what_tfmot_cannot_quantize_is_named_before_the_training(trainer, monkeypatch):
    photo = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 1, name="conv")(layers.Rescaling(0.1, name="scale")(photo))
    gate = layers.Activation("hard_silu", name="gate")(x)
    x = layers.BatchNormalization(name="late")(layers.Multiply(name="gated")([x, gate]))
    x = layers.Softmax(name="scores")(layers.GlobalAveragePooling2D(name="pool")(x))
    model = keras.Model(photo, x, name="odd")
    monkeypatch.setattr(TwinTrainer, "fit", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(ValueError, match="cannot quantize 3 layers of 'odd'") as told:
        train_for_int8(model, trainer, "pqat")
    for part in (
        "gate (Activation)", "gated (Multiply)", "late (BatchNormalization)", "engine='native'"
    ):  # fmt: skip
        assert part in str(told.value)


def test_wrong_use_is_named(trained, trainer, photo_set):
    for action, kind, message in (
        (lambda: train_for_int8(trained, trainer, "pcqt"), ValueError,
         "Unknown scheme 'pcqt'. Did you mean 'pcqat'"),
        (lambda: quantization_aware_twin(trained, "int8"), ValueError, "Unknown scheme 'int8'"),
        (lambda: train_for_int8(trained, trainer, "qat", sparsity=0.5), ValueError,
         "`sparsity` would have no effect with scheme='qat'. Pass scheme='pqat'"),
        (lambda: train_for_int8(trained, trainer, "pqat", clusters=8), ValueError,
         "`clusters` would have no effect"),
        (lambda: train_for_int8(trained, trainer, "pqat", sparsity=1.0), ValueError,
         "`sparsity` must lie between 0 and 1"),
        (lambda: train_for_int8(trained, trainer, "cqat", clusters=1), ValueError,
         "`clusters` must be a whole number from 2 to 256"),
        (lambda: replace(trainer, epochs=0), ValueError, "`epochs` must be a whole number"),
        (lambda: replace(trainer, batch_size=0.5), ValueError, "`batch_size` must be"),
        (lambda: replace(trainer, learning_rate=0), ValueError, "`learning_rate` must lie"),
        (lambda: replace(trainer, val=replace(photo_set, photos=())), DataError,
         "must have photos"),
        (lambda: replace(trainer, targets=np.eye(3)), DataError, r"\(12, 3\), not \(3, 3\)"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            action()
    broken = to_tf_keras(trained)
    broken.layers[-1].bias.assign([np.nan] * 3)
    with pytest.raises(TrainingError, match="No validation loss is finite"):
        trainer.fit(broken)
