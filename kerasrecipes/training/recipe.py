"""What every recipe has in common: an inert constructor, a config, and a fitted state."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, ClassVar

from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import NotFittedError
from kerasrecipes.photos.augment import Augmentation
from kerasrecipes.surgery.adapters import Adapter, adapter_from_dict, adapter_to_dict


class Recipe:
    """A description of a training run. It has a model; it is not one.

    A subclass's constructor stores its arguments under their own names and does nothing
    else, so that a recipe can be printed, compared and written down before it runs. What
    `fit` learns ends in an underscore; `seen_` is the side of every photo that the model has
    seen, see `kerasrecipes.data.seen`.
    """

    # It is never changed in place: `fit`, `evaluate` and `load` put another one there.
    seen_: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-safe data."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        config = {name: getattr(self, name) for name in names}
        if isinstance(config.get("schedule"), UnfreezeSchedule):
            config["schedule"] = config["schedule"].to_dict()
        if isinstance(config.get("augment"), Augmentation):
            config["augment"] = asdict(config["augment"])
        if isinstance(config.get("adapter"), Adapter):
            config["adapter"] = adapter_to_dict(config["adapter"])
        if isinstance(config.get("backbone"), BackboneSpec):
            config["backbone"] = config["backbone"].name
        if config.get("weights") is not None:
            config["weights"] = str(config["weights"])
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Recipe":
        """Build a recipe from what `get_config` returned."""
        config = dict(config)
        if isinstance(config.get("schedule"), list):
            config["schedule"] = UnfreezeSchedule.from_dict(config["schedule"])
        if isinstance(config.get("image_size"), list):
            config["image_size"] = tuple(config["image_size"])
        if isinstance(config.get("augment"), dict):
            config["augment"] = Augmentation(**config["augment"])
        if isinstance(config.get("adapter"), dict):
            config["adapter"] = adapter_from_dict(config["adapter"])
        return cls(**config)

    def _fitted(self, attribute: str) -> Any:
        """Return something that `fit` learned.

        Raises:
            NotFittedError: If `fit` has not run.
        """
        if not hasattr(self, attribute):
            raise NotFittedError(
                f"This {type(self).__name__} has no `{attribute}` yet. Call `fit` first, "
                f"or get a fitted one with {type(self).__name__}.load(folder)."
            )
        return getattr(self, attribute)

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name, parameter in list(defaults.items())[1:]
            if getattr(self, name) != parameter.default
        )
        return f"{type(self).__name__}({changed})"
