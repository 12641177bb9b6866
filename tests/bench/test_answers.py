"""The engine sends the typed client's bytes, and what comes back is held against the goldens."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

import servelab
import shared_models
from bench import floor
from bench.answers import Answer, Questions
from bench.load.job import Job
from bench.load.launch import launch
from servelab import protocols, strategy
from tests.bench.lab import LabServer, every

V1 = protocols.get("v1")


@pytest.fixture(scope="module")
def iris() -> shared_models.Model:
    return shared_models.load("iris")


def raw(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d Well\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize("name", ["v1", "v2", "v2-binary"])
def test_engine_and_typed_client_send_the_same_bytes(
    lab: Callable[..., LabServer], iris: shared_models.Model, name: str
) -> None:
    server = lab(log=True, answer='{"predictions": [[0.2, 0.3, 0.5]]}', close=True)
    batch = iris.golden().inputs[:1]
    with servelab.connect(f"http://127.0.0.1:{server.port}", protocol=name, model="iris") as client:
        try:
            client.predict(batch)
        except servelab.ServelabError:
            assert name != "v1"  # the lab speaks V1 alone; what was asked is all that matters here
    request = protocols.get(name).encode(batch, iris).to_bytes(f"127.0.0.1:{server.port}")
    launch(Job("127.0.0.1", server.port, 1.0, lead=0.0), [request], every(1, 1))
    by_client, by_engine = ((Path(server.log) / f"{number}.request").read_bytes() for number in (1, 2))
    assert by_client == by_engine == request


@pytest.mark.parametrize("batch", [1, 4, 200])
def test_questions_are_golden_batches(iris: shared_models.Model, batch: int) -> None:
    questions = Questions.of(iris, batch)
    for inputs, expected in list(zip(questions.inputs, questions.expected, strict=True))[::40]:
        assert len(inputs) == len(expected) == batch
        assert np.allclose(iris.predict(inputs), expected, atol=1e-5)


def test_right_answers_pass_and_wrong_ones_are_named(iris: shared_models.Model) -> None:
    questions = Questions.of(iris, 2)
    right = {i: raw(orjson.dumps({"predictions": questions.expected[i].tolist()})) for i in range(5)}
    assert questions.wrong(right, V1) == ""
    off = questions.expected[3].copy()
    off[1, 0] += 2e-5
    problem = questions.wrong(right | {3: raw(orjson.dumps({"predictions": off.tolist()}))}, V1)
    assert problem.startswith("request 3: the largest difference is 2e-05")


def test_of_an_ab_test_the_answer_of_any_version_is_right_for_a_whole_batch() -> None:
    model = shared_models.load("mnist")
    questions = Questions.of(model, 2, replace(strategy.load("flask"), versions=("1", "2")))
    one, two = questions.expected[3]
    for answer, problem in ((one, ""), (two, ""), (np.stack([one[0], two[1]]), "request 3: the answer of no version")):
        found = questions.wrong({3: raw(orjson.dumps({"predictions": answer.tolist()}))}, V1)
        assert found.startswith(problem)
        assert bool(found) == bool(problem)


@pytest.mark.parametrize("body", [b"{}", b"not JSON", b'{"predictions": [[1, 2]]}', b'{"predictions": [["a"]]}'])
def test_what_is_no_answer_is_wrong(iris: shared_models.Model, body: bytes) -> None:
    assert Questions.of(iris, 1).wrong({9: raw(body)}, V1).startswith("request 9: expected")


def test_an_error_answer_is_not_also_a_wrong_one(iris: shared_models.Model) -> None:
    assert Questions.of(iris, 1).wrong({0: raw(b"oh", status=500)}, V1) == ""


def test_an_answer_is_parsed_past_interim_ones() -> None:
    answer = Answer.parse(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + raw(b"ok"))
    assert (answer.status, answer.headers, bytes(answer.body)) == (200, {"content-length": "2"}, b"ok")


def test_the_floor_is_the_plain_call(iris: shared_models.Model) -> None:
    response, cpu_us = floor.measure(iris, Questions.of(iris, 10).inputs)
    half = response["p50"]
    assert half is not None
    assert half > 0
    assert cpu_us > 0


def test_the_engine_imports_no_model_and_no_toolkit() -> None:
    """It starts for every window: what it imports is paid dozens of times, and shares its CPU with the pacer."""
    code = "import bench.load.engine, sys; print([m for m in sys.modules if m in ('servelab', 'onnxruntime', 'rich')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"[]"
