"""``servelab graph run``: gateway, control API and components in the foreground, until Ctrl-C or SIGTERM."""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import signal
import sys
from typing import TypeAlias

from servelab import environment, start, strategy as strategies
from servelab.errors import StartFailed
from servelab.graph.gateway import example
from servelab.graph.gateway.gateway import Gateway
from servelab.graph.manifest import Deployment
from servelab.graph.runner.control import Control
from servelab.graph.runner.deployment import Size
from servelab.graph.runner.program import Sources
from servelab.graph.runner.runner import Runner

INTERRUPTED = 130  # the exit status of a program that SIGINT ended, as shells count
Address: TypeAlias = "tuple[str, int, int | None]"
STAND_IN = (
    "A laptop stand-in for Seldon's executor: one process for all requests, one of each component.\n"
    "The engine at scale is Seldon Core on Kubernetes, with the same YAML: kubectl apply -f FILE"
)


def run(wanted: list[Deployment], sources: Sources, workers: int, address: Address) -> None:
    """Serve the deployments on host, port and gRPC's port (None: no gRPC; 0: any free one) until told to stop.

    Raises StartFailed when one of them fails or a port is taken, and KeyboardInterrupt after an orderly stop.
    """
    if workers < 1:
        raise StartFailed(f"expected at least one worker; found {workers}")
    host = address[0].strip("[]")
    port = start.usable_port(host, address[1])
    grpc_port = None if address[2] is None else start.usable_port(host, address[2])
    environment.of(strategies.load("seldon")).ensure()
    logging.basicConfig(level=logging.WARNING, format="servelab graph: %(message)s", stream=sys.stderr)
    logging.getLogger("servelab.graph").setLevel(logging.INFO)
    asyncio.run(_serve(wanted, sources, Size(workers, grpc=grpc_port is not None), (host, port, grpc_port)))


async def _serve(wanted: list[Deployment], sources: Sources, size: Size, address: Address) -> None:
    """Serve until SIGTERM or Ctrl-C, then stop in order; a second one ends this, and the supervisors stop the rest."""
    loop = asyncio.get_running_loop()
    # Every component may be waited for at once, each in a thread of its own.
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(64))
    told = asyncio.Event()

    def tell() -> None:
        if told.is_set():
            print("servelab graph: not waiting; what still runs is stopped by its supervisors", file=sys.stderr)
            os._exit(INTERRUPTED)  # an exception would wait for the threads that wait for the components
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell)
    gateway = Gateway()
    runner = Runner(gateway, sources, size)
    Control(runner).add_to(gateway.app)
    try:
        await gateway.start(*address)
    except (OSError, RuntimeError) as error:  # a port that was taken a moment ago, or by the other of the two
        raise StartFailed(f"cannot listen on {address[0]}, ports {address[1:]}: {error}. Choose others") from None
    try:
        failed = await _first(runner, wanted, told)
        if not told.is_set():
            _welcome(runner, address)
            await told.wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await runner.stop()
    if failed:
        raise StartFailed(failed)
    raise KeyboardInterrupt


async def _first(runner: Runner, wanted: list[Deployment], told: asyncio.Event) -> str:
    """Bring up what the files hold; the reason when one fails, or when told to stop before."""
    for deployment in wanted:
        runner.apply(deployment)
    stop = asyncio.create_task(told.wait())
    for deployment in wanted:
        settled = asyncio.create_task(runner.settled((deployment.namespace, deployment.name)))
        await asyncio.wait([stop, settled], return_when=asyncio.FIRST_COMPLETED)
        if not settled.done():
            settled.cancel()
        elif not settled.exception() and settled.result().state == "Failed":  # an exception: deleted meanwhile
            told.set()
            stop.cancel()
            return settled.result().description
    stop.cancel()
    return ""


def _welcome(runner: Runner, address: Address) -> None:
    host, port, grpc_port = address
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    for (namespace, name), entry in sorted(runner.entries.items()):
        api = f"{base}/seldon/{namespace}/{name}/api/v1.0"
        print(f"{name} serves on {api}/predictions")
        print(f"  try  {example.curl(f'{api}/predictions', entry.wanted)}")
        print(f"  page {api}/doc/")
        for note in (*entry.wanted.notes, *entry.notices):
            print(f"  note {note}")
    if not runner.entries:
        print(f"nothing to serve yet; from another terminal: .venv/bin/servelab graph apply FILE --runner {base}")
    grpc = f", gRPC on {host}:{grpc_port}" if grpc_port else ""
    print(f"{STAND_IN}\nHTTP on {base}{grpc} (Ctrl-C stops it)", flush=True)
