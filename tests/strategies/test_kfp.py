"""Strategy kfp: what the pipeline promoted is what is served, and the pipeline runs once for it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import servelab
import shared_models
from servelab import strategy
from servelab.errors import StartFailed
from servelab.paths import home
from servelab.steps.manifest import content_version

MARK = "servelab/made-from"


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """State and store of their own, and the environments that there are."""
    envs = home() / "envs"
    folder = tmp_path_factory.mktemp("home")
    envs.mkdir(parents=True, exist_ok=True)
    (folder / "envs").symlink_to(envs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVELAB_HOME", str(folder))
        yield


def manifest() -> Path:
    """The deployment that was promoted for iris."""
    return home() / "state" / "kfp" / "iris-1.json"


def test_the_promoted_deployment_is_served_and_promoted_once() -> None:
    model = shared_models.load("iris")
    with servelab.serve("kfp", "iris") as server:
        golden = model.golden()
        assert abs(server.predict(golden.inputs) - golden.outputs).max() < 1e-5
    document = json.loads(manifest().read_text())
    record = json.loads((manifest().parent / "store/promoted/default/iris.json").read_text())
    assert document["spec"] == record["manifest"]["spec"]
    assert record["version"] == content_version(model.folder)
    assert record["probe"]["unfit"] == []
    before = manifest().stat().st_mtime_ns
    with servelab.serve("kfp", "iris"):
        assert manifest().stat().st_mtime_ns == before


def test_the_pipeline_runs_again_when_what_it_was_made_from_has_changed(tmp_path: Path) -> None:
    """The model that the deployment names is gone, or its key is another's: both must not be served."""
    prepare = strategy.load("kfp").folder / "prepare.py"
    programs = tmp_path / "servelab"  # stands in for `servelab env`, and so tells that the pipeline would run
    programs.write_text("#!/bin/sh\necho the pipeline would run >&2\nexit 7\n")
    programs.chmod(0o755)

    def prepared() -> bool:
        done = subprocess.run([sys.executable, prepare, "iris", "1", manifest()], env={"PATH": str(tmp_path)},
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert (done.returncode == 0) != ("the pipeline would run" in done.stderr)
        return done.returncode == 0

    assert prepared()
    text = manifest().read_text()
    document = json.loads(text)
    document["metadata"]["annotations"][MARK] = "0" * 64
    manifest().write_text(json.dumps(document))
    assert not prepared()
    manifest().write_text(text)
    assert prepared()
    shutil.move(manifest().parent / "store", manifest().parent / "elsewhere")
    assert not prepared()
    shutil.move(manifest().parent / "elsewhere", manifest().parent / "store")


def test_a_version_that_the_gate_refuses_is_not_served(capfd: pytest.CaptureFixture[str]) -> None:
    refused = r"exited 1:.*\nthe gate refused mnist version 2: accuracy 0\.8832, expected at least 0\.95; .* Log: /\S+$"
    with pytest.raises(StartFailed, match=re.compile(refused, re.DOTALL)):
        servelab.serve("kfp", "mnist", version="2")
    assert "kfp: running the pipeline once for mnist version 2 ...\n" in capfd.readouterr().err
