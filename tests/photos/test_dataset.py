"""Photos from tf.data, Keras and Hugging Face: read once, and bounded."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import DataError, check_photos, photos_from_dataset, scan_photos, split_photos
from kerasrecipes.photos.decoding.decode import read_photo
from kerasrecipes.photos.sources import room

RNG = np.random.default_rng(1)
X = RNG.integers(0, 256, (10, 16, 24, 3), np.uint8)
Y = np.arange(10) % 2
NAMES = ("ok", "crack")


def tf_dataset(x=X, y=Y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y))


def pixels(photos):
    return photos.stack((16, 24, 3))


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_tf_data(batch, kind):
    dataset = tf_dataset(X.astype(kind), Y)
    photos = photos_from_dataset(dataset.batch(batch) if batch else dataset, class_names=NAMES)
    np.testing.assert_array_equal(pixels(photos), X)
    assert photos.class_names == NAMES and photos.labels.tolist() == Y.tolist()
    assert photos.ordered
    assert {finding.code for finding in check_photos(photos).findings} >= {"unknown-parts"}


def test_labels_of_a_dataset():
    one_hot = photos_from_dataset(tf_dataset(y=np.eye(2)[Y]).batch(3), class_names=NAMES)
    assert one_hot.labels.tolist() == Y.tolist()
    several = photos_from_dataset(tf_dataset(y=1 - np.eye(3)[Y]).batch(3), class_names=list("abc"))
    assert several.target == "labels" and several.photos[0].label == ("b", "c")
    numbers = photos_from_dataset(tf_dataset(y=Y / 4 + 0.1))
    assert numbers.target == "number" and numbers.photos[1].label == 0.35
    texts = photos_from_dataset(tf_dataset(y=np.array(NAMES)[Y]).batch(10))
    assert texts.class_names == ("crack", "ok") and texts.photos[0].label == "ok"
    pairs = tf_dataset().map(lambda x, y: {"image": x, "label": y})
    assert photos_from_dataset(pairs, class_names=NAMES).labels.tolist() == Y.tolist()


def test_a_dataset_is_read_once_even_if_it_differs_each_time():
    passes = []

    class Once:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            passes.append(index)
            return X[5 * index : 5 * index + 5], Y[5 * index : 5 * index + 5]

    photos = photos_from_dataset(Once(), class_names=NAMES, groups=list("aabbccddee"))
    assert passes == [0, 1]
    np.testing.assert_array_equal(pixels(photos), X)
    assert [photo.group for photo in photos.photos][:3] == ["a", "a", "b"]
    assert "unknown-parts" not in {finding.code for finding in check_photos(photos).findings}


def test_keras_datasets_of_folders_are_scanned_as_files(tmp_path, make):
    import keras

    make.folder(tmp_path, {"b": 6, "a": 6})
    make.photo(tmp_path / "a" / "deep" / "x_1.png", 77, (48, 64))
    options = {"image_size": (16, 16), "batch_size": 4, "shuffle": True, "seed": 3, "verbose": 0}
    load = keras.utils.image_dataset_from_directory
    scanned = scan_photos(tmp_path)
    for more in ({}, {"label_mode": "categorical"}, {"label_mode": "binary"}):
        found = photos_from_dataset(load(tmp_path, **options, **more))
        assert found.digest() == scanned.digest() and found.class_names == ("a", "b")
        assert {(p.path, p.label) for p in found.photos} == {
            (p.path, p.label) for p in scanned.photos
        }
        assert all(photo.content is None for photo in found.photos)
    train, val = load(tmp_path, **options, validation_split=0.3, subset="both")
    both = photos_from_dataset({"train": train, "validation": val})
    assert [len(side) for side in split_photos(both, test_fraction=0)] == [10, 3, 0]
    assert both.digest() == scanned.digest()
    ordered = photos_from_dataset(load(tmp_path, **options), class_names=("b", "a"))
    assert ordered.class_names == ("b", "a") and ordered.counts() == {"b": 6, "a": 7}
    by_name = photos_from_dataset(load(tmp_path, **options), group_by=r"_(\d+)\.png")
    assert {photo.group for photo in by_name.photos} == {
        "000",
        "001",
        "002",
        "003",
        "004",
        "005",
        "1",
    }
    # One class only, as the validation side of an unlucky split.
    only = photos_from_dataset(load(tmp_path, class_names=["a"], **options), for_training=False)
    assert only.counts() == {"a": 7}


def test_changed_keras_datasets_are_read_as_they_are(tmp_path, make):
    import keras

    make.folder(tmp_path, {"a": 3, "b": 3})
    dataset = keras.utils.image_dataset_from_directory(
        tmp_path, image_size=(16, 16), batch_size=4, shuffle=False, verbose=0
    )
    mapped = dataset.map(lambda x, y: (x / 255, y))
    with pytest.raises(ValueError, match="Of the labels of `dataset`, .* Pass `class_names`"):
        photos_from_dataset(mapped)
    photos = photos_from_dataset(mapped, class_names=dataset.class_names)
    expected = np.rint(np.concatenate([x.numpy() for x, _ in dataset]).astype(np.float64))
    np.testing.assert_allclose(photos.stack((16, 16, 3)), expected, atol=1)
    assert photos.counts() == {"a": 3, "b": 3}


def test_what_has_no_end_or_no_room_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"endless. Pass dataset.take\(n\)"):
        photos_from_dataset(tf_dataset().repeat(), class_names=NAMES)
    with pytest.raises(DataError, match="has more than 7 photos. Take fewer"):
        photos_from_dataset(tf_dataset(), class_names=NAMES, limit=7)

    class Endless:
        num_batches = None

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return X, Y

    with pytest.raises(ValueError, match="endless: its num_batches is None"):
        photos_from_dataset(Endless(), class_names=NAMES)
    monkeypatch.setattr(room, "memory_bytes", lambda: 5000)
    with pytest.raises(DataError, match="The first 3 photos .* more than half of the memory"):
        photos_from_dataset(tf_dataset(), class_names=NAMES)


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (iter([]), {}, "must be a tf.data.Dataset, .* not list_iterator. Arrays go into"),
        ([X], {}, "it yields no pair. Bring it"),
        ([(X, Y, Y)], {}, "it yields 3 things"),
        ([(X, Y[:3])], {}, "A batch of `dataset` has 10 photos and 3 labels"),
        ([(X / 100, Y)], {}, "`photos` has pixels from 0 to 2.55"),
        ([(X / 255, Y), (X / 1.0, Y)], {}, "from photo 10 on, while those before lie in 0…1"),
        ([(X, Y)], {"group_by": "part"}, "`group_by` would have no effect"),
        ([(X, Y)], {"image": "photo"}, "`image` names a column, and this data set has none"),
        ([(X, Y)], {"groups": "ab"}, "`groups` must have one entry for each of the 10 photos"),
        ({"dev": []}, {}, "has the sides 'dev'; they must be train, val or test"),
        ([], {}, "There are no photos"),
        ([(X, Y)], {"limit": 0}, "`limit` must be a whole number of at least 1, not 0"),
    ],
)
def test_what_is_no_dataset_is_refused(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        photos_from_dataset(dataset, class_names=NAMES, **options)


class Feature:
    """What of a Hugging Face feature is looked at."""

    def __init__(self, **facts):
        self.__dict__.update(facts)


class ClassLabel(Feature): ...


class Value(Feature): ...


class Sequence(Feature): ...


Picture = type("Image", (), {"__init__": lambda self, decode=True: setattr(self, "decode", decode)})


class HuggingFace:
    """A data set of `datasets`, as far as it is looked at."""

    def __init__(self, features, columns):
        self.features, self._columns = features, columns

    @property
    def column_names(self):
        return list(self.features)

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self._columns[key]
        return {name: self._decoded(name, cells[key]) for name, cells in self._columns.items()}

    def _decoded(self, name, cell):
        if getattr(self.features[name], "decode", False):
            return Image.open(io.BytesIO(cell["bytes"]))
        return cell

    def cast_column(self, name, feature):
        return HuggingFace({**self.features, name: feature}, self._columns)


CLASSES = ClassLabel(names=["a", "b"])


def jpeg(photo):
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG")
    return buffer.getvalue()


FILES = [jpeg(photo) for photo in X]
CELLS = [{"bytes": file, "path": None} for file in FILES]


def hugging_face(feature, labels, **more):
    columns = {
        "image": CELLS,
        "label": labels,
        **{name: cells for name, (_, cells) in more.items()},
    }
    features = {"image": Picture(), "label": feature, **{name: f for name, (f, _) in more.items()}}
    return HuggingFace(features, columns)


def test_hugging_face_photos_are_their_files():
    dataset = hugging_face(
        ClassLabel(names=["ok", "crack"]),
        Y.tolist(),
        part=(Value(dtype="string"), [f"p{i // 2}" for i in range(10)]),
    )
    photos = photos_from_dataset(dataset, group_by="part")
    assert photos.class_names == ("ok", "crack") and photos.labels.tolist() == Y.tolist()
    assert [photos.file_of(i) for i in range(10)] == [("jpeg", file) for file in FILES]
    assert photos.photos[2].group == "p1" and photos.photos[2].facts.image_format == "JPEG"
    turned = photos_from_dataset(dataset, class_names=("crack", "ok"))
    assert turned.class_names == ("crack", "ok") and turned.ordered and not photos.ordered
    assert [photo.label for photo in turned.photos] == [photo.label for photo in photos.photos]


@pytest.mark.parametrize(
    ("feature", "labels", "options", "target", "first"),
    [
        (
            Sequence(feature=ClassLabel(names=["a", "b"])),
            [[1, 0], []] * 5,
            {},
            "labels",
            ("a", "b"),
        ),
        (Value(dtype="float32"), [0.5, 1.5] * 5, {}, "number", 0.5),
        (Value(dtype="int64"), [3, 4] * 5, {"target": "number"}, "number", 3.0),
        (Value(dtype="string"), ["x", "y"] * 5, {}, "class", "x"),
        (Value(dtype="int64"), Y.tolist(), {"class_names": NAMES}, "class", "ok"),
    ],
)
def test_hugging_face_labels(feature, labels, options, target, first):
    photos = photos_from_dataset(hugging_face(feature, labels), **options)
    assert photos.target == target and photos.photos[0].label == first


def test_hugging_face_pictures_and_paths(tmp_path):
    labels = Value(dtype="string"), ["a", "b"] * 5
    pictures = [Image.fromarray(photo) for photo in X]
    dataset = hugging_face(*labels, image=(Picture(False), pictures))
    np.testing.assert_array_equal(pixels(photos_from_dataset(dataset)), X)
    (tmp_path / "x.jpg").write_bytes(FILES[0])
    cells = [{"bytes": None, "path": str(tmp_path / "x.jpg")}, *CELLS[1:]]
    dataset = hugging_face(*labels, image=(Picture(), cells))
    photo = photos_from_dataset(dataset).photos[0]
    np.testing.assert_array_equal(
        read_photo(photo, (16, 24)), np.asarray(Image.open(tmp_path / "x.jpg"))
    )


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (
            hugging_face(Value(dtype="string"), ["a"] * 10, mask=(Picture(), CELLS)),
            {},
            "several that could be meant: 'image', 'mask' for sure. Name the column with `image`",
        ),
        (
            hugging_face(Value(dtype="string"), ["a"] * 10),
            {"label": "lable"},
            r"`label`: the data set has no column 'lable'. Did you mean 'label'\?",
        ),
        (
            hugging_face(ClassLabel(names=["a", "b"]), [0, 1, -1, None] + [0] * 6),
            {},
            "2 rows of the data set have no label, the first of them row 2",
        ),
        (hugging_face(Value(dtype="int64"), [0, 1] * 5), {}, "Pass `class_names`"),
        (hugging_face(Value(dtype="string"), ["a", "b"] * 5), {"limit": 3}, "10 rows, more than 3"),
    ],
)
def test_hugging_face_data_sets_that_say_too_little(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        photos_from_dataset(dataset, **options)


def test_a_streamed_data_set_is_refused():
    class Streamed:
        features = None
        column_names = None

    with pytest.raises(ValueError, match="is streamed, so that its columns and its end"):
        photos_from_dataset(Streamed())
