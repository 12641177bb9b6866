"""Each step by itself: what it leaves, and how it fails. Those that deploy talk to a real graph runner."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings, strategies as st

import shared_models
from servelab import kubernetes
from servelab.errors import AddressError, RequestFailed
from servelab.graph import manifest as graphs
from servelab.kubernetes import Api, KubernetesError, Reference, plain
from servelab.paths import ROOT
from servelab.steps.deploy import base
from servelab.steps.files import StepFailed
from servelab.steps.manifest import content_version
from shared_models import artifact
from shared_models.errors import ModelError
from shared_models.iris import rows

from .running import DEPLOYMENTS, PROGRAMS, ask, environment, graph_runner, step


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of iris, as fetch leaves them; scikit-learn is in the tests' environment, too."""
    folder = tmp_path_factory.mktemp("data")
    rows.write(folder)
    return folder


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models that a pipeline may deploy one after the other."""
    folder = tmp_path_factory.mktemp("models")
    step("take", "--model", "iris", "--output", folder / "one")
    step("take", "--model", "mnist", "--version", "2", "--output", folder / "two")
    return folder / "one", folder / "two"


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with graph_runner(tmp_path_factory.mktemp("runner") / "log") as url:
        yield url


def test_the_rows_of_iris_are_split_once_and_for_all(data: Path, tmp_path: Path) -> None:
    rows.write(tmp_path)
    parts = []
    for name, count in ((rows.TRAIN, rows.TRAIN_ROWS), (rows.TEST, rows.TEST_ROWS)):
        assert (tmp_path / name).read_bytes() == (data / name).read_bytes()
        lengths, kinds = rows.read(data / name)
        assert lengths.shape == (count, 4)
        assert {kinds.count(kind) for kind in set(kinds)} == {count // 3}
        parts.append(lengths)
    goldens = shared_models.load("iris").golden().inputs  # all 150 rows
    assert np.array_equal(np.unique(np.concatenate(parts), axis=0), np.unique(goldens, axis=0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns"),
        ("a,b\n1,2\n", "expected the columns sepal_length"),
        (",".join((*rows.FEATURES, rows.LABEL)) + "\n1,2,3,x,setosa\n", "line 2: expected four numbers"),
        (",".join((*rows.FEATURES, rows.LABEL)) + "\n1,2,3,4\n", "line 2: expected four numbers and a kind"),
    ],
)
def test_rows_that_are_none_are_told_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / rows.TEST).write_text(text)
    with pytest.raises(ModelError, match=message):
        rows.read(tmp_path / rows.TEST)


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(0, 1000))
def test_label_noise_replaces_its_share_and_is_the_same_for_the_same_seed(share: float, seed: int) -> None:
    labels = np.arange(3000) % 10
    noisy = artifact.noisy(labels, share, seed)
    assert np.array_equal(noisy, artifact.noisy(labels, share, seed))
    assert set(noisy) <= set(labels)
    assert abs((noisy != labels).mean() - share * 0.9) < 0.06  # one in ten is drawn as it was


def test_take_leaves_one_model_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert step("take", "--model", "mnist", "--version", "2", "--output", tmp_path / "model") == 0
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == ["card.json", "golden.json", "model.onnx"]
    assert shared_models.load(tmp_path / "model").version == "2"
    assert capsys.readouterr().out.count("\n") == 1
    with pytest.raises(ModelError, match="no version '9'"):
        step("take", "--model", "iris", "--version", "9", "--output", tmp_path)


def test_evaluate_asks_the_test_set_or_the_card_and_says_which(data: Path, tmp_path: Path) -> None:
    step("take", "--model", "iris", "--output", tmp_path / "model")
    metrics = tmp_path / "metrics.json"
    step("evaluate", "--model-dir", tmp_path / "model", "--data", data, "--output", metrics)
    measured = json.loads(metrics.read_text())
    assert measured["accuracy"] > 0.9
    assert (measured["n"], measured["on"]) == (30, "test set")
    step("evaluate", "--model-dir", tmp_path / "model", "--output", metrics)
    stated = json.loads(metrics.read_text())
    assert stated == {"accuracy": 0.96, "n": 150, "on": "5-fold cross-validation, as its card says"}
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    del card["accuracy"]
    (tmp_path / "model" / "card.json").write_text(json.dumps(card))
    step("evaluate", "--model-dir", tmp_path / "model", "--output", metrics)
    assert json.loads(metrics.read_text())["on"].startswith("goldens")


def test_evaluate_counts_wrong_answers(data: Path, tmp_path: Path) -> None:
    lengths, kinds = rows.read(data / rows.TEST)
    lines = (data / rows.TEST).read_text().splitlines()
    lines[1] = lines[1].replace(kinds[0], "setosa" if kinds[0] != "setosa" else "virginica")
    (tmp_path / rows.TEST).write_text("\n".join(lines))
    found = []
    for folder in (data, tmp_path):
        arguments = ["--model-dir", ROOT / "shared_models/iris/1", "--data", folder]
        step("evaluate", *arguments, "--output", tmp_path / "metrics.json")
        found.append(json.loads((tmp_path / "metrics.json").read_text())["accuracy"])
    assert found[0] - found[1] == pytest.approx(1 / len(lengths))


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.95, "true"), (0.9499, "false"), (1, "true")])
def test_the_gate_says_why(tmp_path: Path, accuracy: float, verdict: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"accuracy": accuracy}))
    arguments = ["--metrics", tmp_path / "metrics.json", "--minimum", "0.95", "--output", tmp_path / "verdict"]
    assert step("gate", *arguments) == 0
    assert (tmp_path / "verdict").read_text() == verdict
    assert "expected at least 0.95" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("metrics", "minimum", "message"),
    [
        ("[]", "0.9", "found list"),
        ("{}", "0.9", "accuracy: expected a number; found None"),
        ('{"accuracy": "high"}', "0.9", "expected a number; found 'high'"),
        ("{", "0.9", "found a fault"),
        ("{}", "95", "expected --minimum from 0 to 1; found 95"),
    ],
)
def test_a_gate_that_cannot_judge_fails(tmp_path: Path, metrics: str, minimum: str, message: str) -> None:
    (tmp_path / "metrics.json").write_text(metrics)
    with pytest.raises(StepFailed, match=message):
        step("gate", "--metrics", tmp_path / "metrics.json", "--minimum", minimum, "--output", tmp_path / "verdict")
    assert not (tmp_path / "verdict").exists()


def manifest(model: Path, folder: Path, name: str = "flowers", *more: object) -> Path:
    """What the step manifest writes."""
    file = folder / f"{model.name}.yaml"
    step("manifest", "--model-dir", model, "--name", name, "--store", folder / "store", "--output", file, *more)
    return file


def test_manifest_stores_the_model_once_under_its_contents_version(tmp_path: Path, versions: tuple[Path, Path]) -> None:
    one = manifest(versions[0], tmp_path)
    document = yaml.safe_load(one.read_text())
    version = content_version(versions[0])
    place = tmp_path / "store" / "models" / "iris" / version
    assert document["spec"]["predictors"][0]["graph"]["modelUri"] == place.as_uri()
    assert document["metadata"]["labels"]["app.kubernetes.io/version"] == version
    assert shared_models.load(place).name == "iris"
    before = place.stat().st_mtime_ns
    manifest(versions[0], tmp_path)
    assert place.stat().st_mtime_ns == before
    assert [folder.name for folder in place.parent.iterdir()] == [version]
    (graph,) = graphs.read(one)
    assert (graph.name, graph.predictors[0].graph.implementation) == ("flowers", "SKLEARN_SERVER")


def test_manifest_takes_the_address_of_the_store_in_a_cluster(tmp_path: Path, versions: tuple[Path, Path]) -> None:
    document = yaml.safe_load(manifest(versions[0], tmp_path, "flowers", "--uri", "pvc://claim/").read_text())
    uri = document["spec"]["predictors"][0]["graph"]["modelUri"]
    assert uri == f"pvc://claim/models/iris/{content_version(versions[0])}"


@pytest.mark.parametrize("name", ["Iris", "a_b", "-a", "a" * 64, ""])
def test_a_name_that_kubernetes_refuses_is_refused_here(tmp_path: Path, versions: tuple[Path, Path], name: str) -> None:
    with pytest.raises(StepFailed, match="expected --name of lower-case letters"):
        step("manifest", "--model-dir", versions[0], f"--name={name}", "--store", tmp_path, "--output", tmp_path / "x")


def test_another_model_is_another_version(versions: tuple[Path, Path], tmp_path: Path) -> None:
    assert content_version(versions[0]) != content_version(versions[1])
    step("take", "--model", "iris", "--output", tmp_path)
    assert content_version(tmp_path) == content_version(versions[0])
    golden = tmp_path / "golden.json"
    golden.write_bytes(golden.read_bytes() + b" ")
    assert content_version(tmp_path) != content_version(versions[0])


def test_apply_smoke_promote_and_back_again(
    runner: str, versions: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (manifest(model, tmp_path, "two-versions") for model in versions)
    first, second, url = tmp_path / "first.json", tmp_path / "second.json", tmp_path / "url"
    step("apply", "--manifest", one, "--api", runner, "--previous", first, "--url", url)
    assert json.loads(first.read_text()) == {}
    where = url.read_text()
    assert where.startswith(runner)
    assert step("smoke", "--url", where, "--model-dir", versions[0]) == 0
    assert step("smoke", "--url", f"{where}/api/v1.0/predictions", "--model-dir", versions[0]) == 0
    step("apply", "--manifest", two, "--api", runner, "--previous", second)
    assert step("smoke", "--url", where, "--model-dir", versions[1]) == 0
    capsys.readouterr()
    assert step("smoke", "--url", where, "--model-dir", ROOT / "shared_models/mnist/1", "--wait", "1") == 1
    assert "the largest difference" in capsys.readouterr().out
    with pytest.raises(RequestFailed):
        step("smoke", "--url", where, "--model-dir", versions[0], "--wait", "0.1")
    name = ["--name", "two-versions", "--api", runner]
    step("rollback", *name, "--previous", second, "--status", "SUCCEEDED")
    assert step("smoke", "--url", where, "--model-dir", versions[1]) == 0
    step("rollback", *name, "--previous", second, "--status", "Failed")
    assert step("smoke", "--url", where, "--model-dir", versions[0]) == 0
    step("rollback", *name, "--previous", first)
    assert ask(f"{runner}{DEPLOYMENTS}/two-versions") is None
    step("rollback", *name, "--previous", first)
    assert "so it is gone" in capsys.readouterr().out


def test_a_failed_apply_is_told_and_a_second_attempt_remembers_the_same(
    runner: str, versions: tuple[Path, Path], tmp_path: Path
) -> None:
    file = manifest(versions[0], tmp_path, "failing")
    previous = tmp_path / "previous.json"
    step("apply", "--manifest", file, "--api", runner)
    document = yaml.safe_load(file.read_text())
    broken, empty = tmp_path / "broken.yaml", tmp_path / "empty"
    empty.mkdir()
    document["spec"]["predictors"][0]["graph"]["modelUri"] = empty.as_uri()
    broken.write_text(yaml.safe_dump(document))
    for error, message in (
        (KubernetesError, "422 .*expected a folder with"),
        (StepFailed, "(?s)default/failing failed: .*empty"),
    ):
        with pytest.raises(error, match=message):
            step("apply", "--manifest", broken, "--api", runner, "--previous", previous, "--wait", "20")
        assert json.loads(previous.read_text())["spec"] != document["spec"]
        (empty / "card.json").write_text("{}")  # enough for the runner to try
    where = f"{runner}/seldon/default/failing"
    assert step("smoke", "--url", where, "--model-dir", versions[0]) == 0, "the old version serves on"
    step("rollback", "--name", "failing", "--api", runner, "--previous", previous)
    assert ask(f"{runner}{DEPLOYMENTS}/failing")["status"]["state"] == "Available"
    assert step("smoke", "--url", where, "--model-dir", versions[0]) == 0


def test_previous_writes_what_is_there_for_a_resource_op(
    runner: str, versions: tuple[Path, Path], tmp_path: Path
) -> None:
    file = manifest(versions[0], tmp_path, "remembered")
    for name, applied in (("before", False), ("after", True)):
        if applied:
            step("apply", "--manifest", file, "--api", runner)
        step("previous", "--name", "remembered", "--api", runner, "--output", tmp_path / name)
    assert json.loads((tmp_path / "before").read_text()) == {}
    kept = json.loads((tmp_path / "after").read_text())
    assert kept["spec"] == yaml.safe_load(file.read_text())["spec"]
    assert "status" not in kept
    assert not {"uid", "resourceVersion", "managedFields"} & set(kept["metadata"])


def test_rollback_without_an_apply_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert step("rollback", "--name", "x", "--previous", tmp_path / "no.json", "--status", "Failed") == 0
    assert "nothing was applied" in capsys.readouterr().out


def test_promote_keeps_what_spoke_for_the_version(tmp_path: Path, versions: tuple[Path, Path]) -> None:
    file = manifest(versions[0], tmp_path)
    (tmp_path / "metrics.json").write_text('{"accuracy": 1.0}')
    name = ["--name", "flowers", "--manifest", file, "--store", tmp_path / "store"]
    step("promote", *name, "--metrics", tmp_path / "metrics.json")
    record = json.loads((tmp_path / "store/promoted/default/flowers.json").read_text())
    assert record["version"] == content_version(versions[0])
    assert record["metrics"] == {"accuracy": 1.0}
    assert record["manifest"] == yaml.safe_load(file.read_text())
    with pytest.raises(StepFailed, match="is of default/flowers; expected that of other/flowers"):
        step("promote", *name, "--namespace", "other")


@pytest.mark.parametrize(
    "document",
    [{}, {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "x"}},
     {"kind": "SeldonDeployment", "apiVersion": "machinelearning.seldon.io/v1", "metadata": {}},
     {"kind": "SeldonDeployment", "apiVersion": 1, "metadata": {"name": "x"}}],
)  # fmt: skip
def test_what_is_no_seldon_deployment_is_not_applied(document: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(KubernetesError, match="expected a SeldonDeployment"):
        step("apply", "--manifest", tmp_path / "x.yaml", "--api", "http://127.0.0.1:1")


class Answers(BaseHTTPRequestHandler):
    """Answers every request with what the test put into `reply`, and remembers what was asked."""

    reply: tuple[int, bytes] = (200, b"{}")
    asked: list[tuple[str, str, dict[str, str]]]

    def _answer(self) -> None:
        self.asked.append((self.command, self.path, dict(self.headers)))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.reply[0])
        self.send_header("Content-Length", str(len(self.reply[1])))
        self.end_headers()
        self.wfile.write(self.reply[1])

    do_GET = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def answering() -> Iterator[tuple[str, type[Answers]]]:
    """An API server that answers as no graph runner would: forbidden, or with what is no JSON."""
    handler = type("Handler", (Answers,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


def test_a_refusal_says_what_the_api_said(answering: tuple[str, type[Answers]], tmp_path: Path) -> None:
    url, handler = answering
    handler.reply = (403, b'{"kind": "Status", "message": "seldondeployments is forbidden: User cannot patch"}')
    with pytest.raises(KubernetesError, match="403 seldondeployments is forbidden: User cannot patch"):
        step("rollback", "--name", "x", "--api", url, "--previous", _write(tmp_path, "{}"))
    handler.reply = (502, b"<html>bad gateway</html>")
    with pytest.raises(KubernetesError, match="502 <html>bad gateway"):
        step("previous", "--name", "x", "--api", url, "--output", tmp_path / "out")
    handler.reply = (200, b"not json")
    with pytest.raises(KubernetesError, match=r"expected an object in JSON from GET .*; found b'not json'"):
        step("previous", "--name", "x", "--api", url, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_state_that_never_comes_ends_in_time(
    answering: tuple[str, type[Answers]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "SETTLE", 0.0)
    url, handler = answering
    document = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment", "metadata": {"name": "x"}}
    creating = {"status": {"state": "Creating", "description": "pulling"}}
    handler.reply = (200, json.dumps(document | creating).encode())
    with pytest.raises(KubernetesError, match=r"expected Available within 0.1 s; its state is Creating: pulling"):
        step("apply", "--manifest", _write(tmp_path, json.dumps(document)), "--api", url, "--wait", "0.1")
    method, path, headers = handler.asked[0]
    assert (method, path) == ("PATCH", f"{DEPLOYMENTS}/x?fieldManager=servelab&force=true")
    assert headers["Content-Type"] == "application/apply-patch+yaml"


def test_available_is_not_believed_before_a_controller_can_have_looked(
    answering: tuple[str, type[Answers]], tmp_path: Path
) -> None:
    """The status of the version before stands until a controller has seen the new one."""
    url, handler = answering
    document = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment", "metadata": {"name": "x"}}
    stale = document | {"status": {"state": "Available", "address": {"url": "http://old"}}}
    fresh = document | {"status": {"state": "Failed", "description": "no such image"}}
    handler.reply = (200, json.dumps(stale).encode())
    threading.Timer(1, lambda: setattr(handler, "reply", (200, json.dumps(fresh).encode()))).start()
    with pytest.raises(StepFailed, match="default/x failed: no such image"):
        step("apply", "--manifest", _write(tmp_path, json.dumps(document)), "--api", url)


def test_in_a_pod_the_service_account_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    found = Api.of_pod()
    assert found.url == "https://[fd00::1]:6443"
    assert str(found.token) == "/var/run/secrets/kubernetes.io/serviceaccount/token"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(KubernetesError, match="kubectl proxy"):
        Api.of_pod()
    with pytest.raises(KubernetesError, match="the service account's token in /nowhere; cannot read it"):
        Api("http://127.0.0.1:1", token=Path("/nowhere")).list()
    with pytest.raises(AddressError, match="expected a URL"):
        step("previous", "--name", "x", "--api", "127.0.0.1:8010", "--output", "never")


def test_the_account_may_do_what_the_steps_ask_and_nothing_else(
    answering: tuple[str, type[Answers]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "SETTLE", 0.0)
    url, handler = answering
    document = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment", "metadata": {"name": "x"}}
    available = {"status": {"state": "Available", "address": {"url": "http://x"}}}
    handler.reply = (200, json.dumps(document | available).encode())
    step("apply", "--manifest", _write(tmp_path, json.dumps(document)), "--api", url, "--previous", tmp_path / "p")
    step("rollback", "--name", "x", "--api", url, "--previous", tmp_path / "p")
    (tmp_path / "p").write_text("{}")
    step("rollback", "--name", "x", "--api", url, "--previous", tmp_path / "p")
    verbs = {method.lower() for method, _, _ in handler.asked} | {"create"}  # a server-side apply may create
    documents = list(yaml.safe_load_all((ROOT / "k8s/pipelines/service-account.yaml").read_text()))
    (role,) = (each for each in documents if each["kind"] == "Role")
    assert [set(rule["verbs"]) for rule in role["rules"]] == [verbs]
    assert role["rules"][0]["apiGroups"] == ["machinelearning.seldon.io"]
    assert all("/seldondeployments/" in path for _, path, _ in handler.asked)


def _write(folder: Path, text: str) -> Path:
    (folder / "document.yaml").write_text(text)
    return folder / "document.yaml"


_names = st.text("abcdefgh-", min_size=1)


@settings(deadline=None)
@given(st.dictionaries(_names, st.integers()), st.dictionaries(_names, st.integers()))
def test_what_is_remembered_is_what_was_applied(spec: dict[str, int], labels: dict[str, int]) -> None:
    applied = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment", "spec": spec,
               "metadata": {"name": "x", "labels": labels}}  # fmt: skip
    metadata: dict[str, Any] = {"name": "x", "labels": labels, "uid": "1", "resourceVersion": "2", "generation": 3}
    assert plain(applied | {"metadata": metadata, "status": {"state": "Failed"}}) == applied
    assert Reference.of(applied) == ("default", "x", "machinelearning.seldon.io/v1")


@settings(deadline=None)
@given(st.text("abc/", min_size=1))
def test_a_url_is_that_of_the_server_with_or_without_its_route(path: str) -> None:
    url = f"http://127.0.0.1:8010/seldon/{path}".rstrip("/")
    assert base(url) == base(f"{url}/api/v1.0/predictions") == base(f"{url}/") == url


def test_commands_exit_as_the_steps_end(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROGRAMS / "servelab", "step", *words], cwd=tmp_path, env=environment(), text=True,
                              capture_output=True, check=False)  # fmt: skip

    done = run("take", "--model", "iris", "--output", "model")
    assert (done.returncode, done.stderr) == (0, "")
    done = run("apply", "--manifest", "no.yaml", "--api", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert (
        done.stderr == "servelab: expected a SeldonDeployment in no.yaml; cannot read it: No such file or directory\n"
    )
    done = run("smoke", "--url", "http://127.0.0.1:1", "--model-dir", "model", "--wait", "0")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
