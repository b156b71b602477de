"""A candidate in a running server: who gets its answers, what nobody sees, what takes it back."""

import asyncio
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.bundles.aliases import read_aliases
from kerasrecipes.promotion.log import changing
from kerasrecipes.rollout import RolloutPolicy, start_rollout
from kerasrecipes.server import rollouts
from kerasrecipes.server.for_review import ForReview
from kerasrecipes.server.lane import Lane, Unseen
from kerasrecipes.server.models import Models
from kerasrecipes.server.service import Service
from kerasrecipes.server.settings import ServerSettings
from kerasrecipes.server.web.app import App

httpx = pytest.importorskip("httpx")
INFER = "/v2/models/colours/infer"


@pytest.fixture
def folder(exported_once, tmp_path):
    """Version 1 is the champion of a model, version 2 the candidate; both are the same."""
    root = tmp_path / "models" / "colours"
    for number, alias in ((1, "champion"), (2, "candidate")):
        shutil.copytree(exported_once.folder, root / str(number))
        with changing(root) as log:
            log.add(
                who="ana", action="promote", alias=alias, version=number, why="", before=None,
                bundle_sha256=exported_once.sha256, export="x", export_sha256="0" * 64,
            )  # fmt: skip
    return root


class Here:
    """A server in this process, with the candidate's file in our hands."""

    def __init__(self, folder, **settings):
        self.folder = folder
        self.service = Service(Models(folder), ServerSettings(**settings))
        self.service.refresh()
        self.refresh = self.service.refresh

    @property
    def candidate(self):
        return self.service.models.find("colours", "2").predictor

    def answers(self, change):
        """Let the candidate's file answer otherwise."""
        right = self.candidate.model
        self.candidate.model = lambda batch: {"scores": change(right(batch)["scores"])}

    def ask(self, *asked):
        """Ask one after the other, and wait for what nobody waits for."""

        async def everything():
            transport = httpx.ASGITransport(app=App(self.service))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as one:
                return [await one.request(*first, **more) for *first, more in asked]

        with ThreadPoolExecutor(1) as pool:  # a browser's loop may run in this thread
            found = pool.submit(asyncio.run, everything()).result()
        while not self.service._unseen.idle:
            time.sleep(0.005)
        return found

    def predict(self, photos, count=1, **headers):
        one = [("POST", "/predict", {"content": p, "headers": headers}) for p in photos]
        return [found.json() for found in self.ask(*(one * count))]

    def state(self):
        return self.ask(("GET", "/state", {}))[0].json()


@pytest.fixture
def serve(folder):
    """Starts a rollout and a server."""
    running = []

    def begin(settings=None, **policy):
        start_rollout(folder, policy=RolloutPolicy(**policy), who="ana")
        running.append(Here(folder, **settings or {}))
        return running[-1]

    yield begin
    for one in running:
        one.service.close()


def test_some_callers_get_the_candidate_and_stay_with_it(serve, photos):
    here = serve(percent=40, shadow_percent=0)
    sides = {}
    for line in range(12):
        (first, second) = here.predict(photos[:1], 2, **{"X-Rollout-Key": f"line-{line}"})
        assert first["version"] == second["version"]
        sides[line] = first["version"]
    assert set(sides.values()) == {1, 2}
    (same,) = here.ask(("POST", "/predict?key=line-3", {"content": photos[0]}))
    assert same.json()["version"] == sides[3]
    by_version = here.ask(
        *(("POST", f"/predict?version={k}", {"content": photos[0]}) for k in (1, 2))
    )
    assert [one.json()["version"] for one in by_version] == [1, 2]
    tensor = {"name": "photo", "shape": [1, 32, 32, 3], "datatype": "UINT8"}
    tensor["data"] = np.zeros((1, 32, 32, 3), int).tolist()
    for line in (0, 1, 2, 3):
        headers = {"x-rollout-key": f"line-{line}"}
        (found,) = here.ask(("POST", INFER, {"json": {"inputs": [tensor]}, "headers": headers}))
        assert found.json()["model_version"] == str(sides[line])
    text = here.ask(("GET", "/metrics", {}))[0].text
    assert 'kerasrecipes_rollout_answers_total{model="colours",side="candidate"}' in text
    # Another server, or this one after a restart, divides them in the same way.
    other = Here(here.folder)
    for line in (0, 5, 9):
        (found,) = other.predict(photos[:1], **{"X-Rollout-Key": f"line-{line}"})
        assert found["version"] == sides[line]
    other.service.close()


def test_a_shadow_that_says_otherwise_is_taken_back_and_nobody_saw_it(serve, photos, capsys):
    here = serve(percent=0)
    here.answers(lambda scores: scores[:, ::-1])
    expected = [one.label for one in kr.Predictor(here.folder / "1").predict(photos)]
    answers = here.predict(photos, 2)
    assert [one["label"] for one in answers] == expected * 2
    assert {one["version"] for one in answers} == {1}
    here.refresh()
    entry = read_aliases(here.folder).entries[-1]
    assert (entry.action, entry.alias, entry.version) == ("take back", "candidate", 1)
    assert entry.who == "kerasrecipes serve" and entry.why.startswith("disagreement: both answer")
    assert "'colours' 2 is taken back: disagreement" in capsys.readouterr().err
    here.refresh()
    told = here.state()
    assert told["rollouts"] == [] and told["ready"]
    assert kr.rollout_status(here.folder).was_taken_back


def test_a_slow_shadow_is_taken_back(serve, photos, monkeypatch):
    monkeypatch.setattr(rollouts, "_TIMED", 1)
    here = serve(percent=0)
    here.answers(lambda scores: (time.sleep(0.03), scores)[1])
    here.predict(photos, 2)
    here.refresh()
    entry = read_aliases(here.folder).entries[-1]
    assert entry.action == "take back"
    assert entry.why.startswith("latency: longer than 1.5 times the time is taken by a share of")


def test_a_candidate_that_fails_harms_nobody(serve, photos, capsys):
    here = serve(percent=100, shadow_percent=0)

    def fault(scores):
        raise RuntimeError("a fault")

    here.answers(fault)
    found = here.predict(photos, 2)
    assert {one["version"] for one in found} == {1} and all(one["label"] for one in found)
    assert here.state()["rollouts"][0]["over"].startswith("errors: more answers fail, a share of")
    entry = read_aliases(here.folder).entries[-1]
    assert entry.action == "take back" and entry.why.startswith("errors: ")
    assert capsys.readouterr().err.count(" 2 could not answer: RuntimeError: a fault") == 1
    # What answers with NaN fails, too; tensors are answered by the version in use as well.
    assert here.predict(photos[:1])[0]["version"] == 1


def test_what_was_seen_outlives_a_restart(serve, photos):
    here = serve(percent=0)
    here.predict(photos[:5])
    here.refresh()
    here.predict(photos[:3])
    (told,) = here.state()["rollouts"]
    assert (told["version"], told["champion"], told["over"]) == (2, 1, "")
    here.service.close()
    again = Here(here.folder)
    (told,) = again.state()["rollouts"]
    assert told["compared"] == 8
    assert kr.rollout_status(here.folder).compared == 8
    assert 'rollout_evidence{guard="errors",model="colours"} 0.0' in (
        again.ask(("GET", "/metrics", {}))[0].text
    )
    again.service.close()


def test_a_log_that_is_busy_stops_the_candidate_at_once(serve, photos):
    here = serve(percent=50)
    here.answers(lambda scores: scores[:, ::-1])
    with changing(here.folder):
        here.predict(photos, 4)
        assert "The candidate answers no more: " in here.state()["problems"][0]
        found = here.predict(photos[:1], 12)
        assert {one["version"] for one in found} == {1}
        assert read_aliases(here.folder).entries[-1].action == "start rollout"
    here.refresh()
    assert read_aliases(here.folder).entries[-1].action == "take back"
    assert here.state()["problems"] == []


def test_what_callers_report_counts_once(serve, photos, tmp_path):
    policy = {"percent": 50, "shadow_percent": 0, "outcome_range": (0, 1)}
    here = serve({"journal": tmp_path / "journal.db"}, **policy)
    sides = {here.predict(photos[:1], **{"X-Rollout-Key": k})[0]["version"]: k for k in "abcdefgh"}
    found = [here.predict(photos[:1], **{"X-Rollout-Key": sides[1 + k % 2]})[0] for k in range(30)]
    assert [one["version"] for one in found] == [1, 2] * 15

    def report(one, value):
        return "POST", "/feedback", {"json": {"id": one["id"], "outcome": value}}

    answers = here.ask(*(report(one, float(one["version"] == 1)) for one in found))
    assert all(one.json()["counts"] for one in answers)
    again, wrong, none, both = here.ask(
        report(found[0], 1), report(found[0], 2), report({"id": "x"}, 1),
        ("POST", "/feedback", {"json": {"id": found[0]["id"], "outcome": 1, "truth": "red"}}),
    )  # fmt: skip
    assert again.json() == {"id": found[0]["id"], "counts": False}
    assert wrong.status_code == 400 and "from 0 to 1" in wrong.json()["error"]
    assert none.status_code == 404
    assert both.json() == {"id": found[0]["id"], "counts": False, "kept": True}
    here.refresh()
    assert read_aliases(here.folder).entries[-1].why.startswith("outcome: what callers report is l")
    nobody = here.ask(report(found[0], 1), ("POST", "/feedback", {"json": {"id": "x"}}))
    assert [one.status_code for one in nobody] == [400, 400]


def test_a_candidate_that_cannot_be_loaded_is_taken_back(folder):
    start_rollout(folder, who="ana")
    (export,) = folder.glob("2/exports/tflite-int8/*.tflite")
    export.write_bytes(export.read_bytes()[::-1])
    here = Here(folder)
    entry = read_aliases(folder).entries[-1]
    assert entry.action == "take back" and entry.why.startswith("golden vectors: ")
    assert here.service.ready
    here.service.close()


def test_damage_stops_the_trial_and_is_told(serve, photos):
    here = serve(percent=100, shadow_percent=0)
    (here.folder / "rollout.json").write_text("{}")
    here.refresh()
    assert "rollout of colours: '" in here.state()["problems"][0]
    assert here.predict(photos[:1])[0]["version"] == 1


def test_evidence_that_cannot_be_kept_is_told_and_not_lost(serve, photos):
    here = serve(percent=0)
    with sqlite3.connect(here.folder / "rollout.db") as sql:
        sql.execute("CREATE TABLE evidence (x)")
    here.predict(photos[:4])
    here.refresh()
    assert "cannot be used to remember what was seen" in here.state()["problems"][0]
    (here.folder / "rollout.db").unlink()
    here.refresh()
    assert here.state()["problems"] == [] and kr.rollout_status(here.folder).compared == 4


def test_what_nobody_waits_for_has_an_end(apart):
    async def everything():
        lane, dropped, done = Lane(1, 8, 60), [], []
        unseen = Unseen(lane, 3, 100, dropped.append)
        busy = asyncio.ensure_future(lane.run(lambda: time.sleep(0.2)))
        await asyncio.sleep(0.05)
        for size in (10, 200, 80, 50, 5, 5, 5):
            unseen.add(lambda size=size: done.append(size), size)
        before = list(done)
        await busy
        while not unseen.idle:
            await asyncio.sleep(0.01)
        unseen.add(lambda: 1 / 0, 1)
        unseen.close()
        unseen.add(lambda: None, 1)
        lane.close()
        return before, done, len(dropped)

    before, done, dropped = apart(asyncio.run, everything())
    assert before == [] and done[:2] == [10, 80] and dropped >= 3


def test_disagreements_wait_for_people(serve, photos, tmp_path):
    queue = tmp_path / "queue"
    here = serve({"review_queue": queue, "keep_photos": True}, percent=30, max_disagreement=0.9)
    here.answers(lambda scores: scores[:, [1, 2, 0]])
    here.predict(photos[:4], 2)
    entries = kr.ReviewQueue(queue / "colours").entries()
    assert len(entries) == 4 and {one.kind for one in entries} == {"disagreement"}
    right = [one.label for one in kr.Predictor(here.folder / "1").predict(photos[:4])]
    assert sorted(one.label for one in entries) == sorted(right)
    assert all(one.suggestion != one.label and one.request_id for one in entries)
    kept = sorted(path.read_bytes() for path in (queue / "colours" / "photos").glob("*.png"))
    assert kept == sorted(photos[:4])
    text = here.ask(("GET", "/metrics", {}))[0].text
    assert 'kerasrecipes_review_queue_total{model="colours",what="kept"} 8.0' in text


@pytest.mark.parametrize(
    ("kind", "found", "reason"),
    [
        ("left_to_a_person", {"label": "", "abstained": True}, "the model left it to a person"),
        ("new", {"is_new": True, "novelty": 3.25}, "its novelty, 3.25, reaches the model's"),
    ],
)
def test_what_the_model_does_not_know_waits_for_people(
    serve, photos, tmp_path, monkeypatch, kind, found, reason
):
    here = serve({"review_queue": tmp_path / "queue"}, percent=0)
    served = here.service.models.find("colours")
    sure = served.predictor.read(served.predictor.model(served.predictor.decode(photos[0])[None]))
    monkeypatch.setattr(served.predictor, "read", lambda *given: replace(sure, **found))
    here.predict(photos[:2], 2)
    entries = kr.ReviewQueue(tmp_path / "queue" / "colours").entries()
    assert len(entries) == 2 and {one.kind for one in entries} <= {kind, "disagreement"}
    unseen = SimpleNamespace(add=lambda work, size: work())
    alone = ForReview(tmp_path / "alone", False, here.service.metrics, unseen)
    alone.answered(served, "1", photos[0], sure)
    alone.answered(served, "2", photos[1], replace(sure, **found))
    (one,) = kr.ReviewQueue(tmp_path / "alone" / "colours").entries()
    assert one.kind == kind and one.reason.startswith(reason) and one.request_id == "2"
    assert all(one.file == "" and one.label for one in entries)
    with pytest.raises(ValueError, match="`keep_photos` has no effect without `review_queue`"):
        ServerSettings(keep_photos=True)
