"""A runner with real components in a thread of its own, for tests."""

import asyncio
import concurrent.futures
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil

from servelab.graph import manifest
from servelab.graph.gateway.gateway import Gateway
from servelab.graph.runner.control import Control
from servelab.graph.runner.deployment import Size
from servelab.graph.runner.health import Health
from servelab.graph.runner.program import Sources
from servelab.graph.runner.runner import Entry, Runner

T = TypeVar("T")
Raw = Mapping[str, Any]
ODD = Path(__file__).parent / "odd"
ODD_IMAGES = {f"test/{name.lower()}:1": f"{ODD / name.lower()}.py:{name}" for name in ("Seven", "Late")}
SEVEN, LATE = ODD_IMAGES
BRISK = Health(period=0.2, timeout=0.5, failures=2, start=60.0)
IRIS = {"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}}


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(16))
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T], seconds: float = 90.0) -> T:
        """Run it there, wait for it here."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def close(self) -> None:
        """End the thread and the loop."""
        self.wait(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextlib.contextmanager
def looping() -> Iterator[Loop]:
    """A loop that ends with the block."""
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()


class Lab:
    """A runner, its gateway and its control API on a free port."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.gateway = Gateway()
        self.runner = Runner(self.gateway, Sources(ODD_IMAGES), Size(health=BRISK))
        Control(self.runner).add_to(self.gateway.app)
        loop.wait(self.gateway.start("127.0.0.1", 0, None))
        self.url = f"http://127.0.0.1:{self.gateway.port}"

    def apply(self, document: Raw) -> Entry:
        """Apply it and wait until it is up or has failed."""
        key = self.begin(document)
        return self.loop.wait(self.runner.settled(key))

    def begin(self, document: Raw) -> tuple[str, str]:
        """Apply it and do not wait."""
        wanted = manifest.parse(document)

        async def apply() -> None:
            self.runner.apply(wanted)

        self.loop.wait(apply())
        return wanted.namespace, wanted.name

    def ask(self, name: str, body: Raw, service: str = "predictions", timeout: float = 30.0) -> tuple[int, Any]:
        """POST to a deployment: the status and the value of the answer."""
        status, content = self.send("POST", f"/seldon/default/{name}/api/v1.0/{service}", body, timeout=timeout)
        return status, content

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 30.0
    ) -> tuple[int, Any]:
        """Any request; ``body`` as JSON unless it is bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=timeout)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            content = response.read()
            return response.status, json.loads(content)
        finally:
            connection.close()

    def pids(self, name: str) -> dict[str, list[int]]:
        """The live processes of what serves, by unit."""
        serving = self.runner.entries["default", name].serving
        assert serving
        return {unit: component.pids for (_, unit), component in serving.running.components.items()}


@contextlib.contextmanager
def laboratory() -> Iterator[Lab]:
    """A lab that ends with the block, and leaves no process."""
    with looping() as loop:
        lab = Lab(loop)
        try:
            yield lab
        finally:
            loop.wait(lab.runner.stop())
    assert not children()


def children() -> list[psutil.Process]:
    """The gunicorn processes that this test process started and that still live."""
    return [child for child in psutil.Process().children(recursive=True) if "gunicorn" in " ".join(command(child))]


def command(process: psutil.Process) -> list[str]:
    """Its arguments; none when it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def unit(name: str, type_: str, image: str, *children: Raw, **parameters: Any) -> dict[str, Any]:
    """A unit of a graph; its image goes into the container of its name."""
    kinds = {bool: "BOOL", int: "INT", float: "FLOAT", str: "STRING"}
    listed = [{"name": key, "value": str(value), "type": kinds[type(value)]} for key, value in parameters.items()]
    return {"name": name, "type": type_, "image": image, "parameters": listed, "children": list(children)}


def document(
    name: str, graph: Raw, annotations: Mapping[str, str] | None = None, routing: bool = False
) -> dict[str, Any]:
    """A SeldonDeployment of one predictor."""
    containers: list[dict[str, str]] = []

    def strip(node: Raw) -> dict[str, Any]:
        containers.append({"name": node["name"], "image": node["image"]})
        return {**{k: v for k, v in node.items() if k != "image"}, "children": [strip(c) for c in node["children"]]}

    predictor: dict[str, Any] = {"name": "p", "graph": strip(graph)}
    predictor["componentSpecs"] = [{"spec": {"containers": containers}}]
    if routing:
        predictor["svcOrchSpec"] = {"env": [{"name": "SELDON_ENABLE_ROUTING_INJECTION", "value": "true"}]}
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": name},
        "spec": {"predictors": [predictor], "annotations": dict(annotations or {})},
    }


def iris(name: str, version: str = "1", **annotations: str) -> dict[str, Any]:
    """The iris model of that version alone."""
    model = unit("classifier", "MODEL", "model-infer:1", container_name="iris", run_name=version)
    return document(name, model, {f"seldon.io/{key.replace('_', '-')}": value for key, value in annotations.items()})


def ab(name: str) -> dict[str, Any]:
    """Two versions of iris behind a router, with a short time limit."""
    models = [unit(f"model-{v}", "MODEL", "model-infer:1", container_name="iris", run_name=v) for v in ("1", "2")]
    router = unit("router", "ROUTER", "router:1", *models, n_branches=2)
    return document(name, router, {"seldon.io/rest-timeout": "1000"}, routing=True)


def eventually(what: Any, seconds: float = 60.0) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
