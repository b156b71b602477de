"""What is said reaches who should hear it: a person, a program's own logging, or nobody."""

import logging
import os
import pty
import subprocess
import sys
import threading

import pytest

from kerasrecipes import console
from kerasrecipes.console import heeds_verbose, kept_in, quiet, say, set_verbosity, warn


class Kept(logging.Handler):
    """Keeps records."""

    def __init__(self):
        super().__init__()
        self.found = []

    def emit(self, record):
        self.found.append((record.levelname, record.name, record.module, record.getMessage()))


@pytest.fixture
def handled():
    """Attach handlers to loggers as a new process has them, and put everything back."""
    loggers = (logging.getLogger(), logging.getLogger("kerasrecipes"))
    before = [(logger.level, logger.handlers) for logger in loggers]
    for logger, level in zip(loggers, (logging.WARNING, logging.NOTSET), strict=True):
        logger.handlers = []
        logger.setLevel(level)

    def attach(name, handler):
        logging.getLogger(name).addHandler(handler)
        return handler

    yield attach
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.handlers = handlers
        logger.setLevel(level)


def speak():
    say("100 % done [bold]\n  in two lines")
    warn("few photos")


def test_a_person_reads_lines_on_standard_error(capsys, handled):
    speak()
    told = capsys.readouterr()
    assert told.err == "100 % done [bold]\n  in two lines\nWarning: few photos\n" and not told.out


@pytest.mark.parametrize("name", [None, "kerasrecipes"])
def test_a_program_with_logging_of_its_own_gets_records_and_nothing_is_printed(
    name, capsys, handled
):
    kept = handled(name, Kept())
    logging.getLogger().setLevel("INFO")
    speak()
    where = ("kerasrecipes", "test_console")
    assert kept.found == [
        ("INFO", *where, "100 % done [bold]\n  in two lines"), ("WARNING", *where, "few photos"),
    ]  # fmt: skip
    logging.getLogger().setLevel("WARNING")
    speak()
    assert len(kept.found) == 3
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("kerasrecipes").handlers == ([kept] if name else [])


def test_a_stray_call_of_a_library_silences_nobody(handled, capsys):
    bare = handled(None, logging.StreamHandler())
    bare.setFormatter(logging.Formatter(logging.BASIC_FORMAT))  # as `basicConfig()` does
    speak()
    assert capsys.readouterr().err.endswith("lines\nWarning: few photos\n")
    bare.setFormatter(logging.Formatter("%(message)s"))
    speak()
    assert capsys.readouterr().err == "few photos\n"


@pytest.mark.parametrize(("level", "lines"), [("info", 3), ("warning", 1), ("silent", 0)])
def test_the_verbosity_counts_for_persons_and_programs(level, lines, capsys, handled):
    set_verbosity(level)
    speak()
    assert len(capsys.readouterr().err.splitlines()) == lines
    kept = handled(None, Kept())
    speak()
    assert len(kept.found) == min(lines, 2)


def test_an_unknown_verbosity_is_named():
    with pytest.raises(ValueError, match="Unknown level 'warnings'. Did you mean 'warning'?"):
        set_verbosity("warnings")


@heeds_verbose
def work(*, verbose=True):
    say("working")
    return verbose


def test_a_call_is_silenced_with_all_that_it_calls(capsys):
    @heeds_verbose
    def outer(*, verbose=True):
        work(verbose=True)

    outer(verbose=False)
    assert work(verbose=False) is False
    with quiet():
        work()
    assert capsys.readouterr().err == ""
    outer()
    assert work() is True
    assert capsys.readouterr().err == "working\n" * 2


def test_calls_in_threads_are_heard_each_as_it_was_asked(capsys, tmp_path):
    both = threading.Barrier(2, timeout=20)

    def run(name):
        with kept_in(tmp_path / name):
            both.wait()
            work(verbose=name == "loud")
            both.wait()
            say(name)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("loud", "quiet")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(capsys.readouterr().err.splitlines()) == ["loud", "quiet", "working"]
    for name in ("loud", "quiet"):
        assert (tmp_path / name).read_text() == f"working\n{name}\n"


def test_no_bar_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(console, "BAR_AFTER", 0)
    with console.bar("counting") as show:
        show(1, 2)
        say("one")
    assert capsys.readouterr() == ("", "one\n")


COUNT = """
import contextlib
from kerasrecipes import console
console.BAR_AFTER = console.BAR_EVERY = 0
with {quietly}(), console.bar("outer [x]") as outer, console.bar("inner") as inner:
    for i in range(1, 4):
        outer(i, 3)
        inner(i, None)
        console.say(f"line [{{i}}] " + "x" * 100)
        print("printed", i)
    {end}
"""


def on_a_terminal(code: str, out=None) -> str:
    """Run code with a terminal as its standard error, and return what it was sent."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=out or theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(theirs)
    found = b""
    while True:
        try:
            found += (some := os.read(ours, 4096))
        except OSError:  # how Linux says that the other end is closed
            some = b""
        if not some:
            child.wait(20)
            os.close(ours)
            return found.decode()


@pytest.mark.parametrize("end", ["pass", "raise KeyboardInterrupt"])
def test_a_terminal_shows_bars_that_break_no_line_and_leaves_it_clean(end):
    found = on_a_terminal(COUNT.format(quietly="contextlib.nullcontext", end=end))
    assert "outer [x]" in found and "3/3" in found and "inner" in found
    for i in (1, 2, 3):
        assert f"\x1b[2Kline [{i}] {'x' * 100}\r\n" in found
        assert f"\x1b[2Kprinted {i}\r\n" in found
    assert found.rfind("\x1b[?25h") > found.rfind("\x1b[?25l")  # the cursor is shown
    last = found[: found.find("Traceback")].rstrip("\r\n") if "raise" in end else found
    assert last.split("\n")[-1].replace("\x1b[?25h", "").endswith("\x1b[2K")


def test_what_is_printed_for_a_pipe_gets_there_and_a_quiet_bar_is_none(tmp_path):
    with open(tmp_path / "out", "wb") as out:
        found = on_a_terminal(COUNT.format(quietly="contextlib.nullcontext", end="pass"), out)
    assert "outer" in found and "printed" not in found
    assert (tmp_path / "out").read_text() == "printed 1\nprinted 2\nprinted 3\n"
    assert "outer" not in on_a_terminal(COUNT.format(quietly="console.quiet", end="pass"))
