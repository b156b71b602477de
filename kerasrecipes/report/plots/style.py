"""How every picture of a report looks; no global matplotlib state is touched."""

import io
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kerasrecipes.errors import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by people with any colour vision.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, MUTED, FAINT = "#1b2430", "#667085", "#e4e7ec"
# User text is drawn as it is: a `$` in a class name is no formula.
PLAIN_TEXT: dict[str, Any] = {"parse_math": False}


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure, in inches, that no pyplot knows about."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: "Axes", title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Take away what is not data, and set readable fonts."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=17)
    axes.set_xlabel(xlabel, fontsize=10, color=MUTED)
    axes.set_ylabel(ylabel, fontsize=10, color=MUTED)
    axes.tick_params(labelsize=9.5, colors=MUTED, length=0)
    axes.grid(True, color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)


def short_name(name: str, width: int = 24) -> str:
    """Make a class name fit a picture.

    Example:
        >>> short_name("scratch\\nfrom the left conveyor belt", 12)
        'scratch\\\\nfr…'
    """
    name = printable(name)
    return name if len(name) <= width else name[: width - 1] + "…"


def png(figure: "Figure", dpi: int = 144) -> bytes:
    """Draw a figure.

    Args:
        figure: The figure.
        dpi: Pixels per inch.

    Returns:
        The bytes of a PNG file.
    """
    with warnings.catch_warnings():
        # A font without emoji shows a box; the page beside the picture has the real name.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        return _drawn(figure, dpi)


def _drawn(figure: "Figure", dpi: int) -> bytes:
    """Draw it once: `savefig` would draw it before for its layout, which the drawing makes, too."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer, before = io.BytesIO(), figure.dpi
    figure.dpi = dpi
    try:
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(buffer, metadata={"Software": "kerasrecipes"})
    finally:
        figure.dpi = before
    return buffer.getvalue()


def name_ticks(axes: "Axes", names: Iterable[str], which: str, size: float, turn: float) -> None:
    """Write class names along the `"x"` or `"y"` axis."""
    names = list(names)
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    axis.set_ticks(range(len(names)), labels=names, fontsize=size, color=INK, **PLAIN_TEXT)
    if turn:
        for label in axis.get_ticklabels():
            label.set(rotation=turn, ha="right", rotation_mode="anchor")


def say_nothing(figure: "Figure", text: str) -> None:
    """Write one line where a picture would be."""
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, color=MUTED)
