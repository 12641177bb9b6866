"""Does the port compile to what KFP 2 runs, and does its step create the SeldonDeployment and wait for it?

The API that it talks to here is a recording stand-in of Kubernetes' own (recording.py): it deploys nothing.
"""

import functools
import importlib.util
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from notebooks.course import program
from notebooks.course.check import Failure, Work
from servelab.errors import ServelabError

HERE = Path(__file__).parent
IMAGE = "servelab-toolkit:1"
COLLECTION = "/apis/machinelearning.seldon.io/v1/namespaces/default/seldondeployments"
NAME = "iris"
SECONDS = 40.0  # that all runs may take; they take five
# Python's HTTP clients would ask a proxy for 127.0.0.1, where one is set.
DIRECT = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Found:
    """What came of the port: why nothing did, else the compiled file, the runs by cluster, the API's notes."""

    problem: str
    compiled: dict[str, Any]
    runs: dict[str, dict[str, Any]]  # those that ended
    asked: Any


def check_compiles(work: Work) -> Iterator[Failure]:
    """port.py compiles under KFP 2"""
    found = _found(work.folder)
    if found.problem:
        yield Failure(found.problem, "inference_pipeline in port.py; hint 1")
        return
    name = found.compiled.get("pipelineInfo", {}).get("name")
    if name != "inference-pipeline":
        yield Failure(f"expected the pipeline to be called inference-pipeline; found {name}", "@dsl.pipeline(name=...)")
    given = found.compiled["root"].get("inputDefinitions", {}).get("parameters", {})
    if given.get("manifest", {}).get("defaultValue") != _manifest():
        yield Failure("expected a parameter manifest whose default is seldon_deployment.yaml; found another",
                      "the parameters of inference_pipeline")  # fmt: skip


def check_task(work: Work) -> Iterator[Failure]:
    """the compiled file has one task: a container of the toolkit's image, never answered from a cache"""
    found = _found(work.folder)
    if found.problem:
        yield _not_yet()
        return
    tasks = found.compiled["root"]["dag"]["tasks"]
    if len(tasks) != 1:
        yield Failure(f"expected one task; found {', '.join(tasks)}", "inference_pipeline")
    for name, task in tasks.items():
        if task.get("cachingOptions", {}).get("enableCache"):
            yield Failure(f"expected KFP never to take {name} from its cache: it changes the world; found caching on",
                          "set_caching_options(False) of the task")  # fmt: skip
    for executor in found.compiled["deploymentSpec"]["executors"].values():
        if (image := executor["container"]["image"]) != IMAGE:
            yield Failure(f"expected the image {IMAGE}; found {image}", "base_image of @dsl.component")


def check_creates(work: Work) -> Iterator[Failure]:
    """run by kfp.local, it creates the SeldonDeployment, once"""
    found = _found(work.folder)
    if found.problem:
        yield _not_yet()
        return
    posts = found.asked.of("available", "POST")
    if len(posts) != 1:
        asked = ", ".join(f"{each.method} {each.path}" for each in found.asked.asked if each.cluster == "available")
        why = found.runs["available"]["error"] if "available" in found.runs else _endless("the step")
        what = f"expected one POST; the API received {asked or 'nothing'}" + (f"; the step said {why}" if why else "")
        yield Failure(what, "seldon_deployment in port.py; hint 2")
        return
    if posts[0].path != COLLECTION:
        yield Failure(f"expected POST {COLLECTION}; found POST {posts[0].path}",
                      "/apis/APIVERSION/namespaces/NAMESPACE/seldondeployments")  # fmt: skip
    if posts[0].body != _manifest():
        yield Failure("expected the manifest, as JSON, in the body; found another", "json.dumps(manifest).encode()")


def check_waits(work: Work) -> Iterator[Failure]:
    """it waits until status.state is Available, and returns the name"""
    found = _found(work.folder)
    if failure := _no_creation(found):
        yield failure
        return
    if (run := found.runs.get("available")) is None:
        yield Failure(_endless("the step"), "the loop: it ends once the state is Available; hint 3")
        return
    looks = len(found.asked.of("available", "GET"))
    wanted = len(_recording().STATES["available"])
    if run["error"]:
        yield Failure(f"expected the pipeline to succeed; found {run['error']}", "seldon_deployment")
    elif run["output"] != NAME:
        yield Failure(f"expected the pipeline to return {NAME!r}; found {run['output']!r}",
                      "the name that the API's answer has, and what inference_pipeline returns")  # fmt: skip
    if looks < wanted and not run["error"]:
        yield Failure(f"expected the step to look {wanted} times, until it is Available; it looked {looks} times",
                      "GET .../seldondeployments/NAME, again and again; at first there is no status")  # fmt: skip


def check_other(work: Work) -> Iterator[Failure]:
    """given another manifest, it deploys that one, and returns that name"""
    found = _found(work.folder)
    if failure := _no_creation(found):
        yield failure
        return
    other = _recording().OTHER
    name, namespace = other["metadata"]["name"], other["metadata"]["namespace"]
    wanted = f"POST /apis/{other['apiVersion']}/namespaces/{namespace}/seldondeployments"
    posts = found.asked.of("other", "POST")
    if [f"POST {each.path}" for each in posts] != [wanted] or posts[0].body != other:
        received = ", ".join(f"{each.method} {each.path}" for each in posts) or "no POST"
        yield Failure(f"expected {wanted}, with the manifest that was given; the API received {received}",
                      "the manifest says where: apiVersion, metadata.namespace; and is a parameter")  # fmt: skip
    elif (run := found.runs.get("other")) is None:
        yield Failure(_endless("the step"), "the loop, and how it ends; hint 3")
    elif run["output"] != name:
        yield Failure(f"expected the pipeline to return {name!r}; found {run['error'] or repr(run['output'])}",
                      "the name that it looks for, and returns")  # fmt: skip


def check_refusals(work: Work) -> Iterator[Failure]:
    """it fails when the object is there already, when its state is Failed, and when time is up"""
    found = _found(work.folder)
    if failure := _no_creation(found):
        yield failure
        return
    for cluster, what, look in (
        ("taken", "the API answered 409 (it is there already)", "let the error of the POST pass"),
        ("failed", "status.state became Failed", "raise an error"),
        ("never", "it was not Available within `seconds`", "raise an error"),
    ):
        if cluster not in found.runs:
            yield Failure(f"{what}; {_endless('the step')}", "the loop, and how it ends; hint 3")
            return  # nothing was run after it
        if not found.runs[cluster]["error"]:
            yield Failure(f"{what}; expected the step to fail; it succeeded", look)
    looks = len(found.asked.of("failed", "GET"))
    if looks > len(_recording().STATES["failed"]) + 2:
        yield Failure(f"status.state became Failed; expected the step to give up then; it looked {looks} times",
                      "the loop: it ends when the state is Failed, too; hint 3")  # fmt: skip


def _endless(who: str) -> str:
    return f"expected {who} to end; it was still running when the {SECONDS:g} s of all runs were over"


def _not_yet() -> Failure:
    return Failure("not asked yet: port.py does not compile", "the first check")


def _no_creation(found: Found) -> Failure | None:
    if found.problem:
        return _not_yet()
    created = found.asked.of("available", "POST")
    return None if created else Failure("not asked yet: nothing is created", "seldon_deployment")


@functools.cache
def _found(folder: Path) -> Found:
    """Compile and run it, once for all checks."""
    with tempfile.TemporaryDirectory() as scratch, _recording().serving() as api:
        compiled, runs = Path(scratch) / "pipeline.yaml", Path(scratch) / "runs"
        words = ["python", str(HERE / "drive.py"), str(compiled), api.url, str(runs)]
        env = DIRECT | {"PYTHONPATH": str(folder)}
        try:
            done = program.run(words, strategy="pipelines/v2", cwd=folder, env=env, timeout=SECONDS)
        except ServelabError:
            if not runs.exists():
                return Found(_endless("port.py"), {}, {}, api)
        else:
            if done.returncode:
                return Found(_last(done.stderr), {}, {}, api)
            if not runs.exists():
                return Found("expected port.py to be imported; it ended its process (sys.exit?)", {}, {}, api)
        ended = [json.loads(line) for line in runs.read_text("utf-8").splitlines()]
        document = next(yaml.safe_load_all(compiled.read_text("utf-8")))
        return Found("", document, {run["cluster"]: run for run in ended}, api)


def _last(stderr: str) -> str:
    """What a program died of, and the learner's line."""
    last = (stderr.strip().splitlines() or ["it said nothing"])[-1]
    where = re.findall(r'port\.py", line (\d+)', stderr)
    return f"{last} (port.py, line {where[-1]})" if where else last


@functools.cache
def _recording() -> Any:
    """The stand-in: the module beside this one."""
    specification = importlib.util.spec_from_file_location("recording", HERE / "recording.py")
    if specification is None or specification.loader is None:
        raise ImportError(f"expected {HERE / 'recording.py'}; found none")
    module = importlib.util.module_from_spec(specification)
    sys.modules["recording"] = module
    specification.loader.exec_module(module)
    return module


def _manifest() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((HERE / "exercise" / "seldon_deployment.yaml").read_text("utf-8"))
    return document
