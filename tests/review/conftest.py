"""Photos with names of all kinds, what to look at among them, and a server for one session."""

import threading

import pytest

from kerasrecipes import scan_photos
from kerasrecipes.evaluation.mistakes.suspect import Suspect
from kerasrecipes.review.server import ReviewServer
from kerasrecipes.review.session import Session

KINDS = {"label_error": "Likely wrong labels", "outlier": "Odd ones"}


def suspect(kind, index, suggestion, reason, beside):
    return Suspect(kind, index, 0.5, "", suggestion, beside, reason)


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
        suspect("label_error", 3, "good", "models say <script>alert(1)</script> good", (0, 6, 7)),
        suspect("label_error", 0, "crack", "models say crack", (1, 3)),
        suspect("outlier", 8, "", "4.0 times as far as usual", (6, 7)),
        suspect("outlier", 0, "", "3.0 times as far as usual", (1,)),
    ]
    return Session(photos, suspects, KINDS, root / "labels.csv", who="ana")


@pytest.fixture
def serve():
    """Serves sessions until the test ends."""
    servers = []

    def start(session) -> ReviewServer:
        server = ReviewServer()
        server.session = session
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
