"""A real bundle around a tiny convnet that tells three colours apart."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

CLASS_NAMES = ["blue", "green", "rød\n1"]
SIZE = (32, 32)


def colour_photos(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make noisy photos in which the class is the strongest colour."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    colours = rng.integers(40, 120, (n, 3))
    colours[np.arange(n), 2 - labels] += 90
    noise = rng.normal(0, 25, (n, *SIZE, 3))
    return np.clip(colours[:, None, None] + noise, 0, 255).astype(np.uint8), labels


def untrained_model():
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    photo = keras.Input((*SIZE, 3), name="photo")
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(photo)
    for filters in (8, 32):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(photo, layers.Dense(3, activation="softmax")(x))


def trained_model():
    model = untrained_model()
    photos, labels = colour_photos(96, seed=2)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 0.02
    model.fit(photos.astype("float32"), labels, epochs=12, batch_size=32, verbose=0)
    return model


def png(photo: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return file.getvalue()


def write_bundle(name_folder: Path, model):
    """Write `model` as a bundle with 60 golden photos and 30 for calibration."""
    import json

    from kerasrecipes.bundles.bundle import Bundle
    from kerasrecipes.photos.decoding.decode import DecodePolicy

    photos, labels = colour_photos(60, seed=3)

    def fill(folder: Path) -> dict:
        model.save(folder / "model.keras")
        (folder / "golden").mkdir()
        files = [f"{i:03d}.png" for i in range(len(photos))]
        for name, photo in zip(files, photos, strict=True):
            (folder / "golden" / name).write_bytes(png(photo))
        np.savez(
            folder / "golden" / "golden.npz",
            files=np.array(files),
            names=np.array(json.dumps(files)),
            labels=labels,
            scores=model.predict(photos.astype("float32"), verbose=0),
        )
        np.savez(folder / "calibration.npz", photos=colour_photos(30, seed=2)[0])
        (folder / "data.jsonl").write_text("")
        return {
            "name": name_folder.name, "created": "2026-01-01T00:00:00", "recipe_type": "test",
            "recipe": {}, "class_names": CLASS_NAMES, "image_size": SIZE,
            "policy": DecodePolicy().to_dict(), "data_digests": {}, "counts": {}, "excluded": 0,
            "class_balance": {}, "golden_split": "test", "metrics": {}, "seeds": {},
            "versions": {}, "weights": {},
        }  # fmt: skip

    return Bundle.write(name_folder, fill)
