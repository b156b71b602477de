"""Slow, large and too many requests, other versions, and the end: against the running process."""

import contextlib
import io
import json
import signal
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.serve.journal import Journal

httpx = pytest.importorskip("httpx")
LIMITS = (
    "--workers", "1", "--queue", "3", "--max-body-mb", "4", "--header-seconds", "1",
    "--body-seconds", "2", "--watch-seconds", "0.1",
)  # fmt: skip
HEAD = "POST /predict HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    return tmp_path_factory.mktemp("journal") / "journal.db"


@pytest.fixture(scope="module")
def server(start, models, journal):
    return start(models, *LIMITS, "--journal", str(journal))


@pytest.fixture
def connect(server):
    made = []

    def connection(content: bytes):
        made.append(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        made[-1].sendall(content)
        return made[-1]

    yield connection
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def large():
    """A photo that takes long to decode, and few bytes to send."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((2500, 2500, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def ask(server, photo):
    return httpx.post(f"{server.address}/predict", content=photo, timeout=120)


def test_clients_that_send_nothing_are_ended_and_others_do_not_wait(
    connect, server, receive, photos
):
    idle = [connect(b"") for _ in range(10)]
    half = [connect(b"GET /v2 HTTP/1.1\r\nHost: loc") for _ in range(10)]
    assert ask(server, photos[0]).status_code == 200
    assert all(receive(one, 30) == b"" for one in (*idle, *half))


def test_a_head_that_drips_is_ended(connect, receive):
    slow = connect(b"GET /v2 HTTP/1.1\r\n")
    started = time.monotonic()
    try:
        while time.monotonic() < started + 30:
            slow.sendall(b"X-A: b\r\n")
            time.sleep(0.2)
    except OSError:
        pass
    assert time.monotonic() - started < 20


def test_a_body_that_drips_is_ended(connect, receive, server, photos):
    slow = connect(f"{HEAD}Content-Length: 1000\r\n\r\nabc".encode())
    assert ask(server, photos[0]).status_code == 200
    told = receive(slow, 30)
    assert b" 408 " in told and b"did not come within 2 seconds" in told


@pytest.mark.parametrize(
    "head, status",
    [
        ("Content-Length: 4000001\r\n\r\n", b" 413 "),
        ("Content-Length: 99999999999999999999\r\n\r\n", b" 400 "),
        ("Transfer-Encoding: chunked\r\n\r\n" + "F4240\r\n" + "x" * 1_000_000 + "\r\n", b" 413 "),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\n", b" 400 "),
        ("Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc", b" 400 "),
        ("Host: evil\r\n\r\n", b" 400 "),
        ("X: " + "a" * 40_000 + "\r\n\r\n", b" 4"),
        ("X: " + "a" * 40_000, b" 400 "),
    ],
)  # fmt: skip
def test_what_is_too_large_or_no_http_is_refused(connect, receive, head, status):
    again = 5 if "F4240" in head else 1
    first, end, chunk = head.partition("\r\n\r\n")
    one = connect(f"{HEAD}{first}{end}".encode())
    try:
        for _ in range(again):
            one.sendall(chunk.encode())
    except OSError:  # it has answered already
        pass
    assert status in receive(one, 5).split(b"\r\n")[0]


def test_what_follows_a_body_has_an_end(connect, receive):
    one = connect(f"{HEAD}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode())
    assert b" 100 " in one.recv(100)
    one.sendall(b"0\r\nX: " + b"a" * 40_000)
    assert b" 400 " in receive(one, 5)
    nowhere = HEAD.replace("/predict", "/nowhere")
    other = connect(f"{nowhere}Content-Length: 9\r\nExpect: 100-continue\r\n\r\n".encode())
    assert b"connection: close" in receive(other, 5) and other.recv(1) == b""


def test_requests_that_come_at_once_have_an_end(connect, receive):
    ask_it = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert receive(connect(ask_it * 100), 3).count(b" 200 ") == 100
    told = receive(connect(ask_it * 1000), 5)
    assert b" 400 " in told and told.count(b" 200 ") < 110


def test_who_does_not_take_answers_is_ended(server):
    def held() -> bool:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return any(row[1:4:2] == [f"0100007F:{server.port:04X}", "01"] and
                   row[2].endswith(f":{slow.getsockname()[1]:04X}") for row in rows)  # fmt: skip

    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        assert held()
        with contextlib.suppress(ConnectionError):
            for _ in range(6):  # more than the system holds for a client
                slow.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
                time.sleep(0.5)
        end = time.monotonic() + 60
        while held():
            assert time.monotonic() < end
            time.sleep(0.1)


def test_who_asks_for_another_protocol_gets_the_answer_by_this_one(
    server, connect, receive, photos
):
    asks = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"}
    with httpx.Client(timeout=120) as client:
        for _ in range(2):
            told = client.post(f"{server.address}/predict", content=photos[0], headers=asks)
            assert told.status_code == 200 and told.json()["label"]
        pieces = connect(f"{HEAD}Content-Length: 1\r\nConnection: Upgrade\r\nUpg".encode())
        assert client.get(f"{server.address}/v2").status_code == 200  # it has read that by now
    pieces.sendall(b"rade: h2c\r\n\r\nx")
    assert b"Send it without Upgrade" in receive(pieces, 5)


def test_too_many_requests_are_sent_away_and_it_recovers(server, large, photos):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(server, large))) for _ in range(16)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    codes = [one.status_code for one in answers]
    assert set(codes) == {200, 503} and 1 <= codes.count(200) < 16
    refused = next(one for one in answers if one.status_code == 503)
    assert refused.headers["Retry-After"] == "1" and "no more may" in refused.json()["error"]
    end = time.monotonic() + 5
    while (code := ask(server, photos[0]).status_code) != 200:
        assert code == 503 and time.monotonic() < end


def test_another_version_takes_over_and_no_request_is_lost(server, promote, photos):
    found, stop = [], threading.Event()

    def load():
        with httpx.Client(base_url=server.address, timeout=120) as client:
            while not stop.is_set():
                answer = client.post("/predict", content=photos[len(found) % len(photos)])
                found.append((answer.status_code, answer.json().get("version")))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        while not found:
            time.sleep(0.01)
        promote(2)
        end = time.monotonic() + 60
        while (200, 2) not in found and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join()
    assert {code for code, _ in found} == {200} and {one for _, one in found} == {1, 2}
    versions = [version for _, version in found]
    assert versions == sorted(versions)


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_there(
    server, promote, models, photos, exported_once
):
    import shutil

    shutil.copytree(exported_once.folder, models / "colours" / "3")
    path = next((models / "colours" / "3" / "exports" / "tflite-int8").glob("*.tflite"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    promote(3)
    end = time.monotonic() + 60
    while not (told := httpx.get(f"{server.address}/state").json())["problems"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "was changed since it was verified" in told["problems"][0] and told["ready"]
    assert ask(server, photos[0]).json()["version"] == 2
    assert httpx.get(f"{server.address}/v2/health/ready").status_code == 200
    assert "'colours' 3 is not served: " in "".join(server.errors)
    promote(2)


def test_answers_are_kept_and_can_be_judged_later(server, photos, journal):
    told = ask(server, photos[0]).json()
    feedback = f"{server.address}/feedback"
    answer = httpx.post(feedback, json={"id": told["id"], "truth": "green"}, timeout=60)
    assert answer.status_code == 200
    for body, code in (
        ({"id": "unknown", "truth": "green"}, 404), ({"id": "a"}, 400), ([], 400),
        ({"id": told["id"], "truth": {}}, 400), ({"id": 3, "truth": "green"}, 400),
    ):  # fmt: skip
        assert httpx.post(feedback, json=body, timeout=60).status_code == code
    with Journal(journal) as kept:
        lines = {line.entry.request_id: line for line in kept.lines()}
    line = lines[told["id"]]
    assert line.truth == "green" and line.entry.label == told["label"]
    assert line.entry.bundle == "colours" and len(line.entry.answer) == 3
    assert line.entry.inputs["brightness"] > 0 and line.entry.latency_ms > 0
    # Not the photo.
    assert max(len(json.dumps(one.entry.model_dump())) for one in lines.values()) < 2000


def test_a_kill_loses_no_journal_and_a_signal_ends_it_well(start, models, tmp_path, photos):
    journal = str(tmp_path / "journal.db")
    one = start(models, "--journal", journal)
    told = ask(one, photos[0]).json()
    body = {"id": told["id"], "truth": "blue"}
    assert httpx.post(f"{one.address}/feedback", json=body, timeout=60).status_code == 200
    assert one.end(signal.SIGKILL) == -9
    two = start(models, "--journal", journal, "--drain-seconds", "2", "--port", "0")
    slow = socket.create_connection(("127.0.0.1", two.port), timeout=60)
    slow.sendall(f"{HEAD}Content-Length: {len(photos[1])}\r\n\r\n".encode())
    two.process.send_signal(signal.SIGTERM)
    ready = f"{two.address}/v2/health/ready"
    end = time.monotonic() + 20
    while httpx.get(ready, timeout=60).status_code == 200:
        assert time.monotonic() < end
    assert ask(two, photos[0]).status_code == 200  # it says so, and goes on
    slow.sendall(photos[1])
    assert b" 200 " in slow.recv(1 << 16)
    slow.close()
    assert two.process.wait(timeout=120) == 0
    assert two.errors[-1] == "Ended.\n"
    with Journal(journal) as kept:
        assert [line.truth for line in kept.lines()] == ["blue", None, None]


def test_what_stops_it_before_it_starts(models, tmp_path, server, apart):
    from kerasrecipes.server import serve_models

    with pytest.raises(OSError, match="cannot be used: Address already in use. Name another port"):
        apart(serve_models, models, port=server.port)
    with pytest.raises(ValueError, match="There is no saved model in"):
        apart(serve_models, tmp_path, port=0)
    with pytest.raises(ValueError, match="lets other machines ask. Give `keys`"):
        apart(serve_models, models, host="0.0.0.0", port=0)
    with pytest.raises(ValueError, match="`queue` must be a whole number from 1 to"):
        apart(serve_models, models, queue=0)
    with pytest.raises(ValueError, match="`batch_delay_ms` has no effect without `batch`"):
        apart(serve_models, models, batch_delay_ms=5)
    with pytest.raises(ValueError, match="`max_held_mb` must be at least `max_body_mb`, 999"):
        apart(serve_models, models, max_body_mb=999)
    (tmp_path / "keys").write_text("# nobody\n")
    with pytest.raises(ValueError, match="holds no key, so nobody could ask. Add one by: kerasr"):
        apart(serve_models, models, port=0, keys=tmp_path / "keys")
    (tmp_path / "none" / "tiles" / "1").mkdir(parents=True)
    with pytest.raises(ValueError, match="Not every model can be served. tiles 1: .*no saved mode"):
        apart(serve_models, tmp_path / "none", port=0)
