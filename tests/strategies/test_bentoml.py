"""What the bentoml strategy promises beyond the conformance kit: a store, bentos, batches, no calls to strangers."""

import dataclasses
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import servelab
from servelab import conformance, environment
from servelab.paths import ROOT
from servelab.protocols import image
from servelab.strategy import load
from shared_models import load as load_model

BENTOML = load("bentoml")


def run(
    store: Path, *command: str, typed: str = "", cwd: Path = BENTOML.folder, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A program of the strategy's environment, in its folder, with a store of its own."""
    env = environment.of(BENTOML)
    env.ensure()
    known = env.variables() | {"BENTOML_HOME": str(store), "BENTOML_DO_NOT_TRACK": "True"} | variables
    return subprocess.run([env.bin / command[0], *command[1:]], cwd=cwd, env=known, capture_output=True,
                          text=True, check=False, input=typed)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with iris and MNIST in it."""
    folder = tmp_path_factory.mktemp("store")
    for model in BENTOML.models:
        done = run(folder, "python", "store.py", MODEL=model)
        assert done.returncode == 0, done.stderr
    return folder


def tags(store: Path) -> dict[str, str]:
    """Tag to creation time, as `bentoml models list` tells."""
    done = run(store, "bentoml", "models", "list", "--output", "json")
    return {item["tag"]: item["creation_time"] for item in json.loads(done.stdout)}


def test_the_store_has_each_model_once(store: Path) -> None:
    before = tags(store)
    assert [tag.partition("-")[0] for tag in sorted(before)] == ["iris:1", "mnist:1"]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: run(store, "python", "store.py", MODEL="mnist"), range(3)))
    assert {each.stdout.strip() for each in done} == {tag for tag in before if tag.startswith("mnist")}
    assert tags(store) == before, "what is there is not saved again"


def test_another_content_is_another_entry(store: Path, tmp_path: Path) -> None:
    shutil.copytree(load_model("iris").folder, tmp_path / "mine")
    card = json.loads((tmp_path / "mine/card.json").read_text())
    (tmp_path / "mine/card.json").write_text(json.dumps(card | {"summary": "mine"}))
    done = run(store, "python", "store.py", MODEL=str(tmp_path / "mine"))
    assert done.returncode == 0, done.stderr
    assert sum(tag.startswith("iris:1-") for tag in tags(store)) == 2


@pytest.mark.parametrize("model", ["nope", "/nowhere"])
def test_what_cannot_be_saved_is_said_in_a_line(store: Path, model: str) -> None:
    done = run(store, "python", "store.py", MODEL=model)
    assert done.returncode == 1
    assert "expected" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_model_that_is_not_in_the_store_is_said_in_a_line(tmp_path: Path) -> None:
    done = run(tmp_path, "bentoml", "serve", "server:Classifier", "--host", "127.0.0.1", MODEL="iris")
    assert done.returncode == 1
    assert "python store.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_offline_batches_are_answered_as_online_ones(store: Path) -> None:
    golden = load_model("mnist").golden()
    rows = "".join(f"{json.dumps(row.tolist())}\n" for row in golden.inputs)
    done = run(store, "python", "batch.py", MODEL="mnist", typed=rows)
    answers = np.array([json.loads(line) for line in done.stdout.splitlines()])
    assert conformance.answers.difference(answers, golden.outputs) == ""


def test_an_offline_batch_names_the_lines_it_cannot_answer(store: Path) -> None:
    done = run(store, "python", "batch.py", MODEL="iris", typed="[5.1, 3.5, 1.4, 0.2]\n[5.1]\n")
    assert done.returncode == 1
    assert done.stderr.startswith("lines 1 to 2: iris expects")


@pytest.fixture(scope="module")
def mnist() -> Iterator[servelab.Server]:
    with servelab.serve("bentoml", model="mnist") as server:
        yield server


def metrics(server: servelab.Server) -> str:
    with server.connect() as client:
        return client.exchange(servelab.protocols.Request("GET", "/metrics", (), b""))[2].decode()


def test_two_servers_beside_each_other_each_tell_their_own_metrics(mnist: servelab.Server) -> None:
    mnist.predict(mnist.model.golden().inputs[:1])
    with servelab.serve("bentoml", "iris") as iris:
        iris.predict(iris.model.golden().inputs[:1])
        assert "mnist:predict" in metrics(mnist), "the second server's start has emptied them"
        assert "iris:predict" not in metrics(mnist)
        assert "iris:predict" in metrics(iris)
        assert "mnist:predict" not in metrics(iris)


def test_a_url_in_the_place_of_a_file_is_not_fetched(mnist: servelab.Server) -> None:
    """BentoML's own reader of forms would."""
    with socket.create_server(("127.0.0.1", 0)) as listener, mnist.connect() as client:
        listener.settimeout(0.5)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        sent = image.upload(url.encode(), "x")
        text = sent.body.replace(b'; filename="x"', b"")
        status, _, body = client.exchange(dataclasses.replace(sent, path="/classify", body=text))
        with pytest.raises(TimeoutError):
            listener.accept()
    assert status == 400
    assert b"file in the field image" in body


def test_the_page_may_load_nothing_from_other_hosts(mnist: servelab.Server) -> None:
    with mnist.connect() as client:
        _, headers, _ = client.exchange(servelab.protocols.Request("GET", "/", (), b""))
    assert headers["content-security-policy"].startswith("default-src 'self'")


def test_what_clients_do_wrong_leaves_no_traceback_in_the_log(mnist: servelab.Server) -> None:
    with mnist.connect() as client:
        sent = servelab.protocols.Request("POST", "/v1/models/mnist:predict", (), b"{")
        assert client.exchange(sent)[0] == 400
    assert mnist.log is not None
    assert "Traceback" not in mnist.log.read_text()


def test_batches_are_gathered_and_answered_rightly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHING", "on")
    with servelab.serve("bentoml", model="mnist") as server:
        conformance.parity(server)
        ask_at_once(server, 20, 30)
        with server.connect() as client:
            _, _, metrics = client.exchange(servelab.protocols.Request("GET", "/metrics", (), b""))
    sizes = {line.split("le=")[1].split('"')[1]: float(line.rsplit(" ", 1)[1])
             for line in metrics.decode().splitlines() if "adaptive_batch_size_bucket" in line}  # fmt: skip
    assert sizes["+Inf"] > sizes["1.0"], "some batch was of more than one request"


def ask_at_once(server: servelab.Server, clients: int, times: int) -> None:
    golden = server.model.golden()
    start = threading.Barrier(clients)

    def ask(index: int) -> None:
        with server.connect() as client:
            start.wait()
            for number in range(times):
                row = slice((index + number) % len(golden.inputs), (index + number) % len(golden.inputs) + 1)
                answer = client.predict(golden.inputs[row])
                assert conformance.answers.difference(answer, golden.outputs[row]) == ""

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, range(clients)))


def test_a_bento_is_served_without_a_word_about_its_model(store: Path, tmp_path: Path) -> None:
    for file in [*BENTOML.folder.glob("*.py"), BENTOML.folder / "requirements.in", BENTOML.folder / "bentofile.yaml"]:
        shutil.copy(file, tmp_path)
    shutil.copytree(ROOT / "shared_models", tmp_path / "shared_models", ignore=shutil.ignore_patterns("__pycache__"))
    tag = run(store, "python", "store.py", MODEL="mnist").stdout.strip()
    built = run(store, "bentoml", "build", "--version", "1", "--arg", f"tag={tag}", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    bento = dataclasses.replace(
        BENTOML,
        command=("bentoml", "serve", "mnist:1", "--host", "{host}", "--port", "{port}"),
        prepare=(),
        env={"BENTOML_HOME": str(store), "BENTOML_DO_NOT_TRACK": "True", "MODEL": "", "MODEL_VERSION": ""},
    )
    with servelab.serve(bento, model="mnist") as server:
        conformance.parity(server)


def test_a_brought_model_is_served_from_the_store(tmp_path: Path) -> None:
    shutil.copytree(load_model("iris").folder, tmp_path / "mine")
    card = json.loads((tmp_path / "mine/card.json").read_text())
    (tmp_path / "mine/card.json").write_text(json.dumps(card | {"name": "Mine", "version": "3"}))
    report = conformance.run("bentoml", tmp_path / "mine", only=["answers/*", "v1/unknown-model", "pages/*"])
    assert report.ok, report.render()
