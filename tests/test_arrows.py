"""The arrows of the design: an import may only run notebooks -> bench -> servelab -> shared_models."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servelab.paths import ROOT

ROOMS = ("shared_models", "servelab", "bench", "strategies", "pipelines", "notebooks", "tests")
MAY_IMPORT = {
    "shared_models": set(),
    "servelab": {"shared_models"},
    "bench": {"shared_models", "servelab"},
    "strategies": {"shared_models"},
    "pipelines": set(),
    "notebooks": {"shared_models", "servelab", "bench"},
}
FRAMEWORKS = ("flask", "fastapi", "bentoml", "mlflow", "seldon-core", "kfp", "tensorflow", "tensorflow-cpu", "gunicorn",
              "uvicorn", "starlette")  # fmt: skip
# What a package is called when it is imported, where that differs from its name in the lock file.
IMPORTED_AS = {"grpcio": "grpc", "grpcio-opentracing": "grpc_opentracing", "pillow": "PIL", "protobuf": "google",
               "python-multipart": "multipart", "pyyaml": "yaml", "scikit-learn": "sklearn"}  # fmt: skip


def files(room: str) -> list[Path]:
    others = {".venv", "__pycache__", "work"}  # the last holds what learners wrote, in notebooks/
    return [path for path in (ROOT / room).rglob("*.py") if not others & set(path.relative_to(ROOT).parts)]


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0] if node.level == 0 else ""


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_down_the_list(room: str) -> None:
    wrong = [(str(file.relative_to(ROOT)), name) for file in files(room) for name in imported(file)
             if name in set(ROOMS) - MAY_IMPORT[room] - {room}]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("folder", sorted(path.parent for path in ROOT.glob("strategies/*/strategy.toml")), ids=str)
def test_a_strategy_imports_only_its_lock_its_own_files_and_the_models(folder: Path) -> None:
    lock = folder / "requirements.txt"
    locked = re.findall(r"^([a-z0-9._-]+)==", lock.read_text() if lock.exists() else "", re.MULTILINE)
    allowed = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in locked} | {"shared_models"}
    allowed |= {path.stem for path in folder.glob("*.py")} | set(sys.stdlib_module_names)
    wrong = [(file.name, name) for file in folder.rglob("*.py") for name in imported(file) if name not in allowed]
    assert wrong == []


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-test.txt"])
def test_the_toolkits_environment_has_no_serving_framework(lock: str) -> None:
    locked = re.findall(r"^([a-z0-9._-]+)==", (ROOT / lock).read_text(), re.MULTILINE)
    assert len(locked) > 10
    assert set(locked) & set(FRAMEWORKS) == set()


def test_every_environment_runs_the_same_onnxruntime() -> None:
    locks = [ROOT / "requirements.txt", *ROOT.glob("strategies/*/requirements.txt")]
    found = [re.findall(r"^onnxruntime==(\S+)", lock.read_text(), re.MULTILINE) for lock in locks]
    assert len(found) > 5
    assert {version for versions in found for version in versions} == {"1.26.0"}


LOCKS = [path for path in sorted(ROOT.rglob("requirements*.txt"))
         if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]  # fmt: skip


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_locks_carry_hashes_and_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert "--hash=sha256:" in text
    assert not re.search(r"^--|https?://|file://", text, re.MULTILINE)
    packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [package.split()[0] for package in packages if "--hash=" not in package] == []
