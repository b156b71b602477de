"""The page about a saved model as it is now: its fit, and every file that was exported since."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.files import write_whole
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.export_page import export_page
from kerasrecipes.release.sections import bundle_sections

if TYPE_CHECKING:
    from kerasrecipes.report.section import Section


@named
def write_report(
    bundle: Bundle | str | Path,
    path: str | Path,
    *,
    export: str | None = None,
    sections: "Sequence[Section]" = (),
) -> Path:
    """Write one self-contained HTML page about a saved model, or about one file of it.

    A bundle holds the report of its fit, which nothing changes any more; exports come later, and
    this page has both.

    Args:
        bundle: A bundle, or its folder; a model's folder stands for its latest version.
        path: The new file, e.g. `"tiles.html"`; one that is there is replaced.
        export: Which export the page is about, e.g. `"tflite-int8"`; `None` for the model.
        sections: What else to show, e.g. what `kerasrecipes.diagnosis.gallery` returns.

    Returns:
        The path.

    Raises:
        DataError: If there is no bundle.
        ValueError: If it has no export of that name.
        IntegrityError: If a file of it was changed.
        OSError: If the page cannot be written.
    """
    from kerasrecipes.report.html import render_html

    bundle, path = Bundle.load(bundle), Path(path)
    if export is not None:
        write_whole(path, export_page(bundle, export, sections).encode())
        return path
    exports = [record.to_dict() for record in bundle.exports().values()]
    pictures = [name for name in bundle.manifest.sha256 if name.startswith("plots/")]
    plots = {Path(name).stem: bundle.read(name) for name in pictures}
    report = replace(bundle.report(), exports=exports)
    page = render_html(report, plots, [*bundle_sections(bundle, report.noun), *sections])
    write_whole(path, page.encode())
    return path
