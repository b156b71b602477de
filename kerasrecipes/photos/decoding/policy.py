"""The one decoding policy that training, evaluation, export checks and prediction share."""

from dataclasses import asdict, dataclass, fields

from PIL import Image

from kerasrecipes.arguments import named
from kerasrecipes.errors import DataError, did_you_mean, listed, unknown_name

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


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
        resize: `"stretch"`: the whole photo, whatever its shape, fills the image size.

    Raises:
        ValueError: If a value is not legal.

    Example:
        >>> DecodePolicy.from_dict(DecodePolicy(max_16bit=4095).to_dict()).max_16bit
        4095
    """

    background: tuple[int, int, int] = (255, 255, 255)
    max_16bit: int = 65535
    max_pixels: int = 89_000_000
    min_side: int = 8
    interpolation: str = "bilinear"
    resize: str = "stretch"

    def __post_init__(self) -> None:
        object.__setattr__(self, "background", tuple(self.background))
        colour = self.background
        if len(colour) != 3 or not all(_is_int(c) and 0 <= c <= 255 for c in colour):
            raise ValueError(f"`background` must be three integers 0 to 255, got {colour!r}.")
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
        if self.resize != "stretch":
            raise unknown_name("resize", self.resize, ["stretch"], "DecodePolicy")

    def to_dict(self) -> dict:
        """Return the policy as plain values for JSON."""
        return {**asdict(self), "background": list(self.background)}

    @classmethod
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
