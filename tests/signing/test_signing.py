"""Who vouches for a model, and what is refused: nobody, somebody else, something else."""

import base64
import json
import shutil

import pytest

import kerasrecipes as kr
from kerasrecipes.errors import MissingDependencyError

pytest.importorskip("cryptography", reason="NO CRYPTOGRAPHY: install the extra sign.")


@pytest.mark.parametrize("who", ["ana", "ci"])
def test_what_is_signed_is_believed(bundle, keys, who):
    path = kr.sign_bundle(bundle, keys / f"{who}.pem")
    assert path == bundle.folder.with_name("1.sig")
    found = kr.check_signature(bundle.folder.parent, keys / "trust.toml")
    assert (found.who, found.files) == (who, 3) and f"Signed by {who}: 3 files" in str(found)
    kr.check_signature(bundle, kr.Trust(keys={who: keys / f"{who}.pub"}))


def test_the_layout_is_that_of_model_signing(bundle, keys):
    told = json.loads(kr.sign_bundle(bundle, keys / "ana.pem").read_bytes())
    assert told["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert set(told["verificationMaterial"]) == {"publicKey", "tlogEntries"}
    statement = json.loads(base64.b64decode(told["dsseEnvelope"]["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://model_signing/signature/v1.0"
    names = [one["name"] for one in statement["predicate"]["resources"]]
    assert names == ["bundle.json", "bundle.sha256", "golden/000.png"]


def test_what_is_not_signed_or_by_others_is_refused(bundle, keys, tmp_path):
    trust = keys / "trust.toml"
    with pytest.raises(kr.IntegrityError, match="is not signed. Sign it by: kerasrecipes sign"):
        kr.check_signature(bundle, trust)
    kr.sign_bundle(bundle, keys / "ben.pem")
    with pytest.raises(kr.IntegrityError, match="is not the signature of 'ana', 'ci', and nobody"):
        kr.check_signature(bundle, trust)
    path = kr.sign_bundle(bundle, keys / "ana.pem")
    # An export that is added later is not vouched for.
    exports = bundle.folder / "exports" / "tflite-int8"
    exports.mkdir(parents=True)
    (exports / "model.tflite").write_bytes(b"x")
    with pytest.raises(kr.IntegrityError, match="not as it was signed by ana: 'exports/tflite-int"):
        kr.check_signature(bundle, trust)
    shutil.rmtree(bundle.folder / "exports")
    kr.check_signature(bundle, trust)
    # Another model does not get the signature of this one.
    shutil.copytree(bundle.folder, bundle.folder.with_name("2"))
    with pytest.raises(kr.IntegrityError, match="2' is not signed"):
        kr.check_signature(bundle.folder.with_name("2"), trust)
    path.unlink()
    path.mkdir()
    with pytest.raises(kr.IntegrityError, match="1' .*Sign it by"):
        kr.check_signature(bundle, trust)


def changed(path, change):
    told = json.loads(path.read_bytes())
    envelope = told["dsseEnvelope"]
    change(told, envelope)
    path.write_bytes(json.dumps(told).encode())


def test_what_was_changed_in_a_signature_is_refused(bundle, keys):
    trust, path = keys / "trust.toml", kr.sign_bundle(bundle, keys / "ana.pem")
    good = path.read_bytes()

    def another(told, envelope):
        payload = base64.b64decode(envelope["payload"]).replace(b"golden", b"g0lden")
        envelope["payload"] = base64.b64encode(payload).decode()

    def other_type(told, envelope):
        envelope["payloadType"] = "text/plain"

    def of_ben(told, envelope):
        told["verificationMaterial"]["publicKey"]["hint"] = "0" * 64

    def no_base64(told, envelope):
        envelope["signatures"][0]["sig"] = "?"

    def two(told, envelope):
        envelope["signatures"] *= 2

    for change, said in [
        (another, "is not the signature of"), (of_ben, "is not the signature of"),
        (other_type, "its payloadType is not"), (no_base64, "it is no signature by a key"),
        (two, "cannot be used"), (lambda told, envelope: told.clear(), "it is no signature by a k"),
    ]:  # fmt: skip
        path.write_bytes(good)
        changed(path, change)
        with pytest.raises(kr.IntegrityError, match=said):
            kr.check_signature(bundle, trust)
    path.write_bytes(good[:-20])
    with pytest.raises(kr.IntegrityError, match="cannot be used"):
        kr.check_signature(bundle, trust)
    # Signed by somebody who is believed, and yet about something else.
    from kerasrecipes.signing import envelope as module
    from kerasrecipes.signing.keys import hint_of, private_key, signature_of

    key = private_key(keys / "ana.pem")
    for files, said in [({"../x": "0" * 64}, "not as it was signed"), ({}, "not as it was signed")]:
        content = module.written(
            "1", files, hint_of(key.public_key()), lambda told: signature_of(key, told)
        )
        path.write_bytes(content)
        with pytest.raises(kr.IntegrityError, match=said):
            kr.check_signature(bundle, trust)


def test_keys_that_cannot_be_used_are_named(bundle, keys, tmp_path):
    for name, said in [
        ("ana.pub", "ana.pub' is no private key in PEM. Make one by: openssl genpkey"),
        ("locked.pem", "is protected by a password. Give it without one"),
        ("curve.pem", "is of another kind than Ed25519 and ECDSA on P-256"),
        ("rsa.pem", "is of another kind than"),
    ]:  # fmt: skip
        with pytest.raises(kr.DataError, match=said):
            kr.sign_bundle(bundle, keys / name)
    assert not bundle.folder.with_name("1.sig").exists()
    kr.sign_bundle(bundle, keys / "ana.pem")
    with pytest.raises(kr.DataError, match="ana.pem' is no public key in PEM"):
        kr.check_signature(bundle, kr.Trust(keys={"ana": keys / "ana.pem"}))
    for text, said in [("[keys]\n", "'keys'|`keys`|keys"), ("[kys]\n", "Did you mean 'keys'")]:
        (tmp_path / "trust.toml").write_text(text)
        with pytest.raises(kr.DataError, match=said):
            kr.check_signature(bundle, tmp_path / "trust.toml")


def test_without_the_extra_it_says_how_to_install_it(bundle, keys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "kerasrecipes\[sign\]"'):
        kr.sign_bundle(bundle, keys / "ana.pem")
