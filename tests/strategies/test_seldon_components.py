"""The components of Seldon graphs, each through Seldon's own wrapper in the strategy's environment."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shared_models
from servelab import environment
from servelab.strategy import load

STRATEGY = load("seldon")
IRIS, MNIST = shared_models.load("iris"), shared_models.load("mnist")
ANIMALS = {version: shared_models.load("animals", version) for version in ("1", "2")}
RAW = [list(row) for row in ANIMALS["1"].golden().raw]
FLOWER = [[6.3, 3.3, 6.0, 2.5]]

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def wrapper() -> Iterator[subprocess.Popen[str]]:
    """A process of the strategy's environment, which asks Seldon's wrapper."""
    env = environment.of(STRATEGY)
    program = Path(__file__).with_name("seldon_components.py")
    command = [str(env.ensure()), "-W", "ignore", str(program), str(STRATEGY.folder)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=env.variables(), **pipes) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture(scope="module")
def send(wrapper: subprocess.Popen[str]) -> Ask:
    def send(asked: dict[str, Any]) -> Any:
        assert wrapper.stdin
        assert wrapper.stdout
        wrapper.stdin.write(json.dumps(asked) + "\n")
        wrapper.stdin.flush()
        return json.loads(wrapper.stdout.readline())

    return send


@pytest.fixture(scope="module")
def ask(send: Ask) -> Ask:
    """The body of a component's answer to a message that is answered with 200."""

    def ask(component: str, path: str, body: Any, **parameters: Any) -> Any:
        ((status, answer),) = send({"component": component, "parameters": parameters, "calls": [[path, body]]})
        assert status == 200, answer
        return answer

    return ask


@pytest.fixture(scope="module")
def refusal(send: Ask) -> Ask:
    """The words of a component's refusal, which must be a 400 with Seldon's own reason."""

    def refusal(component: str, path: str, body: Any, **parameters: Any) -> str:
        ((status, answer),) = send({"component": component, "parameters": parameters, "calls": [[path, body]]})
        assert status == 400, answer
        assert answer["status"]["reason"] == "MICROSERVICE_BAD_DATA"
        return str(answer["status"]["info"])

    return refusal


@pytest.fixture(scope="module")
def failure(send: Ask) -> Ask:
    """The error with which a constructor, or load(), stops."""

    def failure(component: str, **parameters: Any) -> str:
        return str(send({"component": component, "parameters": parameters, "calls": []}))

    return failure


def rows(values: Any) -> dict[str, Any]:
    return {"data": {"ndarray": values}}


def tensor(values: Any) -> dict[str, Any]:
    array = np.asarray(values)
    return {"data": {"tensor": {"shape": list(array.shape), "values": array.ravel().tolist()}}}


# --- InputTransformer


def test_raw_rows_become_the_golden_inputs(ask: Ask) -> None:
    model = ANIMALS["1"]
    answer = ask("InputTransformer", "/transform-input", rows(RAW), container_name="animals", run_name="1")
    assert np.array_equal(np.float32(answer["data"]["ndarray"]), model.golden().inputs)
    assert answer["data"]["names"] == list(model.features)


@pytest.mark.parametrize("model", [IRIS, MNIST], ids=lambda model: model.name)
@pytest.mark.parametrize("form", [rows, tensor])
def test_a_model_without_preprocessor_gets_its_rows_as_they_are(ask: Ask, model: Any, form: Any) -> None:
    message = form(model.golden().inputs[:2].tolist())
    answer = ask("InputTransformer", "/transform-input", message, container_name=model.name)
    assert {"names"} | answer["data"].keys() == {"names", *message["data"]}
    assert answer["data"] | {"names": []} == message["data"] | {"names": []}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            rows([["dgo", 0, 4, 0.2, 0.79]]),
            "species: expected one of cat, dog, parrot, rabbit; found 'dgo' (did you mean",
        ),
        (rows([["dog", 0, 4, 0.2]]), "species, returned, age, shyness, health; found a row of 4"),
        (rows([["dog", 0, None, 0.2, 0.79]]), "age: expected a finite number; found None"),
        (rows([["dog", 0, True, 0.2, 0.79]]), "age: expected a finite number; found 'True'"),
        (rows([[1, 0, 4, 0.2, 0.79]]), "species: expected one of"),
        (rows([]), "which is no list of rows"),
        ({"strData": "dog"}, "which is no list of rows"),
        ({"jsonData": {"species": "dog"}}, "which is no list of rows"),
    ],
)
def test_raw_rows_that_it_refuses(refusal: Ask, message: Any, words: str) -> None:
    assert words in refusal("InputTransformer", "/transform-input", message, container_name="animals")


# --- ModelInfer


@pytest.mark.parametrize("model", [*ANIMALS.values(), IRIS, MNIST], ids=repr)
@pytest.mark.parametrize("form", [rows, tensor])
def test_the_model_that_is_named_answers(ask: Ask, model: Any, form: Any) -> None:
    golden = model.golden()
    message = form(golden.inputs.tolist())
    answer = ask("ModelInfer", "/predict", message, container_name=model.name, run_name=model.version)["data"]
    found = answer["ndarray"] if form is rows else np.reshape(answer["tensor"]["values"], answer["tensor"]["shape"])
    assert np.abs(np.array(found) - golden.outputs).max() <= 1e-5
    assert answer["names"] == list(model.labels)


def test_a_folder_is_a_model(ask: Ask) -> None:
    answer = ask("ModelInfer", "/predict", rows(FLOWER), container_name=str(shared_models.load("iris", "2").folder))
    assert np.allclose(answer["data"]["ndarray"], shared_models.load("iris", "2").predict(FLOWER))


def test_tags_and_metrics_are_off_and_can_be_switched_on(ask: Ask) -> None:
    message = rows(FLOWER * 3)
    assert ask("ModelInfer", "/predict", message, container_name="iris")["meta"] == {}
    meta = ask("ModelInfer", "/predict", message, container_name="iris", run_name="2", tags=True, metrics=True)["meta"]
    assert meta["tags"] == {"model": "iris", "version": "2"}
    counter, timer = meta["metrics"]
    assert counter == {"key": "model_rows_total", "type": "COUNTER", "value": 3}
    assert (timer["key"], timer["type"]) == ("model_seconds", "TIMER")
    assert timer["value"] > 0


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (rows([[6.3, 3.3, 6.0]]), "iris expects numbers of shape (N, 4) (float32); found shape (1, 3)"),
        (rows([["6.3", 3.3, 6.0, 2.5]]), "found strings"),
        (rows([[6.3, 3.3, 6.0, None]]), "found values that are no numbers"),
        (rows([]), "found an empty batch"),
        ({"strData": "6.3"}, "found strings"),
        ({"binData": "aXJpcw=="}, "found"),
        ({"jsonData": {"petal": 1}}, "found values that are no numbers"),
    ],
)
def test_rows_that_the_model_refuses(refusal: Ask, message: Any, words: str) -> None:
    assert words in refusal("ModelInfer", "/predict", message, container_name="iris")


def test_a_model_that_is_not_there_stops_the_start(failure: Ask) -> None:
    assert "no model 'irsi'" in failure("ModelInfer", container_name="irsi")
    assert "animals has no version '9'; there are 1, 2" in failure("ModelInfer", container_name="animals", run_name="9")
    assert "no model ''" in failure("InputTransformer", container_name="")
    assert failure("ModelInfer", container_name="iris", tags="yes") == (
        "Refused: parameter tags: expected true or false (type BOOL); found 'yes'"
    )


# --- Router


def test_a_router_gives_the_number_of_a_child(send: Ask) -> None:
    asked = {"component": "Router", "parameters": {"n_branches": 3}, "calls": [["/route", rows(FLOWER)]] * 60}
    answers = send(asked)
    assert {status for status, _ in answers} == {200}
    drawn = Counter(answer["data"]["ndarray"][0][0] for _, answer in answers)
    assert set(drawn) == {0, 1, 2}  # each is missed once in 10^10


def test_weights_are_the_shares(send: Ask) -> None:
    def draws(n: int, weights: str) -> Counter[int]:
        return Counter(send({"parameters": {"n_branches": n, "weights": weights}, "forks": 1, "draws": 4000})[0])

    assert draws(3, "0,5,0") == {1: 4000}
    assert abs(draws(2, "0.9,0.1")[1] / 4000 - 0.1) < 0.03  # six standard deviations
    assert abs(draws(2, "")[1] / 4000 - 0.5) < 0.05


def test_forked_workers_draw_independently(send: Ask) -> None:
    """Had the workers one state, they would send the same requests the same way."""
    workers = send({"parameters": {"n_branches": 2}, "forks": 4, "draws": 2000})
    for one, other in pairwise(workers):
        agreement = np.mean(np.array(one) == np.array(other))
        assert abs(agreement - 0.5) < 0.07  # six standard deviations


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_branches": 0}, "parameter n_branches: expected the number of children, 1 or more (type INT); found 0"),
        ({"n_branches": "two"}, "parameter n_branches: expected the number of children"),
        ({"n_branches": None}, "parameter n_branches: expected the number of children"),
        ({"n_branches": 2, "weights": "0.9"}, "parameter weights: expected 2 numbers"),
        ({"n_branches": 2, "weights": "0.9;0.1"}, "parameter weights: expected 2 numbers"),
        ({"n_branches": 2, "weights": "1.1,-0.1"}, "none negative"),
        ({"n_branches": 2, "weights": "0,0"}, "not all 0"),
        ({"n_branches": 2, "weights": "nan,1"}, "found 'nan,1'"),
        ({"n_branches": 2, "weights": "inf,1"}, "found 'inf,1'"),
    ],
)
def test_a_router_that_cannot_be(failure: Ask, parameters: dict[str, Any], words: str) -> None:
    found = failure("Router", **parameters)
    assert found.startswith("Refused: ")
    assert words in found


# --- OutputTransformer, MeanCombiner, SKLearnServer


def test_probabilities_become_labels(ask: Ask) -> None:
    golden = ANIMALS["1"].golden()
    message = rows(golden.outputs.tolist())
    answer = ask("OutputTransformer", "/transform-output", message, container_name="animals")
    assert answer["data"] == {
        "names": [],
        "ndarray": [ANIMALS["1"].labels[column] for column in golden.outputs.argmax(axis=1)],
    }


@pytest.mark.parametrize(
    "message", [rows([[0.5, 0.5]]), rows([0.5, 0.5, 0.0]), rows([["a", "b", "c"]]), {"strData": "a"}]
)
def test_what_are_no_probabilities_of_the_model(refusal: Ask, message: Any) -> None:
    words = refusal("OutputTransformer", "/transform-output", message, container_name="animals")
    assert words.startswith("expected probabilities of shape (N, 3); found ")


@pytest.mark.parametrize("form", [rows, tensor])
def test_the_mean_of_the_children(ask: Ask, form: Any) -> None:
    answers = [model.golden().outputs[:5].tolist() for model in ANIMALS.values()]
    messages = [form(answer) | {"meta": {"tags": {f"child{n}": n}}} for n, answer in enumerate(answers)]
    combined = ask("MeanCombiner", "/aggregate", {"seldonMessages": messages})
    found = combined["data"]["ndarray" if form is rows else "tensor"]
    expected = np.mean(answers, axis=0)
    assert np.allclose(found if form is rows else np.reshape(found["values"], found["shape"]), expected)
    assert combined["meta"]["tags"] == {"child0": 0, "child1": 1}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (
            [rows([[1.0, 2.0]]), rows([[1.0, 2.0, 3.0]])],
            "expected answers of one shape from every child; found (1, 2), (1, 3)",
        ),
        ([rows([[1.0]]), rows([[1.0], [2.0]])], "found (1, 1), (2, 1)"),
        ([rows([[1.0]]), rows([["a"]])], "expected an array of numbers from every child"),
        ([rows([[1.0]]), {"strData": "1"}], "expected an array of numbers from every child"),
    ],
)
def test_children_that_cannot_be_combined(refusal: Ask, messages: Any, words: str) -> None:
    assert words in refusal("MeanCombiner", "/aggregate", {"seldonMessages": messages})


@pytest.mark.parametrize("address", [str(IRIS.folder), IRIS.folder.as_uri()])
def test_the_prepackaged_server_answers_as_seldons_own(ask: Ask, address: str) -> None:
    """Names and shape are those of SKLEARN_SERVER's answer to the same request."""
    answer = ask("SKLearnServer", "/predict", rows(FLOWER), model_uri=address)
    assert answer["data"]["names"] == ["t:0", "t:1", "t:2"]
    assert np.allclose(answer["data"]["ndarray"], IRIS.predict(FLOWER))
    answer = ask("SKLearnServer", "/predict", rows(FLOWER * 2), model_uri=address, method="predict")
    assert answer["data"] == {"names": [], "ndarray": [2, 2]}


def test_the_prepackaged_server_refuses(refusal: Ask, failure: Ask) -> None:
    assert "found shape (1, 3)" in refusal("SKLearnServer", "/predict", rows([[1, 2, 3]]), model_uri=str(IRIS.folder))
    assert failure("SKLearnServer", model_uri=str(IRIS.folder), method="decision_function") == (
        "Refused: parameter method: expected predict_proba or predict; found 'decision_function'"
    )
    assert "no model 'gs://bucket/iris'" in failure("SKLearnServer", model_uri="gs://bucket/iris")


def test_a_graph_by_hand_leads_from_raw_rows_to_the_golden_outputs(ask: Ask) -> None:
    """Transformer, router, one of two versions, combiner and labels: what an orchestrator does, hop by hop."""
    transformed = ask("InputTransformer", "/transform-input", rows(RAW), container_name="animals")
    branch = ask("Router", "/route", transformed, n_branches=2)["data"]["ndarray"][0][0]
    answers = [
        ask("ModelInfer", "/predict", transformed, container_name="animals", run_name=version) for version in ANIMALS
    ]
    expected = [model.golden().outputs for model in ANIMALS.values()]
    assert np.abs(np.array(answers[branch]["data"]["ndarray"]) - expected[branch]).max() <= 1e-5
    mean = ask("MeanCombiner", "/aggregate", {"seldonMessages": answers})
    labels = ask("OutputTransformer", "/transform-output", mean, container_name="animals")["data"]["ndarray"]
    assert labels == [ANIMALS["1"].labels[column] for column in np.mean(expected, axis=0).argmax(axis=1)]
