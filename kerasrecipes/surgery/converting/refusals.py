"""What the converter's pages of compiler text say: which operators of which layers have no twin."""

import re
from typing import TYPE_CHECKING

from kerasrecipes.errors import printable
from kerasrecipes.keras_private import has_graph, nodes_in_order, parts_of

if TYPE_CHECKING:
    import keras

# Where an operator comes from stands before it, innermost first: the scopes of its layers.
_REFUSED = re.compile(
    r"""error: loc\((?:[^"\n]*"\w*:?", "(?P<scopes>[^"@\n]*)[^\n]*?)?"""
    r"""'tfl?\.(?P<operator>\w+)' op (?P<reason>[^\n]*)"""
)


def why_refused(error: Exception, model: "keras.Model") -> str:
    """Say in a few words why a model cannot be converted.

    Args:
        error: What the converter raised: its own and built-in types, pages long.
        model: The model.

    Returns:
        The operators and the layers that they are in; where the text names none, its last line.
    """
    names = _names(model)
    found: dict[str, None] = {}
    for match in _REFUSED.finditer(str(error)):
        layer = _layer(match["scopes"] or "", names)
        where = f" of the layer '{printable(layer)}'" if layer else ""
        missing = "neither a custom op" in match["reason"]
        reason = "has no built-in counterpart" if missing else printable(match["reason"])[:100]
        found[f"the operator '{match['operator']}'{where} {reason}"] = None
    if found:
        more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
        return "; ".join([*found][:5]) + more
    lines = [line for line in str(error).splitlines() if line.strip()] or [repr(error)]
    return printable(lines[-1])[:300].removesuffix(".")


def _names(model: "keras.Model") -> set[str]:
    names = {layer.name for layer in parts_of(model)} - {model.name}
    graphs = (part for part in parts_of(model) if has_graph(part))
    return names | {node.operation.name for graph in graphs for node in nodes_in_order(graph)}


def _layer(scopes: str, names: set[str]) -> str:
    """Return the innermost scope that is a layer; Keras numbers scopes that come again."""
    for scope in reversed(scopes.split("/")[:-1]):
        for name in (scope, re.sub(r"_\d+$", "", scope)):
            if name in names:
                return name
    return ""
