"""Parts of the server by themselves: batches, keys, golden vectors, and what waits."""

import asyncio
import shutil
import socket
import time
from http import HTTPStatus
from types import SimpleNamespace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.promotion.gates import read_gates
from kerasrecipes.promotion.judging import Judged
from kerasrecipes.server.batching import Batcher
from kerasrecipes.server.lane import Held, Lane
from kerasrecipes.server.models import Models
from kerasrecipes.server.refused import Refused
from kerasrecipes.server.running import _listen
from kerasrecipes.server.settings import ServerSettings
from kerasrecipes.server.web.keys import Keys, new_key

httpx = pytest.importorskip("httpx")


def doubled(examples):
    """A model that cannot take the number 13."""
    if (examples == 13).any():
        raise kr.DataError("13")
    return {"scores": examples * 2}


def test_each_gets_its_own_answer_and_only_the_poison_fails(apart):
    async def everything():
        sizes = []
        lane = Lane(2, 64, 60)
        batcher = Batcher(doubled, lane, 16, 0.05, sizes.append)
        asked = [np.full((1 + i % 3, 2), i, np.float32) for i in range(64)]
        tasks = [batcher.ask(one) for one in asked]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        lane.close()
        return sizes, asked, answers

    sizes, asked, answers = apart(asyncio.run, everything())
    for number, (one, answer) in enumerate(zip(asked, answers, strict=True)):
        if number == 13:
            assert isinstance(answer, kr.DataError)
        else:
            np.testing.assert_array_equal(answer["scores"], one * 2)
    assert max(sizes) >= 16 and sum(sizes) == sum(map(len, asked)) - 2


def test_texts_of_other_lengths_are_computed_apart_and_too_many_refused(apart):
    async def everything():
        lane = Lane(1, 3, 60)
        batcher = Batcher(doubled, lane, 100, 0.01, lambda size: None)
        asked = [np.zeros((1, length), np.float32) for length in (2, 3, 2)]
        tasks = [asyncio.ensure_future(batcher.ask(one)) for one in asked]
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="3 requests wait to be computed together"):
            await batcher.ask(asked[0])
        found = [answer["scores"].shape for answer in await asyncio.gather(*tasks)]
        lane.close()
        return found

    assert apart(asyncio.run, everything()) == [(1, 2), (1, 3), (1, 2)]


def test_what_waits_and_is_held_has_an_end():
    held = Held(10)
    held.take(8)
    with pytest.raises(Refused, match="Requests of 8 bytes are in memory already. Send it again"):
        held.take(3)
    held.give(8)
    held.take(10)


def test_what_has_waited_too_long_is_not_computed(apart):
    async def everything():
        lane, computed = Lane(1, 3, 0.05), []
        waits = [lane.run(lambda: time.sleep(0.3)), lane.run(lambda: computed.append(1))]
        found = await asyncio.gather(*waits, return_exceptions=True)
        await asyncio.sleep(0)
        lane.close()
        return found[1], computed, lane.held

    refused, computed, held = apart(asyncio.run, everything())
    assert isinstance(refused, Refused) and computed == [] and held == 0
    assert "It has waited for more than 0.05 seconds. Send it again later" in str(refused)
    assert refused.headers["Retry-After"] == "1"


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head(apart):
    async def everything():
        taken = asyncio.get_running_loop().create_future()
        listening = _listen(ServerSettings(port=0))
        async with await asyncio.start_server(lambda *pair: taken.set_result(pair), sock=listening):
            _, client = await asyncio.open_connection(*listening.getsockname())
            _, writer = await taken
            client.close()
            writer.close()
            return writer.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY
            )

    assert apart(asyncio.run, everything()) == 1


def test_keys_open_and_only_their_digests_are_kept(tmp_path):
    path = tmp_path / "keys"
    key, admin = new_key(path, "line-2"), new_key(path, "ana", admin=True)
    text = path.read_text()
    assert key not in text and admin not in text and path.stat().st_mode & 0o077 == 0
    keys = Keys(path)
    assert keys.client(key).name == "line-2" and not keys.client(key).admin
    assert keys.client(admin).admin
    for wrong in ("", key[:-1], key + "x", "\udce4", "x" * 10_000):
        with pytest.raises(Refused) as refused:
            keys.client(wrong)
        assert refused.value.status == HTTPStatus.UNAUTHORIZED
    with pytest.raises(kr.DataError, match="has a key for 'ana'. Remove its line first"):
        new_key(path, "ana")
    with pytest.raises(kr.DataError, match="`name` must be of letters"):
        new_key(path, "a b")
    path.write_text(text + "ana:secret\n")
    with pytest.raises(kr.DataError, match="a line is not NAME:SHA-256"):
        Keys(path)
    path.write_text(text + text)
    with pytest.raises(kr.DataError, match="two keys for 'ana'"):
        Keys(path)


def test_keys_are_asked_for_and_only_some_may_manage(start, models, tmp_path, photos):
    path = tmp_path / "keys"
    key, admin = new_key(path, "line-2"), new_key(path, "ana", admin=True)
    server = start(models, "--keys", str(path), "--manage", "--batch", "4")
    load = f"{server.address}/v2/repository/models/colours/load"

    def ask(key, path="/predict", **more):
        told = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.post(server.address + path, headers=told, timeout=120, **more)

    for wrong in (None, "x", key[:-1]):
        answer = ask(wrong, content=photos[0])
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
        assert httpx.get(f"{server.address}/metrics").status_code == 401
    answers = [ask(key, content=photo).json() for photo in photos[:2]]
    expected = kr.Predictor(models / "colours" / "1").predict(photos[:2])
    assert [one["label"] for one in answers] == [one.label for one in expected]
    assert ask(key, content=b"x").status_code == 422
    path = load.removeprefix(server.address)
    assert ask(key, path).status_code == 403 and ask(admin, path).status_code == 200
    for open_to_all in ("/", "/status", "/v2/health/live", "/v2/health/ready"):
        assert httpx.get(server.address + open_to_all).status_code == 200
    assert server.end() == 0
    assert {one["key"] for one in server.log()} == {"", "line-2", "ana"}
    assert key not in "".join(server.out + server.errors)


def test_a_file_that_answers_otherwise_is_not_served(models, monkeypatch):
    from kerasrecipes.server import models as module

    class Wrong(kr.Predictor):
        def __init__(self, *given, **more):
            super().__init__(*given, **more)
            right = self.model
            self.model = lambda batch: {"scores": right(batch)["scores"][:, ::-1]}

    monkeypatch.setattr(module, "Predictor", Wrong)
    found = Models(models / "colours")
    found.refresh()
    assert not found.ready
    (problem,) = found.problems()
    assert "of its 60 golden photos as it should; at least" in problem
    with pytest.raises(Refused, match="No version of 'colours' is loaded") as refused:
        found.find(None)
    assert refused.value.status == HTTPStatus.SERVICE_UNAVAILABLE


def test_several_models_are_asked_for_by_name(models, tmp_path, capsys):
    (tmp_path / "a").symlink_to(models / "colours")
    (tmp_path / "b").symlink_to(models / "colours")
    (tmp_path / "odd name").symlink_to(models / "colours")
    found = Models(tmp_path)
    assert "cannot be asked for: 'odd name'" in capsys.readouterr().err
    found.refresh()
    assert found.ready and found.find("a").name == "a"
    with pytest.raises(Refused, match=r"has 2 models: say which, e.g. \?model=a. It has 'a', 'b'"):
        found.find(None)
    with pytest.raises(Refused, match="There is no model 'c'"):
        found.find("c")
    # A log that was changed leaves all as it is.
    log = models / "colours" / "history.jsonl"
    before = log.read_bytes()
    log.write_bytes(before.replace(b"ana", b"eve"))
    found.refresh()
    found.refresh()
    assert found.find("a").version == 1 and "is not the log" in found.problems()[0]
    assert capsys.readouterr().err.count("stays as it is") == 2
    log.write_bytes(before)
    found.refresh()
    assert found.problems() == []


def test_needs_no_tensorflow():
    import subprocess
    import sys

    code = (
        "import sys, kerasrecipes.server.running, kerasrecipes.server.service\n"
        "loaded = {'tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_full_disk_under_the_log_stops_no_answer(monkeypatch):
    from kerasrecipes.server import logbook

    def full(text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logbook.sys, "stdout", SimpleNamespace(write=full))
    assert logbook.write_line({"a": 1}) is False


def test_only_what_is_signed_is_served_promoted_and_predicted(models, tmp_path, capsys):
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, pem = Ed25519PrivateKey.generate(), serialization.Encoding.PEM
    form = (pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*form))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "ana.pub").write_bytes(public)
    (trust := tmp_path / "trust.toml").write_text('[keys]\nana = "ana.pub"\n')
    folder = shutil.copytree(models / "colours", tmp_path / "colours")
    found = Models(folder, trust)
    found.refresh()
    assert not found.ready and "is not signed. Sign it by: kerasrecipes sign" in found.problems()[0]
    with pytest.raises(SystemExit, match="^0$"):
        main(["sign", str(folder / "1"), "--key", str(tmp_path / "key.pem")])
    found.refresh(again=True)
    assert found.ready
    (gates := tmp_path / "gates.toml").write_text('trust = "trust.toml"\n')
    asked, _ = read_gates(gates)
    judged = [
        Judged(kr.Bundle.load(folder / number), None, None, asked)._signature(asked.trust)
        for number in ("1", "2")
    ]
    assert [one.passed for one in judged] == [True, False] and "by ana" in judged[0].told
    photo = tmp_path / "x.png"
    for number in ("1", "2"):
        with pytest.raises(SystemExit) as end:
            main(["predict", str(folder / number), str(photo), "--trust", str(trust)])
        assert end.value.code == (1 if number == "1" else 4)
    assert "is not signed" in capsys.readouterr().err
