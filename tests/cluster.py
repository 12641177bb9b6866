"""A real Kubernetes for tests marked `cluster`.

The environment variable SERVELAB_CLUSTER_TOOL names a program with the commands `up [--no-node]`, `crds`, `load IMAGE`,
`env` and `down --purge`, each with `--dir DIR` for its state; without the variable these tests skip. A fixture:

    @pytest.fixture(scope="module")
    def kubernetes() -> Iterator[cluster.Cluster]:
        with cluster.started(node=False) as started:   # node=True: also runs pods; needs root, one per machine
            yield started

`kubernetes.kubectl("apply", "-f", "x.yaml")` returns the finished process, its output as text; `kubernetes.env` is the
environment (KUBECONFIG) for other clients; `kubernetes.load("app:1")` copies local images to the node. Each cluster has
a state folder of its own and is gone, with all it unpacked, when the block ends.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

TOOL = "SERVELAB_CLUSTER_TOOL"
UP_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster, with the CRDs of Seldon installed."""

    tool: str
    state: Path
    kubeconfig: Path
    kubectl_path: str
    env: Mapping[str, str]

    def kubectl(
        self, *arguments: str, text: str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl to its end; ``text`` goes to its standard input."""
        return subprocess.run(
            [self.kubectl_path, *arguments], env=self.env, input=text, text=True, capture_output=True, timeout=timeout,
            check=False,
        )  # fmt: skip

    def load(self, *images: str) -> None:
        """Copies images of the local container engine to the node."""
        _run(self.tool, "load", "--dir", str(self.state), *images)


@contextmanager
def started(*, node: bool) -> Iterator[Cluster]:
    """A cluster of one's own, stopped and purged at the end; skips the test where there is no tool or no kubectl."""
    tool, kubectl = os.environ.get(TOOL), shutil.which("kubectl")
    if not tool or not kubectl:
        pytest.skip(f"needs {TOOL}, a program that starts a Kubernetes" if not tool else "needs kubectl on PATH")
    # Sockets live in the state folder, and their paths may not be long.
    state = Path(tempfile.mkdtemp(prefix="k8s-"))
    try:
        _run(tool, "up", "--dir", str(state), "--timeout", str(UP_SECONDS), *([] if node else ["--no-node"]))
        _run(tool, "crds", "--dir", str(state))
        kubeconfig = _kubeconfig(_run(tool, "env", "--dir", str(state)))
        yield Cluster(tool, state, kubeconfig, kubectl, {**os.environ, "KUBECONFIG": str(kubeconfig)})
    finally:
        _run(tool, "down", "--purge", "--dir", str(state))
        shutil.rmtree(state, ignore_errors=True)


def _run(*command: str) -> str:
    done = subprocess.run(command, text=True, capture_output=True, timeout=2 * UP_SECONDS, check=False)
    if done.returncode:
        pytest.fail(f"{shlex.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def _kubeconfig(exported: str) -> Path:
    found = re.search(r"KUBECONFIG=(\S+)", exported)
    assert found, f"expected the tool's env to set KUBECONFIG; found {exported!r}"
    return Path(shlex.split(found[1].rstrip(";"))[0])
