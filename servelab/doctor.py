"""What this machine has for whom: each finding says what is fine, or what is missing for what and how to get it."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import psutil

from servelab import environment
from servelab.errors import ServelabError
from servelab.paths import home
from servelab.strategy import Strategy, load, names

GIB = 2**30
NEEDED_MEMORY = 2 * GIB  # two servers, the load engine and a browser
NEEDED_DISK = 3 * GIB  # the toolkit's environment, one per strategy, and uv's cache
ON_A_CLUSTER = 2  # the tier of strategies that a Kubernetes cluster serves
CLUSTER_PROGRAMS = ("kubectl", "minikube", "helm")
COMPONENTS = "seldon"  # the strategy whose environment the graph runner's components run in
SECONDS = 10  # what an outside program has to answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``optional`` ones are missing without harm to the main job."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False


def examine() -> list[Finding]:
    """Look at everything."""
    return [_python(), _make(), _cores(), _memory(), _disk(), _home(), _browser(), _engine(), _cluster(),
            *map(_strategy, names())]  # fmt: skip


def render(findings: list[Finding]) -> str:
    """One line a finding, with its remedy below where something is missing."""
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        mark = "ok     " if finding.ok else "without" if finding.optional else "MISSING"
        lines.append(f"{mark}  {finding.what:<{width}}  {finding.found}")
        if not finding.ok and finding.remedy:
            lines.append(f"{'':<9}{'':<{width}}  -> {finding.remedy}")
    return "\n".join(lines)


def _python() -> Finding:
    fits = (3, 11) <= sys.version_info[:2] <= (3, 12)
    return Finding(
        "Python 3.11 or 3.12", fits, platform.python_version(), "make clean && make doctor PYTHON=python3.12"
    )


def _make() -> Finding:
    path = shutil.which("make")
    return Finding("make", path is not None, path or "not on PATH", "install it with the system's package manager")


def _cores() -> Finding:
    cores = os.cpu_count() or 1
    return Finding("2 cores", cores >= 2, f"{cores}",
                   "servers and load engine share one core: the bench's figures are rough", optional=True)  # fmt: skip


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    return Finding("memory", free >= NEEDED_MEMORY, f"{free / GIB:.1f} GiB available", "close programs: 2 GiB are used")


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
    version = _answer("kubectl", "version", "--output=json", "--request-timeout=5s")
    answers = version is not None and "serverVersion" in version
    return Finding("Kubernetes cluster, for k8s/", answers, "answers" if answers else "none answers",
                   "make one with: make k8s-up; or set KUBECONFIG", optional=True)  # fmt: skip


def _strategy(name: str) -> Finding:
    try:
        strategy = load(name)
        needs, remedy = _programs() if strategy.tier == ON_A_CLUSTER else (_environments(strategy), "")
    except ServelabError as error:  # one broken folder must not hide what is wrong with the machine
        return Finding(f"strategy {name}", False, "broken", str(error))
    free = port_is_free(strategy.port)
    found = f"port {strategy.port} {'free' if free else 'in use'}, {needs}"
    if not free:
        remedy = f"stop the program on port {strategy.port}, or serve it with PORT=..."
    return Finding(f"strategy {strategy.name}", not remedy, found, remedy, optional=True)


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
    """Whether a server could listen on it on loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _answer(*command: str) -> str | None:
    """What a program printed, or None when it is absent, fails or does not answer in time."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
