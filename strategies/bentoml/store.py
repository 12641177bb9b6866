"""Saves a model into BentoML's store, unless it is there, and prints its tag: `python store.py`.

The environment says which: MODEL, a name or a folder, and MODEL_VERSION; the store is in BENTOML_HOME. SHARED_STORE,
if it is set, is a folder whose store is put there: servers with one home would share their metrics, too.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from pathlib import Path

import bentoml
from bentoml.exceptions import NotFound

import shared_models
from shared_models import ModelError
from shared_models.card import FILE as CARD, read
from shared_models.graph import GRAPH
from shared_models.model import GOLDEN, HERE

LOCK = Path(__file__).with_name("requirements.txt")


def share(store: Path, home: Path) -> None:
    """Give ``home`` the models of ``store``, unless it has its own."""
    models = store.resolve() / "models"
    models.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (home / "models").symlink_to(models, target_is_directory=True)


def source() -> Path:
    """The folder that MODEL and MODEL_VERSION name."""
    model, version = os.environ.get("MODEL") or "iris", os.environ.get("MODEL_VERSION") or "1"
    return HERE / model / version if model in shared_models.available() else Path(model)


def tag(folder: Path) -> str:
    """Name, version, and a key of all else that makes a model: its content, and the packages that run it."""
    card = read(folder)
    key = hashlib.sha256((folder / CARD).read_bytes() + LOCK.read_bytes()).hexdigest()
    return f"{card.name}:{card.version}-{key[:8]}".lower()


def save(folder: Path) -> str:
    """The tag of the model in ``folder``, which is in the store afterwards."""
    wanted = tag(folder)
    with LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two servers that start at once save it once
        try:
            bentoml.models.get(wanted)
        except NotFound:
            card = shared_models.load(folder).card  # its hash is compared, its graph opened
            said = {"summary": card.summary, "sha256": card.sha256}
            with bentoml.models.create(wanted, labels={"version": card.version}, metadata=said) as stored:
                for file in filter(Path.exists, (folder / name for name in (GRAPH, CARD, GOLDEN))):
                    shutil.copy(file, stored.path)
    return wanted


if __name__ == "__main__":
    if shared := os.environ.get("SHARED_STORE"):
        share(Path(shared), Path(os.environ["BENTOML_HOME"]))
    try:
        print(save(source()))
    except (ModelError, ValueError) as problem:  # ValueError: a name that cannot be a tag
        sys.exit(str(problem))
