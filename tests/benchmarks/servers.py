"""The same work by other servers: MLServer and LitServe, side by side with `kerasrecipes serve`.

    python3.11 -m venv others
    others/bin/pip install litserve mlserver "uvloop<0.22" ai-edge-litert numpy
    python tests/benchmarks/servers.py --python others/bin/python [--seconds 5]

Each runs the same file, EfficientNet-Lite0 at 224 × 224 in float32, in LiteRT by two workers with
one thread each, and is asked by the same client over four connections, in turn. A photo of 150 kB
comes in the shortest form that a server takes: binary tensors, or base64 in JSON; and as numbers in
JSON where both speak the same protocol, to the byte.
"""

import argparse
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from serving import THREADS, Client, ask_often, make_model, request_of

SHAPE, ROUNDS = (1, 224, 224, 3), 4
MODEL = """
import base64, os
import numpy as np
from ai_edge_litert.interpreter import Interpreter
class Model:
    def __init__(self):
        self.one = Interpreter(model_path=os.environ["MODEL"], num_threads=1)
        self.one.allocate_tensors()
        self.takes = self.one.get_input_details()[0]["index"]
        self.gives = self.one.get_output_details()[0]["index"]
    def __call__(self, x):
        self.one.set_tensor(self.takes, x.reshape(1, 224, 224, 3))
        self.one.invoke()
        return self.one.get_tensor(self.gives)
    def read(self, text):
        return self(np.frombuffer(base64.b64decode(text), np.uint8))
"""
LIT = """
import os, sys
import litserve
from model import Model
class Api(litserve.LitAPI):
    def setup(self, device): self.model = Model()
    def decode_request(self, request): return request["photo"]
    def predict(self, photo): return self.model.read(photo)
    def encode_response(self, found): return {"scores": found[0].tolist()}
if __name__ == "__main__":
    server = litserve.LitServer(
        Api(), accelerator="cpu", devices=1, workers_per_device=int(os.environ["WORKERS"]))
    server.run(port=int(sys.argv[1]), num_api_servers=1, log_level="error",
               generate_client_file=False, access_log=False)
"""
ML = """
import numpy as np
from mlserver import MLModel
from mlserver.types import InferenceResponse, ResponseOutput
from model import Model
class Tiles(MLModel):
    async def load(self):
        self.found = Model()
        return True
    async def predict(self, payload):
        (one,) = payload.inputs
        data = one.data.root
        found = (self.found.read(data[0]) if one.datatype == "BYTES"
                 else self.found(np.asarray(data, np.uint8)))
        told = ResponseOutput(name="scores", shape=list(found.shape), datatype="FP32",
                              data=found.reshape(-1).tolist())
        return InferenceResponse(model_name=self.name, outputs=[told])
"""


def http(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def v2(kind: str, data: list, shape: tuple[int, ...] = SHAPE) -> bytes:
    one = {"name": "photo", "datatype": kind, "shape": list(shape), "data": data}
    return http("/v2/models/tiles/infer", json.dumps({"inputs": [one]}).encode())


@dataclass
class Other:
    """A server in processes of its own."""

    name: str
    command: list[str]
    port: int
    requests: dict[str, bytes]
    folder: Path
    env: dict[str, str]
    process: subprocess.Popen | None = None
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)

    def start(self) -> None:
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, env=self.env, process_group=0,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        first = next(iter(self.requests.values()))
        while True:
            try:
                if Client(self.port).ask(first) == 200:
                    break
            except OSError:
                time.sleep(0.02)
            assert self.process.poll() is None and time.perf_counter() < begun + 120, self.name
        self.start_seconds = time.perf_counter() - begun

    def _stats(self) -> list[list[str]]:
        """Return what the system says of each of its processes."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                told = path.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(told[2]) == self.process.pid:
                found.append(told)
        return found

    def cpu_seconds(self) -> float:
        ticks = sum(int(one[11]) + int(one[12]) for one in self._stats())
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> tuple[float, int]:
        """Return the memory of all its processes, and how many there are."""
        stats = self._stats()
        return sum(int(one[21]) for one in stats) * os.sysconf("SC_PAGE_SIZE") / 1e6, len(stats)

    def ask(self, form: str, seconds: float) -> None:
        before = self.cpu_seconds()
        found = ask_often(self.port, self.requests[form], 2 * THREADS, lambda n: 0.0, seconds)
        assert {code for code, _ in found} == {200}, self.name
        self.rates.setdefault(form, []).append(len(found) / seconds)
        self.cpu.setdefault(form, []).append((self.cpu_seconds() - before) / len(found) * 1e3)
        self.times.setdefault(form, []).extend(took for _, took in found)

    def end(self) -> None:
        os.killpg(self.process.pid, 15)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def servers(root: Path, python: str) -> list[Other]:
    folder = make_model(root / "served")
    (model,) = (folder / "1" / "exports").rglob("*.tflite")
    raw = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    text, numbers = base64.b64encode(raw.tobytes()).decode(), v2("UINT8", raw.reshape(-1).tolist())
    ports = [free_port() for _ in range(5)]
    others = root / "others"
    others.mkdir()
    settings = {
        "parallel_workers": THREADS, "http_port": ports[1], "grpc_port": ports[3],
        "host": "127.0.0.1", "metrics_endpoint": None, "debug": False,
    }  # fmt: skip
    for name, content in (
        ("model.py", MODEL), ("lit.py", LIT), ("tiles.py", ML),
        ("settings.json", json.dumps(settings)),
        ("model-settings.json", json.dumps({"name": "tiles", "implementation": "tiles.Tiles"})),
    ):  # fmt: skip
        (others / name).write_text(content)
    env = {**os.environ, "MODEL": str(model), "WORKERS": str(THREADS)}
    plain = {**env, "PYTHONPATH": str(others)}
    ours = [sys.executable, "-m", "kerasrecipes", "serve", str(folder.parent)]
    return [
        Other(
            "kerasrecipes", [*ours, "--port", str(ports[0]), "--workers", str(THREADS)], ports[0],
            {"shortest": request_of(SHAPE[1:]), "numbers": numbers}, root, env,
        ),
        Other(
            "MLServer", [str(Path(python).with_name("mlserver")), "start", "."], ports[1],
            {"shortest": v2("BYTES", [text], (1,)), "numbers": numbers}, others, plain,
        ),
        Other(
            "LitServe", [python, "lit.py", str(ports[2])], ports[2],
            {"shortest": http("/predict", json.dumps({"photo": text}).encode())}, others, plain,
        ),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", required=True, help="of an environment with the others")
    parser.add_argument("--seconds", type=float, default=5, help="of each round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        all_of_them = servers(Path(made), str(Path(arguments.python).absolute()))
        try:
            for one in all_of_them:
                one.start()
            for _ in range(ROUNDS):
                for one in all_of_them:
                    for form in one.requests:
                        one.ask(form, arguments.seconds)
            print(f"load of the machine {os.getloadavg()[0]:.0f}")
            for one in all_of_them:
                memory, processes = one.memory_mb()
                print(
                    f"{one.name}: the first answer after {one.start_seconds:.1f} s; "
                    f"{memory:.0f} MB in {processes} processes"
                )
                for form, rates in one.rates.items():
                    half, most = np.percentile(one.times[form], (50, 99)) * 1e3
                    print(
                        f"    {form}, {len(one.requests[form]) / 1e3:.0f} kB: "
                        f"{np.median(rates):.1f} answers a second, {np.median(one.cpu[form]):.2f} "
                        f"CPU ms of the server each, p50 {half:.1f}, p99 {most:.1f} ms"
                    )
        finally:
            for one in all_of_them:
                if one.process is not None:
                    one.end()


if __name__ == "__main__":
    main()
