"""The Makefile as people use it: help computed from the folders, and a new strategy that needs no other edit."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from servelab import catalogue, scaffold
from servelab.paths import ROOT
from servelab.strategy import discover


def make(*arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(["make", "--no-print-directory", *arguments], cwd=cwd, env=kept | variables,
                          capture_output=True, text=True, check=False, timeout=280)  # fmt: skip


def test_help_lists_every_target_with_one_line() -> None:
    done = make("help")
    listed = re.findall(r"^  make (\S+) +\S", done.stdout, re.MULTILINE)
    targets = re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(targets) <= set(listed)
    assert {f"{verb}-{name}" for verb in ("serve", "test") for name in discover()} <= set(listed)
    for verb, file in {"image": "Dockerfile", "lock": "requirements.in"}.items():
        having = {f"{verb}-{name}" for name, who in discover().items() if (who.folder / file).exists()}
        assert having == {each for each in listed if each.startswith(f"{verb}-")}
    assert len(listed) == len(set(listed)) == len(done.stdout.splitlines())


def test_the_docs_table_is_up_to_date() -> None:
    assert catalogue.markdown() in catalogue.PAGE.read_text(), "run: make docs"


def test_new_strategy_without_a_name_says_what_to_type() -> None:
    done = make("new-strategy")
    assert done.returncode != 0
    assert "make new-strategy NAME=x" in done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository as it stands, with this environment's programs, free to be changed."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".servelab", "results", "*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, tmp_path / "copy", ignore=ignored)
    (tmp_path / "copy" / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path / "copy"


def test_a_new_strategy_needs_no_other_edit(copy: Path) -> None:
    here = {"PYTHONPATH": str(copy)}
    done = make("new-strategy", "NAME=x", cwd=copy, **here)
    assert done.returncode == 0, done.stderr
    assert "make serve-x" in done.stdout
    assert "make serve-x " in make("help", cwd=copy).stdout
    assert "(../strategies/x/README.md)" in (copy / "docs" / "strategies.md").read_text()
    assert "flask" not in (copy / "strategies/x/strategy.toml").read_text().lower()
    readme = (copy / "strategies/x/README.md").read_text()
    assert readme.startswith("# x\n")
    assert scaffold.MEASURED not in readme, "figures of another server"
    checked = make("test-x", "MODEL=iris", cwd=copy, **here)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    bench = [str(copy / ".venv/bin/bench"), "run", "x", "--model", "iris", "--seconds", "0.5", "--keep-noisy"]
    bench += ["--boots", "1", "--rounds", "1", "--rate", "100"]
    timed = subprocess.run(bench, cwd=copy, env=os.environ | here, capture_output=True, text=True, check=False)
    assert timed.returncode in (0, 1), timed.stdout + timed.stderr  # 1: a gate voids its row on a busy machine
    assert re.search(r"^\W*x\b", timed.stdout, re.MULTILINE)


def test_the_bench_finds_its_arms_by_itself() -> None:
    assert re.search(r"bench run\s+--quick$", make("-n", "bench").stdout.strip())
    assert re.search(
        r"bench run flask bentoml\s+--boots 8$",
        make("-n", "bench", "STRATEGIES=flask bentoml", "BOOTS=8").stdout.strip(),
    )
