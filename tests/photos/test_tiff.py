"""Photos of several channels in TIFF files say what the same arrays say; all else is told."""

import sys

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.errors import DataError, MissingDependencyError

tifffile = pytest.importorskip("tifffile")

LAYOUTS = (
    {"planarconfig": "contig"},
    {"planarconfig": "separate"},
    {"planarconfig": "contig", "compression": "zlib", "predictor": True},
    {"planarconfig": "contig", "tile": (16, 16), "byteorder": ">"},
)


def pixels(dtype, channels=5):
    rng = np.random.default_rng(0)
    if dtype == "float32":
        return rng.random((40, 56, channels), dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max, (40, 56, channels), dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_tiff_is_read_as_its_array_is(tmp_path, dtype):
    values = pixels(dtype)
    policy = kr.DecodePolicy(
        channels=5, dtype="float32", value_range=(0, 1) if dtype == "float32" else None
    )
    np.save(tmp_path / "a.npy", values)
    expected = kr.decode_photo(tmp_path / "a.npy", (24, 24), policy)
    for how in LAYOUTS[:2] if dtype == "float32" else LAYOUTS:
        tifffile.imwrite(tmp_path / "a.tif", _laid(values, how), photometric="minisblack", **how)
        found = kr.decode_photo(tmp_path / "a.tif", (24, 24), policy)
        assert np.array_equal(found, expected), how


def _laid(values, how):
    return np.moveaxis(values, -1, 0) if how["planarconfig"] == "separate" else values


def test_a_folder_of_them_is_scanned_and_checked(tmp_path):
    for i, name in enumerate(("a", "a", "b", "b")):
        (tmp_path / name).mkdir(exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 65536, (40, 40, 4), np.uint16)
        tifffile.imwrite(
            tmp_path / name / f"{i}.tif", noise, photometric="minisblack", planarconfig="contig"
        )
    photos = kr.scan_photos(tmp_path, channels=4)
    facts = photos.photos[0].facts
    assert (facts.image_format, facts.mode, facts.bits) == ("TIFF", "uint16 x 4", 16)
    assert photos.file_of(0)[0] == "tiff" and photos.pixels(0, (8, 8)).shape == (8, 8, 4)
    assert not [one for one in photos.check().findings if one.code == "misnamed"]


def test_others_are_refused_with_what_to_do(tmp_path, monkeypatch):
    policy, file = kr.DecodePolicy(channels=5), tmp_path / "a.tif"

    def refused(match, values, **how):
        how = {"photometric": "minisblack", "planarconfig": "contig", **how}
        tifffile.imwrite(file, values, **how)
        with pytest.raises(DataError, match=match):
            kr.decode_photo(file, (24, 24), policy)

    refused("photo of 4 channels, where 5 were asked for", pixels("uint8", 4))
    refused("a TIFF of 17 channels, more than 16", pixels("uint8", 17))
    refused("other numbers than uint8", pixels("uint8").astype(np.float64))
    refused("0 is white", pixels("uint8"), photometric="miniswhite")
    turned = [(274, "H", 1, 6, False)]
    refused("lies on its side", pixels("uint8"), extratags=turned)
    refused("outside the declared range|range is not known", pixels("float32"))
    monkeypatch.setattr("kerasrecipes.photos.planes.tiff.MEMORY_BYTES", 40 * 56 * 4)
    refused("too large: a TIFF of 0.0 GB", pixels("uint8"))
    monkeypatch.undo()
    refused("too small: 4x4", pixels("uint8")[:4, :4])
    holes = pixels("float32")
    holes[3, 3, 3] = np.nan
    refused("NaN or infinite", holes)
    Image.new("RGBA", (40, 40)).save(file, compression="tiff_lzw")
    with pytest.raises(DataError, match="compressed by LZW: save it without"):
        kr.decode_photo(file, (24, 24), policy)
    tifffile.imwrite(file, pixels("uint8"), photometric="minisblack", planarconfig="contig")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged or truncated TIFF|ends too early"):
        kr.decode_photo(file, (24, 24), policy)
    file.write_bytes(whole)
    with pytest.raises(DataError, match="no picture's: say how many they are by channels"):
        kr.decode_photo(file, (24, 24))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(MissingDependencyError, match=r"kerasrecipes\[tiff\]"):
        kr.decode_photo(file, (24, 24), policy)
