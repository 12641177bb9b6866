"""One component as a real process: who it is told to be, what is started again, and that nothing is left."""

import dataclasses
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import shared_models
from servelab.errors import StartFailed
from servelab.graph.manifest import Parameter, Unit
from servelab.graph.runner import health, program
from servelab.graph.runner.component import Component
from servelab.graph.runner.health import BUSY, Health, Verdict
from servelab.graph.runner.job import Place
from servelab.graph.runner.program import Program, ProgramError, Sources
from tests.servelab.graph.lab import BRISK, LATE, ODD_IMAGES, Loop, children, eventually, looping

PARAMETERS = (Parameter("container_name", "iris", "STRING"), Parameter("run_name", "2", "STRING"))


def unit(image: str = "registry.local/model-infer:3", implementation: str = "", model_uri: str = "") -> Unit:
    return Unit("classifier", "MODEL", implementation, (), PARAMETERS, model_uri, (), image, {"COLOUR": "blue"})


def place(image: str) -> Place:
    return Place("sd", "p", unit(image))


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with looping() as found:
        yield found
    assert not children()


@pytest.fixture(scope="module")
def component(loop: Loop) -> Iterator[Component]:
    async def make() -> Component:
        found = program.find(unit(), Sources())
        assert found
        made = Component(place("registry.local/model-infer:3"), found, probing=BRISK)
        await made.start()
        return made

    made = loop.wait(make())
    yield made
    pids = made.pids
    loop.wait(made.stop())
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def answers(loop: Loop, component: Component) -> bool:
    return loop.wait(health.status(component.endpoint.http, 1.0)) == 200


def test_it_is_told_who_it_is_by_seldons_variables(component: Component) -> None:
    told = psutil.Process(component.pids[0]).environ()
    assert told["MODEL_NAME"] == "ModelInfer"
    assert told["PREDICTIVE_UNIT_ID"] == "classifier"
    assert told["PREDICTIVE_UNIT_IMAGE"] == "registry.local/model-infer:3"
    assert (told["PREDICTOR_ID"], told["SELDON_DEPLOYMENT_ID"]) == ("p", "sd")
    assert '"name": "run_name", "value": "2", "type": "STRING"' in told["PREDICTIVE_UNIT_PARAMETERS"]
    assert told["COLOUR"] == "blue"


def test_it_listens_on_the_loopback_address_alone(component: Component) -> None:
    sockets = [s for pid in component.pids for s in psutil.Process(pid).net_connections("inet")]
    assert {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_dead_or_hung_it_is_started_again_on_the_same_port(
    loop: Loop, component: Component, number: signal.Signals
) -> None:
    endpoint, old, restarts = component.endpoint, component.pids, component.restarts
    for pid in old if number == signal.SIGSTOP else old[:1]:
        os.kill(pid, number)
    eventually(lambda: component.restarts > restarts and component.ready)
    assert component.endpoint == endpoint
    assert answers(loop, component)
    assert not set(old) & set(component.pids)
    assert not [pid for pid in old if psutil.pid_exists(pid)]


def test_a_killed_supervisor_is_no_end_either(component: Component) -> None:
    restarts = component.restarts
    psutil.Process(component.pids[0]).parent().kill()  # type: ignore[union-attr]
    eventually(lambda: component.restarts > restarts and component.ready)


def test_nobody_else_gets_its_port_while_it_is_down(loop: Loop) -> None:
    async def make() -> Component:
        return Component(place(LATE), Program("unused", (), ""))

    idle = loop.wait(make())
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(idle.endpoint.http)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(idle.endpoint.http)
    finally:
        loop.wait(idle.stop())


@pytest.mark.parametrize(
    ("parameter", "limit", "message"),
    [
        (Parameter("broken", "true", "BOOL"), 60.0, r"(?s)sd/p/classifier .*exit status.*flux capacitor"),
        (Parameter("loading", "600", "FLOAT"), 2.0, r"was not ready within 2 s: it did not answer"),
        (Parameter("colour", "blue", "STRING"), 60.0, r"(?s)exit status.*unexpected keyword argument 'colour'"),
    ],
)
def test_one_that_does_not_come_up_says_why(loop: Loop, parameter: Parameter, limit: float, message: str) -> None:
    async def start() -> None:
        late = Component(place(LATE), Program(ODD_IMAGES[LATE], (parameter,), LATE), probing=Health(start=limit))
        try:
            await late.start()
        finally:
            if late._process:
                late._process.kill()
            await late.stop()

    with pytest.raises(StartFailed, match=message):
        loop.wait(start())


def test_a_busy_one_is_given_more_time_than_an_idle_one() -> None:
    idle, busy = Verdict(Health(failures=3)), Verdict(Health(failures=3))
    assert [idle.silent(busy=False) for _ in range(3)] == [False, False, True]
    assert [busy.silent(busy=True) for _ in range(3 * BUSY)] == [False] * (3 * BUSY - 1) + [True]


def test_one_answer_makes_good_for_all_before() -> None:
    verdict = Verdict(Health(failures=2))
    assert not verdict.silent(busy=False)
    verdict.answered()
    assert not verdict.silent(busy=False)


@pytest.mark.parametrize(
    "image", ["model-infer", "model_infer:1", "ModelInfer:latest", "a.b:5000/x/model-infer@sha256:00"]
)
def test_an_image_is_the_class_of_its_name(image: str) -> None:
    found = program.find(unit(image), Sources())
    assert found == Program("ModelInfer", PARAMETERS, image)


def test_an_image_that_the_user_maps() -> None:
    found = program.find(unit(LATE), Sources(ODD_IMAGES))
    assert found
    assert found.model_name.endswith("late.py:Late")


def test_a_model_that_is_not_there_is_told_before_a_start() -> None:
    def found(name: str, version: str) -> object:
        named = Parameter("container_name", name, "STRING"), Parameter("run_name", version, "STRING")
        return program.find(dataclasses.replace(unit("model-infer:1"), parameters=named), Sources())

    assert found("iris", "2")
    for name, version, message in (("iris", "9", "iris has no version '9'"), ("irs", "1", "no model 'irs'")):
        with pytest.raises(ProgramError, match=f"unit .*: {message}"):
            found(name, version)


def test_an_unknown_image_says_what_was_perhaps_meant_and_what_to_type() -> None:
    with pytest.raises(ProgramError, match=r"(?s)'classifier'.*'model-infer'.*--image model-inver:1=FILE\.py:Class"):
        program.find(unit("model-inver:1"), Sources())


def test_what_the_orchestrator_does_needs_no_program() -> None:
    assert program.find(unit("", "RANDOM_ABTEST"), Sources()) is None


def test_a_prepackaged_server_loads_the_folder_of_its_model(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    uri = f"file://{tmp_path}/"
    by_itself = program.find(unit("", "SKLEARN_SERVER", uri), Sources())
    mapped = program.find(unit("", "SKLEARN_SERVER", "gs://b/m/"), Sources(model_uris={"gs://b/m": tmp_path}))
    assert by_itself == mapped
    assert by_itself
    assert (by_itself.model_name, by_itself.image) == ("SKLearnServer", "seldonio/sklearnserver:1.17.1")
    assert Parameter("model_uri", str(tmp_path), "STRING") in by_itself.parameters


def test_a_model_of_a_bucket_is_served_by_the_shared_one_of_its_name_and_that_is_said() -> None:
    found = program.find(unit("", "SKLEARN_SERVER", "gs://seldon-models/v1.11.0-dev/sklearn/iris"), Sources())
    assert found
    assert "gs://seldon-models/v1.11.0-dev/sklearn/iris is not fetched; the shared model iris" in found.notice
    folder = next(p.value for p in found.parameters if p.name == "model_uri")
    assert shared_models.load(folder).name == "iris"


@pytest.mark.parametrize(
    ("implementation", "uri", "message"),
    [
        ("SKLEARN_SERVER", "gs://b/irris", r"no shared model is called 'irris' \(did you mean 'iris'\?\); .*=FOLDER"),
        ("SKLEARN_SERVER", "file:///nowhere", r"expected a folder with model.onnx and card.json; found /nowhere"),
        ("MLFLOW_SERVER", "gs://b/iris", r"no local server for MLFLOW_SERVER; expected SKLEARN_SERVER"),
    ],
)
def test_a_model_that_is_not_here(implementation: str, uri: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        program.find(unit("", implementation, uri), Sources())
