"""From a strategy's name to a server that predicts: environment, command, port, readiness."""

import contextlib
import errno
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections import deque
from pathlib import Path
from typing import Any

import shared_models
from servelab import environment, strategy as strategies, supervisor
from servelab.errors import AddressError, StartFailed
from servelab.paths import home
from servelab.process import GRACE
from servelab.server import Server
from servelab.strategy import Strategy

SHOWN = 20  # lines of a failed prepare command
_count = itertools.count()


def serve(
    strategy: str | Path | Strategy,
    model: str | os.PathLike[str] = "iris",
    version: str | None = None,
    workers: int = 1,
    host: str = "127.0.0.1",
    port: int = 0,
    image: bool = False,
    timeout: float = 60.0,
    grace: float = GRACE,
    log: bool = True,
) -> Server:
    """Start a strategy and return once it predicts; use it as a context manager.

    ``port`` 0 takes a free one; ``image`` runs the strategy's container image instead of its own environment;
    ``timeout`` seconds to become ready, ``grace`` seconds to finish what is in flight at the stop;
    ``log`` False leaves the server's output on this terminal. Raises StrategyError, ModelError, EnvironmentFailed,
    StartFailed.
    """
    who = strategy if isinstance(strategy, Strategy) else strategies.load(strategy)
    what = shared_models.load(model, version)
    _check(who, what, workers)
    host = host.strip("[]")
    port = usable_port(host, port)
    with contextlib.ExitStack() as undo:
        scratch = tempfile.mkdtemp(prefix=f"servelab-{who.name}-")
        undo.callback(shutil.rmtree, scratch, ignore_errors=True)
        values = _places(who, host, port) | {"scratch": scratch}
        values |= {"model": str(what.folder.resolve()) if is_brought(what) else what.name}
        values |= {"version": what.version, "pinned": version or "", "workers": workers}
        job = (_image_job if image else venv_job)(who, values)
        job["env"] |= {key: text.format_map(values) for key, text in who.env.items()}
        job["env"][supervisor.COOKIE] = uuid.uuid4().hex
        job |= {"stop": who.stop, "grace": grace, "log": str(log_file(f"{who.name}-{what.name}")) if log else ""}
        server = Server(who, what, (host, port), job | {"scratch": scratch}, image)
        undo.pop_all()  # from here on the folder ends with the server: its supervisor removes it
    try:
        server.wait_ready(timeout)
    except BaseException:
        server.stop()
        raise
    return server


def _places(strategy: Strategy, host: str, port: int) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "state": str(home() / "state" / strategy.name),
        "toolkit": str(Path(sys.executable).parent),
    }


def is_brought(model: shared_models.Model) -> bool:
    """Whether the model is one that the user brought, which servers are told by its folder, not by its name."""
    return not model.folder.resolve().is_relative_to(Path(shared_models.__file__).resolve().parent)


def venv_job(strategy: Strategy, values: dict[str, Any]) -> dict[str, Any]:
    """The job, without its stop, of a strategy's command in its own environment, which is built where it is missing."""
    env = environment.of(strategy)
    env.ensure()
    variables = env.variables()
    if strategy.prepare:
        _prepare(strategy, values, variables)
    command = strategy.filled(strategy.command, values)
    if (program := env.bin / command[0]).exists():
        command[0] = str(program)
    return {"command": command, "cwd": str(strategy.folder), "env": variables}


def _image_job(strategy: Strategy, values: dict[str, Any]) -> dict[str, Any]:
    from servelab import container  # on use: the engine's SDK is slow to import, and only images need it

    container.build(strategy)  # before the clock of readiness starts: a first build takes minutes
    arguments = [f"{key}={values[key]}" for key in ("host", "port", "model", "version", "workers")]
    command = [sys.executable, "-m", "servelab.container", strategy.folder.name, *arguments]
    return {"command": command, "cwd": str(strategy.folder), "env": dict(os.environ)}


def _prepare(strategy: Strategy, values: dict[str, Any], variables: dict[str, str]) -> None:
    Path(values["state"]).mkdir(parents=True, exist_ok=True)
    variables |= {key: text.format_map(values) for key, text in strategy.env.items()}
    last: deque[str] = deque(maxlen=SHOWN)
    with subprocess.Popen(strategy.filled(strategy.prepare, values), cwd=strategy.folder, env=variables,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:  # fmt: skip
        for line in running.stderr or ():
            if line.endswith(" ...\n"):  # what it begins and takes long
                print(line, end="", file=sys.stderr, flush=True)
            else:  # for a failure
                last.append(line)
    if running.returncode:
        why = "".join(last).strip()
        raise StartFailed(f"{strategy.name}: its prepare command exited {running.returncode}:\n{why}")


def _check(strategy: Strategy, model: shared_models.Model, workers: int) -> None:
    if not is_brought(model) and model.name not in strategy.models:
        raise StartFailed(f"{strategy.name} serves {', '.join(strategy.models)}; found model {model.name!r}")
    if workers < 1:
        raise StartFailed(f"expected at least one worker; found {workers}")


def usable_port(host: str, port: int) -> int:
    """The port, found free a moment ago; 0 asks the system for one."""
    if not 0 <= port <= 65535:
        raise AddressError(f"expected a port from 1 to 65535, or 0 for any free one; found {port}")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            advice = "Is HOST an address of this machine, such as 127.0.0.1?"
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                other = port + 1000 if 1024 <= port < 60000 else 9100
                first = "Stop the program that uses it, or" if error.errno == errno.EADDRINUSE else "It is root's:"
                advice = f"{first} choose another: PORT={other} (--port {other})"
            raise StartFailed(f"cannot listen on {host}:{port}: {error.strerror}. {advice}") from None
        return int(probe.getsockname()[1])


def log_file(name: str) -> Path:
    """A file of its own for what a server says, below the folder of logs, which is made."""
    folder = home() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name.replace(':', '-')}-{os.getpid()}-{next(_count)}.log"
