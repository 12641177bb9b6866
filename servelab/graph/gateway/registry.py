"""Which deployments are live, and how a request finds its own."""

from collections.abc import Iterator
from difflib import get_close_matches

from servelab.graph.gateway.live import Live
from servelab.graph.gateway.metrics import Metrics
from servelab.graph.manifest import Deployment

SHOWN = 20  # of the deployments in an error; gRPC sends at most 8 KiB of words


class Registry:
    """The live deployments by namespace and name, and the figures of all."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self._live: dict[tuple[str, str], Live] = {}
        # Whose figures are kept: what serves, and what did before it, through which requests may be on their way.
        self._counted: dict[tuple[str, str], list[Deployment]] = {}

    def put(self, live: Live) -> Live | None:
        """Let it serve from the next request on; the one that did until now, if any."""
        key = (live.deployment.namespace, live.deployment.name)
        old = self._live.get(key)
        self._live[key] = live
        self._count(key, [each.deployment for each in (old, live) if each])
        return old

    def remove(self, namespace: str, name: str) -> Live | None:
        """Let it serve no more; it, if there was one."""
        self._count((namespace, name), [])
        return self._live.pop((namespace, name), None)

    def _count(self, key: tuple[str, str], deployments: list[Deployment]) -> None:
        self._counted[key] = deployments
        if not deployments:
            del self._counted[key]
        self.metrics.keep(deployment for each in self._counted.values() for deployment in each)

    def all(self) -> list[Live]:
        """Every live deployment."""
        return list(self._live.values())

    def find(self, namespace: str, name: str) -> Live | None:
        """Without a name, the only one there is; without a namespace, the only one of that name."""
        if namespace and name:
            return self._live.get((namespace, name))
        found = list(self._named(name))
        return found[0] if len(found) == 1 else None

    def _named(self, name: str) -> Iterator[Live]:
        return (live for live in self._live.values() if name in ("", live.deployment.name))

    def missing(self, namespace: str, name: str) -> str:
        """What to say when ``find`` found none: what is there, and what was perhaps meant."""
        there = sorted(f"/seldon/{space}/{known}/" for space, known in self._live)
        listed = ", ".join(there[:SHOWN]) + (f" and {len(there) - SHOWN} more" if len(there) > SHOWN else "")
        if not there:
            return "expected a deployment; none is live: apply one with `.venv/bin/servelab graph apply FILE`"
        wanted = f"/seldon/{namespace}/{name}/" if name else "a request without the prefix /seldon/<namespace>/<name>/"
        near = get_close_matches(wanted, there, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"expected one of the live deployments: {listed}; found {wanted}{hint}"
