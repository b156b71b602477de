"""Photos in TFRecord files, as TensorFlow writes them: scanned and read where they lie."""

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.tables.inside import reader_inside
from kerasrecipes.data.tables.rows import read_rows
from kerasrecipes.errors import DataError
from kerasrecipes.photos.modality import Photos
from kerasrecipes.scoring.listing import list_inputs


def write(path, examples):
    import tensorflow as tf

    def feature(value):
        values = value if isinstance(value, list) else [value]
        if isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with tf.io.TFRecordWriter(str(path)) as file:
        for one in examples:
            told = {name: feature(value) for name, value in one.items()}
            features = tf.train.Features(feature=told)
            file.write(tf.train.Example(features=features).SerializeToString())
    return path


@pytest.fixture
def shards(tmp_path, tiny):
    contents = [tiny.png(photo) for photo in tiny.colour_photos(8, seed=5)[0]]
    for shard in range(2):
        examples = [
            {
                "image/encoded": contents[4 * shard + i],
                "image/class/text": b"ok" if i % 2 else b"crack",
                "image/class/label": i % 2,
                "image/filename": f"{i}.png".encode(),
                "group": f"part {shard}{i // 2}".encode(),
                "depth": -300 * i,
                "weight": 0.5,
                "boxes": [1, 2, 3],
            }
            for i in range(4)
        ]
        write(tmp_path / f"train.tfrecord-0000{shard}-of-00002", examples)
    return tmp_path, contents


def test_photos_of_shards_are_scanned_and_listed(shards):
    folder, contents = shards
    source = folder / "train.tfrecord-*"
    photos = kr.scan_photos(source)
    assert photos.counts() == {"crack": 4, "ok": 4}
    assert [photos.file_of(i)[1] for i in range(8)] == contents
    assert photos.photos[5].path == folder / "train.tfrecord-00001-of-00002" / "000001.png"
    assert photos.photos[5].group == "part 10"
    listing = list_inputs(source, Photos(), None)
    assert [(listing.base / name) for name in listing.names] == [one.path for one in photos.photos]
    rows = read_rows(source)[0]
    told = [(row["depth"], row["weight"], "boxes" in row) for _, row in rows[:3]]
    assert told == [(0, 0.5, False), (-300, 0.5, False), (-600, 0.5, False)]


def test_a_predictor_takes_them(shards, exported_once):
    folder, contents = shards
    predictor = kr.Predictor(exported_once)
    expected = [one.scores for one in predictor.predict(contents)]
    for source in (folder / "train.tfrecord-*", str(folder / "train.tfrecord-*")):
        assert [one.scores for one in predictor.predict(source)] == expected
    found = predictor.predict(folder / "train.tfrecord-00001-of-00002")
    assert [one.scores for one in found] == expected[4:]


def test_what_cannot_be_read_is_told(tmp_path, tiny, shards):
    png = tiny.png(np.zeros((16, 16, 3), np.uint8))
    file = write(tmp_path / "a.tfrecord", [{"picture": png, "label": 1}])
    with pytest.raises(DataError, match=r"Record 0 of .*a.tfrecord' has no photo"):
        kr.scan_photos(file)
    whole = (shards[0] / "train.tfrecord-00000-of-00002").read_bytes()
    file.write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"record 3 ends behind the file. A compressed one"):
        kr.scan_photos(file)
    record = b"no example at all"
    file.write_bytes(len(record).to_bytes(8, "little") + bytes(4) + record + bytes(4))
    with pytest.raises(DataError, match=r"Record 0 of .*a.tfrecord' is no tf.train.Example"):
        kr.scan_photos(file)
    assert reader_inside(tmp_path / "train.tfrecord-00000-of-00002" / "000004.png") is None
