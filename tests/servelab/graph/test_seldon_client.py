"""The seeds' own ways to ask, unchanged: curl, requests and Seldon's SeldonClient, against real components.

SeldonClient runs in the environment of the strategy seldon, for the toolkit's has no seldon-core.
"""

import contextlib
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shared_models
from servelab import environment, start, strategy as strategies
from servelab.paths import ROOT

GRAPHS = ROOT / "k8s" / "seldon"
SERVELAB = Path(sys.executable).parent / "servelab"
ROWS: list[list[Any]] = [["dog", 0, 4, 0.2, 0.79]]  # the seed's
ROUNDS = 4  # of each way to ask
GATEWAYS = ("seldon", "ambassador", "istio")
TRANSPORTS = ("rest", "grpc")

# Asks in every way and prints what came back, a JSON object by way. Values of numpy and protobuf become JSON's own.
PROGRAM = """
import json, sys
import numpy as np
from seldon_core.seldon_client import SeldonClient
from seldon_core.utils import seldon_message_to_json

rows, rounds, endpoints, gateways = json.loads(sys.argv[1])
found = {}
for gateway in gateways:
    for transport, endpoint in endpoints.items():
        client = SeldonClient(gateway=gateway, transport=transport, gateway_endpoint=endpoint, namespace="default",
                              deployment_name="ab-test", client_return_type="proto")
        told = []
        for _ in range(rounds):
            data = np.array(rows, dtype=object)
            asked = client.predict(data=data, names=["animal", "a", "b", "c", "d"], payload_type="ndarray")
            heard = client.feedback(asked.request, asked.response, reward=1.0)
            told.append({
                "predicted": [asked.success, asked.msg, seldon_message_to_json(asked.response)],
                "heard": [heard.success, heard.msg],
            })
        found[f"{gateway} {transport}"] = told
wrong = SeldonClient(gateway="istio", transport="rest", gateway_endpoint=endpoints["rest"], namespace="default",
                     deployment_name="ab-tset").predict(data=np.array(rows, dtype=object), payload_type="ndarray")
found["wrong"] = [wrong.success, wrong.msg]
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A graph runner with the A/B test alone, and where it listens."""

    port: int
    grpc_port: int

    def post(self, path: str, body: object) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    found = Running(start.usable_port("127.0.0.1", 0), start.usable_port("127.0.0.1", 0))
    ports = ["--port", str(found.port), "--grpc-port", str(found.grpc_port)]
    log = tmp_path_factory.mktemp("runner") / "log"
    with log.open("w") as out:
        command = [str(SERVELAB), "graph", "run", str(GRAPHS / "ab-test.yaml"), *ports]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        status = [str(SERVELAB), "graph", "status", "ab-test", "--runner", f"http://127.0.0.1:{found.port}"]
        _until(lambda: "Available" in _output(status), process, log)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _until(done: Any, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(120):
        if done():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the runner ended with {process.wait(0.5)}: {log.read_text()}")
    pytest.fail(f"the graph was not ready in time: {log.read_text()}")


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def told(running: Running) -> Any:
    """What SeldonClient got."""
    endpoints = {"rest": f"127.0.0.1:{running.port}", "grpc": f"127.0.0.1:{running.grpc_port}"}
    env = environment.of(strategies.load("seldon"))
    python = env.ensure()
    argument = json.dumps([ROWS, ROUNDS, endpoints, GATEWAYS])
    done = subprocess.run([str(python), "-c", PROGRAM, argument], capture_output=True, text=True, env=env.variables())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def iris(running: Running, told: Any) -> Running:  # noqa: ARG001 - SeldonClient's gateway "seldon" wants one graph alone
    """The same runner, with the seed's iris graph applied as well."""
    runner = f"http://127.0.0.1:{running.port}"
    command = [str(SERVELAB), "graph", "apply", str(GRAPHS / "iris.yaml"), "--runner", runner]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return running


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("gateway", GATEWAYS)
def test_seldon_client_predicts_and_sends_feedback(told: Any, gateway: str, transport: str) -> None:
    for one in told[f"{gateway} {transport}"]:
        success, message, answer = one["predicted"]
        assert (success, message) == (True, "")
        assert np.asarray(answer["data"]["ndarray"]).shape == (1, 3)
        assert answer["meta"]["requestPath"]["input-transformer"] == "servelab/input-transformer:1"
        routing = answer["meta"]["routing"]
        chosen = ("model-a", "model-b")[int(routing["router"])]
        assert routing == {"input-transformer": -1, "router": int(routing["router"]), chosen: -1}
        assert one["heard"] == [True, ""]


def test_seldon_client_is_told_of_a_wrong_name(told: Any) -> None:
    assert told["wrong"] == [False, "404:Not Found"]


def test_every_way_to_ask_gets_the_same_numbers_from_the_same_model(told: Any) -> None:
    found: dict[int, Any] = {}
    for way in (f"{gateway} {transport}" for gateway in GATEWAYS for transport in TRANSPORTS):
        for one in told[way]:
            answer = one["predicted"][2]
            numbers = np.asarray(answer["data"]["ndarray"])
            first = found.setdefault(answer["meta"]["routing"]["router"], numbers)
            np.testing.assert_allclose(numbers, first, rtol=1e-6)
    assert found.keys() == {0, 1}  # in so many draws both were chosen


def test_the_seed_s_request_to_the_a_b_test(running: Running) -> None:
    answer = running.post("/seldon/default/ab-test/api/v1.0/predictions", {"data": {"ndarray": ROWS * 3}})
    assert np.asarray(answer["data"]["ndarray"]).shape == (3, 3)


def test_the_seed_s_curl_to_iris(iris: Running) -> None:
    url = f"http://127.0.0.1:{iris.port}/seldon/seldon/iris-model/api/v1.0/predictions"
    command = ["curl", "-s", "-X", "POST", url, "-H", "Content-Type: application/json"]
    body = '{ "data": { "ndarray": [[1,2,3,4]] } }'
    done = subprocess.run([*command, "-d", body], capture_output=True, check=True)
    answer = json.loads(done.stdout)
    model = shared_models.load("iris", "1")
    numbers = model.predict([[1, 2, 3, 4]])
    assert answer.keys() == {"data", "meta"}
    assert answer["data"].keys() == {"names", "ndarray"}
    assert answer["data"]["names"] == ["t:0", "t:1", "t:2"]
    np.testing.assert_allclose(answer["data"]["ndarray"], numbers, rtol=1e-5)
    assert answer["meta"] == {"requestPath": {"classifier": "seldonio/sklearnserver:1.17.1"}}


def test_a_graph_without_the_injection_has_no_routing(iris: Running) -> None:
    answer = iris.post("/seldon/seldon/iris-model/api/v1.0/predictions", {"data": {"ndarray": [[1, 2, 3, 4]]}})
    assert "routing" not in answer["meta"]


@pytest.mark.parametrize("body", ["not JSON", '{"data": {"ndarray": [[1, 2]]}}', "{}"])
def test_what_a_component_refuses_is_its_own_400(iris: Running, body: str) -> None:
    url = f"http://127.0.0.1:{iris.port}/seldon/seldon/iris-model/api/v1.0/predictions"
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as error:
        assert error.code == 400
        assert "Traceback" not in error.read().decode()


def test_the_page_of_a_real_graph(iris: Running) -> None:
    for path in ("/seldon/seldon/iris-model/api/v1.0/doc/", "/seldon/default/ab-test/api/v1.0/metadata"):
        with urllib.request.urlopen(f"http://127.0.0.1:{iris.port}{path}", timeout=30) as response:
            assert response.status == 200
