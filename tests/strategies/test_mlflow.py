"""MLflow: the registry behind the server, every form of /invocations, and SageMaker's contract, with one real store."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import servelab
import shared_models
from servelab import conformance, container, doctor, environment
from servelab.conformance.answers import difference
from servelab.errors import EnvironmentFailed, RequestFailed
from servelab.protocols import invocations
from servelab.protocols.base import JSON, Request, to_json
from servelab.strategy import Strategy, load

SAGEMAKER_PORT = 8080
FEATURES = list(shared_models.load("iris").features)
ROWS = shared_models.load("iris").golden().inputs[[0, 60, 120]].tolist()
NAMED = [dict(zip(FEATURES, row, strict=True)) for row in ROWS]
# The same table with its columns in another order, and one column more.
SHUFFLED = [{"colour": 1, **dict(reversed(row.items()))} for row in NAMED]
CSV = "\n".join([",".join(FEATURES), *(",".join(map(str, row)) for row in ROWS)])
SHUFFLED_CSV = "\n".join([",".join(SHUFFLED[0]), *(",".join(map(str, row.values())) for row in SHUFFLED)])
IMAGES = shared_models.load("mnist").golden().inputs[:2]

TABLES: dict[str, dict[str, Any]] = {
    "inputs, bare": {"inputs": ROWS},
    "inputs, named": {"inputs": {name: [row[name] for row in NAMED] for name in FEATURES}},
    "instances, bare": {"instances": ROWS},
    "instances, named": {"instances": NAMED},
    "split": {"dataframe_split": {"columns": FEATURES, "data": ROWS}},
    "split, index": {"dataframe_split": {"columns": FEATURES, "data": ROWS, "index": [7, 8, 9]}},
    "split, shuffled": {
        "dataframe_split": {"columns": list(SHUFFLED[0]), "data": [list(row.values()) for row in SHUFFLED]}
    },
    "records": {"dataframe_records": NAMED},
    "records, shuffled": {"dataframe_records": SHUFFLED},
}
TENSORS: dict[str, dict[str, Any]] = {
    "inputs": {"inputs": IMAGES.tolist()},
    "inputs, named": {"inputs": {"image": IMAGES.tolist()}},
    "instances": {"instances": IMAGES.tolist()},
    "instances, named": {"instances": [{"image": image.tolist()} for image in IMAGES]},
    "split": {"dataframe_split": {"columns": ["image"], "data": [[image.tolist()] for image in IMAGES]}},
    "split, flat": {"dataframe_split": {"columns": ["image"], "data": [[image.ravel().tolist()] for image in IMAGES]}},
    "records": {"dataframe_records": [{"image": image.tolist()} for image in IMAGES]},
    "records, flat": {"dataframe_records": [{"image": image.ravel().tolist()} for image in IMAGES]},
}
REFUSED = [
    ({"inputs": ROWS, "instances": ROWS}, "exactly one of inputs, instances"),
    ({"inputs": ROWS, "params": {"k": 1}}, "exactly one of"),
    ({"messages": ROWS}, "found messages"),
    ({"dataframe_split": {"columns": FEATURES[:3], "data": [row[:3] for row in ROWS]}}, "petal_width"),
    (
        {"dataframe_split": {"columns": [*FEATURES, FEATURES[0]], "data": [[*row, 1] for row in ROWS]}},
        "dataframe_split",
    ),
    ({"dataframe_split": {"columns": FEATURES, "data": ROWS, "more": 1}}, "dataframe_split"),
    ({"dataframe_split": ROWS}, "dataframe_split"),
    ({"dataframe_records": [NAMED[0], {}]}, "dataframe_records"),
    ({"dataframe_records": {}}, "empty batch"),
    ({"inputs": {name: [1.0] * (2 + (name == FEATURES[0])) for name in FEATURES}}, "unequal length"),
    ({"inputs": dict.fromkeys(FEATURES, 1.0)}, "table with the columns"),
    ({"instances": [NAMED[0] | {FEATURES[0]: "5.1"}]}, "found strings"),
]
REFUSED_CSV = [
    "",
    "a,b\n1,2",
    CSV + "\n1,2,3,4,5",
    CSV.replace("\n", "\n9,", 1),
    CSV + "\n1,2,,4",
    CSV + "\nTrue,1,1,1",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder of the user in which the strategy must leave nothing."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def strategy(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Strategy:
    """MLflow with a store of its own: what these tests promote stays theirs."""
    found = load("mlflow")
    own = {"STATE": str(tmp_path_factory.mktemp("state")), "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    return dataclasses.replace(found, env=dict(found.env) | own)


@pytest.fixture(scope="module")
def iris(strategy: Strategy) -> Iterator[servelab.Server]:
    with servelab.serve(strategy, model="iris") as server:
        yield server


@pytest.fixture(scope="module")
def mnist(strategy: Strategy) -> Iterator[servelab.Server]:
    with servelab.serve(strategy, model="mnist") as server:
        yield server


def program(strategy: Strategy, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program of the strategy's folder, in its environment and over these tests' store."""
    variables = environment.of(strategy).variables() | dict(strategy.env) | {"MODEL": "mnist", "MODEL_VERSION": ""}
    return subprocess.run(
        ["python", *words], cwd=strategy.folder, env=variables | more, capture_output=True, text=True, check=False
    )


def right(server: servelab.Server, version: str = "1") -> bool:
    golden = shared_models.load(server.model.name, version).golden()
    return not difference(server.predict(golden.inputs), golden.outputs)


@pytest.mark.parametrize("form", TABLES)
def test_every_form_of_a_table_is_answered(iris: servelab.Server, form: str) -> None:
    answer = iris.client.send(Request("POST", "/invocations", JSON, to_json(TABLES[form])))
    assert difference(answer, iris.model.predict(ROWS)) == ""


@pytest.mark.parametrize("table", [CSV, SHUFFLED_CSV])
def test_csv_is_answered(iris: servelab.Server, table: str) -> None:
    answer = iris.client.send(Request("POST", "/invocations", (("Content-Type", "text/csv"),), table.encode()))
    assert difference(answer, iris.model.predict(ROWS)) == ""


@pytest.mark.parametrize("form", TENSORS)
def test_every_form_of_a_tensor_is_answered(mnist: servelab.Server, form: str) -> None:
    answer = mnist.client.send(Request("POST", "/invocations", JSON, to_json(TENSORS[form])))
    assert difference(answer, mnist.model.predict(IMAGES)) == ""


@pytest.mark.parametrize(("document", "mention"), REFUSED, ids=range(len(REFUSED)))
def test_a_table_that_is_none_is_refused_with_its_reason(iris: servelab.Server, document: Any, mention: str) -> None:
    status, _, body = iris.client.exchange(Request("POST", "/invocations", JSON, to_json(document)))
    assert status == 400
    assert mention in json.loads(body)["message"]
    assert "stack_trace" not in json.loads(body)


@pytest.mark.parametrize("table", REFUSED_CSV, ids=range(len(REFUSED_CSV)))
def test_csv_that_is_none_is_refused_with_its_reason(iris: servelab.Server, table: str) -> None:
    status, _, body = iris.client.exchange(
        Request("POST", "/invocations", (("Content-Type", "text/csv"),), table.encode())
    )
    assert (status, json.loads(body)["error_code"]) == (400, "BAD_REQUEST"), body
    assert "expect" in json.loads(body)["message"]


def test_csv_of_images_and_parquet_are_refused(mnist: servelab.Server) -> None:
    for kind, expected in (("text/csv", 400), ("application/vnd.apache.parquet", 415)):
        status, _, body = mnist.client.exchange(Request("POST", "/invocations", (("Content-Type", kind),), b"a\n1\n"))
        assert status == expected
        assert "application/json" in json.loads(body)["message"]


def test_health_and_version(iris: servelab.Server) -> None:
    answers = {path: iris.client.exchange(Request("GET", path, (), b"")) for path in ("/ping", "/health", "/version")}
    assert {path: status for path, (status, _, _) in answers.items()} == dict.fromkeys(answers, 200)
    assert f"mlflow=={answers['/version'][2].decode()} " in iris.strategy.requirements.read_text()


def test_a_switch_of_the_alias_is_followed_at_the_next_start_and_a_given_version_is_pinned(
    strategy: Strategy, mnist: servelab.Server
) -> None:
    assert right(mnist, "1")
    promoted = program(strategy, "promote.py", "mnist", "2")
    assert promoted.stdout.endswith("models:/mnist@champion is version 2\n"), promoted.stderr
    try:
        with servelab.serve(strategy, model="mnist") as switched:
            assert right(switched, "2")
            assert not right(switched, "1")
        with servelab.serve(strategy, model="mnist", version="1") as pinned:
            assert right(pinned, "1")
        assert right(mnist, "1")  # one that runs goes on as it began
        report = conformance.run(strategy, "mnist", only=["answers/parity"])
        assert report.ok, "conformance asks for the version whose goldens it compares with"
    finally:
        assert program(strategy, "promote.py", "mnist", "1").returncode == 0


@pytest.mark.parametrize(("words", "mention"), [(["mnist", "7"], "found mnist 7"), (["mnist"], "promote.py mnist 2")])
def test_what_cannot_be_promoted_is_said(strategy: Strategy, words: list[str], mention: str) -> None:
    done = program(strategy, "promote.py", *words)
    assert done.returncode == 1
    assert mention in done.stderr
    assert "Traceback" not in done.stderr


ASK = """
import json, registry, mlflow
mlflow.set_tracking_uri(registry.tracking_uri())
client = mlflow.MlflowClient()
for version in client.search_model_versions("name = 'mnist'"):
    run = client.get_run(version.run_id)
    model = mlflow.models.Model.load(version.source)
    print(json.dumps([str(version.version), run.data.params, run.data.metrics, list(model.flavors),
                      model.signature.to_dict(), model.saved_input_example_info["type"]]))
"""


@pytest.mark.usefixtures("mnist")
def test_each_version_is_a_run_with_parameters_metrics_signature_and_example(strategy: Strategy) -> None:
    done = program(strategy, "-c", ASK)
    found = {version: rest for version, *rest in map(json.loads, done.stdout.splitlines())}
    assert set(found) == {"1", "2"}, done.stderr
    for version, (parameters, metrics, flavours, signature, example) in found.items():
        card = shared_models.load("mnist", version).card
        assert parameters == {key: str(value) for key, value in card.training.items()}
        assert metrics == {"accuracy": card.accuracy["value"]}
        assert set(flavours) == {"onnx", "python_function"}
        assert json.loads(signature["inputs"])[0]["tensor-spec"] == {"dtype": "float32", "shape": [-1, 28, 28]}
        assert example == "ndarray"


@pytest.mark.usefixtures("iris", "mnist")
def test_preparing_again_changes_nothing_and_iris_is_stored_without_pickle(strategy: Strategy) -> None:
    (store,) = Path(strategy.env["STATE"]).iterdir()
    before = (store / "mlflow.db").read_bytes()
    done = program(strategy, "prepare.py", "iris", "mnist")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (store / "mlflow.db").read_bytes() == before
    names = {path.name for path in store.rglob("*") if path.is_file()}
    assert "model.skops" in names
    assert not {name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))}


@pytest.mark.usefixtures("iris")
def test_what_was_left_half_done_is_done_again(strategy: Strategy) -> None:
    """As if the first run had been killed before it said that it was through."""
    (mark,) = Path(strategy.env["STATE"]).glob("*/iris.registered")
    mark.unlink()
    done = program(strategy, "prepare.py", "iris")
    assert done.returncode == 0, done.stderr
    assert mark.exists()


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A model of the user's own: iris as a graph alone."""
    folder = tmp_path / "flowers"
    shutil.copytree(shared_models.load("iris").folder, folder)
    card = json.loads((folder / "card.json").read_text()) | {"name": "flowers", "parameters": {}}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_a_brought_model_is_served_in_the_onnx_flavour(strategy: Strategy, flowers: Path) -> None:
    report = conformance.run(strategy, flowers, only=["answers/*", "invocations/*"])
    assert report.ok, report.render()


def test_a_card_whose_parameters_are_not_its_graphs_is_refused(strategy: Strategy, flowers: Path) -> None:
    card = json.loads((flowers / "card.json").read_text())
    wrong = {"coefficients": [[0.0] * 4] * 3, "intercepts": [0.0] * 3}
    (flowers / "card.json").write_text(json.dumps(card | {"parameters": wrong}))
    done = program(strategy, "prepare.py", str(flowers))
    assert done.returncode == 1
    assert "answer as model.onnx does" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("iris", "mnist")
def test_nothing_is_left_in_the_users_home(home: Path) -> None:
    """Telemetry keeps its identity there, from the first import on."""
    assert [str(path) for path in home.rglob("*") if path.is_file()] == []


def test_telemetry_is_off_where_nobody_says_so(strategy: Strategy, tmp_path: Path) -> None:
    kept = {key: value for key, value in environment.of(strategy).variables().items() if key not in strategy.env}
    ask = "import registry, mlflow.telemetry; print(mlflow.telemetry.get_telemetry_client())"
    done = subprocess.run(
        ["python", "-c", ask], cwd=strategy.folder, env=kept | {"HOME": str(tmp_path)}, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "None"
    assert list(tmp_path.rglob("*.json")) == []


# What Amazon SageMaker asks of a container (AWS, "Custom Inference Code with Hosting Services"): it is started as
# `docker run IMAGE serve`, listens on 8080, answers GET /ping with 200 within 2 s, POST /invocations within 60 s
# whatever headers come with it, and ends within 30 s of a SIGTERM.
def sagemaker_contract(model: shared_models.Model) -> None:
    with servelab.connect(f"http://127.0.0.1:{SAGEMAKER_PORT}", "invocations", model.name) as client:
        deadline = time.monotonic() + 60
        while True:
            try:
                status, _, body = client.exchange(Request("GET", "/ping", (), b""))
                break
            except RequestFailed:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert (status, body.strip()) == (200, b"")
        golden = model.golden()
        request = invocations.encode(golden.inputs, model)
        more = (("X-Amzn-SageMaker-Custom-Attributes", "trace=1"), ("X-Amzn-Unknown", "yes"))
        answer = client.send(dataclasses.replace(request, headers=request.headers + more))
        assert difference(answer, golden.outputs) == ""


needs_port = pytest.mark.skipif(not doctor.port_is_free(SAGEMAKER_PORT), reason=f"port {SAGEMAKER_PORT} is in use")


@needs_port
def test_serve_keeps_sagemakers_contract(strategy: Strategy) -> None:
    env = environment.of(strategy)
    env.ensure()
    variables = env.variables() | dict(strategy.env) | {"MODEL": "iris", "MODEL_VERSION": "", "HOST": "127.0.0.1"}
    process = subprocess.Popen(
        ["./serve"], cwd=strategy.folder, env=variables, start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        sagemaker_contract(shared_models.load("iris"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@needs_port
@pytest.mark.image
@pytest.mark.timeout(900)
def test_the_image_keeps_sagemakers_contract_and_writes_nothing() -> None:
    try:
        engine = container.engine()
    except EnvironmentFailed:
        pytest.skip("no container engine answers; make doctor says how to get one")
    strategy = load("mlflow")
    container.build(strategy)
    port = {f"{SAGEMAKER_PORT}/tcp": ("127.0.0.1", SAGEMAKER_PORT)}
    running = engine.containers.run(
        container.tag(strategy), "serve", detach=True, ports=port, read_only=True, network_mode="bridge",
        cap_drop=["ALL"], security_opt=["no-new-privileges"], environment={"MODEL": "iris"},
    )  # fmt: skip
    try:
        sagemaker_contract(shared_models.load("iris"))
        began = time.monotonic()
        running.stop(timeout=60)
        assert time.monotonic() - began < 30
    except BaseException:
        print(running.logs().decode())
        raise
    finally:
        running.remove(force=True)
        engine.close()
