"""The seed's script, from any folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

SCRIPT = ROOT / "shared_models" / "mnist" / "test_single_image.py"
SAMPLES = SCRIPT.parent / "samples"


def _run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_an_image_of_the_folder_one_is_in(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "1.jpg", tmp_path / "mine.jpg")
    done = _run("--image_path", "mine.jpg", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "예측한 값은: 1입니다.\n", "")


@pytest.mark.parametrize("name", ["1.jpg", "7.png"])
def test_the_samples_by_name_from_anywhere(tmp_path: Path, name: str) -> None:
    done = _run("--image_path", name, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"예측한 값은: {name[0]}입니다.\n", "")


def test_without_the_package_installed(tmp_path: Path) -> None:
    """The script finds its repository: a copy elsewhere runs with its own models."""
    copy = tmp_path / "shared_models"
    shutil.copytree(ROOT / "shared_models", copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(copy / "mnist" / "1")
    done = subprocess.run(
        [sys.executable, str(copy / "mnist" / SCRIPT.name), "--image_path", "1.jpg"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no version '1'; there are 2" in done.stderr


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent.jpg", "absent.jpg: No such file or directory: expected an image file, or one of 0.png, 1.jpg"),
        (".", ".: Is a directory: expected an image file"),
        (str(SCRIPT), "expected an image (PNG, JPEG, BMP, GIF, WEBP, TIFF), found"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, path: str, message: str) -> None:
    done = _run("--image_path", path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_argument_is_named(tmp_path: Path) -> None:
    done = _run(cwd=tmp_path)
    assert done.returncode == 2
    assert "--image_path" in done.stderr
    assert "Traceback" not in done.stderr
