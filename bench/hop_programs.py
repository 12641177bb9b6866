"""What bench.hop compares: the graph's components, and in front of them the gateway and the plain program.

``python -m bench.hop_programs PORT COMPONENT...`` serves the graph by the gateway alone, without the graph runner.
"""

import asyncio
import contextlib
import os
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import shared_models
from bench.errors import BenchError
from servelab import environment, start, supervisor
from servelab.client import Client
from servelab.errors import RequestFailed
from servelab.graph import manifest
from servelab.graph.gateway.gateway import Gateway
from servelab.graph.gateway.live import Endpoint, Live
from servelab.graph.manifest import Deployment
from servelab.graph.runner import job, program
from servelab.graph.runner.job import Place
from servelab.graph.runner.program import Sources
from servelab.kubernetes import GROUP, KIND
from servelab.paths import ROOT, STRATEGIES
from servelab.process import Process

READY = 60.0  # seconds for a program to answer
HOST = "127.0.0.1"


@contextlib.contextmanager
def running(model: shared_models.Model) -> Iterator[tuple[list[Process], dict[str, tuple[Process, int]]]]:
    """The components, and the programs in front of them with their ports; all answer when this begins."""
    jobs, ports = _components(model.name)
    with contextlib.ExitStack() as stack:

        def run(wanted: dict[str, Any]) -> Process:
            process = Process(wanted)
            stack.callback(process.stop)
            return process

        components = [run(wanted) for wanted in jobs]
        programs = {}
        for name, command in (("gateway", _gateway), ("FastAPI and HTTPX", _plain)):
            port = start.usable_port(HOST, 0)
            log = str(start.log_file(f"hop-{name.partition(' ')[0].lower()}"))
            programs[name] = (run({**command(port, ports), "stop": "main", "grace": 5.0, "log": log}), port)
        for process, port in programs.values():
            _wait(process, model, port)
        yield components, programs


def client(model: shared_models.Model, port: int) -> Client:
    """Of one of the programs."""
    return Client(f"http://{HOST}:{port}", "seldon", model)


def graph(model: str) -> Deployment:
    """A transformer, a router, two versions of the model: in this order its ``units()``, and the ports here."""
    one, *others = shared_models.available()[model]
    models = [
        _node("model-a", "MODEL", container_name=model, run_name=one),
        _node("model-b", "MODEL", container_name=model, run_name=others[0] if others else one),
    ]
    router = _node("router", "ROUTER", n_branches="2") | {"children": models}
    transformer = _node("transformer", "TRANSFORMER", container_name=model, run_name=one) | {"children": [router]}
    images = {
        "transformer": "input-transformer",
        "router": "router",
        "model-a": "model-infer",
        "model-b": "model-infer",
    }
    predictor = {
        "name": "default",
        "graph": transformer,
        "componentSpecs": [{"spec": {"containers": [{"name": n, "image": f"{i}:1"} for n, i in images.items()]}}],
        "svcOrchSpec": {"env": [{"name": "SELDON_ENABLE_ROUTING_INJECTION", "value": "true"}]},
    }
    return manifest.parse(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": KIND,
            "metadata": {"name": "hop", "namespace": "bench"},
            "spec": {"predictors": [predictor]},
        }
    )


def _node(name: str, kind: str, **parameters: str) -> dict[str, Any]:
    given = [{"name": key, "value": value, "type": "STRING"} for key, value in parameters.items()]
    return {"name": name, "type": kind, "parameters": given}


def _components(model: str) -> tuple[list[dict[str, Any]], list[int]]:
    """The jobs of the graph's components, and the ports where they will listen."""
    deployment = graph(model)
    programs = program.of_deployment(deployment, Sources())
    jobs, ports = [], []
    for unit in deployment.predictors[0].units():
        ports.append(start.usable_port(HOST, 0))
        place = Place(deployment.name, "default", unit)
        jobs.append(job.of(place, programs["default", unit.name], Endpoint((HOST, ports[-1]))))
    return jobs, ports


def _gateway(port: int, components: list[int]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.hop_programs", str(port), *map(str, components)]
    return {"command": command, "cwd": str(ROOT), "env": {**os.environ, supervisor.COOKIE: uuid.uuid4().hex}}


def _plain(port: int, components: list[int]) -> dict[str, Any]:
    folder = STRATEGIES / "seldon-ab"
    env = environment.Environment(folder.name, folder / "requirements.txt")
    env.ensure()
    command = [str(env.bin / "python"), "quickstart.py", str(port), *(f"http://{HOST}:{at}" for at in components)]
    return {"command": command, "cwd": str(folder), "env": {**env.variables(), supervisor.COOKIE: uuid.uuid4().hex}}


def _wait(process: Process, model: shared_models.Model, port: int) -> None:
    deadline = time.monotonic() + READY
    while True:
        try:
            with client(model, port) as asking:
                asking.predict(model.golden().inputs[:1])
                return
        except RequestFailed as error:
            if time.monotonic() > deadline or process.exited() is not None:
                raise BenchError(f"expected an answer from port {port}; {error}. {process.tail()}") from None
            time.sleep(0.2)


async def _serve_gateway(port: int, *components: int) -> None:
    deployment = graph("iris")  # of whatever model the components are
    units = deployment.predictors[0].units()
    endpoints = {("default", unit.name): Endpoint((HOST, at)) for unit, at in zip(units, components, strict=True)}
    gateway = Gateway()
    gateway.put(Live(deployment, endpoints))
    await gateway.start(HOST, port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve_gateway(*map(int, sys.argv[1:])))
