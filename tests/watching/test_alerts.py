"""Who is told of an alarm, how often, and what happens where that fails."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import kerasrecipes as kr
from kerasrecipes.watching import alerts
from kerasrecipes.watching.alerts import Alarm, tell_of
from kerasrecipes.watching.settings import Alert, WatchSettings
from kerasrecipes.watching.state import WatchState

DRIFT = Alarm("drift", "brightness moved", "https://wiki/drift")
ERRORS = Alarm("errors", "3 of 4")
HOUR = 3600.0


@pytest.fixture
def told(tmp_path):
    """Tells of alarms at an hour, and returns the lines that were added to the file."""
    path = tmp_path / "alarms.jsonl"
    settings = WatchSettings(alert=(Alert(file=str(path)),), quiet_hours=24)
    state = WatchState(tmp_path / "state.db")

    def tell(hour: float, *found: Alarm) -> list[tuple[str, str]]:
        before = path.read_text() if path.exists() else ""
        assert tell_of(found, "tiles 3", settings, state, hour * HOUR) == ()
        new = path.read_text().removeprefix(before) if path.exists() else ""
        rows = [json.loads(line) for line in new.splitlines()]
        return [(row["cause"], row["state"]) for row in rows]

    return tell


def test_one_alarm_for_each_cause_then_quiet_then_again_then_over(told):
    assert told(0, DRIFT) == [("drift", "alarm")]
    assert told(1, DRIFT) == told(23, DRIFT) == []
    assert told(23.5, DRIFT, ERRORS) == [("errors", "alarm")]
    assert told(24.5, DRIFT, ERRORS) == [("drift", "alarm")]
    assert told(25, ERRORS) == [("drift", "over")]
    assert told(26) == [("errors", "over")] and told(27) == []


def test_a_clock_that_is_put_back_makes_nobody_wait(told):
    assert told(1000, DRIFT) == [("drift", "alarm")]
    assert told(10, DRIFT) == [("drift", "alarm")]
    assert told(11, DRIFT) == []


def test_a_webhook_gets_json_and_one_that_fails_is_tried_again(tmp_path, capsys):
    got, status = [], [500]

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/hook"
        settings = WatchSettings(alert=(Alert(webhook=address),))
        state = WatchState(tmp_path / "state.db")
        (problem,) = tell_of([DRIFT], "tiles 3", settings, state, 0)
        assert "HTTP Error 500" in problem and "tried again" in capsys.readouterr().err
        status[0] = 200
        assert tell_of([DRIFT], "tiles 3", settings, state, 1) == ()
        assert tell_of([DRIFT], "tiles 3", settings, state, 2) == ()
        server.shutdown()
    assert len(got) == 2
    assert got[1]["text"] == "tiles 3: drift: ALARM: brightness moved\nhttps://wiki/drift"
    assert got[1]["model"] == "tiles 3" and got[1]["state"] == "alarm"


def test_a_mail_is_sent_and_a_password_only_over_tls(tmp_path, monkeypatch):
    did = []

    class Server:
        def __init__(self, host, port, timeout):
            did.append((host, port))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def starttls(self, context):
            did.append("tls")

        def login(self, user, password):
            did.append((user, password))

        def send_message(self, message):
            did.append((message["Subject"], message["To"], message.get_content()))

    monkeypatch.setattr(alerts.smtplib, "SMTP", Server)
    plain = {"email": "a@x.org", "smtp": "mail:587", "sender": "b@x.org"}
    alert = Alert(**plain, user="b", password_from="MAIL_PASSWORD")
    settings, state = WatchSettings(alert=(alert,)), WatchState(tmp_path / "state.db")
    (problem,) = tell_of([ERRORS], "tiles\n3", settings, state, 0)
    assert problem == "a@x.org: the environment has no MAIL_PASSWORD"
    monkeypatch.setenv("MAIL_PASSWORD", "secret")
    assert tell_of([ERRORS], "tiles\n3", settings, state, 1) == ()
    text = "tiles\n3: errors: ALARM: 3 of 4\n"
    assert did[1:] == [
        ("mail", 587), "tls", ("b", "secret"), ("tiles\\n3: errors alarm", "a@x.org", text),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_p95 = 3", "says 'max_p95', which is not known. Did you mean 'max_p95_ms'?"),
        ("window = 10", "cannot be used: `window`: Input should be greater than or equal to 50"),
        ("[[alert]]\nuser = 'x'", "an alert needs one of `file`, `webhook` and `email`"),
        ("[[alert]]\nemail = 'a@b.c'", "`email`, `smtp` and `sender` belong together"),
        ("[[alert]]\nfile = 'x'\nuser = 'x'", "`user` and `password_from` belong together"),
        ("[[alert]]\nwebhook = 'file:///etc/passwd'", "String should match pattern"),
        ("x =", "is no TOML file"),
    ],
)
def test_settings_that_cannot_be_are_named(text, said, tmp_path):
    path = tmp_path / "watch.toml"
    path.write_text(text)
    with pytest.raises(kr.DataError) as error:
        WatchSettings.read(path)
    assert said in str(error.value)


def test_a_file_of_alarms_lies_beside_the_settings(tmp_path):
    path = tmp_path / "watch.toml"
    path.write_text("[[alert]]\nfile = 'alarms.jsonl'\n")
    assert WatchSettings.read(path).alert[0].file == str(tmp_path / "alarms.jsonl")
