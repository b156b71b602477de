"""Files that are no photos, are damaged, or are meant to do harm."""

import dataclasses
import io
import struct
import threading
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding import budget, pixels
from kerasrecipes.photos.decoding.budget import Memory
from kerasrecipes.photos.decoding.decode import decode_photo, read_photo
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.inspection import inspect_photo
from kerasrecipes.photos.photo_set import Photo

SIZE = (24, 32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html><body>404", "not a photo: begins with '<html><body>'"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"\0\0\0\x18ftypheic\0\0", "HEIC photo.*convert it to JPEG or PNG"),
        (b"\x89PNG\r\n\x1a\n\0", "truncated"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a photo"),  # Pillow would start Ghostscript
        (b"II*\0" + b"\xff" * 40, "TIFF"),
    ],
)
def test_what_is_no_photo_is_refused_with_the_reason(data, reason):
    with pytest.raises(DataError, match=f"(?s)Cannot use 'x.jpg': .*{reason}"):
        decode_photo(data, SIZE, name="x.jpg")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM"])
@pytest.mark.parametrize("lenient", [False, True])
def test_truncated_photos_raise_whatever_the_global_switch_says(
    image_format, lenient, make, monkeypatch
):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    buffer = io.BytesIO()
    Image.fromarray(make.texture(0)).convert("RGB").save(buffer, image_format)
    data = buffer.getvalue()
    for cut in (len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(DataError, match="truncated"):
            decode_photo(data[:cut], SIZE)
    assert lenient is ImageFile.LOAD_TRUNCATED_IMAGES
    decode_photo(data, SIZE)


def test_strictness_survives_threads_and_is_undone(make, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    buffer = io.BytesIO()
    Image.fromarray(make.texture(0, (300, 400))).save(buffer, "JPEG")
    cut, refused = buffer.getvalue()[:-300], []

    def work():
        for _ in range(20):
            try:
                decode_photo(cut, SIZE)
            except DataError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 80
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_size_is_judged_before_decoding(make):
    bomb = make.png_bomb(20_050, 20_000)
    assert len(bomb) < 400_000
    one = io.BytesIO()
    Image.new("RGB", (1, 1)).save(one, "PNG")
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"too large: 20050x20000 is 401 megapixels, .* 89"):
            decode_photo(bomb, SIZE)
        with pytest.raises(DataError, match="too small: 40000x1 pixels"):
            decode_photo(make.png_bomb(40_000, 1), SIZE)
        with pytest.raises(DataError, match="too small: 1x1 pixels"):
            decode_photo(one.getvalue(), SIZE)
        with pytest.raises(DataError, match=r"the limit is 0.1"):
            decode_photo(make.png_bomb(1000, 200), SIZE, DecodePolicy(max_pixels=100_000))
        # Above the point where Pillow itself would raise, our limit is the one that counts.
        huge = make.png_bomb(13_400, 13_400)
        with pytest.raises(DataError, match="180 megapixels"):
            decode_photo(huge, SIZE, DecodePolicy(max_pixels=179_000_000))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_folders_devices_and_missing_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="it is a folder, not a file"):
        decode_photo(tmp_path, SIZE)
    with pytest.raises(DataError, match="pipe, socket or device"):
        decode_photo("/dev/zero", SIZE)
    with pytest.raises(DataError, match="no such file"):
        decode_photo(tmp_path / "a.jpg", SIZE)
    with pytest.raises(DataError, match="cannot be read"):
        decode_photo("a\0b.jpg", SIZE)


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    with open(path, "wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(DataError, match=r"too large: a file of 3\.2 GB"):
        decode_photo(path, SIZE)


def test_a_file_changed_since_the_scan_is_noticed(tmp_path, make):
    path = make.photo(tmp_path / "a.png", 1)
    photo = Photo(path, "x", inspect_photo(path, DecodePolicy()))
    assert read_photo(photo, SIZE).shape == (24, 32, 3)
    make.photo(path, 2)
    with pytest.raises(DataError, match=r"a\.png' has changed since it was scanned"):
        read_photo(photo, SIZE)
    path.unlink()
    with pytest.raises(DataError, match=r"a\.png': cannot be read: no such file"):
        read_photo(dataclasses.replace(photo), SIZE)


def test_broken_exif_means_no_rotation(make):
    buffer = io.BytesIO()
    picture = Image.fromarray(make.texture(5, SIZE))
    picture.save(buffer, "PNG", exif=b"Exif\0\0II*\0" + b"\xff" * 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(
            decode_photo(buffer.getvalue(), SIZE)[..., 0], np.asarray(picture)
        )


def test_random_damage_never_raises_anything_else(make):
    rng = np.random.default_rng(0)
    for image_format in ("JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"):
        buffer = io.BytesIO()
        Image.fromarray(make.texture(1, (40, 50))).save(buffer, image_format)
        for _ in range(40):
            data = np.frombuffer(buffer.getvalue(), np.uint8).copy()
            where = rng.integers(0, min(len(data), 400), 4)
            data[where] = rng.integers(0, 256, 4)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    decode_photo(data.tobytes(), SIZE)
                except DataError as error:
                    assert "Cannot use" in str(error)


def test_photos_that_fill_the_memory_are_decoded_one_at_a_time(make, monkeypatch):
    running, most = [], []
    load = pixels.load_deep

    def watched(*arguments):
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        result = load(*arguments)
        running.pop()
        return result

    monkeypatch.setattr(pixels, "load_deep", watched)
    data = make.png_16bit(np.full((60, 60), 900, np.uint16), 0)
    for limit, alone in ((100, True), (60 * 60 * 16, True), (10_000_000, False)):
        monkeypatch.setattr(budget, "MEMORY", Memory(limit))
        monkeypatch.setattr(budget, "SMALL_BYTES", 0)
        most.clear()
        threads = [threading.Thread(target=decode_photo, args=(data, SIZE)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(most) == 6
        assert (max(most) == 1) is alone


def test_pillow_does_not_warn_of_what_is_odd_in_exif_data():
    entries = b"".join(struct.pack("<HHII", 40_000 + i, 7, 9_999, 8) for i in range(50))
    odd = b"II*\0" + struct.pack("<IH", 8, 50) + entries + bytes(4)
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", exif=b"Exif\0\0" + odd)
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        decode_photo(file.getvalue(), (8, 8))
        assert not told
        with Image.open(file) as opened:
            opened.getexif().get(1)
        assert len(told) >= 50  # what the program set is back
    assert warnings.filters == before
