"""The receiver over a real socket: who is let in, and what it refuses."""

import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import kerasrecipes as kr
from kerasrecipes.edge import collecting
from kerasrecipes.edge.collecting import Collector
from kerasrecipes.edge.telemetry import Queue, drain, poster

TOKEN = "a token of many signs"


@pytest.fixture
def running(tmp_path):
    with kr.Journal(tmp_path / "journal.db") as journal:
        collector = Collector(journal, TOKEN)
        threading.Thread(target=collector.serve, daemon=True).start()
        yield collector
        collector.close()


def status(collector, content=b"{}", path=None, token=TOKEN, **headers) -> tuple[int, str]:
    address = collector.address if path is None else collector.address.replace("/collect", path)
    headers = {"Authorization": f"Bearer {token}", **headers}
    request = urllib.request.Request(address, content, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_queue_is_sent_and_in_the_journal_once(running):
    queue = Queue(":memory:")
    for i in range(450):
        queue.put({"request_id": f"{i}", "label": "good", "at": 4e9})
    assert drain(queue, poster(running.address, "d1", TOKEN)) == 450
    assert queue.waiting == 0 and drain(queue, poster(running.address, "d1", TOKEN)) == 0
    assert [line.entry.request_id for line in running._journal.lines()] == [
        f"{i}" for i in range(450)
    ]


def test_what_is_no_batch_is_refused_with_a_reason(running):
    assert status(running, token="wrong")[0] == 401
    assert status(running, path="/other")[0] == 404
    assert status(running, **{"Content-Length": "99999999"})[0] == 413
    assert status(running) == (400, '{"error": "it lacks \'device\'"}')
    assert status(running, b"\xff")[0] == 400
    batch = {"device": "d", "queue": "q", "lines": [[1, {"request_id": "a", "photo": "x"}]]}
    code, said = status(running, json.dumps(batch).encode())
    assert code == 400 and "photo" in said
    falling = {**batch, "lines": [[2, {"request_id": "a"}], [1, {"request_id": "b"}]]}
    code, said = status(running, json.dumps(falling).encode())
    assert code == 400 and "must rise" in said
    assert not list(running._journal.lines())


def test_a_body_that_drips_is_ended_and_a_full_disk_asks_to_send_again(running, monkeypatch):
    monkeypatch.setattr(collecting, "SECONDS", 0.2)
    host, port = running._server.server_address
    with socket.create_connection((host, port)) as slow:
        head = (
            f"POST /collect HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n"
        )
        slow.sendall(head.encode() + b"{")
        assert b" 408 " in slow.recv(1000)
    monkeypatch.setattr(running._journal, "receive", lambda *_: (_ for _ in ()).throw(OSError(28)))
    batch = {"device": "d", "queue": "q", "lines": [[1, {"request_id": "a"}]]}
    assert status(running, json.dumps(batch).encode())[0] == 503


def test_a_head_that_drips_is_ended_and_who_goes_away_leaves_no_traceback(
    running, monkeypatch, capfd
):
    monkeypatch.setattr(collecting, "SECONDS", 0.5)
    at = running._server.server_address
    with socket.create_connection(at) as slow:
        slow.settimeout(0.005)  # faster than any pause that would be waited for
        slow.sendall(b"POST /collect HTTP/1.1\r\n")
        ended, end = False, time.monotonic() + 10
        while not ended and time.monotonic() < end:
            try:
                slow.sendall(b"X-A: b\r\n")
                ended = slow.recv(100) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                ended = True
    assert ended
    asked = f"POST /collect HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n"
    for content in (asked, asked + '{"a": 12}'):
        with socket.create_connection(at) as gone:
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.sendall(content.encode())
    assert status(running)[0] == 400  # and it still answers
    error = ConnectionResetError(104, "Connection reset by peer")
    try:
        raise error
    except ConnectionResetError:
        running._server.handle_error(None, at)
    assert "Traceback" not in capfd.readouterr().err


def test_whatever_else_answers_leaves_all_in_the_queue():
    answers = iter((b"<html>Log in first</html>", b"[]", b'{"last": null}', b"\xff"))

    class Portal(BaseHTTPRequestHandler):
        def do_POST(self):
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + next(answers, b""))

    with HTTPServer(("127.0.0.1", 0), Portal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        queue = Queue(":memory:")
        queue.put({"request_id": "a"})
        for _ in range(4):
            with pytest.raises(OSError, match="no receiver answered"):
                drain(queue, poster(f"http://127.0.0.1:{server.server_port}", "d", TOKEN))
        server.shutdown()
    assert queue.waiting == 1


def test_a_token_is_shown_to_nobody_else():
    paths = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self):
            paths.append(self.path)
            self.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: /other\r\n\r\n")

        do_GET = do_POST

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(OSError, match="302"):
            poster(f"http://127.0.0.1:{server.server_port}/collect", "d", TOKEN)({"lines": []})
        server.shutdown()
    assert paths == ["/collect"]


def test_a_short_token_is_refused(tmp_path):
    with (
        kr.Journal(tmp_path / "journal.db") as journal,
        pytest.raises(ValueError, match="`token` must have 16 signs or more"),
    ):
        Collector(journal, "short")
