"""How much a server takes: of the throughput of a bare loop, of time under load, of memory.

    python tests/benchmarks/serving.py [--model saved_models/tiles] [--seconds 10]

Without a model, one is made: EfficientNet-Lite0 at 224 × 224 with random weights, float32, since
speed does not depend on what weights say. Client and server share the machine. Rounds of the bare
loop and of the server take turns, so that a busy moment hits both.

Requests that come when they like wait for each other, whoever answers them: how long is computed,
of as many ideal workers that take the bare loop's times and nothing else.
"""

import argparse
import heapq
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

THREADS, ROUNDS = 2, 4
BARE = """
import json, sys, threading, time
import numpy as np
from kerasrecipes.serve import Predictor
def kb():
    return int(next(x for x in open("/proc/self/status") if x.startswith("VmRSS")).split()[1])
predictor = Predictor(sys.argv[1], threads=1)
x = np.random.default_rng(0).integers(0, 256, (1, *predictor.input.shape), dtype=np.uint8)
for _ in range(3): predictor.model(x)
print(json.dumps({"memory_kb": kb()}), flush=True)
for line in sys.stdin:
    seconds, threads = json.loads(line)
    times = []
    def run():
        end = time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end:
            predictor.model(x)
            times.append(time.perf_counter() - begun)
    many = [threading.Thread(target=run) for _ in range(threads)]
    for one in many: one.start()
    for one in many: one.join()
    print(json.dumps({"per_second": len(times) / seconds, "times": times}), flush=True)
"""
RUNTIME = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
content = open(sys.argv[1], "rb").read()
each = [Interpreter(model_content=content, num_threads=1) for _ in range(int(sys.argv[2]))]
for found in each:
    found.allocate_tensors()
    for _ in range(3): found.invoke()
print(next(x for x in open("/proc/self/status") if x.startswith("VmRSS")).split()[1])
"""


def make_model(root: Path) -> Path:
    """Write a bundle of two versions that are alike."""
    import keras

    import kerasrecipes as kr
    from tiny_bundle import CLASS_NAMES, write_bundle

    keras.utils.set_random_seed(0)
    model = kr.get_backbone("efficientnet_lite0").build((224, 224), weights=None)
    x = keras.layers.GlobalAveragePooling2D()(model.output)
    x = keras.layers.Dense(len(CLASS_NAMES), activation="softmax")(x)
    bundle = write_bundle(root / "tiles", keras.Model(model.input, x))
    bundle.export("tflite", "float32")
    return bundle.folder.parent


def cpu_seconds(process: int) -> float:
    """Return what a process has computed so far, in seconds of one core."""
    stat = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """`kerasrecipes serve` in a process of its own."""

    def __init__(self, root: Path, *options: str):
        command = [sys.executable, "-m", "kerasrecipes", "serve", str(root), "--port", "0"]
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for line in self.process.stderr:
            if found := re.search(r"Ready: http://[^:]+:(\d+)", line):
                break
        self.start_seconds, self.port = time.perf_counter() - begun, int(found[1])
        self.start_cpu = cpu_seconds(self.process.pid)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def memory_kb(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def request_of(shape: tuple[int, ...], model: str = "tiles") -> bytes:
    raw = np.random.default_rng(0).integers(0, 256, (1, *shape), dtype=np.uint8).tobytes()
    one = {"name": "photo", "datatype": "UINT8", "shape": [1, *shape]}
    one["parameters"] = {"binary_data_size": len(raw)}
    told = json.dumps({"inputs": [one], "parameters": {"binary_data_output": True}}).encode()
    head = (
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Inference-Header-Content-Length: {len(told)}\r\n"
        f"Content-Length: {len(told) + len(raw)}\r\n\r\n"
    )
    return head.encode() + told + raw


class Client:
    """A connection that is kept, and no more of HTTP than is needed: it shares the cores."""

    def __init__(self, port: int):
        self.port, self._socket = port, None

    def ask(self, content: bytes) -> int:
        """Ask, on a new connection where the server has closed one that was idle for long."""
        for attempt in (1, 2):
            try:
                if self._socket is None:
                    self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)
                    self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socket.sendall(content)
                return self._status()
            except ConnectionError:
                self.close()
                if attempt == 2:
                    raise
        return 0

    def _status(self) -> int:
        found = b""
        while (end := found.find(b"\r\n\r\n")) < 0:
            found += self._more()
        head = found[:end].lower()
        left = int(head.partition(b"content-length:")[2].split()[0]) - (len(found) - end - 4)
        while left > 0:
            left -= len(self._more())
        if b"connection: close" in head:
            self.close()
        return int(head.split()[1])

    def _more(self) -> bytes:
        if not (found := self._socket.recv(1 << 16)):
            raise ConnectionResetError("The server has closed the connection.")
        return found

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def ask_often(
    port: int, content: bytes, clients: int, due: Callable[[int], float],
    seconds: float,
) -> list[tuple[int, float]]:  # fmt: skip
    """Ask from some connections; each request when it is due, in seconds from the beginning.

    Returns the status and the seconds of each, from when it was due.
    """
    found, lock, count = [], threading.Lock(), iter(range(10**9))
    begun = time.perf_counter()

    def run() -> None:
        client = Client(port)
        while True:
            with lock:
                when = due(next(count))
            now = time.perf_counter() - begun
            if max(when, now) >= seconds:
                return client.close()
            time.sleep(max(0, when - now))
            since = when or now
            found.append((client.ask(content), time.perf_counter() - begun - since))

    many = [threading.Thread(target=run) for _ in range(clients)]
    for one in many:
        one.start()
    for one in many:
        one.join()
    return found


def waited(arrivals: np.ndarray, times: list[float]) -> list[float]:
    """Return how long answers take by ideal workers, first come, first served."""
    free, found = [0.0] * THREADS, []
    drawn = np.random.default_rng(0).choice(times, len(arrivals))
    for at, took in zip(arrivals, drawn, strict=True):
        ends = max(at, heapq.heappop(free)) + took
        heapq.heappush(free, ends)
        found.append(ends - at)
    return found


def at_70_percent(
    server: "Server", content: bytes, rate: float, seconds: float, loop: Callable[[int], dict]
) -> None:
    """Ask at random and at even intervals, in turn with the bare loop, and print the medians."""
    found: dict[str, list] = {"bare loop": [], "even": [], "random": [], "random, ideal": []}
    for number in range(ROUNDS):
        gaps = np.random.default_rng(number).exponential(1 / rate, int(3 * rate * seconds))
        arrivals = gaps.cumsum()
        times = loop(THREADS)["times"]
        found["bare loop"].append(times)
        found["random, ideal"].append(waited(arrivals[arrivals < seconds], times))
        for name, due in (("even", np.arange(len(arrivals)) / rate), ("random", arrivals)):
            answers = ask_often(server.port, content, 32, due.item, seconds)
            assert {code for code, _ in answers} == {200}
            found[name].append([took for _, took in answers])
    quantiles = {
        name: np.median([np.percentile(times, (50, 99)) for times in rounds], axis=0) * 1e3
        for name, rounds in found.items()
    }
    print(f"at 70 % of that, {rate:.0f} a second, p50 and p99 in ms, medians of {ROUNDS} rounds:")
    for name, (half, most) in quantiles.items():
        ratio = most / quantiles["bare loop"][1]
        print(f"    {name}: {half:.1f}, {most:.1f}; of the bare loop's p99 {ratio:.1f}")


def percentiles(times: list[float]) -> str:
    return ", ".join(f"p{q} {np.percentile(times, q) * 1e3:.1f} ms" for q in (50, 99))


def promote(folder: Path, number: int) -> None:
    from kerasrecipes.promotion.log import changing

    with changing(folder) as log:
        log.add(
            who="benchmark", action="promote", alias="champion", version=number, why="",
            before=log.log.aliases.get("champion"), bundle_sha256="", export="", export_sha256="",
        )  # fmt: skip


def measure(folder: Path, seconds: float) -> None:
    from kerasrecipes.bundles.bundle import BundleFolder

    root, bundle = folder.parent, BundleFolder.load(folder / "1")
    (record,) = bundle.exports().values()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    bare = subprocess.Popen([sys.executable, "-c", BARE, str(bundle.folder)], **pipes)
    loaded = json.loads(bare.stdout.readline())["memory_kb"]

    def loop(threads: int) -> dict:
        bare.stdin.write(json.dumps([seconds, threads]) + "\n")
        bare.stdin.flush()
        return json.loads(bare.stdout.readline())

    server = Server(root, "--workers", str(THREADS), "--watch-seconds", "0.2")
    idle = server.memory_kb()
    command = [sys.executable, "-c", RUNTIME, str(record.path), str(THREADS)]
    runtime = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    names = ("ai-edge-litert", "starlette", "uvicorn", "httptools")
    versions = {name: version(name) for name in names}
    print(f"{versions}, load of the machine {os.getloadavg()[0]:.0f}")
    print(f"start to ready: {server.start_seconds:.2f} s ({server.start_cpu:.2f} s of CPU)")
    print(
        f"memory when ready: {idle / 1e3:.0f} MB; LiteRT and numpy with as many interpreters of "
        f"the same file {runtime / 1e3:.0f} MB; a Predictor with one {loaded / 1e3:.0f} MB"
    )
    content = request_of(bundle.input.shape)
    rates, each = [], []
    pids = (bare.pid, server.process.pid, os.getpid())
    for _ in range(ROUNDS):
        before = [cpu_seconds(pid) for pid in pids]
        one = loop(THREADS)
        served = ask_often(server.port, content, 2 * THREADS, lambda n: 0.0, seconds)
        assert {code for code, _ in served} == {200}
        rates.append((one["per_second"], len(served) / seconds))
        counts = (len(one["times"]), len(served), len(served))
        used = [cpu_seconds(pid) - then for pid, then in zip(pids, before, strict=True)]
        each.append([1e3 * took / count for took, count in zip(used, counts, strict=True)])
    ratios = [after / before for before, after in rates]
    bare_rate, rate = np.mean(rates, axis=0)
    print(
        f"throughput: bare loop {bare_rate:.1f}/s, server {rate:.1f}/s; ratios of the rounds "
        f"{', '.join(f'{one:.2f}' for one in sorted(ratios))}"
    )
    alone, serving, asking = np.median(each, axis=0)
    print(
        f"CPU ms of an answer, medians: bare loop {alone:.2f}, server {serving:.2f}, client "
        f"{asking:.2f}; of all that the model takes {alone / (serving + asking):.3f}"
    )
    at_70_percent(server, content, 0.7 * rate, seconds, loop)
    before = server.memory_kb()
    found = ask_often(server.port, content, 200, lambda n: n / (10 * rate), 2 * seconds)
    times = [took for code, took in found if code == 200]
    codes = {code: sum(one == code for one, _ in found) for code in {code for code, _ in found}}
    begun = time.perf_counter()
    while ask_often(server.port, content, 1, lambda n: n / 10, 0.15)[0][0] != 200:
        pass
    print(
        f"at 10 times of it: {codes}; answered {len(times) / 2 / seconds:.1f}/s, "
        f"{percentiles(times)}; memory {(server.memory_kb() - before) / 1e3:+.0f} MB; the first "
        f"answer after it {time.perf_counter() - begun:.1f} s later"
    )
    stop = threading.Event()

    def swap() -> None:
        for number in [2, 1] * 1000:
            if stop.wait(seconds / 6):
                return
            promote(folder, number)

    swapping = threading.Thread(target=swap)
    swapping.start()
    found = ask_often(server.port, content, 2 * THREADS, lambda n: 0.0, 3 * seconds)
    stop.set()
    swapping.join()
    lost = sum(code != 200 for code, _ in found)
    print(
        f"another version every {seconds / 6:.1f} s under full load: {len(found)} requests, {lost} "
        f"lost; memory {server.memory_kb() / 1e3:.0f} MB"
    )
    server.end()
    bare.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, help="a model's folder; it is copied")
    parser.add_argument("--seconds", type=float, default=10, help="of each round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        folder = arguments.model or make_model(root / "new")
        for number in ("1", "2"):
            shutil.copytree(folder / "1", root / "served" / "tiles" / number)
        promote(root / "served" / "tiles", 1)
        measure(root / "served" / "tiles", arguments.seconds)


if __name__ == "__main__":
    main()
