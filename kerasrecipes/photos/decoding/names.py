"""Which files are meant to be photos, by their names."""

EXTENSIONS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
    "NPY": (".npy",),  # where a policy is of arrays
    "HEIC": (".heic", ".heif"),  # cannot be read, but is a photo: it is reported, not ignored
}


def looks_like_a_photo(name: str, arrays: bool = False) -> bool:
    """Tell from a file's name whether it is meant to be a photo.

    Args:
        name: The name.
        arrays: Whether `.npy` files are, too; in most folders they are something else.
    """
    meant = (ends for kind, ends in EXTENSIONS.items() if arrays or kind != "NPY")
    return name.lower().endswith(tuple(end for ends in meant for end in ends))
