"""What these tests share: the models, folders of models that a test may spoil, and whether MNIST is at hand."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared_models import Model, load
from shared_models.mnist import data

ROOT = Path(__file__).resolve().parents[2]

Folder = Callable[..., Path]


@pytest.fixture(scope="session")
def iris() -> Model:
    """Version 1."""
    return load("iris")


@pytest.fixture(scope="session")
def mnist() -> Model:
    """Version 1."""
    return load("mnist")


@pytest.fixture
def iris_folder(tmp_path: Path) -> Path:
    """A copy of iris version 1."""
    return Path(shutil.copytree(ROOT / "shared_models" / "iris" / "1", tmp_path / "iris"))


@pytest.fixture
def edit_card(iris_folder: Path) -> Callable[..., Path]:
    """Change keys of the copy's card (``...`` removes one); gives the copy's folder."""

    def edit(**changes: Any) -> Path:
        path = iris_folder / "card.json"
        card = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: value for key, value in card.items() if value is not ...}))
        return iris_folder

    return edit


@pytest.fixture
def brought(tmp_path: Path) -> Folder:
    """Write a folder as a user would bring it: graph, smallest card (with the graph's hash), sample inputs."""

    def write(graph: bytes, golden: dict[str, Any], **card: Any) -> Path:
        folder = tmp_path / "brought"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(graph)
        smallest = {"name": "mine", "version": "7", "sha256": hashlib.sha256(graph).hexdigest()}
        (folder / "card.json").write_text(json.dumps(smallest | card))
        (folder / "golden.json").write_text(json.dumps(golden))
        return folder

    return write


@pytest.fixture(scope="session")
def mnist_files() -> data.Mnist:
    """The real data; skips where it would have to be downloaded."""
    if not data.present():
        pytest.skip(f"the MNIST files are neither in {data.VARIABLE} nor in the cache")
    return data.load()
