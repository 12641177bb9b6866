"""Runs a strategy's container image as if it were its process: the supervisor starts and stops this program.

    python -m servelab.container NAME host=127.0.0.1 port=8001 model=iris version=1 workers=1

The image is built from the repository's root first (the engine's cache makes that quick when nothing changed).
SIGTERM stops the container in order and removes it; so no container outlives the server that it is.
"""

import signal
import sys
from pathlib import Path

import docker
from docker.errors import BuildError, DockerException
from docker.models.containers import Container

from servelab import strategy as strategies
from servelab.paths import ROOT
from servelab.server import GRACE
from servelab.start import raise_on_sigterm
from servelab.strategy import Strategy

MOUNT = "/model"  # where a model that the user brought is seen inside


def build(strategy: Strategy) -> str:
    """Build the image and return its tag."""
    tag = f"servelab-{strategy.name}:latest"
    engine().images.build(path=str(ROOT), dockerfile=f"strategies/{strategy.name}/Dockerfile", tag=tag, rm=True)
    return tag


def name(strategy: Strategy, port: int | str) -> str:
    """What the container is called on its engine."""
    return f"servelab-{strategy.name}-{port}"


def engine() -> docker.DockerClient:
    """The container engine of this machine; DockerException when none answers."""
    return docker.from_env(timeout=600)


def main() -> int:
    """Build, run, print the log until the container ends; returns its exit status."""
    strategy = strategies.load(sys.argv[1])
    values = dict(argument.split("=", 1) for argument in sys.argv[2:])
    raise_on_sigterm()
    container: Container | None = None
    try:
        container = _run(strategy, build(strategy), values)
        for line in container.logs(stream=True, follow=True):
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
        return int(container.wait()["StatusCode"])
    except BuildError as error:
        print(*(line.get("stream", "") for line in error.build_log), error, sep="", file=sys.stderr)
        return 1
    except DockerException as error:
        print(f"no container engine answers, or it refused: {error}\nStart one; see make doctor", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if container is not None:
            container.stop(timeout=int(GRACE))
            container.remove(force=True)


def _run(strategy: Strategy, tag: str, values: dict[str, str]) -> Container:
    environment = {"MODEL": values["model"], "MODEL_VERSION": values["version"], "WORKERS": values["workers"]}
    volumes = {}
    if Path(values["model"]).is_absolute():
        volumes[values["model"]] = {"bind": MOUNT, "mode": "ro"}
        environment["MODEL"] = MOUNT
    return engine().containers.run(
        tag,
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
