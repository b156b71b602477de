"""The Open Inference Protocol and /predict, asked by real clients; what is malformed is told."""

import json
import shutil
import socket
import subprocess

import numpy as np
import pytest

from kerasrecipes.serve import Predictor
from kerasrecipes.server.web.described import OPERATIONS
from kerasrecipes.server.web.routes import all_routes

httpx = pytest.importorskip("httpx")
SHAPE = [1, 32, 32, 3]


@pytest.fixture(scope="module")
def server(start, models):
    return start(models, "--max-body-mb", "1", "--manage")


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.address, timeout=60) as found:
        yield found


@pytest.fixture(scope="module")
def predictor(models):
    return Predictor(models / "colours" / "1")


def pixels(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *SHAPE[1:]), dtype=np.uint8)


def request(**changes) -> dict:
    one = {"name": "photo", "shape": SHAPE, "datatype": "UINT8", "data": pixels(1).tolist()}
    return {"inputs": [one | changes]}


INFER = "/v2/models/colours/infer"


def test_it_tells_what_it_is(client):
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data", "model_repository"]
    told = client.get("/v2/models/colours/versions/champion").json()
    assert told["versions"] == ["1"]
    assert told["inputs"] == [{"name": "photo", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}]
    assert told["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}]
    (state,) = client.get("/state").json()["models"]
    assert state["aliases"] == ["champion"] and state["golden"] == 60


def test_its_document_describes_what_it_answers(client, photos):
    document = client.get("/openapi.json").json()
    assert {route.path for route in all_routes()} == set(document["paths"])
    assert {route.name for route in all_routes()} == set(OPERATIONS)

    def asked(path, method, status=200, **more):
        address = path.format(model="colours", version=1)
        answer = client.request(method, address, timeout=60, **more)
        told = document["paths"][path][method.lower()]["responses"][str(status)]
        (content,) = [told["content"][kind] for kind in told["content"] if "json" in kind]
        reference = content["schema"]["$ref"].rpartition("/")[2]
        schema, found = document["components"]["schemas"][reference], answer.json()
        assert answer.status_code == status, found
        one = found[0] if isinstance(found, list) else found
        schema = schema.get("items", schema)
        assert set(schema["required"]) <= set(one) <= set(schema["properties"])

    for path in ("/v2", "/state", "/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        asked(path, "GET")
    asked("/v2/models/{model}/infer", "POST", json={"id": "a", **request()})
    asked("/predict", "POST", content=photos[0])
    asked("/predict", "POST", 422, content=b"x")
    asked("/v2/repository/index", "POST", json={"ready": True})
    wrong = client.post("/v2/repository/index", json={"ready": 1})
    assert wrong.status_code == 400 and set(wrong.json()) == {"error"}


@pytest.mark.proof
def test_it_is_fuzzed_by_its_document(server, tmp_path):
    command = shutil.which("schemathesis")
    if command is None:
        pytest.skip("NO FUZZER: pip install schemathesis")
    # That a request is as the document says does not make it one for this model.
    without = "positive_data_acceptance"
    asked = f"{server.address}/openapi.json", "--exclude-checks", without, "--exclude-path-regex"
    command = [command, "run", *asked, "/unload$", "--max-examples", "50"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-5000:]


def test_tensors_are_answered_as_the_file_does(client, predictor):
    told = client.post(INFER, json={"id": "a", **request()}).json()
    assert told["id"] == "a" and told["model_version"] == "1"
    (output,) = told["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("scores", "FP32", [1, 3])
    expected = predictor.model(pixels(1))["scores"]
    np.testing.assert_array_equal(np.float32(output["data"]), expected[0])


def test_tritons_client_is_answered(server, predictor):
    triton = pytest.importorskip("tritonclient.http", reason="NO TRITON CLIENT")
    client = triton.InferenceServerClient(server.address.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("colours") and client.is_model_ready("colours", "1")
    assert client.get_model_metadata("colours")["name"] == "colours"
    given, expected = pixels(3, seed=1), predictor.model(pixels(3, seed=1))["scores"]
    tensor = triton.InferInput("photo", list(given.shape), "UINT8")
    for binary in (True, False):
        tensor.set_data_from_numpy(given, binary_data=binary)
        outputs = [triton.InferRequestedOutput("scores", binary_data=binary)]
        found = client.infer("colours", [tensor], outputs=outputs, request_id="7")
        np.testing.assert_array_equal(found.as_numpy("scores"), expected)
        assert found.get_response()["id"] == "7"
    with pytest.raises(triton.InferenceServerException, match="There is no model 'colour'. Did y"):
        client.infer("colour", [tensor])
    client.unload_model("colours")
    assert client.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
    assert not client.is_model_ready("colours")
    client.load_model("colours")
    assert client.get_model_repository_index() == [
        {"name": "colours", "version": "1", "state": "READY", "reason": ""}
    ]


def test_photos_are_answered_as_by_the_predictor(client, predictor, photos):
    for photo, expected in zip(photos[:3], predictor.predict(photos[:3]), strict=True):
        answer = client.post("/predict", content=photo)
        told = answer.json()
        assert answer.status_code == 200 and told["model"] == "colours" and told["ms"] > 0
        assert told["label"] == expected.label and told["scores"] == dict(expected.scores)
    told = client.post("/predict?model=colours&version=1", content=photos[0]).json()
    assert told["version"] == 1


def test_a_photo_that_cannot_be_used_is_told(client, photos):
    for content in (b"", b"<html>", photos[0][:150]):
        answer = client.post("/predict", content=content)
        assert answer.status_code == 422 and answer.json()["error"]


@pytest.mark.parametrize(
    "asked, said",
    [
        (b"", "it is not valid JSON"),
        (b"\xff", "it is not UTF-8"),
        (b"[" * 100_000, "nested deeper"),
        (b"[]", "an object with a list 'inputs'"),
        ({"inputs": [3]}, "an object with a text 'name'"),
        ({"inputs": []}, "takes one input, 'photo'; the request has none"),
        (request(name="picture"), "the request has 'picture'"),
        ({"inputs": request()["inputs"] * 2}, "is there twice"),
        (request(datatype="FP32"), "takes UINT8 of shape [-1, 32, 32, 3]; received FP32"),
        (request(datatype="BYTES"), "has the datatype 'BYTES'; known are 'BOOL'"),
        (request(shape=[1, 32, 32]), "must have 1,024 numbers"),
        (request(shape=[]), "must have a 'shape'"),
        (request(shape=[-1, 32, 32, 3]), "must have a 'shape'"),
        (request(shape=[0, 32, 32, 3], data=[]), "received UINT8 of shape [0, 32, 32, 3]"),
        (request(shape=[2**31, 2**31, 2**31, 3]), "must have a 'shape'"),
        (request(shape=[2**30, 2**30, 2**30, 2**30]), "numbers of the datatype UINT8"),
        (request(shape=[1, 16, 16, 3], data=[1] * 768), "received UINT8 of shape [1, 16, 16, 3]"),
        (request(data=[300] * 3072), "numbers beyond 0 to 255"),
        (request(data=[0.5] * 3072), "must have 3,072 numbers"),
        (request(data=["a"] * 3072), "must have 3,072 numbers"),
        (request(data=[[1, 2], [3]]), "must have 3,072 numbers"),
        (request(data=None), "has neither a list 'data'"),
        (request(data=[10**30] * 3072), "a number of 31 digits"),
        (request(parameters=3), "'parameters' must be an object"),
        (request(parameters={"binary_data_size": 5}), "needs 3,072 binary bytes"),
        (request(parameters={"binary_data_size": True}), "needs 3,072 binary bytes"),
        ({**request(), "outputs": [{"name": "heat"}]}, "There is no output 'heat'; there are 'sc"),
        ({**request(), "outputs": 3}, "'outputs' must be a list"),
        ({**request(), "id": 3}, "'id' must be a text"),
    ],
)
def test_what_is_malformed_is_told(client, asked, said):
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    answer = client.post(INFER, content=body)
    assert answer.status_code == 400 and said in answer.json()["error"]


def test_binary_sizes_must_be_true(client):
    head = json.dumps(request(data=None, parameters={"binary_data_size": 3072})).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    raw = pixels(1).tobytes()
    assert client.post(INFER, content=head + raw, headers=length).status_code == 200
    for body, told, said in (
        (head + raw[:-1], length, "needs 3,072 binary bytes"),
        (head + raw + b"x", length, "1 bytes follow that are no input's"),
        (head, {"Inference-Header-Content-Length": "99999"}, "must be a number of bytes"),
        (head, {"Inference-Header-Content-Length": "-1"}, "must be a number of bytes"),
    ):
        answer = client.post(INFER, content=body, headers=told)
        assert answer.status_code == 400 and said in answer.json()["error"]


def test_numbers_that_are_none_are_refused():
    from kerasrecipes.server.refused import Refused
    from kerasrecipes.server.web.protocol import Asked, parse_request, write_answer

    with pytest.raises(Refused, match="answers with NaN or infinity in 'scores'"):
        write_answer("a", "1", Asked(None, {}), {"scores": np.float32([[0, np.nan]])})

    def parsed(values: str, kind: str = "FP32") -> np.ndarray:
        text = f'{{"inputs":[{{"name":"x","shape":[2],"datatype":"{kind}","data":[{values}]}}]}}'
        return parse_request(text.encode(), None).inputs["x"]

    for value in ("Infinity", "-Infinity", "1e999"):
        with pytest.raises(Refused, match="holds infinity"):
            parsed(f"1, {value}")
    # Whether a value may be missing is the model's to say.
    for value in ("NaN", "null"):
        np.testing.assert_array_equal(parsed(f"1, {value}"), np.float32([1, np.nan]))
    assert np.isnan(parsed("null, null", "FP16")).all()
    for values, kind in (("1, null", "INT32"), ('null, "1"', "FP32"), ("null, true", "FP32")):
        with pytest.raises(Refused, match="must have 2 numbers"):
            parsed(values, kind)


def test_an_answer_comes_at_once_with_its_head(server):
    content = json.dumps(request()).encode()
    told = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for _ in range(3):
            connection.sendall(f"POST {INFER} {told}".encode() + content)
            head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200") and json.loads(body)["outputs"]
            # Where there is no body, the head waits for none.
            connection.sendall(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            head = connection.recv(1 << 16)
            assert head.startswith(b"HTTP/1.1 200") and head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path", ["/v2/models/none", "/v2/models/..%2f..%2fetc", "/v2/models/colours/versions/9",
             "/v2/models/colours/versions/%00", "/x", "/v2/", "/../../etc/passwd", "/page.html"],
)  # fmt: skip
def test_what_is_not_there(client, path):
    answer = client.get(path)
    assert answer.status_code == 404 and answer.json()["error"]


def test_other_methods_and_questions(client, photos):
    assert client.get("/predict").status_code == 405
    answer = client.post("/predict?file=/etc/passwd", content=photos[0])
    assert answer.status_code == 400 and "'file' is not known here" in answer.json()["error"]
    assert client.post("/v2/repository/models/none/load").status_code == 404
    assert client.post("/feedback", json={"id": "a", "truth": "b"}).status_code == 409


def test_a_form_is_told_from_a_photo(client, photos):
    answer = client.post("/predict", files={"photo": photos[0]})
    assert answer.status_code == 415 and "The body is a form. Send the bytes" in answer.text
    assert client.post("/predict", content=photos[0]).status_code == 200


def test_large_requests_do_not_grow_the_server(client, server):
    before = server.memory()
    many = [pixels(1).tolist() for _ in range(20)]
    for _ in range(5):
        answer = client.post(INFER, json=request(data=many))
        assert answer.status_code in (400, 413)
    assert client.post("/predict", content=bytes(999_000)).status_code == 422
    assert server.memory() - before < 60 << 20


def test_its_answers_are_safe_for_browsers(client, server):
    for path in ("/v2", "/x", "/predict"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "default-src 'none'"
        assert headers["Cache-Control"] == "no-store" and len(headers["X-Request-Id"]) == 32
        assert "Access-Control-Allow-Origin" not in headers and "server" not in headers
    told = {"X-Request-Id": "line-2.7"}
    assert client.get("/v2", headers=told).headers["X-Request-Id"] == "line-2.7"
    assert client.get("/v2", headers={"Host": "evil.example"}).status_code == 421
    refused = client.post("/predict", content=b"x", headers={"Origin": "http://evil.example"})
    assert refused.status_code == 403
    assert client.get("/v2", headers={"Origin": server.address}).status_code == 200
    zipped = client.post("/predict", content=b"x", headers={"Content-Encoding": "gzip"})
    assert zipped.status_code == 415


def test_what_it_counts_and_writes_has_bounds(client, server, photos):
    for name in ("evil-1", "evil-2"):
        client.get(f"/v2/models/{name}")
        client.get(f"/{name}")
    client.post("/predict", content=photos[0])
    text = client.get("/metrics").text
    assert "evil" not in text
    assert 'kerasrecipes_requests_total{route="/predict",status="200"}' in text
    assert 'kerasrecipes_model_version{model="colours"} 1.0' in text
    assert 'kerasrecipes_request_seconds_bucket{le="0.005",route="/predict"}' in text
    assert 'kerasrecipes_predictions_total{answer="' in text
    (line,) = [one for one in server.log() if one["model"] == "evil-1"]
    assert line["status"] == 404 and line["route"] == "/v2/models/{model}"
    assert {"time", "id", "method", "ms", "from", "key"} < set(line)
