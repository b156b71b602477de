"""The demo's photos: 2,624 solar cells from the package `elpv-dataset`.

Electroluminescence photos of cells from 44 solar modules, judged by experts (Deitsch et al.,
2019, "Automatic classification of defective photovoltaic module cells in electroluminescence
images"). The photos are CC BY-NC-SA 4.0 and stay in the package; only a table is written.
"""

import csv
import tempfile
from importlib.util import find_spec
from pathlib import Path

from kerasrecipes import MissingDependencyError


def solar_cells(limit: int | None = None) -> Path:
    """Write a table of the photos with their labels, and return its path.

    A cell counts as defective if the experts' defect probability is above one half.
    """
    package = find_spec("elpv_dataset")
    if package is None:
        raise MissingDependencyError(
            'The demo photos need "elpv-dataset". Run: pip install "kerasrecipes[demo]", '
            "or name a folder with photos of your own."
        )
    data = Path(package.submodule_search_locations[0]) / "data"
    rows = [line.split() for line in (data / "labels.csv").read_text().splitlines()]
    rows = rows[:: max(1, len(rows) // limit)] if limit else rows
    table = Path(tempfile.mkdtemp(prefix="solar-cells-")) / "solar_cells.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for name, probability, _cell_type in rows:
            label = "defective" if float(probability) > 0.5 else "good"
            writer.writerow([data / name, label])
    return table
