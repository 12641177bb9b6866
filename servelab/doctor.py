"""What this machine has for whom: each finding says what is fine, or what is missing for what and how to get it."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from servelab import environment, lessons
from servelab.errors import ServelabError
from servelab.finding import Finding
from servelab.paths import home
from servelab.strategy import Strategy, load, names

GIB = 2**30
NEEDED_MEMORY = 2 * GIB  # two servers, the load engine and a browser
NEEDED_DISK = 3 * GIB  # the toolkit's environment, one per strategy, and uv's cache
ON_A_CLUSTER = 2  # the tier of strategies that a Kubernetes cluster serves
CLUSTER_PROGRAMS = ("kubectl", "minikube", "helm")
COMPONENTS = "seldon"  # the strategy whose environment the graph runner's components run in
ARCHITECTURES = ("x86_64", "AMD64", "arm64", "aarch64")  # that the locked packages are built for
PORTS = {  # that no strategy takes unasked, but programs of the course's sources do
    5000: "Flask's default; macOS answers it with AirPlay (switch off AirPlay Receiver)",
    3389: "remote desktop listens there",
    8080: "the first choice of many development servers",
    9000: "Seldon's default for a component",
}
SECONDS = 10  # what an outside program has to answer


def examine(own: Sequence[str] = ()) -> list[Finding]:
    """Look at everything; ``own`` are strategies, or folders of strategies, that must be able to serve."""
    engine, cluster = _engine(), _cluster()
    return [_python(), _architecture(), _make(), _curl(), _cores(), _memory(), _disk(), _home(), _browser(),
            engine, cluster, *map(_port, PORTS), *map(_strategy, names()), *lessons.examine(engine.ok, cluster.ok),
            *(_strategy(name, optional=False) for name in own)]  # fmt: skip


def _python() -> Finding:
    fits = (3, 11) <= sys.version_info[:2] <= (3, 12)
    return Finding(
        "Python 3.11 or 3.12", fits, platform.python_version(), "make clean && make doctor PYTHON=python3.12"
    )


def _architecture() -> Finding:
    machine = platform.machine()
    return Finding("CPU architecture", machine in ARCHITECTURES, machine,
                   f"the locked packages are built for {', '.join(ARCHITECTURES)}")  # fmt: skip


def _make() -> Finding:
    path = shutil.which("make")
    return Finding("make", path is not None, path or "not on PATH", "install it with the system's package manager")


def _curl() -> Finding:
    path = shutil.which("curl")
    return Finding("curl, for lessons", path is not None, path or "not on PATH",
                   "install it with the system's package manager", optional=True)  # fmt: skip


def _cores() -> Finding:
    cores = os.cpu_count() or 1
    return Finding("2 cores", cores >= 2, f"{cores}",
                   "servers and load engine share one core: the bench's figures are rough", optional=True)  # fmt: skip


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB available"
    return Finding("memory", memory.available >= NEEDED_MEMORY, found, "close programs: 2 GiB are used")


def _home() -> Finding:
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return Finding("a folder for environments and logs", False, f"cannot write {folder}: {error.strerror}",
                       "set SERVELAB_HOME to a folder of yours")  # fmt: skip
    return Finding("a folder for environments and logs", True, str(folder))


def _disk() -> Finding:
    there = next(folder for folder in (home(), *home().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    return Finding("disk", free >= NEEDED_DISK, f"{free / GIB:.0f} GiB free", "free some: environments take 3 GiB")


def _browser() -> Finding:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return Finding("Chromium, for browser tests", path is not None, path or "not on PATH",
                   "install chromium with the system's package manager", optional=True)  # fmt: skip


def _engine() -> Finding:
    version = _answer("docker", "version", "--format", "{{.Server.Version}}")
    return Finding("container engine, for make image-* and test-images", version is not None,
                   f"Docker {version}" if version else "none answers",
                   "install and start Docker, or set DOCKER_HOST", optional=True)  # fmt: skip


def _cluster() -> Finding:
    # Told of no cluster, kubectl would ask whatever listens on port 8080.
    told = {"KUBECONFIG", "KUBERNETES_SERVICE_HOST"} & set(os.environ) or (Path.home() / ".kube" / "config").exists()
    version = _answer("kubectl", "version", "--output=json", "--request-timeout=5s") if told else None
    answers = version is not None and "serverVersion" in version
    return Finding("Kubernetes cluster, for k8s/", answers, "answers" if answers else "none answers",
                   "make one with: make k8s-up; or set KUBECONFIG", optional=True)  # fmt: skip


def _port(port: int) -> Finding:
    holder = _holder(port)
    return Finding(f"port {port}", not holder, holder or "free",
                   f"{PORTS[port]}; the course does not need it", optional=True)  # fmt: skip


def _strategy(name: str, optional: bool = True) -> Finding:
    try:
        strategy = load(name)
        needs, remedy = _programs() if strategy.tier == ON_A_CLUSTER else (_environments(strategy), "")
    except ServelabError as error:  # one broken folder must not hide what is wrong with the machine
        return Finding(f"strategy {name}", False, "broken", str(error))
    holder = _holder(strategy.port)
    if holder:
        remedy = f"stop the program on port {strategy.port}, or serve it with PORT=..."
    found = f"port {strategy.port} {holder or 'free'}, {needs}"
    return Finding(f"strategy {name}", not remedy, found, remedy, optional)


def _environments(strategy: Strategy) -> str:
    """How far its environment is, or those of its parts; a first start builds what is missing."""
    if strategy.requirements.exists():
        return _built("environment", environment.of(strategy))
    parts = [environment.of(load(COMPONENTS))]
    if strategy.family == "pipeline":
        parts.append(environment.pipeline("v2"))
    return ", ".join(_built(f"environment of {part.name}", part) for part in parts)


def _built(what: str, env: environment.Environment) -> str:
    return f"{what} {'ready' if env.ready() else 'not yet built'}"


def _programs() -> tuple[str, str]:
    """What a strategy on a cluster needs of this machine, and how to get it."""
    missing = [program for program in CLUSTER_PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not on PATH", "install them, as k8s/README.md says, then: make k8s-up"
    return f"{', '.join(CLUSTER_PROGRAMS)} on PATH; its cluster: make k8s-up", ""


def port_is_free(port: int) -> bool:
    """Whether a server could listen on it on loopback, and nobody answers there yet."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    with socket.socket() as caller:  # macOS lets us bind beside a program that listens on every address
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) != 0


def _holder(port: int) -> str:
    """Who is on a port, "in use by python (process 123)", as far as the system tells; empty when it is free."""
    if port_is_free(port):
        return ""
    try:
        listening = (each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN)
        pid = next(filter(None, (each.pid for each in listening if each.laddr and each.laddr.port == port)))
        return f"in use by {psutil.Process(pid).name()} (process {pid})"
    except (StopIteration, psutil.Error):  # another user's, whom only root may see
        return "in use"


def _answer(*command: str) -> str | None:
    """What a program printed, or None when it is absent, fails or does not answer in time."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
