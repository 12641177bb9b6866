"""Runs a strategy's container image as if it were its process: the supervisor starts and stops this program.

    python -m servelab.container NAME host=127.0.0.1 port=8001 model=iris version=1 workers=1

``build`` makes the image first, from the repository's root. SIGTERM stops the container in order and removes it: no
container outlives the server that it is.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import docker
from docker.errors import BuildError, DockerException, NotFound
from docker.models.containers import Container

from servelab import strategy as strategies
from servelab.errors import EnvironmentFailed
from servelab.paths import ROOT
from servelab.process import GRACE
from servelab.server import raise_on_sigterm
from servelab.strategy import Strategy

DEFAULT_ENGINE = "unix:///var/run/docker.sock"  # where the SDK looks, too
MOUNT = "/model"  # where a model that the user brought is seen inside


def tag(strategy: Strategy) -> str:
    """What the image is called."""
    return f"servelab-{strategy.name}:latest"


def build(strategy: Strategy) -> None:
    """Build the image; the engine's cache makes that quick when nothing changed. Raises EnvironmentFailed."""
    dockerfile = f"strategies/{strategy.name}/Dockerfile"
    try:
        with contextlib.closing(engine()) as client:
            client.images.build(path=str(ROOT), dockerfile=dockerfile, tag=tag(strategy), rm=True)
    except BuildError as error:
        log = "".join(line.get("stream", "") for line in error.build_log)
        raise EnvironmentFailed(f"the image of {strategy.name} could not be built: {error}\n{log[-2000:]}") from None
    except DockerException as error:
        raise EnvironmentFailed(f"the image of {strategy.name} could not be built: {error}") from None


def name(strategy: Strategy, port: int | str) -> str:
    """What the container is called on its engine."""
    return f"servelab-{strategy.name}-{port}"


def engine() -> docker.DockerClient:
    """The container engine of this machine. Raises EnvironmentFailed when none answers."""
    address = os.environ.get("DOCKER_HOST") or DEFAULT_ENGINE
    advice = "Install and start Docker, or set DOCKER_HOST; make doctor looks for it"
    if address.startswith("unix://") and not Path(address.removeprefix("unix://")).exists():
        raise EnvironmentFailed(f"no container engine answers: {address} is not there. {advice}")
    try:
        return docker.from_env(timeout=600)
    except DockerException as error:
        raise EnvironmentFailed(f"no container engine answers at {address}: {error}. {advice}") from None


def main() -> int:
    """Run, print the log until the container ends; returns its exit status."""
    strategy = strategies.load(sys.argv[1])
    values = dict(argument.split("=", 1) for argument in sys.argv[2:])
    raise_on_sigterm()
    try:
        container = _run(strategy, values)
        for line in container.logs(stream=True, follow=True):
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
        return int(container.wait()["StatusCode"])
    except (EnvironmentFailed, DockerException) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _remove(name(strategy, values["port"]))


def _remove(called: str) -> None:
    """Stop and remove it by its name: a signal may have come before the engine's answer to its creation."""
    with contextlib.suppress(NotFound, EnvironmentFailed), contextlib.closing(engine()) as client:
        container = client.containers.get(called)
        container.stop(timeout=int(GRACE))
        container.remove(force=True)


def _run(strategy: Strategy, values: dict[str, str]) -> Container:
    environment = {"MODEL": values["model"], "MODEL_VERSION": values["version"], "WORKERS": values["workers"]}
    volumes = {}
    if Path(values["model"]).is_absolute():
        volumes[values["model"]] = {"bind": MOUNT, "mode": "ro"}
        environment["MODEL"] = MOUNT
    return engine().containers.run(
        tag(strategy),
        name=name(strategy, values["port"]),
        detach=True,
        ports={f"{strategy.port}/tcp": (values["host"], int(values["port"]))},
        environment=environment,
        volumes=volumes,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )


if __name__ == "__main__":
    sys.exit(main())
