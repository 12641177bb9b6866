"""A strategy folder stands on its own: its server runs as a plain program, its quickstart answers as it does."""

import os
import signal
import subprocess
import time

import pytest

import servelab
from servelab import conformance, doctor, environment
from servelab.errors import RequestFailed
from servelab.strategy import Strategy, discover

ALONE = [s for s in discover().values() if "server.py" in s.required_files]
PLAIN = [s for s in ALONE if "__main__" in (s.folder / "server.py").read_text("utf-8")]
QUICKSTARTS = [(f"{s.name}:quickstart", model) for s in discover().values() if s.quickstart for model in s.models]
SECONDS = 60


@pytest.mark.parametrize("strategy", PLAIN, ids=lambda strategy: strategy.name)
def test_python_server_py_predicts(strategy: Strategy) -> None:
    if not doctor.port_is_free(strategy.port):
        pytest.skip(f"port {strategy.port}, the default of {strategy.name}, is in use")
    env = environment.of(strategy)
    variables = {key: value for key, value in env.variables().items() if not key.startswith("MODEL")}
    server = subprocess.Popen([env.ensure(), "server.py"], cwd=strategy.folder, env=variables, start_new_session=True,
                              stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        _wait_until_it_predicts(strategy, server)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(SECONDS)


def _wait_until_it_predicts(strategy: Strategy, server: subprocess.Popen[bytes]) -> None:
    """With MODEL unset it serves a model of its own choice: whichever of its models answers."""
    deadline = time.monotonic() + SECONDS
    while True:
        for name in strategy.models:
            try:
                with servelab.connect(f"http://127.0.0.1:{strategy.port}", model=name) as client:
                    golden = client.model.golden()
                    answers = client.predict(golden.inputs)
            except RequestFailed as error:
                problem = error
            else:
                assert conformance.answers.difference(answers, golden.outputs) == ""
                return
        assert server.poll() is None, "it ended"
        assert time.monotonic() < deadline, problem
        time.sleep(0.1)


@pytest.mark.parametrize(("name", "model"), QUICKSTARTS)
def test_the_quickstart_answers_as_the_model_does(name: str, model: str) -> None:
    with servelab.serve(name, model=model) as server:
        conformance.parity(server)


@pytest.mark.parametrize("strategy", ALONE, ids=lambda strategy: strategy.name)
def test_the_image_is_built_safely(strategy: Strategy) -> None:
    lines = (strategy.folder / "Dockerfile").read_text("utf-8").splitlines()
    (user,) = (line.split()[1] for line in lines if line.startswith("USER "))
    assert user.partition(":")[0] not in ("root", "0")
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    assert not any(line.startswith("# syntax") for line in lines)
    assert f"EXPOSE {strategy.port}" in lines
    assert any("--require-hashes" in line for line in lines)
