"""What a hop costs: the CPU time of the graph runner's gateway for each call to a component.

    python -m bench.hop [--model iris] [--rounds 6] [--seconds 2] [--connections 8]

In one run, in front of the same four components (transformer, router, two models): the gateway, and the same graph
written plainly with FastAPI and HTTPX (strategies/seldon-ab/quickstart.py), in alternating rounds of a closed loop. Two
bars must hold, else the exit status is 1: a hop takes at most the CPU time of the component behind it, and at most half
of the plain program's. CPU times of processes are compared, so that other work on the machine hardly matters.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import shared_models
from bench.errors import BenchError
from bench.resources import Spent, cpu_between, cpu_ns, family
from servelab import environment, protocols, start, strategy as strategies, supervisor
from servelab.client import Client
from servelab.errors import RequestFailed
from servelab.graph import manifest
from servelab.graph.gateway.gateway import Gateway
from servelab.graph.gateway.live import Endpoint, Live
from servelab.paths import ROOT, STRATEGIES
from servelab.process import Process
from servelab.strategy import PLACEHOLDERS

HOPS = 3  # calls to components in each request: transformer, router, one model
READY = 60.0  # seconds for a program to answer
BARS = {"of the component's": 1.0, "of the plain program's": 0.5}
UNITS = ("transformer", "router", "model-a", "model-b")


@dataclass(frozen=True, slots=True)
class Round:
    """CPU time in ms for each hop, of the orchestrating program and of the components behind it."""

    program: float
    components: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print both ratios; 0 when both bars hold, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.hop", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--model", default="iris", help="a shared model that takes rows of numbers")
    parser.add_argument("--rounds", type=int, default=6, help="of each of the two programs")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--connections", type=int, default=8, help="requests at once")
    parser.add_argument("--serve-gateway", nargs=5, metavar="PORT", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.serve_gateway:
        asyncio.run(_serve_gateway(*map(int, asked.serve_gateway)))
        return 0
    model = shared_models.load(asked.model)
    with running(model) as (components, programs):
        return report(_measure(model, components, programs, asked))


def report(rounds: dict[str, list[Round]]) -> int:
    """Print what was found; 0 when both bars hold, else 1."""
    for name, found in rounds.items():
        costs = ", ".join(f"{one.program:.3f}" for one in found)
        print(f"{name}: {median(one.program for one in found):.3f} ms of CPU time a hop ({costs})")
    gateway, plain = rounds.values()
    component = median(one.components for found in rounds.values() for one in found)
    print(f"a component: {component:.3f} ms of CPU time a call")
    cost = median(one.program for one in gateway)
    ratios = dict(zip(BARS, (cost / component, cost / median(one.program for one in plain)), strict=True))
    for name, ratio in ratios.items():
        verdict = "holds" if ratio <= BARS[name] else "DOES NOT HOLD"
        print(f"a hop of the gateway is {ratio:.2f} {name}; at most {BARS[name]:g}: {verdict}")
    return 0 if all(ratio <= BARS[name] for name, ratio in ratios.items()) else 1


@contextlib.contextmanager
def running(model: shared_models.Model) -> Iterator[tuple[list[Process], dict[str, tuple[Process, int]]]]:
    """The components, and the programs in front of them with their ports; all answer when this begins."""
    ports = {name: start.usable_port("127.0.0.1", 0) for name in UNITS}
    with contextlib.ExitStack() as stack:

        def run(name: str, job: Mapping[str, Any]) -> Process:
            process = Process({**job, "stop": "main", "grace": 5.0, "log": str(start.log_file(f"hop-{name}"))})
            stack.callback(process.stop)
            return process

        components = [run(name, _component(name, model, port)) for name, port in ports.items()]
        programs = {}
        for name, job in (("gateway", _gateway), ("FastAPI and HTTPX", _plain)):
            port = start.usable_port("127.0.0.1", 0)
            programs[name] = (run(name.partition(" ")[0].lower(), job(port, list(ports.values()))), port)
        for process, port in programs.values():
            _wait(process, model, port)
        yield components, programs


def _component(name: str, model: shared_models.Model, port: int) -> dict[str, Any]:
    one, *others = shared_models.available()[model.name]
    loaded = {"container_name": model.name, "run_name": one}
    class_name, settings = {
        "transformer": ("InputTransformer", loaded),
        "router": ("Router", {"n_branches": "2"}),
        "model-a": ("ModelInfer", loaded),
        "model-b": ("ModelInfer", {**loaded, "run_name": others[0] if others else one}),
    }[name]
    values = dict.fromkeys(PLACEHOLDERS, "") | {"address": f"127.0.0.1:{port}", "workers": 1}
    job = start.venv_job(strategies.load("seldon"), values)
    parameters = [{"name": key, "value": value, "type": "STRING"} for key, value in settings.items()]
    job["env"] |= {
        "MODEL_NAME": class_name,
        "PREDICTIVE_UNIT_ID": name,
        "PREDICTIVE_UNIT_IMAGE": f"{name}:1",
        "PREDICTIVE_UNIT_PARAMETERS": json.dumps(parameters),
        supervisor.COOKIE: uuid.uuid4().hex,
    }
    return job


def _gateway(port: int, components: list[int]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.hop", "--serve-gateway", str(port), *map(str, components)]
    return {"command": command, "cwd": str(ROOT), "env": {**os.environ, supervisor.COOKIE: uuid.uuid4().hex}}


def _plain(port: int, components: list[int]) -> dict[str, Any]:
    folder = STRATEGIES / "seldon-ab"
    env = environment.Environment(folder.name, folder / "requirements.txt")
    env.ensure()
    command = [str(env.bin / "python"), "quickstart.py", str(port), *(f"http://127.0.0.1:{at}" for at in components)]
    return {"command": command, "cwd": str(folder), "env": {**env.variables(), supervisor.COOKIE: uuid.uuid4().hex}}


def _wait(process: Process, model: shared_models.Model, port: int) -> None:
    deadline = time.monotonic() + READY
    while True:
        try:
            with _client(model, port) as client:
                client.predict(model.golden().inputs[:1])
                return
        except RequestFailed as error:
            if time.monotonic() > deadline or process.exited() is not None:
                raise BenchError(f"expected an answer from port {port}; {error}. {process.tail()}") from None
            time.sleep(0.2)


def _client(model: shared_models.Model, port: int) -> Client:
    return Client(f"http://127.0.0.1:{port}", "seldon", model)


def _measure(
    model: shared_models.Model,
    components: list[Process],
    programs: dict[str, tuple[Process, int]],
    asked: argparse.Namespace,
) -> dict[str, list[Round]]:
    rounds: dict[str, list[Round]] = {name: [] for name in programs}
    for number in range(asked.rounds + 1):
        for name, (process, port) in programs.items():
            before = _spent(process, *components)
            answered = _load(model, port, asked.seconds, asked.connections)
            spent = [
                cpu_between(b, a) / 1e6 / answered / HOPS
                for b, a in zip(before, _spent(process, *components), strict=True)
            ]
            if number:  # the first warms up
                rounds[name].append(Round(spent[0], sum(spent[1:])))
    return rounds


def _spent(*processes: Process) -> list[dict[int, Spent]]:
    return [cpu_ns(family(process.pids)) for process in processes]


def _load(model: shared_models.Model, port: int, seconds: float, connections: int) -> int:
    """Keep that many requests on their way for that long; how many were answered, all rightly."""
    request = protocols.get("seldon").encode(model.golden().inputs[:1], model)
    end = time.monotonic() + seconds

    def ask(_: int) -> int:
        answered = 0
        with _client(model, port) as client:
            while time.monotonic() < end:
                client.send(request)
                answered += 1
        return answered

    with ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(ask, range(connections)))


async def _serve_gateway(port: int, *components: int) -> None:
    containers = [{"name": name, "image": f"{name}:1"} for name in UNITS]
    models = [{"name": name, "type": "MODEL"} for name in UNITS[2:]]
    router = {"name": "router", "type": "ROUTER", "children": models}
    predictor = {
        "name": "default",
        "graph": {"name": "transformer", "type": "TRANSFORMER", "children": [router]},
        "componentSpecs": [{"spec": {"containers": containers}}],
        "svcOrchSpec": {"env": [{"name": "SELDON_ENABLE_ROUTING_INJECTION", "value": "true"}]},
    }
    deployment = manifest.parse(
        {
            "apiVersion": "machinelearning.seldon.io/v1",
            "kind": "SeldonDeployment",
            "metadata": {"name": "hop", "namespace": "bench"},
            "spec": {"predictors": [predictor]},
        }
    )
    endpoints = {("default", name): Endpoint(("127.0.0.1", at)) for name, at in zip(UNITS, components, strict=True)}
    gateway = Gateway()
    gateway.put(Live(deployment, endpoints))
    await gateway.start("127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
