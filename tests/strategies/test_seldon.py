"""The strategy seldon beyond the conformance kit: the wrapper's own answers, gRPC, metrics, workers, components."""

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

import servelab
from servelab import environment, strategy
from servelab.errors import StartFailed

IRIS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
JSON = {"Content-Type": "application/json"}
PARAMETERS = [
    {"name": "container_name", "value": "iris", "type": "STRING"},
    {"name": "tags", "value": "true", "type": "BOOL"},
    {"name": "metrics", "value": "true", "type": "BOOL"},
]
IDENTITY = {"PREDICTIVE_UNIT_ID": "classifier", "PREDICTIVE_UNIT_IMAGE": "model-infer:1"}
# Counts its loads and sleeps in its predictions; a class of the user's own, in a file of its own.
OWN = """
import os, time
from pathlib import Path

class Own:
    def __init__(self, folder):
        self.folder, self.number = Path(folder), 0
        (self.folder / f"made-{os.getpid()}").touch()
    def load(self):
        (self.folder / f"loaded-{os.getpid()}").touch()
    def predict(self, X, names, meta=None):
        time.sleep(float(X.flat[0]))
        self.number += 1
        return [[os.getpid(), self.number]]
"""
CLIENT = """
import json, sys, threading
import grpc, numpy as np
from seldon_core.proto import prediction_pb2 as pb, prediction_pb2_grpc as stubs
from seldon_core.seldon_client import SeldonClient
"""


def ask(server: servelab.Server, path: str, body: bytes | None = None, headers: Mapping[str, str] = JSON) -> Any:
    """Status and decoded answer."""
    request = urllib.request.Request(server.url + path, body, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def by_client(program: str) -> Any:
    """What that program, run with Seldon's own client in the strategy's environment, prints as JSON."""
    env = environment.of(strategy.load("seldon"))
    command = [str(env.ensure()), "-W", "ignore", "-c", CLIENT + program]
    done = subprocess.run(command, env=env.variables(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(server: servelab.Server) -> set[tuple[str, int]]:
    """The addresses on which any of its processes listens."""
    found = set()
    for pid in server.pids:
        for each in psutil.Process(pid).net_connections("inet"):
            if each.status == psutil.CONN_LISTEN:
                found.add((each.laddr.ip.removeprefix("::ffff:"), each.laddr.port))
    return found


@pytest.fixture(scope="module")
def full() -> Iterator[tuple[servelab.Server, int, int]]:
    """Two workers with tags, metrics and gRPC, as a node of a graph; with the ports of gRPC and of the metrics."""
    rpc, metrics = free_port(), free_port()
    variables = IDENTITY | {
        "PREDICTIVE_UNIT_PARAMETERS": json.dumps(PARAMETERS),
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": str(rpc),
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": str(metrics),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        server = servelab.serve("seldon", workers=2)
    with server:
        yield server, rpc, metrics


def test_nothing_listens_beyond_loopback(full: tuple[servelab.Server, int, int]) -> None:
    server, *ports = full
    assert listening(server) == {("127.0.0.1", port) for port in (server.port, *ports)}


def test_the_real_client_gets_the_same_by_rest_and_grpc(full: tuple[servelab.Server, int, int]) -> None:
    server, rpc, _ = full
    answers = by_client(f"""
found = {{}}
for transport, port in (("rest", {server.port}), ("grpc", {rpc})):
    client = SeldonClient(microservice_endpoint=f"127.0.0.1:{{port}}")
    for kind in ("ndarray", "tensor"):
        reply = client.microservice(data=np.array({IRIS}), method="predict", transport=transport, payload_type=kind)
        assert reply.success, reply.msg
        message = reply.response
        values = message.data.tensor.values or [v for row in message.data.ndarray for v in row]
        assert message.data.WhichOneof("data_oneof") == kind
        path, tags = dict(message.meta.requestPath), {{k: v.string_value for k, v in message.meta.tags.items()}}
        found[transport + kind] = [list(values), list(message.data.names), path, tags]
print(json.dumps(found))
""")
    expected = server.predict(IRIS).reshape(-1)
    for values, names, path, tags in answers.values():
        assert values == pytest.approx(expected, abs=1e-6)
        assert names == ["setosa", "versicolor", "virginica"]
        assert path == {"classifier": "model-infer:1"}
        assert tags == {"model": "iris", "version": "1"}
    assert len(answers) == 4


def test_grpc_says_what_a_client_did_wrong(full: tuple[servelab.Server, int, int]) -> None:
    _, rpc, _ = full
    refusals = by_client(
        f"""
stub = stubs.SeldonStub(grpc.insecure_channel("127.0.0.1:{rpc}", [("grpc.max_receive_message_length", -1)]))
def tensor(shape, values):
    return pb.SeldonMessage(data=pb.DefaultData(tensor=pb.Tensor(shape=shape, values=values)))
found = []
for message in (tensor([1, 3], [1, 2, 3]), tensor([2, 4], [1]), pb.SeldonMessage(strData="x"), pb.SeldonMessage()):
    try:
        stub.Predict(message)
    except grpc.RpcError as error:
        found.append([error.code().name, error.details()])
wide = pb.SeldonMessage()
wide.data.ndarray.extend([["x" * 100_000], *([1.0] for _ in range(10_000))])
try:
    stub.Predict(wide)
except grpc.RpcError as error:
    found.append([error.code().name, error.details()])
large = stub.Predict(tensor([150_000, 4], np.zeros(600_000)))  # 4.8 MB; gRPC's own limit is 4 MiB
print(json.dumps(found))
"""
    )
    assert [code for code, _ in refusals] == ["INVALID_ARGUMENT"] * 5
    assert "found 10001 values" in refusals[-1][1]
    assert "expects numbers of shape (N, 4)" in refusals[0][1]


def test_a_body_whose_array_would_take_gigabytes_is_refused(full: tuple[servelab.Server, int, int]) -> None:
    server, *_ = full
    content = {"data": {"ndarray": [["x" * 100_000], *([number] for number in range(10_000))]}}
    status, answer = ask(server, "/predict", json.dumps(content).encode())
    assert status == 400
    assert "found 10001 values, of which the longest has 100000 characters" in answer["status"]["info"]


def test_a_scrape_of_any_worker_tells_of_all(full: tuple[servelab.Server, int, int]) -> None:
    server, _, metrics = full
    before = _rows(metrics)
    for _ in range(40):
        assert ask(server, "/predict", json.dumps({"data": {"ndarray": IRIS}}).encode())[0] == 200
    for _ in range(10):  # on new connections, so that either worker is asked
        after = _rows(metrics)
        assert sum(after.values()) - sum(before.values()) == 40 * len(IRIS)
    assert len(after) == 2


def _rows(port: int) -> dict[str, float]:
    """The rows that each worker counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = [line for line in page.read().decode().splitlines() if line.startswith("model_rows_total{")]
    return {line.rpartition('worker_id="')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_good_requests_of_every_form_are_answered_as_by_the_bare_wrapper() -> None:
    content = json.dumps({"data": {"ndarray": IRIS}, "meta": {"puid": "p", "tags": {"a": 1}}})
    tensor = json.dumps({"data": {"names": list("abcd"), "tensor": {"shape": [1, 4], "values": IRIS[0]}}})
    quoted = urllib.parse.urlencode({"json": content})
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    parts = f'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n{json.dumps({"ndarray": IRIS})}\r\n--x--\r\n'
    part = '--x\r\nContent-Disposition: form-data; name="binData"; filename="a"\r\n\r\n\xff\r\n--x--\r\n'
    feedback = json.dumps({"request": json.loads(content), "response": {"meta": {"routing": {"r": 1}}}, "reward": 1.0})
    requests: list[tuple[str, bytes | None, Mapping[str, str]]] = [
        *((path, content.encode(), JSON) for path in ("/predict", "/api/v1.0/predictions", "/transform-input")),
        ("/api/v0.1/predictions", tensor.encode(), JSON),
        (f"/predict?{quoted}", None, {}),
        ("/predict", quoted.encode(), form),
        ("/predict", parts.encode(), multipart),
        ("/send-feedback", feedback.encode(), JSON),
        ("/transform-input", part.encode("latin-1"), multipart),
        ("/transform-output", b'{"strData": "as it is"}', JSON),
        ("/transform-input", b'{"jsonData": {"a": [1, null]}}', JSON),
        *((path, None, {}) for path in ("/health/status", "/metadata", "/seldon.json")),
    ]
    with servelab.serve("seldon") as ours, servelab.serve("seldon:quickstart") as bare:
        for path, body, headers in requests:
            status, answer = ask(ours, path, body, headers)
            assert status == 200, (path, answer)
            assert (status, answer) == ask(bare, path, body, headers), path


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a component of one's own, which the next servers serve."""
    file = tmp_path / "metrics.py"  # the strategy has a module of that name, too
    file.write_text(OWN)
    monkeypatch.setenv("MODEL_NAME", f"{file}:Own")
    parameters = [{"name": "folder", "value": str(tmp_path), "type": "STRING"}]
    monkeypatch.setenv("PREDICTIVE_UNIT_PARAMETERS", json.dumps(parameters))
    return tmp_path


def start(folder: Path, workers: int, port: int, **more: str) -> subprocess.Popen[bytes]:
    """Start the strategy's command by itself, as the graph runner does: what it predicts is no model's answer."""
    who = strategy.load("seldon")
    env = environment.of(who)
    env.ensure()
    command = who.filled(who.command, {"address": f"127.0.0.1:{port}", "workers": workers})
    command[0] = str(env.bin / command[0])
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=who.folder, env=env.variables() | more, stdout=log, stderr=log)


def wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError((folder / "log").read_text())


def test_each_worker_loads_after_the_fork_and_requests_in_flight_survive_a_stop(own: Path) -> None:
    port, rpc = free_port(), free_port()
    process = start(own, 2, port, PREDICTIVE_UNIT_GRPC_SERVICE_PORT=str(rpc))
    try:
        wait_for(port, process, own)
        while len(list(own.glob("loaded-*"))) < 2:
            time.sleep(0.05)
        workers = {str(child.pid) for child in psutil.Process(process.pid).children()}
        assert {path.name.partition("-")[2] for path in own.glob("loaded-*")} == workers
        results: list[str] = []
        body = json.dumps({"data": {"ndarray": [[1.5]]}}).encode()
        url = f"http://127.0.0.1:{port}/predict"

        def rest() -> None:
            with urllib.request.urlopen(urllib.request.Request(url, body, JSON), timeout=20) as reply:
                results.append(str(json.loads(reply.read())["data"]["ndarray"][0][1]))

        def grpc() -> None:
            results.append(
                by_client(f"""
stub = stubs.ModelStub(grpc.insecure_channel("127.0.0.1:{rpc}"))
message = pb.SeldonMessage(data=pb.DefaultData(tensor=pb.Tensor(shape=[1, 1], values=[3.0])))
print(json.dumps("%d" % stub.Predict(message).data.tensor.values[1]))
""")
            )

        threads = [threading.Thread(target=rest), threading.Thread(target=grpc)]
        threads[1].start()
        _until_connected(process, rpc)
        threads[0].start()
        time.sleep(0.5)
        process.terminate()
        for thread in threads:
            thread.join(30)
        assert len(results) == 2, (own / "log").read_text()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def _until_connected(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        workers = psutil.Process(process.pid).children()
        sockets = [each for worker in workers for each in worker.net_connections("tcp")]
        if any(s.laddr.port == port and s.status == psutil.CONN_ESTABLISHED for s in sockets):
            time.sleep(0.3)  # for the request itself
            return
        time.sleep(0.02)
    raise AssertionError("expected the client to connect within 30 s")


def test_rest_and_grpc_share_the_component(own: Path) -> None:
    port, rpc = free_port(), free_port()
    process = start(own, 1, port, PREDICTIVE_UNIT_GRPC_SERVICE_PORT=str(rpc))
    try:
        wait_for(port, process, own)
        numbers = by_client(f"""
found = []
for transport, port in (("rest", {port}), ("grpc", {rpc}), ("rest", {port})):
    client = SeldonClient(microservice_endpoint=f"127.0.0.1:{{port}}")
    reply = client.microservice(data=np.array([[0.0]]), method="predict", transport=transport, payload_type="tensor")
    found.append(reply.response.data.tensor.values[1])
print(json.dumps(found))
""")
        assert numbers == [1, 2, 3]
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"MODEL_NAME": "/no/such/File.py:Class"}, "found /no/such/File.py:Class"),
        ({"MODEL_VERSION": "9"}, "component.ComponentError: ModelInfer: iris has no version '9'; there are 1, 2"),
        ({"PREDICTIVE_UNIT_PARAMETERS": "{"}, "to be a JSON list such as"),
        ({"PREDICTIVE_UNIT_PARAMETERS": '[{"name": "run_name", "value": "x", "type": "INT"}]'}, "can't be parsed"),
        ({"PREDICTIVE_UNIT_PARAMETERS": '[{"name": "colour", "value": "x", "type": "STRING"}]'}, "colour"),
    ],
)
def test_what_cannot_be_served_is_told(variables: Mapping[str, str], said: str) -> None:
    who = strategy.load("seldon")
    env = environment.of(who)
    command = [str(env.ensure()), "-W", "ignore", "-c", "import component; component.asked()"]
    told = {**env.variables(), "MODEL": "iris", **variables}
    done = subprocess.run(command, cwd=who.folder, env=told, capture_output=True, text=True, check=False)
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MODEL_NAME", "ModelInfr", "did you mean ModelInfer?"),
        (
            "PREDICTIVE_UNIT_PARAMETERS",
            '[{"name": "container_name", "value": "irs", "type": "STRING"}]',
            "ModelInfer: no model 'irs'",
        ),
        ("PREDICTIVE_UNIT_GRPC_SERVICE_PORT", "99999", "expected a free port for gRPC"),
        ("PREDICTIVE_UNIT_GRPC_SERVICE_PORT", "taken", "expected a free port for gRPC"),
    ],
)
def test_a_server_that_cannot_serve_ends_and_says_why(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv(name, value.replace("taken", str(taken.getsockname()[1])))
        with pytest.raises(StartFailed, match="ended at its start") as error:
            servelab.serve("seldon")
    assert said in str(error.value)
    assert "Traceback" not in str(error.value)
