"""The one decoding policy that training, evaluation, export checks and prediction share."""

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from PIL import Image

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, NoEffectError, did_you_mean, listed, unknown_name
from kerasrecipes.photos.decoding.channels import GREY, MOST_CHANNELS, RGB
from kerasrecipes.photos.decoding.fit import FITS, LETTERBOX, STRETCH

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
BYTES, FLOATS = DTYPES = ("uint8", "float32")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@named
@dataclass(frozen=True)
class DecodePolicy:
    """How a photo becomes pixels.

    EXIF rotation is always applied, animations and multi-page files give their first frame,
    CMYK is converted by Pillow's formula (colour profiles are ignored).

    Args:
        background: RGB colour, 0 to 255, on which transparent photos are laid.
        max_16bit: The value that means white in photos with more than 8 bits. Cameras with
            12 bits need 4095. A brighter pixel is an error, never clipped.
        max_pixels: Larger photos are refused, judged by their header, before decoding.
        min_side: Photos with a shorter side are refused.
        interpolation: `"bilinear"` or `"bicubic"`, both antialiased as Pillow does it.
        resize: How a photo of another shape fills the image size: `"stretch"`, the whole photo,
            squeezed; `"letterbox"`, the whole photo in its own shape, between bars of the colour
            `fill`; `"center_crop"`, its middle alone, in its own shape.
        fill: RGB colour, 0 to 255, of the bars of a letterbox.
        channels: 3 for RGB, also of grey photos; 1 for grey, also of coloured ones (ITU-R BT.601,
            as Pillow rounds it). A model of 1 channel takes a third of the bytes. Or 2, or 4 to
            16, of photos that are arrays `(height, width, channels)` in `.npy` files, and of TIFF
            files.
        dtype: `"uint8"`, levels of 0 to 255; or `"float32"`, the same scale without rounding, so
            that photos of 16 bits keep all of them.
        value_range: What is 0 and what is 255 of arrays, e.g. `(0, 10000)`. `None`: 0 and 255 of
            uint8, 0 and `max_16bit` of uint16; floats have none of their own. A value outside is
            an error.

    Raises:
        ValueError: If a value is not legal, or `fill` would have no effect.

    Example:
        >>> DecodePolicy.from_dict(DecodePolicy(max_16bit=4095).to_dict()).max_16bit
        4095
    """

    background: tuple[int, int, int] = (255, 255, 255)
    max_16bit: int = 65535
    max_pixels: int = 89_000_000
    min_side: int = 8
    interpolation: str = "bilinear"
    resize: str = STRETCH
    fill: tuple[int, int, int] = (128, 128, 128)
    channels: int = RGB
    dtype: str = BYTES
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("background", "fill"):
            colour = tuple(getattr(self, name))
            object.__setattr__(self, name, colour)
            if len(colour) != 3 or not all(_is_int(c) and 0 <= c <= 255 for c in colour):
                raise ValueError(f"`{name}` must be three integers 0 to 255, got {colour!r}.")
        if not (_is_int(self.max_16bit) and 256 <= self.max_16bit < 2**31):
            raise ValueError(
                f"`max_16bit` must be an integer from 256 to 2147483647, got {self.max_16bit!r}. "
                "It is the value that means white, e.g. 4095 for a 12-bit camera."
            )
        for name in ("max_pixels", "min_side"):
            if not (_is_int(getattr(self, name)) and getattr(self, name) >= 1):
                raise ValueError(
                    f"`{name}` must be a positive integer, got {getattr(self, name)!r}."
                )
        if self.interpolation not in RESAMPLING:
            raise unknown_name("interpolation", self.interpolation, RESAMPLING, "DecodePolicy")
        if self.resize not in FITS:
            raise unknown_name("resize", self.resize, FITS, "DecodePolicy")
        self._check_values()
        if self.resize != LETTERBOX and self.fill != type(self).fill:
            raise NoEffectError(
                f"`fill` would have no effect with resize={self.resize!r}, which leaves no bars. "
                "Leave it out, or pass resize='letterbox'."
            )

    def _check_values(self) -> None:
        if not (_is_int(self.channels) and 1 <= self.channels <= MOST_CHANNELS):
            raise ValueError(
                f"`channels` must be 3, for RGB, 1, for grey photos, or of arrays another whole "
                f"number up to {MOST_CHANNELS}, not {self.channels!r}."
            )
        if self.dtype not in DTYPES:
            raise unknown_name("dtype", self.dtype, DTYPES, "DecodePolicy")
        if self.value_range is not None:
            try:
                low, high = (float(value) for value in self.value_range)
            except (TypeError, ValueError):
                low = high = math.nan
            if not (low < high and math.isfinite(high - low)):
                raise ValueError(
                    "`value_range` must be two numbers, what is black and what is white, e.g. "
                    f"(0, 10000), or None, not {self.value_range!r}."
                )
            object.__setattr__(self, "value_range", (low, high))
        if self.channels not in {GREY, RGB} and len({*self.fill}) > 1:
            raise ValueError(
                f"`fill` must be one shade where photos have {self.channels} channels, e.g. "
                f"(0, 0, 0), not {self.fill!r}."
            )

    @property
    def is_picture(self) -> bool:
        """Whether pixels are those of a picture that people look at: 8 bits, in RGB or grey."""
        return self.channels in {GREY, RGB} and self.dtype == BYTES

    def having(self, **told: Any) -> "DecodePolicy":
        """Return the policy with what is told in place of what it says.

        Args:
            **told: Values by name; those that are `None` are as they were.
        """
        return replace(self, **{name: one for name, one in told.items() if one is not None})

    def check_picture(self, what: str) -> None:
        """Refuse pixels that are not those of a picture.

        Args:
            what: What needs pictures, e.g. `"A starter prepares"`.

        Raises:
            DataError: If they are others.
        """
        if not self.is_picture:
            raise DataError(
                f"{what} photos of 8 bits, in RGB or grey, and these have channels="
                f"{self.channels} and dtype={self.dtype!r}."
            )

    @property
    def of_arrays(self) -> bool:
        """Whether it is said of arrays, so that `.npy` files in a folder are meant as photos."""
        return self.channels not in {GREY, RGB} or self.value_range is not None

    def to_dict(self) -> dict:
        """Return the policy as plain values for JSON."""
        told = {**asdict(self), "background": list(self.background), "fill": list(self.fill)}
        if self.resize != LETTERBOX:
            del told["fill"]
        told["value_range"] = self.value_range and list(self.value_range)
        for name in ("channels", "dtype", "value_range"):
            if getattr(self, name) == getattr(type(self), name):
                del told[name]
        return told

    @classmethod
    @named
    def from_dict(cls, values: dict) -> "DecodePolicy":
        """Rebuild a policy from `to_dict`.

        Raises:
            DataError: If there is a key that this version does not know.
        """
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise DataError(
                f"The decoding policy has unknown keys: {listed(unknown)}."
                f"{did_you_mean(unknown[0], known)} Known are {listed(known, 8)}."
            )
        return cls(**values)
