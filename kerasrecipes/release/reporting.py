"""The page about a saved model as it is now: its fit, and every file that was exported since."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.files import write_whole
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.sections import bundle_sections

if TYPE_CHECKING:
    from kerasrecipes.report.section import Section


@named
def write_report(
    bundle: Bundle | str | Path, path: str | Path, *, sections: "Sequence[Section]" = ()
) -> Path:
    """Write one self-contained HTML page about a saved model.

    A bundle holds the report of its fit, which nothing changes any more; exports come later, and
    this page has both.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        path: The new file, e.g. `"tiles.html"`; one that is there is replaced.
        sections: What else to show, e.g. what `kerasrecipes.diagnosis.gallery` returns.

    Returns:
        The path.

    Raises:
        DataError: If there is no bundle.
        IntegrityError: If a file of it was changed.
        OSError: If the page cannot be written.
    """
    from kerasrecipes.report.html import render_html

    bundle, path = Bundle.load(bundle), Path(path)
    exports = [record.to_dict() for record in bundle.exports().values()]
    pictures = [name for name in bundle.manifest.sha256 if name.startswith("plots/")]
    plots = {Path(name).stem: bundle.read(name) for name in pictures}
    report = replace(bundle.report(), exports=exports)
    page = render_html(report, plots, [*bundle_sections(bundle, report.noun), *sections])
    write_whole(path, page.encode())
    return path
