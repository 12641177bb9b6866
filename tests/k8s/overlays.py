"""The manifests as kustomize makes them."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from servelab import strategy as strategies
from servelab.paths import ROOT
from servelab.strategy import Strategy

OVERLAYS = ROOT / "k8s" / "overlays"
OLDER = OVERLAYS / "k8s-1.20"
SERVED = tuple(s for s in strategies.discover().values() if (s.folder / "Dockerfile").exists())

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


@functools.cache
def build(folder: Path) -> dict[tuple[str, str], Any]:
    """The objects of a kustomization by kind and name; needs no cluster. Shared between tests: to be read alone."""
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(done.stdout)}


def container(objects: dict[tuple[str, str], Any], strategy: Strategy) -> Any:
    """The one container of a strategy's pods."""
    (only,) = objects["Deployment", f"servelab-{strategy.name}"]["spec"]["template"]["spec"]["containers"]
    return only
