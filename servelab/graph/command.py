"""``servelab graph``: run graphs on this machine, and apply, watch, roll back and delete them while they run."""

import argparse
from pathlib import Path
from typing import Any

from servelab import environment, strategy as strategies
from servelab.contract import nearest
from servelab.errors import ServelabError
from servelab.graph import manifest
from servelab.graph.manifest import Deployment, report
from servelab.graph.runner import program
from servelab.graph.runner.program import Sources
from servelab.kubernetes import Api, Object, Reference, plain

PORT = 8010


def add_to(commands: Any) -> None:
    """Add ``graph`` and what it can do to the commands of a parser."""
    parser = commands.add_parser("graph", help="Seldon's inference graphs on this machine, from the same YAML")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    run = actions.add_parser("run", help="serve graphs until Ctrl-C; without a file, wait for `apply`")
    run.add_argument("files", nargs="*", type=Path, metavar="FILE", help="YAML with SeldonDeployments")
    run.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    run.add_argument("--port", type=int, default=PORT)
    run.add_argument("--grpc-port", type=int, default=0, help="default: any free one")
    run.add_argument("--no-grpc", action="store_true", help="REST alone")
    run.add_argument("--workers", type=int, default=1, help="processes of each component")
    _add_sources(run)
    run.set_defaults(run=_run)
    check = actions.add_parser("check", help="whether Seldon would run the files, and what runs each unit here")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    _add_sources(check)
    check.set_defaults(run=_check)
    prepare = actions.add_parser("prepare", help="check a file and build the components' environment")
    prepare.add_argument("file", type=Path, metavar="FILE")
    _add_sources(prepare)
    prepare.set_defaults(run=_prepare)
    _add_remote(actions)


def _add_remote(actions: Any) -> None:
    apply = actions.add_parser(
        "apply", help="bring up a file's graphs in a running runner, old ones serving until then"
    )
    apply.add_argument("file", type=Path, metavar="FILE")
    apply.add_argument("--wait", type=float, default=180.0, metavar="SECONDS", help="until it is Available or Failed")
    status = actions.add_parser("status", help="what a runner serves")
    status.add_argument("name", nargs="?")
    delete = actions.add_parser("delete", help="stop a graph once what is in flight is finished")
    rollback = actions.add_parser("rollback", help="back to the version before")
    rollback.add_argument("--wait", type=float, default=180.0, metavar="SECONDS")
    for action, function in ((apply, _apply), (status, _status), (delete, _delete), (rollback, _rollback)):
        if action in (delete, rollback):
            action.add_argument("name")
        action.add_argument("--runner", default=f"http://127.0.0.1:{PORT}", metavar="URL", help="default: %(default)s")
        action.add_argument("--namespace", default="", metavar="NS", help="default: the file's, or where NAME is")
        action.set_defaults(run=function)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image", action="append", default=[], metavar="IMAGE=FILE.py:Class",
        help="the class that an image holds (default: the one of its name in strategies/seldon)",
    )  # fmt: skip
    parser.add_argument(
        "--model-uri", action="append", default=[], metavar="URI=FOLDER",
        help="where the model of a prepackaged server is: a folder with model.onnx and card.json",
    )  # fmt: skip


def _sources(options: argparse.Namespace) -> Sources:
    images = {}
    for image, what in _pairs(options.image, "--image", "IMAGE=FILE.py:Class"):
        file, _, name = what.rpartition(":")
        if not file.endswith(".py") or not name.isidentifier():
            raise ServelabError(f"expected --image IMAGE=FILE.py:Class; found {what!r} for {image}")
        if not Path(file).is_file():
            raise ServelabError(f"--image {image}: expected a file; found none at {file}")
        images[image] = f"{Path(file).resolve()}:{name}"
    uris = _pairs(options.model_uri, "--model-uri", "URI=FOLDER")
    return Sources(images, {uri.rstrip("/"): Path(folder) for uri, folder in uris})


def _pairs(texts: list[str], option: str, form: str) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (left, _, right) in zip(texts, pairs, strict=True) if not left or not right]:
        raise ServelabError(f"expected {option} {form}; found {wrong[0]!r}")
    return [(left, right) for left, _, right in pairs]


def _read(files: list[Path]) -> list[Deployment]:
    found = [deployment for file in files for deployment in manifest.read(file)]
    keys = [(deployment.namespace, deployment.name) for deployment in found]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ServelabError(f"expected each deployment once; found {'/'.join(twice)} twice in the files")
    return found


def _check(options: argparse.Namespace) -> int:
    text, wrong = report.check(options.files)
    print(text)
    if wrong:
        return 1
    for deployment in _read(options.files):
        for found in program.of_deployment(deployment, _sources(options)).values():
            if found.notice:
                print(f"{deployment.name}: note: {found.notice}")
    return 0


def _prepare(options: argparse.Namespace) -> int:
    for deployment in _read([options.file]):
        program.of_deployment(deployment, _sources(options))
    environment.of(strategies.load("seldon")).ensure()
    return 0


def _run(options: argparse.Namespace) -> int:
    from servelab.graph.runner import foreground  # on use: the other commands need neither server nor gRPC

    wanted, sources = _read(options.files), _sources(options)
    for deployment in wanted:
        program.of_deployment(deployment, sources)  # what this machine lacks is said before anything starts
    grpc_port = None if options.no_grpc else options.grpc_port
    foreground.run(wanted, sources, options.workers, (options.host, options.port, grpc_port))
    return 0


def _apply(options: argparse.Namespace) -> int:
    failed, api = 0, Api(options.runner)
    for deployment in _read([options.file]):
        if options.namespace and "namespace" in deployment.document["metadata"]:
            _require_same(options, deployment)
        namespace = options.namespace or deployment.namespace
        document = {**deployment.document, "metadata": {**deployment.document["metadata"], "namespace": namespace}}
        failed += _tell(api.settled(api.apply(plain(document)), options.wait))
    return 1 if failed else 0


def _require_same(options: argparse.Namespace, deployment: Deployment) -> None:
    if options.namespace != deployment.namespace:
        raise ServelabError(
            f"{options.file}: expected --namespace {deployment.namespace}, as the file says; found {options.namespace}"
        )


def _status(options: argparse.Namespace) -> int:
    api = Api(options.runner)
    if options.name:
        return _tell(api.get(_reference(options, api)))
    spaces = (options.namespace,) if options.namespace else ()
    found = [each for each in api.list() if not spaces or each["metadata"]["namespace"] in spaces]
    if not found:
        print(f"nothing is applied at {options.runner}; apply a graph with: .venv/bin/servelab graph apply FILE")
    return max((_tell(each) for each in found), default=0)


def _delete(options: argparse.Namespace) -> int:
    api = Api(options.runner)
    what = _reference(options, api)
    api.get(what)  # so that a wrong name is told with those that are there
    api.delete(what)
    print(f"{what} is deleted; its components are stopped")
    return 0


def _rollback(options: argparse.Namespace) -> int:
    api = Api(options.runner)
    return _tell(api.settled(api.rollback(_reference(options, api)), options.wait))


def _reference(options: argparse.Namespace, api: Api) -> Reference:
    """In the namespace that is given, or else the one where that name is, when it is in one alone."""
    namespace = options.namespace
    if not namespace:
        all_of_them = [each["metadata"] for each in api.list()]
        spaces = [metadata["namespace"] for metadata in all_of_them if metadata["name"] == options.name]
        if not spaces:
            names = sorted({metadata["name"] for metadata in all_of_them})
            there = ", ".join(names) or "none"
            raise ServelabError(f"no deployment {options.name!r}{nearest(options.name, names)}; there is: {there}")
        namespace = spaces[0] if len(spaces) == 1 else "default"
    return Reference(namespace, options.name)


def _tell(found: Object) -> int:
    """Print an object's state; 1 when it has failed."""
    metadata, status = found["metadata"], found["status"]
    print(f"{metadata['namespace']}/{metadata['name']} generation {metadata['generation']}: {status['state']}")
    if status.get("description"):
        print(f"  {status['description']}")
    if status["state"] == "Available":
        print(f"  {status['address']['url']}")
    for unit, component in status.get("components", {}).items():
        if not component["ready"]:
            print(f"  {unit} is down; it is started again")
        if component["restarts"]:
            print(f"  {unit} was started again {component['restarts']} times")
    for note in status.get("notes", ()):
        print(f"  note {note}")
    return int(status["state"] == "Failed")
