"""The runner, by real workflows of small steps: what runs, in which order, with what, and what stays behind."""

# ruff: noqa: S108 - paths of containers

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from servelab.paths import ROOT


def cli(*arguments: str, env: dict[str, str] | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines.argo", *arguments], cwd=ROOT, env=os.environ | (env or {}), text=True,
        capture_output=True, timeout=timeout, check=False,
    )  # fmt: skip


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "container": {"image": "servelab-toolkit:1", "command": ["sh", "-c", script]}, **more}


def task(name: str, *dependencies: str, template: str = "", when: str = "", **arguments: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "template": template or name, "dependencies": list(dependencies)}
    return made | ({"when": when} if when else {}) | ({"arguments": arguments} if arguments else {})


class Lab:
    """A folder for workflows and their runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, tasks: list[dict[str, Any]], *templates: dict[str, Any], **spec: Any) -> Path:
        main = {"name": "main", "dag": {"tasks": tasks}}
        document = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"generateName": "lab-"},
            "spec": {"entrypoint": "main", "templates": [main, *templates], **spec},
        }
        file = self.folder / "workflow.yaml"
        file.write_text(yaml.safe_dump(document))
        return file

    def options(self) -> list[str]:
        return ["--folder", str(self.folder / "run"), "--volumes", str(self.folder / "volumes"), "--interval", "0.1"]

    def run(self, tasks: list[dict[str, Any]], *templates: dict[str, Any], options: tuple[str, ...] = (), **spec: Any
            ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        return cli("run", str(self.write(tasks, *templates, **spec)), *self.options(), *options)

    def log(self, name: str, number: int = 0) -> str:
        (folder,) = (self.folder / "run").glob(f"*-{name}-{number}")
        return (folder / "log").read_text()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_values_and_files_go_from_step_to_step_and_nothing_is_written_outside(lab: Lab) -> None:
    write = shell("write", 'mkdir -p /tmp/outputs/servelab-x/sub && echo "$0" > /tmp/outputs/servelab-x/sub/word'
                  " && printf '%s\\n\\n' \"$0\" > /tmp/outputs/servelab-x/word",
                  inputs={"parameters": [{"name": "word"}]},
                  outputs={"parameters": [{"name": "word", "valueFrom": {"path": "/tmp/outputs/servelab-x/word"}}],
                           "artifacts": [{"name": "folder", "path": "/tmp/outputs/servelab-x"}]})  # fmt: skip
    write["container"]["args"] = ["{{inputs.parameters.word}}"]
    read = shell("read", 'cat /tmp/in/sub/word; echo "<$0>"; echo changed > /tmp/in/sub/word; cat "$FILE"',
                 inputs={"parameters": [{"name": "word"}],
                         "artifacts": [{"name": "note", "path": "/tmp/note", "raw": {"data": "raw text"}},
                                       {"name": "folder", "path": "/tmp/in"}]})  # fmt: skip
    read["container"] |= {"args": ["{{inputs.parameters.word}}"], "env": [{"name": "FILE", "value": "/tmp/note"}]}
    arguments: dict[str, Any] = {
        "parameters": [{"name": "word", "value": "{{tasks.write.outputs.parameters.word}}"}],
        "artifacts": [{"name": "folder", "from": "{{tasks.write.outputs.artifacts.folder}}"}],
    }
    done = lab.run(
        [
            task("write", parameters=[{"name": "word", "value": "{{workflow.parameters.word}}"}]),
            task("read", "write", **arguments),
            task("again", "read", template="read", **arguments),
        ],
        write,
        read,
        arguments={"parameters": [{"name": "word", "value": "default"}]},
        options=("-p", "word=hello world"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a stand-in for Argo Workflows" in done.stdout
    # One newline at the end of a parameter's file is dropped, and no more. Each step has its own copy of an artifact.
    assert lab.log("read") == lab.log("again") == "hello world\n<hello world\n>\nraw text"
    assert not Path("/tmp/outputs/servelab-x").exists()
    assert not list((lab.folder / "run").glob("*/root"))


def test_a_volume_is_a_folder_that_stays_between_steps(lab: Lab) -> None:
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/store"}]}
    volumes = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}]}
    write = shell("write", "mkdir -p /store/a && echo {{workflow.uid}} >> /store/a/runs", **volumes)
    write["container"] |= mount
    done = lab.run([task("write"), task("more", "write", template="write")], write)
    assert done.returncode == 0, done.stdout
    one, other = (lab.folder / "volumes" / "claim" / "a" / "runs").read_text().split()
    assert one == other


def test_as_in_a_container_no_folder_is_made_for_an_output(lab: Lab) -> None:
    late = shell(
        "late", "echo x > /tmp/no/such/file", outputs={"artifacts": [{"name": "f", "path": "/tmp/no/such/file"}]}
    )
    none = shell("none", "true", outputs={"artifacts": [{"name": "f", "path": "/tmp/none"}]})
    done = lab.run([task("late"), task("none")], late, none)
    assert done.returncode == 1
    assert "✗ late" in done.stdout
    assert "⚠ none" in done.stdout
    assert "expected the artifact f in /tmp/none" in done.stdout


def test_a_when_skips_and_what_depends_on_the_skipped_runs(lab: Lab) -> None:
    verdict = shell("verdict", "echo {{workflow.parameters.good}} > /tmp/verdict",
                    outputs={"parameters": [{"name": "v", "valueFrom": {"path": "/tmp/verdict"}}]})  # fmt: skip
    tasks = [
        task("verdict"),
        task("deploy", "verdict", template="say", when='"{{tasks.verdict.outputs.parameters.v}}" == "true"'),
        task("after", "deploy", template="say"),
    ]
    arguments = {"parameters": [{"name": "good", "value": "false"}]}
    done = lab.run(tasks, verdict, shell("say", "echo {{node.name}}"), arguments=arguments)
    assert done.returncode == 0
    assert "○ deploy Skipped: not (false == true)" in done.stdout
    assert "✓ after Succeeded" in done.stdout


def test_a_failure_starts_nothing_more_and_the_exit_handler_is_told(lab: Lab) -> None:
    tasks = [task("bad"), task("slow"), task("next", "bad", template="slow"), task("more", "slow", template="slow")]
    last = shell("last", "printf '%s\\n' {{workflow.status}} '{{workflow.failures}}'")
    done = lab.run(tasks, shell("bad", "echo the reason; exit 3"), shell("slow", "sleep 1"), last, onExit="last")
    assert done.returncode == 1
    for expected in ("✗ bad Failed", "sh exited 3", "the reason", "✓ slow Succeeded", "- next  omitted",
                     "- more  omitted", "✓ onExit Succeeded"):  # fmt: skip
        assert expected in done.stdout
    status, failures = lab.log("onExit").splitlines()
    assert status == "Failed"
    assert [each["displayName"] for each in json.loads(failures)] == ["bad"]


def test_a_failing_exit_handler_fails_the_workflow(lab: Lab) -> None:
    done = lab.run([task("good")], shell("good", "true"), shell("last", "false"), onExit="last")
    assert done.returncode == 1
    assert "✓ good" in done.stdout


@pytest.mark.parametrize(("limit", "policy", "status"), [(2, "OnFailure", 0), (1, "OnFailure", 1), (2, "OnError", 1)])
def test_a_step_is_tried_again_as_its_strategy_says(lab: Lab, limit: int, policy: str, status: int) -> None:
    count = shell("count", 'n=$(cat /v/n || echo 0); echo $((n+1)) > /v/n; test "$n" = 2',
                  retryStrategy={"limit": limit, "retryPolicy": policy, "backoff": {"duration": "10ms", "factor": 2}},
                  volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "v"}}])  # fmt: skip
    count["container"]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    assert lab.run([task("count")], count).returncode == status
    tries = 1 if policy == "OnError" else limit + 1
    assert (lab.folder / "volumes" / "v" / "n").read_text() == f"{tries}\n"


def test_a_deadline_stops_the_step_and_all_it_started(lab: Lab) -> None:
    mark = f"60.{os.getpid()}"
    slow = shell("slow", f"sleep {mark} & sleep {mark}")
    bounded = {**shell("bounded", f"sleep {mark}"), "activeDeadlineSeconds": 1}
    last = shell("last", "echo {{workflow.status}}")
    done = lab.run([task("bounded")], bounded)
    assert "not done after 1 s" in done.stdout
    lab.folder = lab.folder / "second"
    lab.folder.mkdir()
    done = lab.run([task("slow")], slow, last, onExit="last", options=("--timeout", "1"))
    assert done.returncode == 1
    assert "not done after 1 s" in done.stdout
    assert lab.log("onExit") == "Failed\n"
    assert not [each for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or [])]


def test_an_interrupt_stops_the_steps_and_runs_the_exit_handler(lab: Lab) -> None:
    mark = f"61.{os.getpid()}"
    last = shell("last", "echo {{workflow.status}}")
    file = lab.write([task("slow")], shell("slow", f"sleep {mark} & sleep {mark}"), last, onExit="last")
    process = subprocess.Popen([sys.executable, "-m", "pipelines.argo", "run", str(file), *lab.options()], cwd=ROOT,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "slow Running" in line:
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "✗ slow Failed" in out
    assert lab.log("onExit") == "Failed\n"
    assert not [each for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or [])]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("-p", "nme=x"), "no parameter nme; its parameters: name"),
        (("-p", "name"), "expected -p NAME=VALUE"),
        ((), "expected a value of name; say -p name="),
        (("-p", "name=x", "--runner", "8010"), "expected --runner as a URL"),
    ],
)
def test_a_wrong_option_is_said_before_anything_runs(lab: Lab, options: tuple[str, ...], reason: str) -> None:
    done = lab.run([task("say")], shell("say", "true"), arguments={"parameters": [{"name": "name"}]}, options=options)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (lab.folder / "run").exists()


def test_an_image_without_programs_and_a_resource_without_a_cluster_are_refused(lab: Lab) -> None:
    other = shell("say", "true")
    other["container"]["image"] = "python:3.11"
    assert "no folder of programs stands for the image python:3.11" in lab.run([task("say")], other).stderr
    assert lab.run([task("say")], other, options=("--image", "python:3.11=/bin")).returncode == 0
    resource = {"name": "r", "resource": {"action": "get", "manifest": "kind: X"}}
    assert "expected --runner" in lab.run([task("r")], resource, options=("--folder", str(lab.folder / "b"))).stderr


class Objects(ThreadingHTTPServer):
    """The paths of the Kubernetes API for one kind: no controller, so a test says what the status becomes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, Any] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.states: list[str | None] = []  # of the next looks; the last one stays; None: the object is gone

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Objects

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, self.path, self.headers.get("Content-Type", "")))
        status: int = 200
        if self.command in {"PATCH", "POST", "PUT"}:
            sent = json.loads(body)
            path = path if self.command != "POST" else f"{path}/{sent['metadata']['name']}"
            self.server.objects[path] = sent
        elif self.server.states:
            state = self.server.states.pop(0) if len(self.server.states) > 1 else self.server.states[0]
            if state is None:
                self.server.objects.pop(path, None)
            elif path in self.server.objects:
                self.server.objects[path]["status"] = {"state": state, "address": {"url": "http://x/y"}}
        found = self.server.objects.get(path)
        if found is None:
            status, found = 404, {"kind": "Status", "message": "no such object"}
        data = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def objects() -> Iterator[Objects]:
    with Objects() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


MANIFEST = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: '{{inputs.parameters.name}}', namespace: default}
"""
PATH = "/apis/machinelearning.seldon.io/v1/namespaces/default/seldondeployments"


def deploy(lab: Lab, objects: Objects, *options: str, **resource: str) -> subprocess.CompletedProcess[str]:
    body = {"action": "apply", "manifest": MANIFEST, "successCondition": "status.state == Available",
            "failureCondition": "status.state == Failed", **resource}  # fmt: skip
    outputs = {"parameters": [{"name": "url", "valueFrom": {"jsonPath": "{.status.address.url}"}}]}
    template = {"name": "deploy", "resource": body, "inputs": {"parameters": [{"name": "name"}]}, "outputs": outputs}
    tasks = [
        task("deploy", parameters=[{"name": "name", "value": "iris"}]),
        task("say", "deploy", parameters=[{"name": "url", "value": "{{tasks.deploy.outputs.parameters.url}}"}]),
    ]
    say = shell("say", "echo {{inputs.parameters.url}}", inputs={"parameters": [{"name": "url"}]})
    return lab.run(tasks, template, say, options=("--runner", objects.url, *options))


def test_a_resource_is_applied_and_waited_for_and_read(lab: Lab, objects: Objects) -> None:
    objects.states = ["Creating", "Creating", "Available"]
    done = deploy(lab, objects)
    assert done.returncode == 0, done.stdout
    assert lab.log("say") == "http://x/y\n"
    first, *looks = objects.requests
    assert first == ("PATCH", f"{PATH}/iris?fieldManager=argo&force=true", "application/apply-patch+yaml")
    assert {each[:2] for each in looks} == {("GET", f"{PATH}/iris")}
    assert len(looks) == 4  # three until it was Available, one for the output


def test_a_resource_that_failed_or_is_gone_fails_the_step(lab: Lab, objects: Objects) -> None:
    objects.states = ["Creating", "Failed"]
    done = deploy(lab, objects)
    assert done.returncode == 1
    assert "meets the failure condition: status.state is Failed" in done.stdout
    objects.states = ["Creating", None]
    done = deploy(lab, objects, "--folder", str(lab.folder / "again"))
    assert done.returncode == 1
    assert "404 no such object" in done.stdout


def test_a_resource_that_meets_neither_condition_is_waited_for_until_the_timeout(lab: Lab, objects: Objects) -> None:
    objects.states = ["Creating"]
    started = time.monotonic()
    done = deploy(lab, objects, "--timeout", "2")
    assert done.returncode == 1
    assert "not done after 2 s" in done.stdout
    assert time.monotonic() - started >= 2
    assert len(objects.requests) > 3


@pytest.mark.parametrize(("action", "method", "path"), [("create", "POST", PATH), ("replace", "PUT", f"{PATH}/iris"),
                                                        ("patch", "PATCH", f"{PATH}/iris")])  # fmt: skip
def test_the_other_verbs_are_requests_of_the_same_api(
    lab: Lab, objects: Objects, action: str, method: str, path: str
) -> None:
    done = deploy(lab, objects, action=action, mergeStrategy="merge", successCondition="", failureCondition="")
    assert done.returncode == 0, done.stdout
    assert objects.requests[0][:2] == (method, path)
    assert lab.log("say") == "\n"  # nothing was waited for, so there is no URL yet


def test_a_server_that_does_not_answer_is_an_error_in_words(lab: Lab, objects: Objects) -> None:
    done = deploy(lab, objects, "--runner", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "http://127.0.0.1:9 gives no answer" in done.stdout
