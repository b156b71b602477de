"""Files that pretend to be a Keras model: refused, by name, before they do anything."""

import base64
import io
import json
import marshal
import resource
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest

from kerasrecipes import IntegrityError
from kerasrecipes.bundles.model_file import load_model

pytest.importorskip("keras")


@pytest.fixture(scope="module")
def honest_file(tmp_path_factory) -> Path:
    import keras

    photo = keras.Input((4, 4, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(photo))
    path = tmp_path_factory.mktemp("honest") / "model.keras"
    keras.Model(photo, keras.layers.Dense(2, activation="softmax")(features)).save(path)
    return path


@pytest.fixture
def rewritten(honest_file, tmp_path):
    """Writes the honest file anew with another config, or with other weights."""

    def write(change_config=None, weights: bytes | None = None, compress=False) -> Path:
        path = tmp_path / "suspect.keras"
        kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        with zipfile.ZipFile(honest_file) as old, zipfile.ZipFile(path, "w", kind) as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "config.json" and change_config:
                    config = json.loads(content)
                    change_config(config["config"]["layers"])
                    content = json.dumps(config).encode()
                if name == "model.weights.h5" and weights is not None:
                    content = weights
                new.writestr(name, content)
        return path

    return write


@pytest.fixture
def marker(tmp_path, monkeypatch) -> Path:
    """A file in the working folder that only code from a model would make."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "marker"


def weights_with(write) -> bytes:
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        write(h5)
    return file.getvalue()


def payload():
    def write(x):
        open("marker", "w").close()
        return x

    return base64.b64encode(marshal.dumps(write.__code__)).decode()


def replace_layer(**layer):
    def change(layers):
        layers[1].update(layer)
        layers[1].pop("build_config", None)

    return change


def test_an_honest_file_loads(honest_file):
    assert load_model(honest_file).output.shape == (None, 2)
    assert load_model(str(honest_file)).count_params() > 0


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (b"", "it is not valid JSON"),
        (b"[]", "its config is not an object"),
        (b"null", "its config is not an object"),
        (b"[" * 100_000, "it is nested deeper than 200 levels"),
        (b'{"config": {}, "config": {}}', "it has 'config' more than once"),
        (b'{"config": ' + b"9" * 5000 + b"}", "it has a number of 5000 digits"),
        (b'{"config": "\xff"}', "it is not UTF-8 at byte 12"),
    ],
)
def test_a_config_that_is_no_record_is_told(honest_file, tmp_path, config, reason):
    path = tmp_path / "suspect.keras"
    with zipfile.ZipFile(honest_file) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, config if name == "config.json" else old.read(name))
    with pytest.raises(IntegrityError, match=f"suspect.keras' is not a readable .*: {reason}"):
        load_model(path)


def test_a_lambda_is_refused(rewritten, marker):
    function = {
        "class_name": "__lambda__",
        "config": {"code": payload(), "defaults": None, "closure": None},
    }
    path = rewritten(
        replace_layer(
            class_name="Lambda", module="keras.layers", config={"name": "x", "function": function}
        )
    )
    with pytest.raises(IntegrityError, match="Keras refuses '.*suspect.keras': .*lambda"):
        load_model(path)
    assert not marker.exists()


def test_a_lambda_saved_by_keras_is_refused(tmp_path, marker):
    import keras

    def write(x):
        if marker.parent.exists() and not isinstance(x, keras.KerasTensor):
            marker.touch()
        return x

    photo = keras.Input((4,))
    path = tmp_path / "suspect.keras"
    keras.Model(photo, keras.layers.Lambda(write, output_shape=(4,))(photo)).save(path)
    with pytest.raises(IntegrityError, match="Keras refuses '.*suspect.keras'"):
        load_model(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "os", "class_name": "system", "config": "touch marker", "registered_name": None},
        {"module": "builtins", "class_name": "exec", "config": {}, "registered_name": "exec"},
        {"module": "builtins", "class_name": "eval", "config": {"source": "open('marker', 'w')"}},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "marker"]}},
        {"module": "posix", "class_name": "system", "registered_name": "posix>system"},
        {
            "module": "keras.src.utils.file_utils",
            "class_name": "get_file",
            "config": {"fname": "marker", "origin": "file:///etc/hostname", "cache_dir": "."},
        },
        {"module": "keras.utils", "class_name": "get_file", "config": {"fname": "marker"}},
        {"module": "keras.layers", "class_name": "NoSuchLayer"},
        {"module": None, "class_name": None, "config": None},
    ],
)
def test_gadgets_are_refused(rewritten, marker, layer):
    with pytest.raises(IntegrityError, match="Keras refuses '.*suspect.keras': .*do not trust it"):
        load_model(rewritten(replace_layer(**layer)))
    assert not marker.exists()


def test_a_function_of_a_gadget_module_is_refused(rewritten, marker):
    def change(layers):
        layers[-1]["config"]["activation"] = {
            "module": "os", "class_name": "function", "config": "system", "registered_name": "",
        }  # fmt: skip

    with pytest.raises(IntegrityError, match="Keras refuses"):
        load_model(rewritten(change))
    assert not marker.exists()


def refused_in_little_memory(path, message):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(IntegrityError, match=message):
        load_model(path)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    assert grown_mb < 200


@pytest.mark.parametrize(
    "change",
    [
        lambda layers: layers[-1]["config"].update(units=10**9),
        lambda layers: layers[-1]["config"].update(units=900_000_000),
        lambda layers: layers[1]["config"].update(filters=10**8),
        # Each number is harmless, their product is not.
        lambda layers: layers[1]["config"].update(filters=50_000, kernel_size=[4, 4]),
        lambda layers: (
            layers[1]["config"].update(filters=30_000),
            layers[-1]["config"].update(units=999_999),
        ),
    ],
)
def test_absurd_sizes_are_refused_before_the_memory_is_taken(rewritten, change):
    path = rewritten(change)
    refused_in_little_memory(
        path, r"suspect.keras' asks for more than [\d,]+ weights but holds only"
    )


def test_keras_is_left_as_it_was(rewritten):
    import keras

    before = keras.layers.Layer.add_weight
    with pytest.raises(IntegrityError):
        load_model(rewritten(lambda layers: layers[-1]["config"].update(units=10**9)))
    assert keras.layers.Layer.add_weight is before


def test_a_zip_bomb_is_refused(rewritten):
    path = rewritten(weights=bytes(200_000_000), compress=True)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(
        IntegrityError, match="suspect.keras' .* unpacks to 200,.* made to fill the memory"
    ):
        load_model(path)


def test_links_out_of_the_weights_are_refused(rewritten, tmp_path):
    import h5py

    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as h5:
        h5["0"] = [[[[7.0] * 2] * 3] * 3] * 3
        h5["1"] = [7.0, 7.0]

    def link(h5):
        for layer in ("conv2d", "dense"):
            h5.create_group(f"layers/{layer}")
            h5[f"layers/{layer}/vars"] = h5py.ExternalLink(str(secret), "/")

    with pytest.raises(IntegrityError, match="suspect.keras'.* is a link to another place"):
        load_model(rewritten(weights=weights_with(link)))


def test_weights_of_another_model_are_refused(rewritten):
    def other(h5):
        h5["layers/dense/vars/0"] = [[1.0]]

    with pytest.raises(IntegrityError, match="Keras refuses '.*suspect.keras'"):
        load_model(rewritten(weights=weights_with(other)))
    for weights in (b"", b"\x89HDF\r\n\x1a\n", b"nothing"):
        with pytest.raises(IntegrityError, match="suspect.keras' is not a readable .keras file"):
            load_model(rewritten(weights=weights))


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(honest_file, tmp_path, keep):
    content = honest_file.read_bytes()
    path = tmp_path / "cut.keras"
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(IntegrityError, match="'.*cut.keras' is not a readable .keras file"):
        load_model(path)


def test_flipped_bits_never_escape_as_something_else(honest_file, tmp_path):
    import numpy as np

    content = honest_file.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.keras"
    for place in rng.integers(0, len(content), 12):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            load_model(path)
        except IntegrityError as error:
            assert "flipped.keras'" in str(error)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "config.json"),
        ({"config.json": "{}"}, "model.weights.h5"),
        ({"config.json": "{", "model.weights.h5": ""}, "is not a readable .keras file"),
        (
            {"config.json": "[]", "model.weights.h5": weights_with(lambda h5: None)},
            "config is not an object",
        ),
        ({"config.json": "[" * 10**5, "model.weights.h5": ""}, "is not a readable .keras file"),
        ({"config.json": "{}", "model.weights.h5": ""}, "is not a readable .keras file"),
        ({"config.json": "\x00", "model.weights.h5": ""}, "is not a readable .keras file"),
    ],
)
def test_other_archives_are_refused(tmp_path, members, message):
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(IntegrityError, match=message) as caught:
        load_model(path)
    assert "other.keras'" in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing.keras", Path("/dev/null")):
        with pytest.raises(IntegrityError, match="is not a readable .keras file"):
            load_model(path)


def deflated(content: bytes) -> bytes:
    pack = zlib.compressobj(9)
    return pack.compress(content) + pack.flush()


def blown_up_chunk(h5):
    data = h5.create_dataset("x", (100,), "f4", chunks=(100,), compression="gzip")
    data.id.write_direct_chunk((0,), deflated(bytes(50_000_000)))


def virtual(h5):
    import h5py

    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (10,))
    h5.create_virtual_dataset("x", layout)


def repeated_text(h5):
    import h5py

    h5.attrs.create("name", ["x" * 1000] * 3000, dtype=h5py.string_dtype())


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda h5: h5.create_dataset("x", (10**9,), "f4"), "unpacks to 4,000,000,000 bytes"),
        (
            lambda h5: h5.create_dataset(
                "x", (10**9,), "f8", chunks=(10**4,), compression="gzip", fillvalue=1.0
            ),
            "unpacks to 8,000,000,000 bytes",
        ),
        (
            lambda h5: h5.create_dataset("x", (2**33, 2**31), "f4", chunks=(8, 8)),
            "unpacks to 73,786,976,294,838,206,464 bytes",
        ),
        (
            lambda h5: h5.create_dataset("x", (9,), "f4", maxshape=(None,), chunks=(10**9,)),
            "unpacks to 4,000,000,000 bytes",
        ),
        # Each is harmless, all together are not.
        (
            lambda h5: [h5.create_dataset(f"g/{n}", (10**6,), "f4", chunks=True) for n in range(9)],
            "unpacks to .* bytes",
        ),
        (
            lambda h5: h5.create_dataset("x", (9,), "f4", external=[("/etc/hostname", 0, 36)]),
            "'x' takes its values from other files",
        ),
        (virtual, "'x' takes its values from other files"),
        (lambda h5: h5.create_dataset("x", data=["text"] * 9), "'x' holds something other than"),
        (repeated_text, "has an attribute of free length"),
        (blown_up_chunk, "'x' has chunks that unpack to more than one"),
        (
            lambda h5: h5.create_dataset("x", (9,), "f4", chunks=(9,), compression="lzf"),
            "'x' is compressed in a rare way",
        ),
    ],
)
def test_weights_that_declare_more_than_they_hold_are_refused(rewritten, write, message):
    refused_in_little_memory(rewritten(weights=weights_with(write)), f"suspect.keras'.*{message}")


def test_compressed_weights_are_read(honest_file, rewritten):
    import h5py
    import numpy as np

    with zipfile.ZipFile(honest_file) as archive:
        content = archive.read("model.weights.h5")

    def copy(h5):
        with h5py.File(io.BytesIO(content)) as old:
            for name in old:
                old.copy(name, h5)
            data = old["layers/conv2d/vars/0"][()]
        del h5["layers/conv2d/vars/0"]
        h5.create_dataset("layers/conv2d/vars/0", data=data, compression="gzip", shuffle=True)

    found = load_model(rewritten(weights=weights_with(copy), compress=True)).get_weights()
    for one, other in zip(load_model(honest_file).get_weights(), found, strict=True):
        np.testing.assert_array_equal(one, other)


def relu(number: int, source: str, calls: int = 1) -> dict:
    tensor = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 4], "dtype": "float32", "keras_history": [source, 0, 0]},
    }
    return {
        "module": "keras.layers",
        "class_name": "ReLU",
        "config": {"name": f"relu_{number}", "trainable": True, "dtype": "float32"},
        "name": f"relu_{number}",
        "inbound_nodes": [{"args": [tensor], "kwargs": {}}] * calls,
    }


def nested(depth: int) -> dict:
    inner = nested(depth - 1) if depth else relu(0, "x")
    inner["inbound_nodes"] = relu(0, "x", calls=2)["inbound_nodes"]
    layers = [inner]
    return {"class_name": "Functional", "config": {"layers": layers}, "inbound_nodes": []}


def wrapped(depth: int) -> dict:
    return {"inner": wrapped(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layers: layers.extend(relu(n, "dense") for n in range(5000)), "5,003 layers"),
        (lambda layers: layers.append(relu(0, "dense", calls=5000)), "5,0.. objects"),
        (lambda layers: layers.append(nested(20)), "calls of layers"),
        (
            lambda layers: layers[1]["config"].update(
                cells=[{"class_name": "LSTMCell", "config": {}}] * 5000
            ),
            "5,0.. objects",
        ),
        (lambda layers: layers[1]["config"].update(name="x" * 200_000), "text of 200,000"),
        (lambda layers: layers[1].update(inner=wrapped(250)), "nested deeper than"),
    ],
)
def test_configs_that_ask_for_more_than_there_are_weights_are_refused(rewritten, change, message):
    refused_in_little_memory(rewritten(change), f"suspect.keras'.* {message}")


def test_a_model_of_few_layers_may_compute_much_between_them(tmp_path):
    import keras

    photo = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 3)(photo)
    for _ in range(150):
        x = keras.ops.relu(x) - x
    path = tmp_path / "arithmetic.keras"
    keras.Model(photo, x).save(path)
    assert load_model(path).output_shape == (None, 2, 2, 2)


def test_tensors_beyond_any_memory_are_refused(tmp_path):
    import keras

    photo = keras.Input((8, 8, 3))
    wide = keras.layers.UpSampling2D(40_000)(photo)
    path = tmp_path / "wide.keras"
    keras.Model(photo, keras.layers.GlobalAveragePooling2D()(wide)).save(path)
    refused_in_little_memory(path, "wide.keras'.* makes tensors of shape .*320000, 320000, 3")


def overlapping(entries: list[tuple[str, bytes]]) -> bytes:
    """Let two names of the directory lead to one place."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
        archive.filelist[1].header_offset = archive.filelist[0].header_offset
    return file.getvalue()


def lying(entries: list[tuple[str, bytes]], kind=zipfile.ZIP_DEFLATED) -> bytes:
    """Declare less than what comes out."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in entries:
            archive.writestr(name, content + bytes(10_000_000))
        for entry in archive.filelist:
            entry.file_size = 100
    return file.getvalue()


def twice(entries: list[tuple[str, bytes]]) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return archived(entries * 2)


def archived(entries: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def many(entries: list[tuple[str, bytes]]) -> bytes:
    """Hold nothing, in more pieces than any model has."""
    return archived([*entries, *((f"assets/{place}", b"") for place in range(20_001))])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (overlapping, "entries overlap"),
        (lying, "is not of the size it declares"),
        (lambda entries: lying(entries, zipfile.ZIP_BZIP2), "compressed in a rare way"),
        (twice, "two of its entries have one name"),
        (many, "it has 20,004 entries, the limit is 20,000"),
    ],
)
def test_archives_that_lie_are_refused(honest_file, tmp_path, write, message):
    with zipfile.ZipFile(honest_file) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    path = tmp_path / "odd.keras"
    path.write_bytes(write(entries))
    refused_in_little_memory(path, f"odd.keras'.* {message}")
