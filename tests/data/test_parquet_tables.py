"""Tables in Parquet say what the same table in CSV says."""

import sys
from datetime import datetime

import pytest

from kerasrecipes.data.tables.rows import read_rows
from kerasrecipes.data.tables.table import is_table, read_table
from kerasrecipes.errors import DataError, MissingDependencyError

arrow = pytest.importorskip("pyarrow")


@pytest.fixture
def write(tmp_path):
    from pyarrow import parquet

    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"x")

    def write(**columns):
        parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return write


def test_its_rows_are_those_of_a_csv(write, tmp_path):
    times = [datetime(2026, 1, 1, 5), datetime(2026, 1, 2)]
    table = write(Path=["a.png", "b.png"], label=[1, 0], time=times, group=["p", None])
    written = "path,label,time,group\na.png,1,2026-01-01T05:00:00,p\nb.png,0,2026-01-02,\n"
    (tmp_path / "t.csv").write_text(written)
    assert is_table(table)
    found, told = (read_table(tmp_path / f"t.{end}")[0] for end in ("parquet", "csv"))
    for one, other in zip(found, told, strict=True):
        for name in ("path", "label", "time", "group"):
            assert getattr(one, name) == getattr(other, name)
    with pytest.raises(DataError, match=r"row 2 names 'c.png', which does not exist"):
        read_table(write(path=["a.png", "c.png"], label=["x", "y"]))


def test_what_cannot_be_read_is_told(write, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="has 'image', which hold more than a cell can"):
        read_rows(write(image=[{"pixels": b"x"}], label=[0]))
    with pytest.raises(DataError, match=r"has 'path' more than once"):
        read_rows(write(path=["a.png"], Path=["a.png"]))
    with pytest.raises(DataError, match="has no rows"):
        read_rows(write(path=arrow.array([], arrow.string())))
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"Cannot read the table .*t.parquet"):
        read_rows(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependencyError, match=r"kerasrecipes\[parquet\]"):
        read_rows(tmp_path / "t.parquet")
