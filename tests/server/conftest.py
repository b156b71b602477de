"""A running server, as people start it, and a folder of models for it."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("uvicorn") is None:
    warnings.warn("NO WEB SERVER: install the extra serve. Its tests are left out.", stacklevel=1)
    collect_ignore_glob = ["test_*.py"]


class Running:
    """A server in a process of its own."""

    def __init__(self, folder: Path, *options: str):
        command = [sys.executable, "-m", "kerasrecipes", "serve", str(folder), "--port", "0"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([*command, *options], **pipes)
        self.errors, self.out = [], []
        ready = threading.Event()

        def follow(stream, kept):
            for line in iter(stream.readline, b""):
                kept.append(line.decode())
                if kept is self.errors and line.startswith(b"Ready:"):
                    ready.set()

        self._threads = [
            threading.Thread(target=follow, args=(stream, kept), daemon=True)
            for stream, kept in (
                (self.process.stdout, self.out),
                (self.process.stderr, self.errors),
            )
        ]
        for thread in self._threads:
            thread.start()
        started = time.monotonic()
        while not ready.wait(0.1):
            assert self.process.poll() is None and time.monotonic() < started + 240, self.errors
        self.port = int(re.search(r"http://[^:]+:(\d+)", "".join(self.errors))[1])
        self.address = f"http://127.0.0.1:{self.port}"

    def log(self) -> list[dict]:
        return [json.loads(line) for line in list(self.out)]

    def memory(self) -> int:
        """Bytes in memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self, number=signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=120)
        for thread in self._threads:
            thread.join(timeout=20)
        return code


@pytest.fixture(scope="module")
def start():
    """Starts servers that end with the module."""
    running = []

    def begin(folder, *options):
        running.append(Running(folder, *options))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture(scope="module")
def models(exported_once, tmp_path_factory):
    """A folder with one model of two versions; the first is its champion."""
    from kerasrecipes.promotion.log import changing

    root = tmp_path_factory.mktemp("served")
    for number in ("1", "2"):
        shutil.copytree(exported_once.folder, root / "colours" / number)
    make_champion(root / "colours", 1, changing)
    return root


def make_champion(folder, version, changing):
    """Write it into the log, as a promotion does after its gates."""
    with changing(folder) as log:
        log.add(
            who="ana", action="promote", alias="champion", version=version, why="",
            before=log.log.aliases.get("champion"), bundle_sha256="0" * 64, export="x",
            export_sha256="0" * 64,
        )  # fmt: skip


@pytest.fixture
def promote(models):
    """Makes a version the champion."""
    from kerasrecipes.promotion.log import changing

    return lambda version: make_champion(models / "colours", version, changing)


@pytest.fixture(scope="session")
def photos(tiny):
    """Twelve photos, as PNG files."""
    return [tiny.png(photo) for photo in tiny.colour_photos(12, seed=31)[0]]


@pytest.fixture(scope="session")
def receive():
    """Reads what a socket gives until it is closed, for so many seconds at most."""

    def read(connection, seconds: float) -> bytes:
        found, end = b"", time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([connection], [], [], left)[0]:
                break
            try:
                piece = connection.recv(1 << 16)
            except ConnectionResetError:
                break
            if not piece:
                break
            found += piece
        return found

    return read


@pytest.fixture
def apart():
    """Calls a function in a thread of its own: a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda function, *given, **more: pool.submit(function, *given, **more).result()
