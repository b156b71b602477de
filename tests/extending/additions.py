"""What somebody adds in a module of their own: one of everything that has a name."""

import json
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

import keras
import numpy as np
from keras import layers, ops

import kerasrecipes as kr
from kerasrecipes.bundles.contract import Contract
from kerasrecipes.export import ExportFormat, GraphFacts
from kerasrecipes.heads import ClassHead, Task, get_head
from kerasrecipes.losses import get_loss


def graph(photo):
    x = layers.Rescaling(1 / 128, -127 / 128, name="scale")(photo)
    return layers.Conv2D(8, 5, 4, activation="relu", name="stem_conv")(x)


def draw(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.2, w.shape) for w in model.get_weights()])


added_backbone = kr.BackboneSpec(
    name="added_backbone", family="added", summary="added", build_graph=graph,
    blocks=("^stem_conv$",), image_size=(24, 24), min_image_size=16, feature_size=8,
    parameter_count=608, weights="preset", weights_licence="none", weights_source="drawn",
    reference="none", load_default=draw,
)  # fmt: skip


class AddedLoss(keras.losses.Loss):
    """Squared error of the softmax, which rare classes raise."""

    def __init__(self, class_counts, power=1.0, **options):
        super().__init__(**options)
        self.weights, self.power = np.mean(class_counts) / np.array(class_counts), power

    def call(self, y_true, y_pred):
        return ops.sum(self.weights * (y_true - ops.softmax(y_pred)) ** 2, axis=-1) ** self.power


@dataclass(frozen=True)
class AddedHead(ClassHead):
    """The average of each channel, and one layer."""

    name: ClassVar[str] = "added_head"
    trains: ClassVar[str] = "logits"
    task: ClassVar[Task] = get_head("classification").task
    dropout: float = 0.0
    loss_name: str = "added_loss"
    loss_options: dict = field(default_factory=dict)

    def build(self, features, width: int, seed: int):
        x = layers.GlobalAveragePooling2D(name="pool")(features)
        start = keras.initializers.GlorotUniform(seed)
        x = layers.Dense(width, kernel_initializer=start, name="logits")(x)
        return layers.Softmax(name="scores")(x)

    def loss(self, class_counts=None):
        return get_loss(self.loss_name, class_counts=class_counts, **self.loss_options)

    def metrics(self):
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]


class AddedCallback(keras.callbacks.Callback):
    """Counts epochs."""

    def on_train_begin(self, logs=None):
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1

    def summary(self):
        return {"epochs": self.epochs}


class Loaded:
    def __init__(self, path, threads=1):
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as whole:
            self.model = keras.saving.load_model(whole.extract("model.keras", folder))
        self.shape, self.dtype = tuple(self.model.input.shape[1:]), "uint8"
        self.outputs = {"scores": self.model.output.shape[-1]}

    def __call__(self, photos):
        return {"scores": np.asarray(self.model(photos.astype("float32")))}


def write(model, path, *, contract, quantization, calibration):
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "w") as whole:
        model.save(f"{folder}/model.keras")
        whole.write(f"{folder}/model.keras", "model.keras")
        whole.writestr("contract.json", contract.to_json())


def inspect(path):
    with zipfile.ZipFile(path) as whole, whole.open("model.keras") as inner:
        with zipfile.ZipFile(inner) as model:
            config = json.loads(model.read("config.json"))["config"]
    return GraphFacts(dict(Counter(layer["class_name"] for layer in config["layers"])))


def read_contract(path):
    with zipfile.ZipFile(path) as whole:
        return Contract.from_json(whole.read("contract.json"), path)


added_format = ExportFormat(
    name="added_format", suffix=".packed", quantizations=("float32",),
    summary="a Keras model and its labels in one file", write=write, load=Loaded,
    inspect=inspect, read_contract=read_contract, sets_threads=False,
)  # fmt: skip
