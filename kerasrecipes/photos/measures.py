"""What the pixels of a photo say about light, lens and camera, without a model."""

import numpy as np

# Of red, green and blue in the brightness that people see (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def measure_photo(photo: np.ndarray) -> dict[str, float]:
    """Measure a photo as a model takes it.

    Args:
        photo: Shape `(height, width, channels)`, values 0…255, at least 3×3. Of channels other
            than RGB the mean is measured.

    Returns:
        Name to number, all in grey levels of 0…255: `brightness` (mean), `contrast` (standard
        deviation), `sharpness` (mean size of the Laplacian), `noise` (standard deviation of
        what no smooth surface explains); of RGB also `colourfulness` and `warmth` (red minus
        blue).

    Example:
        >>> grey = np.full((8, 8, 3), 128, np.uint8)
        >>> measure_photo(grey)["brightness"], measure_photo(grey)["contrast"]
        (128.0, 0.0)

    Reference:
        Noise: Immerkær, 1996, "Fast noise variance estimation". Colourfulness: Hasler and
        Süsstrunk, 2003, "Measuring colourfulness in natural images".
    """
    pixels = np.asarray(photo, np.float32)
    colours = pixels.shape[-1] == len(_LUMA)
    grey = pixels @ _LUMA if colours else pixels.mean(axis=-1)
    middle, sides = grey[1:-1, 1:-1], grey[:-2, 1:-1] + grey[2:, 1:-1]
    sides = sides + grey[1:-1, :-2] + grey[1:-1, 2:]
    corners = grey[:-2, :-2] + grey[:-2, 2:] + grey[2:, :-2] + grey[2:, 2:]
    noise = np.abs(corners - 2 * sides + 4 * middle).mean() * np.sqrt(np.pi / 2) / 6
    found = {
        "brightness": grey.mean(),
        "contrast": grey.std(),
        "sharpness": np.abs(sides - 4 * middle).mean(),
        "noise": noise,
        **(_of_colours(pixels) if colours else {}),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def _of_colours(pixels: np.ndarray) -> dict[str, float]:
    red, green, blue = np.moveaxis(pixels, -1, 0)
    one, two = red - green, (red + green) / 2 - blue
    colour = np.hypot(one.std(), two.std()) + 0.3 * np.hypot(one.mean(), two.mean())
    return {"colourfulness": colour, "warmth": (red - blue).mean()}
