"""Look-alikes are found through light, size and compression; different photos are not."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import kerasrecipes as kr
from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.inspection import inspect_photo
from kerasrecipes.photos.likeness import similar
from kerasrecipes.photos.likeness.prints import PrintFile, Prints, fingerprint
from kerasrecipes.photos.likeness.similar import near_duplicates
from kerasrecipes.photos.photo_set import Photo


def scanned(path):
    return Photo(path, "x", inspect_photo(path, DecodePolicy()))


def test_changed_copies_are_found_and_others_are_not(tmp_path, make):
    originals = [make.photo(tmp_path / f"{i}.png", i, (240, 320)) for i in range(20)]
    with Image.open(originals[0]) as picture:
        picture.load()
    copies = {
        "jpeg50": (picture, {"quality": 50}),
        "half": (picture.resize((160, 120)), {"quality": 95}),
        "dark": (ImageEnhance.Brightness(picture).enhance(0.5), {"quality": 90}),
        "pale": (ImageEnhance.Contrast(picture).enhance(0.4), {"quality": 90}),
    }
    paths = list(originals)
    for name, (copy, options) in copies.items():
        copy.save(tmp_path / f"{name}.jpg", **options)
        paths.append(tmp_path / f"{name}.jpg")
    family = [0, 20, 21, 22, 23]
    found = near_duplicates([scanned(path) for path in paths])
    assert found == [(i, j) for i in family for j in family if i < j]


def test_two_copies_alone_are_found(tmp_path, make):
    make.photo(tmp_path / "a.png", 1)
    make.photo(tmp_path / "a.jpg", 1, quality=70)
    make.photo(tmp_path / "b.png", 2)
    photos = [scanned(tmp_path / name) for name in ("a.png", "a.jpg", "b.png")]
    assert near_duplicates(photos[:2]) == near_duplicates(photos) == [(0, 1)]
    assert near_duplicates(photos[:1]) == []


def test_flat_photos_match_nothing(tmp_path):
    for grey in range(5):
        Image.new("RGB", (100, 80), (40 * grey,) * 3).save(tmp_path / f"{grey}.png")
    photos = [scanned(tmp_path / f"{grey}.png") for grey in range(5)]
    assert near_duplicates(photos) == []
    assert not any(fingerprint(Image.new("L", (5, 5), 9)))


def test_noise_matches_nothing():
    rng = np.random.default_rng(0)
    prints = [
        fingerprint(Image.fromarray(rng.integers(90, 110, (200, 300)).astype(np.uint8)))
        for _ in range(40)
    ]
    rows = np.stack([np.frombuffer(p, np.int8) for p in prints]).astype(float)
    correlation = np.corrcoef(rows) - np.eye(40)
    assert correlation.max() < 0.3


def test_a_common_fixture_does_not_make_photos_alike(tmp_path, make):
    fixture = np.zeros((96, 128), np.uint8)
    fixture[::16] = fixture[:, ::32] = 120
    for seed in range(60):
        part = (make.texture(seed) * 0.3).astype(np.uint8)
        Image.fromarray(np.maximum(fixture, part)).save(tmp_path / f"{seed}.png")
    assert near_duplicates([scanned(tmp_path / f"{seed}.png") for seed in range(60)]) == []


def test_identical_files_are_not_near_duplicates_and_order_does_not_matter(make):
    contents = [0, 0, 1, 2, 3]
    photos = make.photo_set(list("abcde"), contents=contents, alike=[7, 7, 7, None, None]).photos
    assert near_duplicates(photos) == [(0, 2)]
    assert near_duplicates(photos[::-1]) == [(2, 3)]


def test_blocks_cover_every_pair(make, monkeypatch):
    monkeypatch.setattr("kerasrecipes.photos.likeness.similar._BLOCK", 7)
    photos = make.photo_set(["a"] * 50, alike=[i % 25 for i in range(50)]).photos
    assert near_duplicates(photos) == [(i, i + 25) for i in range(25)]


def many_prints(count: int, common: float = 0.0) -> Prints:
    """Noise of 20 kinds, a fourth of which is repeated, more or less alike, around 0.94."""
    rng = np.random.default_rng(count)
    noise = rng.standard_normal((count, 48 * 48), dtype=np.float32)
    kinds = rng.standard_normal((20, 48 * 48), dtype=np.float32)
    rows = np.sqrt(1 - common) * noise + np.sqrt(common) * kinds[rng.integers(20, size=count)]
    copies = np.arange(count // 4)
    alike = rng.uniform(0.9, 0.99, (len(copies), 1)).astype(np.float32)
    others = rows[rng.integers(len(copies), count, len(copies))]
    rows[copies] = alike * others + np.sqrt(1 - alike**2) * noise[copies]
    return Prints([row.tobytes() for row in np.clip(np.rint(40 * rows), -127, 127).astype(np.int8)])


@pytest.mark.parametrize(("common", "threshold"), [(0, 0.94), (0.5, 0.94)])
def test_many_photos_have_the_pairs_that_comparing_all_finds(monkeypatch, common, threshold):
    prints = many_prints(1200, common)
    all_pairs = similar._similar(prints, threshold)
    monkeypatch.setattr(similar, "_FEW", 2)
    compared, correlate = [], similar._that_correlate
    monkeypatch.setattr(
        similar,
        "_that_correlate",
        lambda *a: compared.append(len(a[2])) or correlate(*a),
    )
    assert sorted(similar._similar(prints, threshold)) == sorted(all_pairs)
    assert 100 < len(all_pairs) <= compared[0] < 1200**2 / 20


def test_sides_part_alike_rows_as_often_as_those_of_random_planes_do():
    rng = np.random.default_rng(0)
    where = rng.random(48 * 48) < 0.1  # most of a picture may be flat
    one, noise = rng.standard_normal((2, 400, 48 * 48)) * where
    other = 0.94 * one + np.sqrt(1 - 0.94**2) * noise
    rows = np.clip(np.rint(30 * np.concatenate([one, other])), -127, 127).astype(np.int8)
    prints = Prints([row.tobytes() for row in rows])
    sides, checked = similar._sides(prints, np.zeros(48 * 48), np.random.default_rng(0))
    above = np.unpackbits(sides, axis=1)[:, : len(rows)]
    differing = (above[:, :400] != above[:, 400:]).sum(axis=0)
    comparable = similar._comparable(rows, np.zeros(48 * 48))
    angles = np.arccos((comparable[:400] * comparable[400:]).sum(axis=1))
    gap = differing - 1024 * angles / np.pi
    assert abs(gap.mean()) < 2  # of 113
    assert 8 < gap.std() < 12  # 10 where planes say nothing of one another
    first = np.bitwise_count(checked[:, :400] ^ checked[:, 400:]).sum(axis=0)
    assert np.array_equal(first, (above[:256, :400] != above[:256, 400:]).sum(axis=0))


def test_most_pairs_are_compared_where_most_may_be_alike(monkeypatch):
    monkeypatch.setattr(similar, "_FEW", 2)
    monkeypatch.setattr(similar, "_that_correlate", None)
    assert len(similar._similar(many_prints(300), 0.1)) >= 75


def test_the_work_grows_with_the_photos_and_not_with_their_pairs(monkeypatch):
    read, centred = [], similar._centred
    monkeypatch.setattr(
        similar, "_centred", lambda rows, *a: read.append(len(rows)) or centred(rows, *a)
    )
    rows = np.random.default_rng(0).integers(-99, 99, (4096, 48 * 48), dtype=np.int8)
    assert similar._similar(Prints([row.tobytes() for row in rows]), 0.94) == []
    assert sum(read) == 4096


def test_prints_of_many_photos_lie_in_a_file_and_say_the_same(part_photos, monkeypatch):
    few = kr.scan_photos(part_photos)
    monkeypatch.setattr("kerasrecipes.photos.scan._MANY", 2)
    many = kr.scan_photos(part_photos)
    one, same = many.photos[0], few.photos[0]
    assert not isinstance(one.facts.fingerprint, bytes)
    assert bytes(one.facts.fingerprint) == same.facts.fingerprint
    assert many == few
    assert hash(one) == hash(same)
    assert pickle.loads(pickle.dumps(one)).facts.fingerprint == same.facts.fingerprint
    assert many.photos[1].facts != one.facts
    assert many.near_duplicates() == few.near_duplicates()


def test_a_flat_print_takes_no_room_and_a_full_disk_is_told(monkeypatch):
    file = PrintFile()
    assert file.keep(bytes(48 * 48)) == bytes(48 * 48)
    kept = [file.keep(bytes([i]) * 48 * 48) for i in (1, 2, 3)]
    assert [bytes(one)[0] for one in kept] == [1, 2, 3]
    file._file.close()
    file._file = open("/dev/full", "wb", buffering=0)
    with pytest.raises(DataError, match="cannot be kept in .*No space left.*TMPDIR"):
        file.keep(bytes([1]) * 48 * 48)


@pytest.mark.parametrize("threshold", [0, -1, 1.1])
def test_a_wrong_threshold_is_refused(threshold):
    with pytest.raises(ValueError, match="`threshold` must be above 0 and at most 1"):
        near_duplicates([], threshold)


def test_fingerprints_of_small_and_odd_shapes():
    for size in ((8, 8), (9, 3000)):
        picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, size).astype(np.uint8))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        assert len(fingerprint(picture)) == 48 * 48


def test_sets_that_are_cut_from_one_scan_search_once(part_photos, monkeypatch):
    searches, search = [], similar._similar
    monkeypatch.setattr(similar, "_similar", lambda *a: searches.append(len(a[0])) or search(*a))
    photos = kr.scan_photos(part_photos)
    kr.check_photos(*kr.split_photos(photos))
    assert searches == [len(photos)]
    kr.scan_photos(part_photos).near_duplicates()
    assert searches == [len(photos)] * 2  # nothing is remembered beyond a scan
