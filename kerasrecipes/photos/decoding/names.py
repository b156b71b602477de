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
    "HEIC": (".heic", ".heif"),  # cannot be read, but is a photo: it is reported, not ignored
}


def looks_like_a_photo(name: str) -> bool:
    """Tell from a file's name whether it is meant to be a photo."""
    return name.lower().endswith(tuple(end for ends in EXTENSIONS.values() for end in ends))
