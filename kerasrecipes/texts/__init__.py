"""Texts with labels: scanned from tables and folders, checked, and turned into tokens."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.texts.augment import (
        TEXT_AUGMENTATIONS as TEXT_AUGMENTATIONS,
        TextAugmentation as TextAugmentation,
        register_rewriter as register_rewriter,
    )
    from kerasrecipes.texts.check import check_texts as check_texts
    from kerasrecipes.texts.chunks import Chunks as Chunks, chunk_texts as chunk_texts
    from kerasrecipes.texts.scan import scan_texts as scan_texts
    from kerasrecipes.texts.text_set import Text as Text, TextSet as TextSet
    from kerasrecipes.texts.tokens import Tokens as Tokens

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "augment": "TEXT_AUGMENTATIONS TextAugmentation register_rewriter",
        "check": "check_texts",
        "chunks": "Chunks chunk_texts",
        "scan": "scan_texts",
        "text_set": "Text TextSet",
        "tokens": "Tokens",
    },
)
