"""The pipeline on KFP 2: what it compiles to, and real runs of it by kfp.local against a real graph runner."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from servelab import container, environment
from servelab.errors import EnvironmentFailed
from servelab.paths import ROOT
from servelab.steps.manifest import content_version
from shared_models.mnist import data as mnist

from .running import DEPLOYMENTS, PROGRAMS, V2, ask, environment as variables, graph_runner, run_v2, step


@pytest.fixture(scope="module")
def python() -> str:
    """Of the pipeline's own environment."""
    return str(environment.pipeline("v2").ensure())


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with graph_runner(tmp_path_factory.mktemp("runner") / "log") as url:
        yield url


def compiled() -> tuple[dict[str, Any], dict[str, Any]]:
    """The pipeline and its platform, as the repository keeps them."""
    pipeline, platform = yaml.safe_load_all((V2 / "pipeline.yaml").read_text())
    return pipeline, platform


def test_the_compiled_pipeline_is_up_to_date(python: str, tmp_path: Path) -> None:
    for file in (V2 / "pipeline.py", V2 / "pipeline.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pipeline.yaml").unlink()
    subprocess.run([python, "pipeline.py"], cwd=tmp_path, check=True, env=os.environ | {"PYTHONHASHSEED": "1"})
    assert (tmp_path / "pipeline.yaml").read_bytes() == (V2 / "pipeline.yaml").read_bytes(), "run: make pipeline"


def test_what_changes_the_world_is_never_answered_from_a_cache() -> None:
    pipeline, platform = compiled()
    components = pipeline["components"]
    single: dict[str, Any] = {}  # tasks that run a container
    for component in (pipeline["root"], *components.values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            if "executorLabel" in components[name := task["componentRef"]["name"]]:
                single[name.removeprefix("comp-")] = task
    cached = {name for name, task in single.items() if task["cachingOptions"].get("enableCache")}
    assert cached == {"fetch", "train"}
    assert {name for name, task in single.items() if "retryPolicy" in task} == {
        "fetch", "apply", "apply-2", "rollback",
    }  # fmt: skip
    executors = pipeline["deploymentSpec"]["executors"]
    assert all("memoryLimit" in str(executor["container"]["resources"]) for executor in executors.values())
    assert {executor["container"]["image"] for executor in executors.values()} == {
        "servelab-toolkit:1", "servelab-training:1",
    }  # fmt: skip
    mounted = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {name.removeprefix("exec-") for name in mounted} == {
        "manifest", "apply", "promote", "manifest-2", "apply-2", "promote-2", "rollback",
    }  # fmt: skip
    assert single["rollback"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_the_images_lock_what_the_environment_locks() -> None:
    dockerfile = (ROOT / "pipelines" / "Dockerfile").read_text()
    assert dockerfile.count("--require-hashes") == 2
    assert dockerfile.rstrip().endswith("USER 10001:10001")
    subprocess.run(["hadolint", str(ROOT / "pipelines" / "Dockerfile")], check=True, env=variables())


def version_at(runner: str, name: str) -> str | None:
    """What is deployed under that name."""
    found = ask(f"{runner}{DEPLOYMENTS}/{name}")
    return None if found is None else found["metadata"]["labels"]["app.kubernetes.io/version"]


def test_a_good_model_is_deployed_and_predicts_and_its_runner_is_stopped(python: str, tmp_path: Path) -> None:
    done = run_v2(python, "--model", "iris", "--version", "1", "--name", "good", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert "its server (stopped now) answered the first golden: setosa" in last
    assert "To serve it: make serve-kfp MODEL=iris VERSION=1, or RUNNER=" in last
    record = json.loads((tmp_path / "store/promoted/default/good.json").read_text())
    assert f"promoted version {record['version']}" in last
    assert record["metrics"]["on"].endswith("as its card says")
    assert record["probe"]["unfit"] == []
    assert "default/good: nothing to roll back" in done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines()[:-1]] == [
        "take", "evaluate-2", "gate-2", "manifest-2", "apply-2", "smoke-2", "probe-2", "promote-2", "rollback",
    ]  # fmt: skip
    log = Path(last.rpartition("Log: ")[2]).read_text()
    assert "[KFP Executor" in log
    (url,) = re.findall(r"HTTP on (http://\S+)", log)
    assert ask(url + DEPLOYMENTS) is None, "the graph runner still runs"


def test_a_weak_model_is_refused_at_the_gate(python: str, runner: str, tmp_path: Path) -> None:
    done = run_v2(python, "--model", "mnist", "--version", "2", "--name", "weak", "--runner", runner, folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        "the gate refused mnist version 2: accuracy 0.8832, expected at least 0.95; nothing was deployed. Log: /"
    )
    assert version_at(runner, "weak") is None
    assert not (tmp_path / "store" / "models").exists()


def test_a_failed_smoke_test_rolls_back_to_the_version_before(python: str, runner: str, tmp_path: Path) -> None:
    name = ["--name", "shaky", "--runner", runner]
    taken = tmp_path / "iris"
    step("take", "--model", "iris", "--version", "1", "--output", taken)
    done = run_v2(python, "--model", "iris", "--version", "1", *name, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    promoted = (tmp_path / "store/promoted/default/shaky.json").read_text()
    assert version_at(runner, "shaky") == content_version(taken)
    done = run_v2(python, "--model", "iris", "--version", "2", *name, breaks="smoke", folder=tmp_path)
    assert done.returncode == 1
    assert "sabotaged" in done.stdout
    assert f"default/shaky: back to version {content_version(taken)}" in done.stdout
    assert "✗ smoke-2 Failed in" in done.stdout
    assert "the pipeline promoted nothing: smoke-2 failed: sabotaged. Log: /" in done.stdout.splitlines()[-1]
    assert version_at(runner, "shaky") == content_version(taken)
    assert (tmp_path / "store/promoted/default/shaky.json").read_text() == promoted
    assert step("smoke", "--url", f"{runner}/seldon/default/shaky", "--model-dir", taken) == 0


def test_an_interrupted_run_takes_back_what_it_has_deployed(python: str, runner: str, tmp_path: Path) -> None:
    words = ["--model", "iris", "--version", "1", "--name", "broken-off", "--runner", runner, "--seconds", "60"]
    process = subprocess.Popen([python, str(V2 / "run.py"), "--store", str(tmp_path / "store"), *words], text=True,
                               env=variables(), stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
    assert process.stdout
    for line in process.stdout:
        if line.startswith("✓ smoke"):  # the probe, of a minute, is next
            break
    assert version_at(runner, "broken-off")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "default/broken-off: nothing was there before, so it is removed" in said
    assert version_at(runner, "broken-off") is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "rubbish", "http://127.0.0.1:99999"])
@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_runner_that_is_none_is_told_before_anything_is_trained(generation: str, url: str, tmp_path: Path) -> None:
    python = str(environment.pipeline("v2").ensure() if generation == "v2" else PROGRAMS / "python")
    command = [python, str(ROOT / "pipelines" / generation / "run.py"), "--runner", url]
    done = subprocess.run(command, env=variables(SERVELAB_HOME=str(tmp_path)), capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 1
    assert f"at {url}; found none" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--model", "irs"), "irs"),
        (("-p", "version=9"), "expected version 1 or 2 of iris; found 9"),
        (("--version", "9"), "expected --version 1 or 2 of iris; found 9"),
    ],
)
def test_what_there_is_not_is_refused_before_anything_is_started(words: tuple[str, str], told: str) -> None:
    for generation in [each for each in ("v1", "v2") if words[0] in {"--model", "-p" if each == "v1" else "--version"}]:
        python = str(environment.pipeline("v2").ensure() if generation == "v2" else PROGRAMS / "python")
        command = [python, str(ROOT / "pipelines" / generation / "run.py"), *words]
        done = subprocess.run(command, env=variables(), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert told in done.stderr
        assert "iris" in done.stderr.splitlines()[-1]
        assert not done.stdout


def test_the_toolkit_must_be_on_path(python: str, tmp_path: Path) -> None:
    done = subprocess.run([python, str(V2 / "run.py")], env={"PATH": "/nowhere", "HOME": str(tmp_path)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert "make pipeline-run" in done.stderr


@pytest.mark.image
@pytest.mark.timeout(900)
def test_tasks_run_as_containers_too(python: str, tmp_path: Path) -> None:
    try:
        container.engine().close()
    except EnvironmentFailed:
        pytest.skip("no container engine answers; make doctor says how to get one")
    build = ["docker", "build", "--file", "pipelines/Dockerfile", "--target", "toolkit", "--tag", "servelab-toolkit:1"]
    subprocess.run([*build, "."], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    done = run_v2(python, "--docker", "--model", "iris", "--version", "1", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found image 'servelab-toolkit:1'" in Path(done.stdout.rstrip().rpartition("Log: ")[2]).read_text()
    assert "promoted version " in done.stdout


needs_training = pytest.mark.skipif(not os.environ.get("SERVELAB_TRAIN"), reason="trains; set SERVELAB_TRAIN=1")


@pytest.mark.train
@needs_training
def test_a_sabotaged_training_is_refused_at_the_gate(python: str, runner: str, tmp_path: Path) -> None:
    arguments = ["--model", "iris", "--name", "sabotaged", "--runner", runner, "--label-noise", "1"]
    done = run_v2(python, *arguments, folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("the gate refused the trained iris: accuracy 0.")
    assert version_at(runner, "sabotaged") is None


@pytest.mark.train
@needs_training
@pytest.mark.timeout(900)
@pytest.mark.skipif(not mnist.present(), reason="the MNIST files are neither in SERVELAB_MNIST_DIR nor in the cache")
def test_mnist_is_trained_and_deployed_and_answers(python: str, runner: str, tmp_path: Path) -> None:
    done = run_v2(python, "--model", "mnist", "--name", "trained", "--runner", runner, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "store/promoted/default/trained.json").read_text())
    assert record["version"] == version_at(runner, "trained")
    assert (record["metrics"]["n"], record["metrics"]["on"]) == (10_000, "test set")
    assert record["metrics"]["accuracy"] >= 0.975
    assert f"{runner}/seldon/default/trained/api/v1.0/predictions answers" in done.stdout.splitlines()[-1]
