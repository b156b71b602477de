"""Answers of a saved model to very many examples, in shards that processes share. No tensorflow."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.scoring.result import Scored as Scored
    from kerasrecipes.scoring.scoring import score as score

# Workers need neither.
__getattr__, __dir__, __all__ = lazy_names(__name__, {"result": "Scored", "scoring": "score"})
