"""One resource step: a verb on a manifest, then waiting until its conditions say what became of it.

As workflow/executor/resource.go of Argo does: the object is looked at again and again until the failure condition or
all of the success condition is met; an object that is gone fails the step; without conditions nothing is waited for.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import yaml

from pipelines.argo import scope, selector
from pipelines.argo.engine import Results
from pipelines.argo.errors import ArgoError, StepFailed
from pipelines.argo.tree import Node
from pipelines.argo.workflow import Resource, Template

Object = Mapping[str, Any]


class Unreachable(ArgoError):
    """Nothing answered; the next look may find it."""


class Cluster(Protocol):
    """Where resources live."""

    async def do(self, action: str, manifest: str, flags: Sequence[str], merge: str) -> Object | None:
        """The object after the verb; None after a delete. StepFailed when it is refused."""
        ...

    async def get(self, resource: Object) -> Object:
        """The object as it is now. StepFailed when it is gone, Unreachable when nothing answers."""
        ...

    async def output(self, resource: Object, json_path: str) -> str:
        """A value of the object."""
        ...


async def run(
    cluster: Cluster, interval: float, template: Template, body: Resource, values: Mapping[str, str], node: Node
) -> Results:
    """One try of a resource step; ``interval`` seconds between two looks."""
    manifest = scope.fill(body.manifest, values)
    flags = [scope.fill(flag, values) for flag in body.flags]
    success, failure = (selector.parse(scope.fill(text, values)) for text in (body.success, body.failure))
    try:
        yaml.safe_load(manifest)
    except yaml.YAMLError as error:
        raise ArgoError(f"the manifest is no YAML once its values are filled in: {error}") from None
    found = await cluster.do(body.action, manifest, flags, body.merge)
    if found is None:
        return Results({each.name: each.default or "" for each in template.outputs.parameters})
    named = f"{found.get('kind')} {found['metadata'].get('namespace', '')}/{found['metadata']['name']}"
    if body.success or body.failure:
        await _wait(cluster, interval, found, (success, failure), named, node)
    outputs = {each.name: await cluster.output(found, each.json_path) for each in template.outputs.parameters}
    node.message = f"{body.action} {named}" + (f": {body.success}" if body.success else "")
    return Results(outputs)


async def _wait(
    cluster: Cluster,
    interval: float,
    resource: Object,
    conditions: tuple[Sequence[selector.Requirement], Sequence[selector.Requirement]],
    named: str,
    node: Node,
) -> None:
    while True:
        try:
            found = await cluster.get(resource)
            verdict = selector.judge(found, *conditions)
            node.message = f"{named}: {_shown(found, conditions)}"
            if verdict is selector.Verdict.DONE:
                return
            if verdict is selector.Verdict.FAILED:
                raise StepFailed(f"{named} meets the failure condition: {_shown(found, conditions)}")
        except Unreachable as error:
            node.message = str(error)
        await asyncio.sleep(interval)


def _shown(found: Object, conditions: Sequence[Sequence[selector.Requirement]]) -> str:
    """What the object holds where the conditions look, and the reason where a status gives one."""
    keys = dict.fromkeys(each.key for requirements in conditions for each in requirements)
    parts = []
    for key in (*keys, "status.description"):
        value = selector.get(found, key)
        if value is not selector.MISSING or key in keys:
            parts.append(f"{key} is {'missing' if value is selector.MISSING else selector.text(value)}")
    return ", ".join(parts)
