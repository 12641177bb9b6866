"""`manifest`: the model into the store under the version that its content gives it, and the SeldonDeployment for it.

The version is the start of a hash over the three files: the same model is stored once, another never under its name.
"""

import argparse
import hashlib
import re
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

import shared_models
from servelab.kubernetes import GROUP, KIND
from servelab.steps import files
from servelab.steps.files import StepFailed
from servelab.steps.model import copy
from shared_models.card import FILE as CARD
from shared_models.graph import GRAPH
from shared_models.model import GOLDEN

DNS_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, what Kubernetes takes as a name
VERSION: Final = "app.kubernetes.io/version"


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `manifest`."""
    parser.add_argument("--model-dir", required=True, type=Path, metavar="DIR", help="what train or take left")
    parser.add_argument("--name", required=True, help="of the SeldonDeployment")
    parser.add_argument("--namespace", default="default")
    parser.add_argument(
        "--store", required=True, type=Path, metavar="DIR", help="models are kept in DIR/models by version"
    )
    parser.add_argument("--uri", help="how the servers reach the store, such as pvc://claim (default: file://STORE)")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the SeldonDeployment, YAML")
    parser.add_argument("--version-output", type=Path, metavar="FILE", help="the version alone, for a ResourceOp")
    parser.add_argument("--uri-output", type=Path, metavar="FILE", help="the model's URI alone, for a ResourceOp")
    parser.set_defaults(run=manifest)


def manifest(options: argparse.Namespace) -> int:
    """Store the model, unless it is there, and write the manifest."""
    for option in ("name", "namespace"):
        if not DNS_LABEL.fullmatch(value := getattr(options, option)):
            raise StepFailed(f"expected --{option} of lower-case letters, digits and '-'; found {value!r}")
    model = shared_models.load(options.model_dir)
    version = content_version(model.folder)
    place = f"models/{model.name}/{version}"
    _store(model, options.store.resolve() / place)
    uri = f"{(options.uri or options.store.resolve().as_uri()).rstrip('/')}/{place}"
    document = deployment(options.name, options.namespace, uri, version)
    files.write(options.output, yaml.safe_dump(document, sort_keys=False))
    for file, text in ((options.version_output, version), (options.uri_output, uri)):
        if file:
            files.write(file, text)
    print(f"{options.output}: {options.namespace}/{options.name} serves {model.name} version {version} from {uri}")
    return 0


def content_version(folder: Path) -> str:
    """Twelve hexadecimal digits of SHA-256 over the three files of a model."""
    digest = hashlib.sha256()
    for name in (GRAPH, CARD, GOLDEN):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()[:12]


def _store(model: shared_models.Model, place: Path) -> None:
    """The model's files there, whole or not at all; another pipeline may store the same."""
    if place.is_dir():
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=place.parent))
        copy(model, part)
        part.chmod(0o755)  # servers may run under another user
        part.rename(place)
    except OSError as error:
        if not place.is_dir():
            raise StepFailed(f"cannot store the model in {place}: {error.strerror}; name another --store") from None


def deployment(name: str, namespace: str, uri: str, version: str) -> dict[str, Any]:
    """A SeldonDeployment of one prepackaged server for the model at that address."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": name, VERSION: version},
        },
        "spec": {
            "predictors": [
                {
                    "name": "main",
                    "replicas": 1,
                    "labels": {"version": version},
                    "graph": {
                        "name": "model",
                        "implementation": "SKLEARN_SERVER",
                        "modelUri": uri,
                        "parameters": [{"name": "method", "type": "STRING", "value": "predict_proba"}],
                    },
                }
            ]
        },
    }
