"""Photos in Parquet files and in folders of Hugging Face's `save_to_disk`, read where they lie."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.tables import arrow_files
from kerasrecipes.data.tables.inside import reader_inside
from kerasrecipes.errors import DataError
from kerasrecipes.photos.modality import Photos
from kerasrecipes.scoring.listing import list_inputs

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

CLASSES = {"label": {"names": ["crack", "ok"], "_type": "ClassLabel"}}


@pytest.fixture
def table(tiny):
    """Six photos as the library datasets keeps them: two lie in one group, the last has no name."""

    def make(**columns):
        names = [f"{i}.png" for i in range(5)] + [None]
        photos = [
            {"bytes": tiny.png(photo), "path": name}
            for photo, name in zip(tiny.colour_photos(6, seed=3)[0], names, strict=True)
        ]
        columns = {"image": photos, "label": [0, 1, 0, 1, 0, 1], **columns}
        told = json.dumps({"info": {"features": CLASSES}})
        return arrow.table(columns).replace_schema_metadata({"huggingface": told})

    return make


@pytest.fixture
def file(table, tmp_path):
    def write(**columns):
        parquet.write_table(table(**columns), tmp_path / "train.parquet", row_group_size=2)
        return tmp_path / "train.parquet"

    return write


def test_photos_of_a_parquet_file_are_scanned_where_they_lie(file, table):
    source = file(group=["a", "a", "b", "b", "c", "c"])
    photos = kr.scan_photos(source)
    assert photos.counts() == {"crack": 3, "ok": 3}
    assert [one.path.name for one in photos.photos[4:]] == ["000004.png", "000005"]
    assert photos.photos[2].group == "b"
    assert all(one.content is None for one in photos.photos)
    contents = [one["bytes"] for one in table().column("image").to_pylist()]
    assert [photos.file_of(i)[1] for i in range(6)] == contents
    assert not [one for one in photos.check().findings if one.code == "misnamed"]
    listing = list_inputs(source, Photos(), None)
    assert [(listing.base / name) for name in listing.names] == [one.path for one in photos.photos]


def test_threads_read_one_file(file):
    photos, wrong = kr.scan_photos(file()), []

    def read(seed):
        for i in np.random.default_rng(seed).integers(6, size=20):
            try:
                photos.file_of(int(i))  # which compares the digest
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert not wrong


def test_rows_without_a_photo_or_a_class_are_told(file, table, tmp_path):
    images = table().column("image").to_pylist()
    images[2] = {"bytes": None, "path": None}
    images[3] = None
    photos = kr.scan_photos(file(image=images), max_unreadable_fraction=0.5)
    assert [(one.row, one.reason) for one in photos.excluded] == [
        (3, "its row has no photo"), (4, "its row has no photo")
    ]  # fmt: skip
    with pytest.raises(DataError, match="row 2 has no label"):
        kr.scan_photos(file(label=[0, -1, 0, 1, 0, 1]))
    with pytest.raises(DataError, match="a column 'path' beside the photos in 'image'"):
        kr.scan_photos(file(path=["x"] * 6))
    with pytest.raises(DataError, match="has 'image', 'other', which hold more"):
        kr.scan_photos(file(other=images))
    assert reader_inside(tmp_path / "train.parquet" / "000006.png") is None
    assert reader_inside(tmp_path / "none.parquet" / "000001.png") is None


def test_a_changed_file_is_noticed(file, table):
    photos = kr.scan_photos(file())
    images = table().column("image").to_pylist()
    file(image=images[::-1])
    with pytest.raises(DataError, match="has changed since it was scanned"):
        photos.file_of(0)


@pytest.fixture
def saved(table, tmp_path):
    """What `save_to_disk` writes of a DatasetDict: streams of Arrow, and files that list them."""
    root = tmp_path / "saved"
    for side in ("train", "validation"):
        (root / side).mkdir(parents=True)
        name = "data-00000-of-00001.arrow"
        found = table()
        with arrow.ipc.new_stream(root / side / name, found.schema) as stream:
            stream.write_table(found, max_chunksize=4)
        (root / side / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
        (root / side / "dataset_info.json").write_text("{}")
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation"]}))
    return root


def test_a_saved_data_set_is_scanned_with_its_sides(saved, table):
    photos = kr.scan_photos(saved)
    assert [one.split for one in photos.photos] == ["train"] * 6 + ["val"] * 6
    assert photos.photos[7].path == saved / "validation/data-00000-of-00001.arrow/000001.png"
    contents = [one["bytes"] for one in table().column("image").to_pylist()]
    assert [photos.file_of(i)[1] for i in range(12)] == contents * 2
    listing = list_inputs(saved, Photos(), None)
    assert [(listing.base / name) for name in listing.names] == [one.path for one in photos.photos]
    one = kr.scan_photos(saved / "train")
    assert len(one) == 6 and one.photos[0].split is None
    (saved / "train" / "state.json").write_text("{}")
    with pytest.raises(DataError, match=r"state.json' cannot be read"):
        kr.scan_photos(saved)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("dataset_dict.json", {"splits": ["../elsewhere"]}),
        ("dataset_dict.json", {"splits": [3]}),
        ("train/state.json", {"_data_files": [{"filename": "../validation/data.arrow"}]}),
        ("train/state.json", {"_data_files": ["data.arrow"]}),
        ("train/state.json", {"_data_files": [{"name": "data.arrow"}]}),
    ],
)
def test_what_lists_its_files_wrongly_is_named(saved, file, told):
    (saved / file).write_text(json.dumps(told))
    with pytest.raises(DataError, match=f"{Path(file).name}'"):
        kr.scan_photos(saved)


def test_a_file_of_another_format_is_told(tmp_path):
    (tmp_path / "a.arrow").write_bytes(b"no Arrow")
    with pytest.raises(DataError, match=r"Cannot read the table .*a.arrow"):
        arrow_files.rows_of(tmp_path / "a.arrow")


def test_a_predictor_takes_a_whole_file_and_a_saved_data_set(
    file, saved, exported_once, tmp_path, tiny
):
    predictor = kr.Predictor(exported_once)
    source = file()
    expected = [one.scores for one in predictor.predict(tiny.colour_photos(6, seed=3)[0])]
    found = predictor.predict(source)
    assert [one.scores for one in found] == expected
    assert found[1].path == str(source / "000001.png")
    assert [one.scores for one in predictor.predict(str(tmp_path / "*.parquet"))] == expected
    assert [one.scores for one in predictor.predict(saved)] == expected * 2
    parquet.write_table(arrow.table({"label": [0]}), tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    none, text, first = predictor.predict(
        [tmp_path / "none.parquet", tmp_path / "text.parquet", source / "000000.png"]
    )
    assert "none.parquet' holds no files of photos" in none.error
    assert "Cannot read the table" in text.error
    assert first.scores == expected[0]
