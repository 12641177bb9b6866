"""The runner's control API: the paths and objects of Kubernetes, so that one client talks to a cluster and to this.

Only this machine's own programs may ask, and no page in its browser: whoever may apply a graph may have it started.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from servelab.contract import nearest
from servelab.graph import manifest
from servelab.graph.gateway import http_body
from servelab.graph.manifest import Deployment, ManifestError, document
from servelab.graph.runner.local import require_local
from servelab.graph.runner.program import ProgramError
from servelab.graph.runner.runner import Key, NothingToRollBack, Runner
from servelab.graph.runner.status import Refusal, as_list, as_object
from servelab.kubernetes import APPLY, GROUP, MERGE, SERVER_SIDE

ALL = f"/apis/{GROUP}/{{version:v1|v1alpha2|v1alpha3}}"
COLLECTION = f"{ALL}/namespaces/{{namespace}}/seldondeployments"
OBJECT = f"{COLLECTION}/{{name}}"


class Control:
    """The handlers of the control API of one runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def add_to(self, app: web.Application) -> None:
        """Add the routes; before the application starts."""
        for method, path, handler in (
            ("GET", f"{ALL}/seldondeployments", self._list),
            ("GET", COLLECTION, self._list),
            ("POST", COLLECTION, self._create),
            ("GET", OBJECT, self._get),
            ("PATCH", OBJECT, self._patch),
            ("PUT", OBJECT, self._replace),
            ("DELETE", OBJECT, self._delete),
            ("POST", f"{OBJECT}/rollback", self._rollback),
        ):
            app.router.add_route(method, path, _guarded(handler))
        app.router.add_route("*", "/apis{path:(/.*)?}", _guarded(_unknown))

    async def _list(self, request: web.Request) -> Any:
        namespace = request.match_info.get("namespace")
        found = [key for key in sorted(self._runner.entries) if namespace in (None, key[0])]
        return as_list([self._object(request, key) for key in found], request.match_info["version"])

    async def _get(self, request: web.Request) -> Any:
        return self._object(request, self._known(request))

    async def _create(self, request: web.Request) -> Any:
        wanted = await _deployment(request, await _body(request))
        key = wanted.namespace, wanted.name
        if key in self._runner.entries:
            raise Refusal(409, "AlreadyExists", f"seldondeployments {wanted.name!r} is there; PUT or PATCH changes it")
        return self._apply(request, wanted)

    async def _replace(self, request: web.Request) -> Any:
        self._known(request)
        content = await _body(request)
        self._require_newest(request, content)
        return self._apply(request, await _deployment(request, content))

    async def _patch(self, request: web.Request) -> Any:
        """Server-side apply: the whole object, made when missing. Merge patch (RFC 7386): changes to one there is."""
        patch = await _body(request)
        if request.content_type == MERGE:
            there = self._runner.entries[self._known(request)].wanted.document
            patch = _merged({**there, "apiVersion": f"{GROUP}/{request.match_info['version']}"}, patch)
        elif request.content_type != APPLY:
            raise Refusal(
                415, "UnsupportedMediaType", f"expected Content-Type {APPLY} or {MERGE}; found {request.content_type}"
            )
        return self._apply(request, await _deployment(request, patch))

    async def _delete(self, request: web.Request) -> Any:
        key = self._known(request)
        found = self._object(request, key)
        if "dryRun" not in request.query:
            await self._runner.delete(key)
        return found

    async def _rollback(self, request: web.Request) -> Any:
        key = self._known(request)
        try:
            self._runner.rollback(key)
        except NothingToRollBack as error:
            raise Refusal(409, "Conflict", str(error)) from None
        return self._object(request, key)

    def _apply(self, request: web.Request, wanted: Deployment) -> Any:
        if "dryRun" in request.query:
            return wanted.document
        self._runner.apply(wanted)
        return self._object(request, (wanted.namespace, wanted.name))

    def _require_newest(self, request: web.Request, content: Mapping[str, Any]) -> None:
        """Whoever read the object, and sends it back changed, must have read the newest."""
        found = _metadata(content).get("resourceVersion")
        expected = str(self._runner.entries[self._known(request)].resource_version)
        if found not in (None, expected):
            raise Refusal(409, "Conflict", f"expected resourceVersion {expected!r}; found {found!r}: read it again")

    def _known(self, request: web.Request) -> Key:
        key = request.match_info["namespace"], request.match_info["name"]
        if key not in self._runner.entries:
            near = nearest(key[1], [name for namespace, name in self._runner.entries if namespace == key[0]])
            there = ", ".join("/".join(key) for key in sorted(self._runner.entries)) or "none"
            raise Refusal(404, "NotFound", f"no deployment {key[1]!r} in namespace {key[0]!r}{near}; there is: {there}")
        return key

    def _object(self, request: web.Request, key: Key) -> dict[str, Any]:
        return as_object(self._runner.entries[key], request.match_info["version"], f"http://{request.host}")


Handler = Callable[[web.Request], Awaitable[Any]]


def _guarded(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler behind the checks of who asks, its value as JSON, its refusals as Kubernetes' Status objects."""

    async def answer(request: web.Request) -> web.Response:
        try:
            require_local(request)
            created = request.method == "POST" and "name" not in request.match_info
            value, status = await handler(request), 201 if created else 200
        except Refusal as refusal:
            value, status = refusal.as_status(), refusal.code
        except (ManifestError, ProgramError) as error:
            value, status = Refusal(422, "Invalid", str(error)).as_status(), 422
        except http_body.Unreadable as error:
            return error.answer()
        return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")

    return answer


async def _unknown(request: web.Request) -> Any:
    wanted = f"/apis/{GROUP}/v1/namespaces/NAMESPACE/seldondeployments[/NAME[/rollback]]"
    raise Refusal(404, "NotFound", f"expected {wanted}, with a method it takes; found {request.method} {request.path}")


async def _body(request: web.Request) -> Mapping[str, Any]:
    if (request.content_length or 0) > document.MOST_BYTES:
        raise Refusal(413, "RequestEntityTooLarge", f"expected at most {document.MOST_BYTES} bytes; found more")
    content = await http_body.read(request)
    # In a thread: reading YAML takes seconds a megabyte, and requests are served meanwhile.
    documents = await asyncio.to_thread(document.loads, content, "the request's body")
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise Refusal(400, "BadRequest", f"expected one object; found {len(documents)} documents")
    return documents[0]


async def _deployment(request: web.Request, content: Mapping[str, Any]) -> Deployment:
    """The body as a deployment of the name, namespace and version that the path says."""
    where = request.match_info
    metadata = _metadata(content)
    expected = {"namespace": where["namespace"]} | ({"name": where["name"]} if "name" in where else {})
    for key, value in expected.items():
        if metadata.get(key, value) != value:
            raise Refusal(
                400, "BadRequest", f"expected metadata.{key} {value!r} as in the path; found {metadata[key]!r}"
            )
    version = f"{GROUP}/{where['version']}"
    if content.get("apiVersion", version) != version:
        raise Refusal(
            400, "BadRequest", f"expected apiVersion {version} as in the path; found {content['apiVersion']!r}"
        )
    kept = {key: value for key, value in metadata.items() if key not in SERVER_SIDE}
    whole = {**content, "metadata": kept | expected}
    whole.pop("status", None)
    return await asyncio.to_thread(manifest.parse, whole, "")


def _metadata(content: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = content.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise Refusal(400, "BadRequest", f"expected metadata to be a mapping; found {metadata!r}")
    return metadata


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
