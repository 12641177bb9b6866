"""`previous`, `apply` and `rollback`: deploy a SeldonDeployment, and back to what was there before.

What was there is a file: the object, ready to be applied again, or an empty one where there was nothing.
"""

import argparse
from pathlib import Path

from servelab.kubernetes import Api, Object, Reference, plain, state
from servelab.steps import files
from servelab.steps.files import StepFailed
from servelab.steps.manifest import VERSION

PREDICTIONS = "/api/v1.0/predictions"
SUCCESS = ("succeeded", "success")  # as Argo's workflow.status and KFP's final status say it, in small letters
NOTHING: Object = {}


def _add_api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api", metavar="URL", help="of the graph runner or of kubectl proxy (default: this pod's)")


def _api(options: argparse.Namespace) -> Api:
    return Api(options.api) if options.api else Api.of_pod()


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="of the SeldonDeployment")
    parser.add_argument("--namespace", default="default")


def _add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", type=float, default=120.0, metavar="S", help="seconds to become Available")


def add_previous(parser: argparse.ArgumentParser) -> None:
    """The options of `previous`."""
    _add_name(parser)
    _add_api(parser)
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="what is there now, for rollback")
    parser.set_defaults(run=previous)


def previous(options: argparse.Namespace) -> int:
    """Write down what is there now, for an apply that others do (a ResourceOp)."""
    print(_remember(_api(options), Reference(options.namespace, options.name), options.output))
    return 0


def _remember(api: Api, what: Reference, file: Path) -> str:
    """Keeps a file that is there already: a second attempt must not remember what the first one has broken."""
    if file.exists():
        return f"{file} remembers what was there before the first attempt"
    found = api.find(what)
    files.write_json(file, NOTHING if found is None else plain(found))
    version = "nothing" if found is None else f"version {_version(found)}"
    return f"{what}: {version} was there before"


def _version(document: Object) -> str:
    return str((document["metadata"].get("labels") or {}).get(VERSION, "without a label"))


def add_apply(parser: argparse.ArgumentParser) -> None:
    """The options of `apply`."""
    parser.add_argument("--manifest", required=True, type=Path, metavar="FILE", help="what manifest left")
    _add_api(parser)
    parser.add_argument("--previous", type=Path, metavar="FILE", help="write what was there before, for rollback")
    _add_wait(parser)
    parser.add_argument("--url", type=Path, metavar="FILE", help="write the URL at which it answers")
    parser.set_defaults(run=apply)


def apply(options: argparse.Namespace) -> int:
    """Server-side apply, then wait until the status says Available."""
    document = files.read(options.manifest, "a SeldonDeployment")
    what, api = Reference.of(document), _api(options)
    if options.previous:
        print(_remember(api, what, options.previous))
    url = _deploy(api, document, options.wait)
    if options.url:
        files.write(options.url, url)
    print(f"{what}: version {_version(document)} is Available, on {url}")
    return 0


def _deploy(api: Api, document: Object, seconds: float) -> str:
    """Apply it; once it is Available, where its servers answer, without the path of a protocol."""
    found = api.settled(api.apply(document), seconds)
    status = found["status"]
    if state(found) == "Failed":
        why = status.get("description") or "its status gives no description"
        raise StepFailed(f"{Reference.of(found)} failed: {why}")
    if url := (status.get("address") or {}).get("url"):
        return base(url)
    raise StepFailed("expected status.address.url of an Available SeldonDeployment; found none")


def base(url: str) -> str:
    """A server's URL, whether or not the path of Seldon's protocol comes with it, as in status.address.url."""
    return url.strip().rstrip("/").removesuffix(PREDICTIONS)


def add_rollback(parser: argparse.ArgumentParser) -> None:
    """The options of `rollback`."""
    _add_name(parser)
    parser.add_argument("--previous", required=True, type=Path, metavar="FILE", help="what apply or previous left")
    _add_api(parser)
    _add_wait(parser)
    parser.add_argument("--status", metavar="WORD",
                        help="of the pipeline, as its exit handler is told: success rolls nothing back")  # fmt: skip
    parser.set_defaults(run=rollback)


def rollback(options: argparse.Namespace) -> int:
    """Back to what was there before; where nothing was, the deployment is taken away."""
    where = Reference(options.namespace, options.name)
    if (options.status or "").lower() in SUCCESS:
        print(f"{where}: nothing to roll back")
    elif not options.previous.exists():
        print(f"{where}: nothing was applied, nothing to roll back")
    elif document := files.read(options.previous, "what apply or previous wrote"):
        url = _deploy(_api(options), document, options.wait)
        print(f"{where}: back to version {_version(document)}, on {url}")
    else:
        gone = _api(options).delete(where)
        print(f"{where}: nothing was there before, so it is {'removed' if gone else 'gone'}")
    return 0
