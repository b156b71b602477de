"""Texts, away from training: scanned for a finished model, and read as in its training."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import Modality
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.errors import DataError, printable
from kerasrecipes.texts.pairs import joined
from kerasrecipes.texts.scan import is_text_file, read_text, scan_texts
from kerasrecipes.texts.text_set import TextSet
from kerasrecipes.texts.tokens import Tokens

_MASKED = (
    "the attention masks what is no token by a number so large that 8 bits hold nothing beside it: "
    "measured on 120 texts, 23 % kept their top class. 'dynamic' stores the weights in 8 bits, and "
    "is as small and faster"
)


class Texts(Modality):
    """Texts of any length, as token ids; the preparation is `Tokens`."""

    name: ClassVar[str] = "texts"
    noun: ClassVar[tuple[str, str]] = ("text", "texts")
    free_length: ClassVar[bool] = True
    written: ClassVar[bool] = True
    derived: ClassVar[tuple[str, ...]] = ("mask", "segment_ids")
    quantization: ClassVar[str] = "dynamic"
    refused: ClassVar[Mapping[str, str]] = {
        "int8": _MASKED,
        "int4": "with 4 bits 7 % of the texts changed their top class. Use 'dynamic'",
    }

    def scan(self, source: str | Path, spec: ModelInput, **columns: Any) -> TextSet:
        """Scan a table or folder of texts; see `scan_texts`, also for `columns`."""
        return self.prepared(scan_texts(source, for_training=False, **columns), spec)

    def prepared(self, examples: Examples, spec: ModelInput) -> TextSet:
        """Return the texts, to be read by the tokenizer of the training."""
        if not isinstance(examples, TextSet):
            noun = examples.noun[1]
            raise DataError(f"The model reads texts, and these are {noun}. Scan some texts.")
        tokens = tokens_of(spec)
        if examples.pairs != tokens.pairs:
            reads, are = ("pairs of texts", "single texts")[:: 1 if tokens.pairs else -1]
            raise DataError(
                f"The model reads {reads}, and these are {are}. Name "
                f"{'both columns' if tokens.pairs else 'one column'} by text= (on the command line "
                f"--text{' first,second' if tokens.pairs else ''})."
            )
        return replace(examples, tokens=tokens)

    def fault(self, inputs: np.ndarray, spec: ModelInput) -> str:
        """Say why token ids are none of the model's; see `Modality.fault`."""
        most = int(spec.preparation["max_tokens"])
        if inputs.shape[-1] > most:
            return f"the model reads at most {most:,} tokens, and these are {inputs.shape[-1]:,}"
        return "token ids are at least 0" if inputs.size and int(inputs.min()) < 0 else ""

    def decode(
        self, source: bytes | str | Path, spec: ModelInput, name: str | None = None
    ) -> np.ndarray:
        """Turn a text, the bytes of one in UTF-8, or the `Path` of a file into ids, int32."""
        try:
            if isinstance(source, Path):
                text = read_text(source)
            else:
                text = source if isinstance(source, str) else source.decode("utf-8-sig")
                text.encode()
                if not text.strip():
                    raise DataError("is blank")
            return tokens_of(spec).ids([text])[0]
        except UnicodeError:
            raise DataError(f"'{printable(name or 'the text')}' is not valid UTF-8.") from None
        except DataError as error:
            called = source if isinstance(source, Path) else name or "the text"
            raise DataError(f"'{printable(called)}' {error}.") from None

    def of_parts(self, parts: tuple[Any, ...]) -> str:
        """Write a pair of texts as one.

        Raises:
            DataError: If there are not two texts.
        """
        if len(parts) != 2 or not all(isinstance(one, str) for one in parts):
            raise DataError("A pair must be two texts.")
        return joined(*parts)

    def preparation(self, told: Mapping[str, Any]) -> Tokens:
        """Return how texts become token ids."""
        return Tokens.from_dict(told)

    def vocabulary(self, spec: ModelInput) -> tuple[str, ...]:
        """Return the tokens, where those of BERT are meant: clients split texts as it does."""
        tokens = tokens_of(spec)
        return tuple(tokens.vocabulary()) if tokens.word_pieces and not tokens.pairs else ()

    def measure(self, example: np.ndarray) -> dict[str, float]:
        """Count the tokens."""
        return {"tokens": float(np.count_nonzero(example))}

    def find(self, folder: Path, preparation: object) -> Iterator[Path]:
        """Yield the `.txt` files in a folder and its subfolders."""
        for parent, folders, files in os.walk(folder, followlinks=False):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = Path(parent, name)
                if is_text_file(name) and path.is_file() and not path.is_symlink():
                    yield path


def tokens_of(spec: ModelInput) -> Tokens:
    """Return how texts become token ids for a model."""
    return Tokens.from_dict(spec.preparation)


MODALITY = Texts()
