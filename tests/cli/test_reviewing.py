"""`kerasrecipes review` from the address to Ctrl-C, and what other verbs make of its file."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest


@pytest.mark.proof
def test_reviewing_until_ctrl_c(model, photos, tmp_path, kr):
    command = [sys.executable, "-m", "kerasrecipes", "review", model, photos, "--who", "ana"]
    environment = {"KERASRECIPES_CACHE": str(tmp_path / "cache")}
    import os

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Also where the tests run in the background, which ignores the signal.
    hear = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    child = subprocess.Popen(command, env={**os.environ, **environment}, **pipes, **hear)
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", child.stdout.readline())[0]
        state = json.load(urllib.request.urlopen(f"{address}state"))
        index = int(next(iter(state["photos"])))
        body = json.dumps({"photo": index, "decision": "exclude"}).encode()
        told = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{address}decide", body, told)).close()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 0 and "1 photos are decided about, in '" in out
    assert "Traceback" not in err and "48 photos are worth a look" in err
    assert "1 left out" in kr("doctor", photos)[2]


def test_other_verbs_read_what_was_decided_or_leave_it(model, photos, kr):
    from kerasrecipes import scan_photos
    from kerasrecipes.review.session import Session

    Session(scan_photos(photos), [], {}, photos / "labels.csv", who="ana").decide(0, "exclude")
    code, out, err = kr("doctor", photos, "--json")
    assert code == 0 and "1 left out" in err
    (found,) = [one for one in json.loads(out)["findings"] if one["code"] == "decided"]
    assert found["count"] == 1
    for file, said in (("none", ""), (photos / "labels.csv", "1 left out")):
        code, _, err = kr("evaluate", model, photos, "--labels-from", file)
        assert code == 0 and (said in err if said else "Labels as decided" not in err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--to", "none/l.csv"], "cannot be kept in 'none/l.csv': the folder does not exist. Name")],
)
def test_what_cannot_be_reviewed_is_one_line(kr, model, photos, arguments, message):
    code, _, err = kr("review", model, photos, *arguments)
    assert code == 1 and message in err and err.count("\n") == 1
