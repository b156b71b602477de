"""What every kind of example has: labels, splits, groups, findings."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.data.examples import (
        Example as Example,
        Examples as Examples,
        Reader as Reader,
    )
    from kerasrecipes.data.findings.finding import Finding as Finding
    from kerasrecipes.data.modality import Modality as Modality
    from kerasrecipes.data.specs import ModelInput as ModelInput, OutputSpec as OutputSpec

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "examples": "Example Examples Reader",
        "findings.finding": "Finding",
        "modality": "Modality",
        "specs": "ModelInput OutputSpec",
    },
)
