"""Signatures of saved models: who vouches for one, and whom to believe."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.signing.signing import (
        Signed as Signed,
        check_signature as check_signature,
        sign_bundle as sign_bundle,
    )
    from kerasrecipes.signing.trust import Trust as Trust

__getattr__, __dir__, __all__ = lazy_names(
    __name__, {"signing": "Signed check_signature sign_bundle", "trust": "Trust"}
)
