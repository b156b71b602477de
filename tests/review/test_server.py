"""The server answers the page, and nobody else."""

import http.client
import json
import os
import re

import pytest


@pytest.fixture
def server(serve, session):
    return serve(session)


@pytest.fixture
def ask(server):
    """Sends one request; returns status, headers and body."""

    def send(path="", body=None, *, method=None, token=None, headers=None, raw=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        told = {"Content-Type": "application/json"} if body is not None or raw else {}
        data = raw if raw is not None else None if body is None else json.dumps(body)
        method = method or ("GET" if data is None else "POST")
        path = f"/{server.token if token is None else token}/{path}"
        connection.request(method, path, data, {**told, **(headers or {})})
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    return send


def test_the_page_is_one_file_that_nothing_else_can_run_in(ask, server):
    status, headers, page = ask()
    policy = headers["Content-Security-Policy"]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    (nonce,) = set(re.findall("nonce-([^']+)'", policy))
    text = page.decode()
    assert text.count(f'nonce="{nonce}"') == 2 == text.count("nonce=")
    assert not re.search(r"https?://|innerHTML|NONCE|\son\w+=", text)
    assert nonce not in ask()[2].decode()
    for name, value in {
        "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
    }.items():  # fmt: skip
        assert headers[name] == value
    assert "Access-Control-Allow-Origin" not in headers
    assert server.server_address[0] == "127.0.0.1" and len(server.token) >= 32


@pytest.mark.parametrize("path", ["", "state", "photo/0", "decide"])
def test_without_the_token_there_is_nothing(ask, server, root, path):
    for token in ("", "x", server.token[:-1], server.token + "x", "%C3%A9", "%00"):
        body = {"photo": 0, "decision": "keep"} if path == "decide" else None
        status, _, said = ask(path, body, token=token)
        assert status == 403 and b"Open the address that kerasrecipes printed" in said
    assert not (root / "labels.csv").exists()


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1]"]
)
def test_another_name_for_this_machine_is_refused(ask, host):
    assert ask("state", headers={"Host": host})[0] == 421


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "localhost"])
def test_a_tunnel_is_fine(ask, host):
    assert ask("state", headers={"Host": host})[0] == 200


def test_pictures_are_asked_for_by_numbers(ask, root):
    for path in ("photo/3", "thumbnail/0"):
        status, headers, body = ask(path)
        assert status == 200 and headers["Content-Type"] == "image/jpeg"
        assert body.startswith(b"\xff\xd8")
    for path in (
        "photo/9", "photo/-1", "photo/1e3", "photo/../../labels.csv", "photo/%2e%2e/x", "photo/",
        "thumbnail/0/", f"photo/{root}/good/0.png", "heatmap/0", "page.html", "photo/٣", "etc",
    ):  # fmt: skip
        assert ask(path.replace("٣", "%D9%A3"))[0] == 404, path


def test_a_photo_that_changed_is_said_and_not_shown(ask, root, make):
    make.photo(root / "crack" / "0<i>.png", 500, (64, 80))
    status, _, said = ask("photo/3")
    assert status == 409 and "has changed since it was scanned" in json.loads(said)["error"]


def test_deciding_and_taking_back(ask, root):
    status, _, said = ask("decide", {"photo": 3, "decision": "relabel", "label": 2})
    assert status == 200 and json.loads(said)["decision"]["label"] == "good"
    assert '"crack/0<i>.png"' in (root / "labels.csv").read_text()
    assert json.loads(ask("state")[2])["decisions"]["3"]["decision"] == "relabel"
    status, _, said = ask("undo", {})
    assert status == 200 and json.loads(said) == {"photo": 3, "decision": None, "undo": 0}
    status, _, said = ask("undo", {})
    assert status == 409 and "nothing to take back" in json.loads(said)["error"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"body": {"photo": 0, "decision": "keep"}, "headers": {"Origin": "http://evil"}}, 403),
        ({"body": {"photo": 0, "decision": "keep"}, "headers": {"Origin": "null"}}, 403),
        ({"body": {"photo": 0, "decision": "keep"},
          "headers": {"Content-Type": "text/plain"}}, 415),
        ({"raw": b"{" * 3000}, 409),
        ({"raw": b"\xff"}, 409),
        ({"raw": b"[]"}, 409),
        ({"raw": b"{}"}, 409),
        ({"raw": b'{"photo": 0, "photo": 1, "decision": "keep"}'}, 409),
        ({"raw": b'{"photo": true, "decision": "keep", "label": [1]}'}, 409),
        ({"raw": b'{"photo": 1e3, "decision": "keep"}'}, 409),
        ({"raw": b" " * 5000}, 413),
        ({"body": {"photo": 0, "decision": "keep"}, "headers": {"Content-Length": "x"}}, 411),
        ({"body": {"photo": 0, "decision": "keep"}, "method": "PUT"}, 501),
    ],
)  # fmt: skip
def test_no_other_request_decides(ask, root, request_, status):
    assert ask("decide", **request_)[0] == status
    assert not (root / "labels.csv").exists()


def test_a_disk_that_is_full_is_said(ask, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, _, said = ask("decide", {"photo": 3, "decision": "keep"})
    assert status == 507 and "Free some space" in json.loads(said)["error"]
