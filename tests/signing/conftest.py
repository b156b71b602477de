"""Keys, and a small bundle with an exported file's place."""

import pytest

from kerasrecipes.data.specs import ModelInput, OutputSpec


@pytest.fixture
def bundle(tmp_path):
    """Version 1 of a model, with a file beside its manifest."""
    from kerasrecipes.bundles.bundle import BundleFolder

    def fill(folder):
        (folder / "golden").mkdir()
        (folder / "golden" / "000.png").write_bytes(b"a photo")
        takes = ModelInput(name="photo", shape=(8, 8, 3), dtype="uint8")
        output = OutputSpec(name="scores", task="classification", class_names=("a", "b"))
        return {
            "name": "parts", "created": "2026-01-01T00:00:00", "recipe_type": "test", "recipe": {},
            "modality": "photos", "input": takes, "outputs": [output], "counts": {}, "excluded": 0,
            "golden_split": "test", "metrics": {}, "seeds": {}, "versions": {}, "weights": {},
        }  # fmt: skip

    return BundleFolder.write(tmp_path / "parts", fill)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Writes pairs of keys, and a file of trust in each."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    folder = tmp_path_factory.mktemp("keys")
    made = {
        "ana": ed25519.Ed25519PrivateKey.generate(),
        "ben": ed25519.Ed25519PrivateKey.generate(),
        "ci": ec.generate_private_key(ec.SECP256R1()),
        "curve": ec.generate_private_key(ec.SECP384R1()),
        "rsa": rsa.generate_private_key(65537, 2048),
    }
    for name, key in made.items():
        form = (s.Encoding.PEM, s.PrivateFormat.PKCS8)
        (folder / f"{name}.pem").write_bytes(key.private_bytes(*form, s.NoEncryption()))
        public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(public)
    locked = made["ana"].private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x")
    )
    (folder / "locked.pem").write_bytes(locked)
    (folder / "trust.toml").write_text('[keys]\nana = "ana.pub"\nci = "ci.pub"\n')
    return folder
