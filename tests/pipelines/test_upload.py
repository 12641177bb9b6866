"""Uploading, and the requests that the real clients of both generations send, field by field."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from servelab import environment
from servelab.paths import ROOT
from tests.pipelines.kfp_server import Kfp, Pipeline, serving

API = {"v1": "v1beta1", "v2": "v2beta1"}
ID, NAME = {"v1": "id", "v2": "pipeline_id"}, {"v1": "name", "v2": "display_name"}


@pytest.fixture(params=["v1", "v2"])
def generation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(generation: str) -> Iterator[Kfp]:
    # A server of the second generation also answers on the paths of the first.
    with serving(*(["v1beta1"] if generation == "v1" else ["v1beta1", "v2beta1"])) as started:
        yield started


def upload(*arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "KFP_TOKEN"} | (
        {"KFP_TOKEN": token} if token else {}
    )
    return subprocess.run([sys.executable, "-m", "pipelines.upload", *arguments], cwd=ROOT, env=env, text=True,
                          capture_output=True, timeout=120, check=False)  # fmt: skip


UPLOADS = """
import runpy, sys, warnings
warnings.simplefilter("ignore")
program, host = sys.argv[1:]
client = runpy.run_path(program)
for line in sys.stdin.read().splitlines():
    sys.argv[1:] = [host, *line.split("\\t")]
    print("status", client["main"](), file=sys.stderr, flush=True)
    sys.stdout.flush()
"""


def uploads(server: Kfp, generation: str, *what: tuple[Path, str]) -> list[str]:
    """What the client says of one upload after the other, all in one process as its import takes seconds."""
    env = environment.pipeline(generation)
    done = subprocess.run([env.ensure(), "-u", "-c", UPLOADS, ROOT / "pipelines" / "upload" / "client.py", server.url],
                          env=env.variables(), text=True, input="\n".join(f"{file}\t{name}" for file, name in what),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    said = [line for line in done.stdout.splitlines() if "Pipeline details" not in line and "FutureWarning" not in line]
    return [f"{line} ({status})" for line, status in zip(said[::2], said[1::2], strict=True)]


def test_new_content_is_a_version_and_known_content_is_not_uploaded(
    server: Kfp, generation: str, tmp_path: Path
) -> None:
    file = ROOT / "pipelines" / generation / "pipeline.yaml"
    other, third = (tmp_path / f"{name}.yaml" for name in ("other", "third"))
    other.write_text(file.read_text() + "# changed\n")
    third.write_text(file.read_text() + "# changed again\n")
    server.pipelines["id-9"] = Pipeline("theirs", "mine", ["theirs"])
    name = "train-and-deploy"
    order = [file, file, other, third, other, file]
    names = [*[name] * len(order), "theirs", "refuse-403", "refuse-404", "refuse-409", "refuse-400"]
    said = uploads(server, generation, *zip([*order, *[file] * 5], names, strict=True))
    done = ["new pipeline", "nothing uploaded", "new version", "new version", "nothing uploaded", "nothing uploaded"]
    refused = ["is taken by a pipeline that is not of this program", "unauthorised (403)", "no route for the upload",
               "is taken", "refused with 400"]  # fmt: skip
    for line, expected in zip(said, [*done, *refused], strict=True):
        assert expected in line
        assert line.endswith("(status 0)" if expected in done else "(status 1)")

    (request,) = server.sent("POST", "/pipelines/upload")
    assert request.path == f"/apis/{API[generation]}/pipelines/upload"
    assert request.query["name"] == name
    assert request.part is not None
    assert request.part.get_param("name", header="content-disposition") == "uploadfile"
    assert request.part.get_filename() == "pipeline.yaml"
    assert request.part.get_content_type() == "application/octet-stream"
    assert request.body.encode() == file.read_bytes()
    assert request.headers["User-Agent"].startswith("OpenAPI-Generator/")
    versions = server.sent("POST", "/pipelines/upload_version")
    assert [each.path for each in versions] == [f"/apis/{API[generation]}/pipelines/upload_version"] * 2
    (pipeline,) = (each for each in server.pipelines.values() if each.name == name)
    assert [each.query for each in versions] == [{"name": each, "pipelineid": "id-1"} for each in pipeline.versions[1:]]
    assert [each.body.encode() for each in versions] == [other.read_bytes(), third.read_bytes()]


def test_a_token_comes_from_the_environment_and_is_never_shown(server: Kfp) -> None:
    server.token = "s3cret"  # noqa: S105
    refused = upload(server.url)
    assert (refused.returncode, "unauthorised. Set $KFP_TOKEN" in refused.stderr) == (2, True)
    wrong = upload(server.url, token="wr0ng")  # noqa: S106
    assert (wrong.returncode, "is not taken; set a fresh one" in wrong.stderr) == (2, True)
    right = upload(server.url, token="s3cret")  # noqa: S106
    assert right.returncode == 0, right.stderr
    for done in (refused, wrong, right):
        assert not {"s3cret", "wr0ng"} & {*done.stdout.split(), *done.stderr.split()}
        assert "s3cret" not in done.stdout + done.stderr


def test_no_server_and_no_route_are_said_in_words() -> None:
    for host, reason in (("", "expected http://... of a KFP server; found none"),
                         ("localhost:80", "expected http://... of a KFP server; found localhost:80"),
                         ("http://127.0.0.1:9", "no server answers at http://127.0.0.1:9")):  # fmt: skip
        done = upload(host)
        assert (done.returncode, reason in done.stderr) == (2, True), done.stderr
    with serving("other") as server:
        assert "has no route /apis/v2beta1/healthz or /apis/v1beta1/healthz" in upload(server.url).stderr


RUN = """
import sys, warnings
warnings.simplefilter("ignore")
import kfp
host, file = sys.argv[1:]
client = kfp.Client(host=host)
run = client.create_run_from_pipeline_package(file, arguments={"model": "iris"}, run_name="a run",
                                              experiment_name="Default")
client.wait_for_run_completion(run.run_id, 30)
"""


def test_the_run_request_carries_the_pipeline_and_its_arguments(server: Kfp, generation: str) -> None:
    file = ROOT / "pipelines" / generation / "pipeline.yaml"
    env = environment.pipeline(generation)
    done = subprocess.run([env.ensure(), "-c", RUN, server.url, file], env=env.variables(), text=True,
                          capture_output=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    base = f"/apis/{API[generation]}"
    (look,) = server.sent("GET", "/experiments")
    key, operation = ("display_name", {"operation": 1}) if generation == "v2" else ("name", {"op": 1})
    assert json.loads(look.query["filter"]) == {"predicates": [{**operation, "key": key, "stringValue": "Default"}]}
    (run,) = server.sent("POST", "/runs")
    assert run.path == f"{base}/runs"
    assert run.headers["Content-Type"] == "application/json"
    assert run.body[NAME[generation]] == "a run"
    documents = list(yaml.safe_load_all(file.read_text()))
    if generation == "v1":
        assert json.loads(run.body["pipeline_spec"]["workflow_manifest"]) == documents[0]
        assert {"name": "model", "value": "iris"} in run.body["pipeline_spec"]["parameters"]
        (owner,) = run.body["resource_references"]
        assert owner == {"key": {"id": "e-1", "type": "EXPERIMENT"}, "relationship": "OWNER"}
    else:
        sent = run.body["pipeline_spec"]
        assert sent.get("pipeline_spec", sent) == documents[0]
        assert run.body["runtime_config"]["parameters"] == {"model": "iris"}
        assert run.body["experiment_id"] == "e-1"
    assert server.sent("GET", "/runs/r-1")
