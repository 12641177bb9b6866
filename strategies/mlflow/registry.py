"""Where the tracking store is and what a model is called in it. Importing this first turns MLflow's telemetry off.

The environment says it: MODEL, a name or a folder; MODEL_VERSION, which is pinned, or empty for the champion; STATE,
the folder of the store.
"""

import hashlib
import os
from pathlib import Path

import shared_models
from shared_models import card

CHAMPION = "champion"
HERE = Path(__file__).parent
MODELS = Path(shared_models.__file__).parent

# MLflow reads these when it is imported; a word of the user's own stands.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")


def store() -> Path:
    """The folder of the tracking store, another for another lock, other shared models or another checkout.

    A database belongs to one release of MLflow, version numbers to the models as they were, and MLflow writes whole
    paths into its database.
    """
    home = Path(os.environ.get("SERVELAB_HOME") or MODELS.parent / ".servelab")
    state = Path(os.environ.get("STATE") or home / "state" / HERE.name).resolve()
    identity = hashlib.sha256(f"{state}\n{MODELS}".encode())
    for file in (HERE / "requirements.txt", HERE / "prepare.py", *sorted(MODELS.glob(f"*/*/{card.FILE}"))):
        identity.update(file.read_bytes())
    return state / identity.hexdigest()[:12]


def tracking_uri() -> str:
    """The store as MLflow's clients and commands take it."""
    return f"sqlite:///{store() / 'mlflow.db'}"


def asked() -> str:
    """The model that MODEL names."""
    return os.environ.get("MODEL") or "mnist"


def is_shared(model: str) -> bool:
    """Whether it is one of the shared models, and not a folder of the user's."""
    return model in shared_models.available()


def registered_name(model: str) -> str:
    """Under which name it is registered: its own; one that the user brought is told from others by its card, too."""
    if is_shared(model):
        return model
    brought = card.read(Path(model))
    content = (Path(model) / card.FILE).read_bytes()  # the hash of the graph is part of it
    return f"{brought.name}-{hashlib.sha256(content).hexdigest()[:8]}"


def folder(model: str, version: str) -> Path:
    """Where the card of that version stands."""
    return MODELS / model / version if is_shared(model) else Path(model)


def uri(model: str) -> str:
    """What is served, as MLflow writes it: the version of a shared model that is asked for, else the champion."""
    version = os.environ.get("MODEL_VERSION", "") if is_shared(model) else ""
    return f"models:/{registered_name(model)}{f'/{version}' if version else f'@{CHAMPION}'}"
