"""Photos with names of all kinds, what to look at among them, and a server for one session."""

import threading
from dataclasses import dataclass

import pytest

from kerasrecipes import scan_photos
from kerasrecipes.review.server import ReviewServer
from kerasrecipes.review.session import Session

KINDS = {"label_error": "Likely wrong labels", "outlier": "Odd ones"}


@dataclass(frozen=True)
class One:
    kind: str
    index: int
    suggestion: str = ""
    reason: str = ""
    beside: tuple[int, ...] = ()


@pytest.fixture
def root(tmp_path, make):
    for k, kind in enumerate(("crack", "good", "<b>dent")):
        for i in range(3):
            make.photo(tmp_path / "photos" / kind / f"{i}<i>.png", 10 * k + i, (64, 80))
    return tmp_path / "photos"


@pytest.fixture
def photos(root):
    return scan_photos(root, labels_from=None)


@pytest.fixture
def session(photos, root):
    suspects = [
        One("label_error", 3, "good", "models say <script>alert(1)</script> good", (0, 6, 7)),
        One("label_error", 0, "crack", "models say crack", (1, 3)),
        One("outlier", 8, "", "4.0 times as far as usual", (6, 7)),
        One("outlier", 0, "", "3.0 times as far as usual", (1,)),
    ]
    return Session(photos, suspects, KINDS, root / "labels.csv", who="ana")


@pytest.fixture
def serve():
    """Serves sessions until the test ends."""
    servers = []

    def start(session) -> ReviewServer:
        server = ReviewServer(session)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
