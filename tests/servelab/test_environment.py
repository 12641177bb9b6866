"""One environment a strategy: built once, from its lock alone, also when two processes ask at once."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from servelab import environment, strategy as strategies
from servelab.environment import MARKER, Environment
from servelab.errors import EnvironmentFailed
from servelab.paths import STRATEGIES
from tests import folders

SIX = (
    "six==1.17.0 "
    "--hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 "
    "--hash=sha256:ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81\n"
)


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("SERVELAB_HOME", str(tmp_path / "home"))
    (tmp_path / "requirements.txt").write_text(SIX)
    return Environment("probe", tmp_path / "requirements.txt")


def test_it_holds_the_lock_and_sees_the_repository(env: Environment) -> None:
    python = env.ensure()
    assert env.ready()
    code = "import importlib.util, six, sys; assert importlib.util.find_spec('shared_models'); print(sys.prefix)"
    seen = subprocess.run([python, "-c", code], capture_output=True,
                          text=True, check=True, cwd="/", env=env.variables())  # fmt: skip
    assert seen.stdout.strip() == str(env.folder)
    assert list(env.folder.rglob("six.*.pyc")), "bytecode is compiled at install"


def test_a_changed_lock_or_an_unfinished_build_is_built_anew(env: Environment) -> None:
    env.ensure()
    (env.folder / "stale").touch()
    env.requirements.write_text("# changed\n" + SIX)
    assert not env.ready()
    env.ensure()
    assert not (env.folder / "stale").exists()
    (env.folder / "stale").touch()
    (env.folder / MARKER).unlink()  # as after a kill in the middle
    env.ensure()
    assert not (env.folder / "stale").exists()


def test_two_processes_that_ask_at_once_build_once(env: Environment) -> None:
    code = (f"from pathlib import Path; from servelab.environment import Environment; "
            f"Environment('probe', Path({str(env.requirements)!r})).ensure()")  # fmt: skip
    asking = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120)[1] for process in asking]
    assert [process.returncode for process in asking] == [0, 0, 0]
    assert sum("installing the environment of probe" in text for text in said) == 1
    assert env.ready()


@pytest.mark.parametrize(
    ("lock", "package"),
    [(SIX.replace("six==1.17.0", "six==0.0.0.1"), "six"), (SIX.replace("4721", "0000").replace("ff70", "0000"), "six")],
)
def test_a_failed_install_names_package_and_strategy(env: Environment, lock: str, package: str) -> None:
    env.requirements.write_text(lock)
    with pytest.raises(EnvironmentFailed) as caught:
        env.ensure()
    assert "the environment of probe could not be built" in str(caught.value)
    assert package in str(caught.value)
    assert not env.ready()


def test_a_missing_lock_or_python_is_named(env: Environment) -> None:
    with pytest.raises(EnvironmentFailed, match=r"2\.7"):
        Environment("probe", env.requirements, "2.7").ensure()
    env.requirements.unlink()
    with pytest.raises(EnvironmentFailed, match="probe has no lock file"):
        env.ensure()


def test_the_marker_says_what_it_was_built_from(env: Environment) -> None:
    env.ensure()
    assert set(json.loads((env.folder / MARKER).read_text())) == {"lock", "python", "platform", "root"}


def test_no_variable_of_another_environment_leaks(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    variables = env.variables()
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & set(variables)
    assert variables["PATH"].startswith(str(env.bin))


def test_two_folders_of_one_name_share_an_environment_only_with_equal_locks(tmp_path: Path) -> None:
    one, other = (folders.make(tmp_path / where) for where in ("here", "there"))
    name = environment.of(strategies.load(one)).name
    assert name == environment.of(strategies.load(other)).name != "plain"
    (other / "requirements.txt").write_text(SIX)
    assert name != environment.of(strategies.load(other)).name
    assert name == environment.of(strategies.load(one)).name
    assert environment.of(strategies.load("flask")).name == "flask"


def test_a_folder_elsewhere_with_a_strategys_lock_shares_its_environment(tmp_path: Path) -> None:
    copy = shutil.copytree(STRATEGIES / "flask", tmp_path / "flask")
    theirs, ours = (environment.of(strategies.load(name)) for name in ("flask", copy))
    assert ours == theirs
    (copy / "requirements.txt").write_text((copy / "requirements.txt").read_text() + "\n")  # one byte more
    changed = environment.of(strategies.load(copy))
    assert changed.folder != theirs.folder
    assert changed.requirements == copy / "requirements.txt"


def test_of_two_equal_locks_the_one_of_the_same_name_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        (folders.make(tmp_path / "strategies", name) / "requirements.txt").write_text(SIX)
    monkeypatch.setattr(environment, "STRATEGIES", tmp_path / "strategies")
    copy = shutil.copytree(tmp_path / "strategies" / "second", tmp_path / "elsewhere" / "second")
    assert environment.of(strategies.load(copy)).name == "second"


def test_a_strategy_uses_this_python_where_it_may() -> None:
    assert environment.of(strategies.load("flask")).python == f"{sys.version_info.major}.{sys.version_info.minor}"
