"""The programs of these rooms that are no package: k8s/minikube/run.py, strategies/seldon-minikube/prepare.py."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from servelab.paths import ROOT

MINIKUBE = ROOT / "k8s" / "minikube"
RUN = MINIKUBE / "run.py"
PREPARE = ROOT / "strategies" / "seldon-minikube" / "prepare.py"


def load(file: Path) -> Any:
    """The file as a module."""
    spec = importlib.util.spec_from_file_location(f"tests.k8s.loaded.{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module
