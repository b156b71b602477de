"""Labels and descriptions inside TFLite files."""

import contextlib
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from flatbuffers import number_types
from flatbuffers.table import Table

from kerasrecipes.bundles.contract import licence_of
from kerasrecipes.bundles.labels import check_class_names
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, IntegrityError
from kerasrecipes.export.checks import check_model
from kerasrecipes.export.tflite import convert, metadata, metadata_table, tflite
from kerasrecipes.export.tflite.metadata import (
    add_metadata,
    read_metadata,
)
from kerasrecipes.export.tflite.metadata_table import build_table
from kerasrecipes.serve import Predictor
from tiny_bert import VOCABULARY
from tiny_bundle import contract_of

AWKWARD = [
    "two\nlines",
    "cr\r\nlf",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "-dash",
    "emoji 👩\u200d🔧",
    "right\u202eleft",
    " spaces ",
    "back\\nslash",
    "\udc80 undecodable",
    "line\u2028separator",
    "e\u0301",
    "é",
]


@pytest.fixture(scope="module")
def plain(tiny):
    """The bytes of a converted model without metadata."""
    model = tiny.untrained_model()
    return convert.convert(model, check_model(model, contract_of()), "float32", None)


def by_another_tool(plain, appended):
    """Return a file with metadata and with files behind it that are not this package's."""
    packed = metadata._with_entry(plain, build_table(contract_of(["a"]), "x"))
    archive = io.BytesIO(packed)
    with zipfile.ZipFile(archive, "a") as files:
        for name, text in appended.items():
            files.writestr(name, text)
    return archive.getvalue()


def test_a_file_of_the_form_before_is_read(tiny, tmp_path, monkeypatch):
    """It knew photos with one label each, and had no name for its answer."""
    import keras

    def nameless(model, contract):
        photo = keras.Input(batch_shape=(1, 32, 32, 3), dtype="uint8", name="photo")
        return keras.Model(photo, model(keras.ops.cast(photo, "float32"), training=False))

    path, policy = tmp_path / "old.tflite", {"max_16bit": 4095}
    monkeypatch.setattr(convert, "_one_input", nameless)
    before = convert.convert(tiny.untrained_model(), None, "float32", None)
    table = build_table(contract_of(["a", "b", "c"], description="as before"), "kerasrecipes.json")
    packed = metadata._with_entry(before, table)
    told = {"class_names": ["a", "b", "c"], "policy": policy}
    told["sha256"] = hashlib.sha256(packed).hexdigest()
    archive = io.BytesIO(packed)
    with zipfile.ZipFile(archive, "a") as files:
        files.writestr("labels.txt", "a\nb\nc\n")
        files.writestr("kerasrecipes.json", json.dumps(told))
    path.write_bytes(archive.getvalue())
    found = read_metadata(path).contract
    assert (found.modality, found.description) == ("photos", "as before")
    assert found.output == OutputSpec(
        name="scores", task="classification", class_names=("a", "b", "c")
    )
    assert found.input.preparation == policy and found.input.shape == (None, None, 3)
    assert Predictor(path).input.shape == (32, 32, 3)
    assert Predictor(path).predict(tiny.png(tiny.colour_photos(1, seed=0)[0][0]))[0].label


def test_a_number_has_no_labels(plain, tmp_path):
    thickness = OutputSpec(name="thickness", task="regression", unit="mm")
    told = contract_of().model_copy(update={"outputs": (thickness,)})
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(plain, told))
    assert read_metadata(path).contract == told
    with zipfile.ZipFile(path) as files:
        assert files.namelist() == ["kerasrecipes.json"]


def test_a_file_of_a_newer_form_says_so(plain, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(plain, contract_of().model_copy(update={"version": 3})))
    with pytest.raises(DataError, match="has the form 3, which a newer kerasrecipes wrote"):
        read_metadata(path)


def test_everything_comes_back(plain, tmp_path):
    path = tmp_path / "m.tflite"
    policy = {"max_16bit": 4095, "background": [0, 0, 0]}
    path.write_bytes(
        add_metadata(plain, contract_of(["a", "b", "c"], description="Kacheln ✓", policy=policy))
    )
    found = read_metadata(path)
    assert found.contract.output.class_names == ("a", "b", "c")
    assert found.contract.description == "Kacheln ✓"
    assert found.mean == (0.0,) and found.std == (1.0,)
    assert found.contract.input.preparation == policy
    assert "licence" not in found.contract.to_dict()


def test_the_licence_of_the_weights_is_where_readers_look_for_it(plain, tmp_path):
    licensed = contract_of(["a", "b", "c"]).model_copy(update={"licence": "Apache-2.0"})
    (tmp_path / "m.tflite").write_bytes(add_metadata(plain, licensed))
    assert read_metadata(tmp_path / "m.tflite").contract.licence == "Apache-2.0"
    table = build_table(licensed, "extra.json")
    root = Table(table, int.from_bytes(table[:4], "little"))
    # The field `license` of TensorFlow Lite's ModelMetadata is the sixth.
    assert root.String(root.Pos + root.Offset(4 + 2 * 5)) == b"Apache-2.0"
    assert licence_of({"licence": "none"}) == licence_of({}) == ""


def test_awkward_labels_come_back_and_stay_on_their_line(plain, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(plain, contract_of(AWKWARD)))
    assert read_metadata(path).contract.output.class_names == tuple(AWKWARD)
    with zipfile.ZipFile(path) as files:
        lines = files.read("labels.txt").decode().split("\n")
    assert len(lines) == len(AWKWARD) + 1 and lines[-1] == ""
    assert lines[0] == "two\\nlines" and lines[5] == AWKWARD[5]


def test_file_with_metadata_answers_the_same(plain, tmp_path, tiny):
    photos = tiny.colour_photos(6, seed=1)[0]
    (tmp_path / "plain.tflite").write_bytes(plain)
    (tmp_path / "full.tflite").write_bytes(add_metadata(plain, contract_of(["a", "b", "c"])))
    answers = [tflite.load(tmp_path / n)(photos)["scores"] for n in ("plain.tflite", "full.tflite")]
    assert np.array_equal(*answers)


def test_adding_twice_replaces(plain, tmp_path):
    once = add_metadata(plain, contract_of(["a", "b", "c"], description="one"))
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(once, contract_of(["x", "y", "z"], description="two")))
    assert read_metadata(path).contract.description == "two"
    assert read_metadata(path).contract.output.class_names == ("x", "y", "z")


@pytest.mark.parametrize("names", [["a", ""], [" ", "b"]])
def test_empty_names_are_refused(names):
    with pytest.raises(DataError, match=r"Class \d has an empty name"):
        check_class_names(names)


@pytest.mark.parametrize("names", [["a", "a"], ["a\nb", "a\\nb"]])
def test_names_that_look_the_same_are_refused(names):
    with pytest.raises(DataError, match=r"Several classes are called .* Rename"):
        check_class_names(names)


def test_file_without_labels_is_refused(plain, tmp_path):
    path = tmp_path / "plain.tflite"
    path.write_bytes(plain)
    with pytest.raises(DataError, match="carries no readable labels"):
        read_metadata(path)


def test_file_with_an_empty_list_of_labels_is_refused(plain, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(by_another_tool(plain, {"labelmap.txt": ""}))
    with pytest.raises(DataError, match="carries an empty list of labels"):
        read_metadata(path)


def test_something_else_is_refused(tmp_path):
    path = tmp_path / "photo.tflite"
    path.write_bytes(b"\xff\xd8\xff" + bytes(1000))
    with pytest.raises(DataError, match="is not a TFLite file"):
        read_metadata(path)


def test_huge_list_of_labels_is_refused(plain, tmp_path):
    path = tmp_path / "bomb.tflite"
    path.write_bytes(add_metadata(plain, contract_of(["a"])))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("labels.txt", b"a\n" * 10_000_000)
    path.write_bytes(add_metadata(plain, contract_of(["a"]))[:-600] + path.read_bytes())
    with pytest.raises(DataError, match="carries no readable labels"):
        read_metadata(path)


def test_damage_is_noticed_before_the_model_runs(plain, tmp_path):
    path = tmp_path / "m.tflite"
    content = add_metadata(plain, contract_of(["a", "b", "c"]))
    rng = np.random.default_rng(0)
    for place in rng.integers(8, len(content), 300):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        if place < len(plain):
            with pytest.raises(IntegrityError, match=r"was damaged since it was written"):
                read_metadata(path)
        with contextlib.suppress(DataError, IntegrityError):
            assert read_metadata(path).contract.output.class_names == ("a", "b", "c")
    for size in rng.integers(0, len(content), 50):
        path.write_bytes(content[:size])
        with pytest.raises((DataError, IntegrityError)):
            read_metadata(path)


def test_labels_of_the_wrong_type_are_refused(plain, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(plain, contract_of(["a"])).replace(b'["a"]', b"[101]"))
    with pytest.raises(DataError, match=r"carries no readable labels"):
        read_metadata(path)


def test_labels_of_another_tool_are_read(plain, tmp_path):
    path = tmp_path / "other.tflite"
    path.write_bytes(by_another_tool(plain, {"labelmap.txt": "cat\ndog\nfox\n"}))
    assert read_metadata(path).contract.output.class_names == ("cat", "dog", "fox")


def test_a_file_for_texts_says_how_clients_split_them(text_bundle):
    """Its inputs by name in its own order, the words by number, and the labels beside them."""
    path = text_bundle.exports()["tflite-dynamic"].path
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        assert {"vocab.txt", "labels.txt"} < set(files.namelist())
        assert files.read("vocab.txt").decode().split("\n") == list(VOCABULARY)
        assert files.read("labels.txt").decode().split() == list(text_bundle.class_names)
    table = metadata._entry(content)
    root = Table(table, int.from_bytes(table[:4], "little"))
    graph = metadata_table._first(root, 3)
    place = graph.Vector(graph.Offset(4 + 2 * 2))
    names = []
    for i in range(graph.VectorLen(graph.Offset(4 + 2 * 2))):
        taken = Table(table, graph.Indirect(place + 4 * i))
        names.append(taken.String(taken.Pos + taken.Offset(4)).decode())
    assert names == metadata._inputs(content) and set(names) == {"ids", "mask", "segment_ids"}
    unit = metadata_table._first(graph, 5)
    assert unit.Get(number_types.Uint8Flags, unit.Pos + unit.Offset(4)) == 4  # BERT's
    # What reads the labels of any file takes the vocabulary for none.
    assert read_metadata(path).contract.output.class_names == text_bundle.class_names


def test_only_the_tokens_of_bert_can_be_told_to_clients(text_bundle):
    takes, texts = text_bundle.input, text_bundle.modality
    assert texts.vocabulary(takes) == VOCABULARY
    told = json.loads(takes.preparation["tokenizer"])
    told["normalizer"]["lowercase"] = False
    cased = {**takes.preparation, "tokenizer": json.dumps(told)}
    assert texts.vocabulary(takes.model_copy(update={"preparation": cased})) == ()
