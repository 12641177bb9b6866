"""Resources by ``kubectl``, with the arguments that Argo's executor gives it."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.argo.errors import ArgoError, StepFailed
from pipelines.argo.resource import Object, Unreachable

# What kubectl says when it has not reached the API server, in k8s.io/client-go and net/http.
NOT_REACHED = ("was refused", "i/o timeout", "connection reset", "TLS handshake timeout", "EOF", "no route to host")


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A cluster that the program reaches by its own configuration ($KUBECONFIG)."""

    program: str = "kubectl"
    namespace: str = ""

    async def do(self, action: str, manifest: str, flags: Sequence[str], merge: str) -> Object | None:
        """``kubectl ACTION -f FILE -o json``."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(manifest)
            file.flush()
            name = str(Path(file.name))
            words = [action]
            words += ["--ignore-not-found"] if action == "delete" else []
            words += ["--type", merge, "--patch-file", name] if action == "patch" else []
            words += [*flags, *(["-f", name] if manifest else []), "-o", "name" if action == "delete" else "json"]
            out = await self._run(words)
        found: Object | None = None if action == "delete" or not out else json.loads(out)
        return found

    async def get(self, resource: Object) -> Object:
        """``kubectl get KIND.VERSION.GROUP/NAME -o json``."""
        found: Object = json.loads(await self._run(["get", *_named(resource), "-o", "json"]))
        return found

    async def output(self, resource: Object, json_path: str) -> str:
        """``kubectl get ... -o jsonpath=...``."""
        return await self._run(["get", *_named(resource), "-o", f"jsonpath={json_path}"])

    async def _run(self, words: Sequence[str]) -> str:
        place = ["-n", self.namespace] if self.namespace and "-n" not in words else []
        try:
            process = await asyncio.create_subprocess_exec(
                self.program, *words, *place, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise ArgoError(f"expected the program {self.program}: {error.strerror}; say --kubectl PROGRAM") from None
        try:
            out, err = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            why = " ".join(err.decode("utf-8", "replace").split())
            raise (Unreachable if any(each in why for each in NOT_REACHED) else StepFailed)(
                f"kubectl {words[0]}: {why}"
            )
        return out.decode("utf-8")


def _named(resource: Object) -> list[str]:
    group, _, version = str(resource["apiVersion"]).rpartition("/")
    kind = str(resource["kind"]).lower() + (f".{version}.{group}" if group else "")
    namespace = resource["metadata"].get("namespace")
    return [f"{kind}/{resource['metadata']['name']}", *(["-n", namespace] if namespace else [])]
