"""The schema of Seldon's CRD as a JSON schema, as strict as an API server of 1.27 with strict decoding.

SERVELAB_CRDS names a folder with the CRD of Seldon Core 1.17.1 as its Helm chart renders it, JSON in xz.
"""

import json
import lzma
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

FILE = "seldondeployments-seldon-core-1.17.1.crd.json.xz"


def validators() -> dict[str, Draft7Validator]:
    """The validator of each served apiVersion; skips the test without the CRD."""
    folder = os.environ.get("SERVELAB_CRDS")
    if not folder:
        pytest.skip(f"needs SERVELAB_CRDS, a folder with {FILE}")
    definition = json.loads(lzma.decompress((Path(folder) / FILE).read_bytes()))
    group = definition["spec"]["group"]
    return {
        f"{group}/{version['name']}": Draft7Validator(_strict(version["schema"]["openAPIV3Schema"]))
        for version in definition["spec"]["versions"]
    }


def _strict(schema: Any) -> Any:
    """The schema with nothing beside its properties allowed, and Kubernetes' own words in those of JSON schema."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        strict["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        strict["type"] = ["integer", "string"]
    if schema.get("nullable"):
        strict["type"] = [strict["type"], "null"]
    return strict
