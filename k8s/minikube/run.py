"""Kubernetes with Seldon Core on this machine, by minikube and Helm, one printed command after the other.

    python k8s/minikube/run.py up       # minikube, Istio's ingress, Seldon Core
    python k8s/minikube/run.py seldon   # images of the components, graphs of k8s/seldon, wait until they serve
    python k8s/minikube/run.py down     # the cluster and all that is in it

DRY=1 prints the commands and runs none. Every wait is bounded, and what fails says where to look; a second call does
what is missing. Standard library only.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MINIKUBE = "v1.36.0"  # its list of Kubernetes versions (pkg/minikube/constants) has the one below
KUBERNETES = "v1.27.16"  # the newest line that Seldon Core 1.17 supports (doc/source/reference/upgrading.md of v1.17.1)
ISTIO = "1.23.6"  # the newest line that supports Kubernetes 1.27 (istio.io/latest/docs/releases/supported-releases)
SELDON = "1.17.1"  # the last release under Apache-2.0
ISTIO_CHARTS = "https://istio-release.storage.googleapis.com/charts"
SELDON_CHARTS = "https://storage.googleapis.com/seldon-charts"

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = "k8s/minikube"  # a kustomization of k8s/seldon
COMPONENTS = ROOT / "strategies/seldon"
PROFILE = "servelab"  # minikube's name for the cluster, and so kubectl's for its context
KUBECTL = ("kubectl", "--context", PROFILE)
GET = {
    "minikube": f"https://github.com/kubernetes/minikube/releases/tag/{MINIKUBE}",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/ (1.26 to 1.28 suit this cluster)",
    "helm": "https://helm.sh/docs/intro/install/ (version 3)",
    "docker": "https://docs.docker.com/engine/install/",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One command (``given``: on its standard input, the kustomization of that folder): why it is run, how long it
    may take (seconds), and what to look at when it fails."""

    why: str
    command: tuple[str, ...]
    seconds: int
    look: tuple[str, ...] = ()
    given: str = ""

    def __str__(self) -> str:
        """The command as a shell takes it."""
        made = f"{shlex.join(_kustomized(self.given))} | " if self.given else ""
        return made + shlex.join(self.command)


class Failed(Exception):
    """A target did not succeed; the message says where, why, and what to look at."""


def up() -> Iterator[Step]:
    """A cluster of the pinned Kubernetes with Istio's ingress gateway and Seldon Core."""
    yield Step(
        f"a cluster of Kubernetes {KUBERNETES}, with the metrics that autoscalers read",
        ("minikube", "start", "--profile", PROFILE, f"--kubernetes-version={KUBERNETES}", "--cpus=4", "--memory=8g",
         "--addons=metrics-server", "--wait=all", "--wait-timeout=6m"),
        900,
        (f"minikube logs --profile {PROFILE} --problems", f"minikube delete --profile {PROFILE} # and begin anew"),
    )  # fmt: skip
    istio = ("kubectl --context servelab --namespace istio-system get pods,events",)
    wait = ("--wait", "--timeout", "5m")
    yield _chart("Istio's resource types", "istio-base", "base", istio, wait)
    yield _chart("Istio's control plane", "istiod", "istiod", istio, wait)
    # Helm's own wait would be for an external address, which only `minikube tunnel` gives.
    yield _chart("Istio's ingress gateway", "istio-ingressgateway", "gateway", istio)
    ready = ("--namespace", "istio-system", "rollout", "status", "deployment/istio-ingressgateway", "--timeout=5m")
    yield Step("until the gateway runs", (*KUBECTL, *ready), 330, istio)
    yield Step(
        "the graphs' namespace, and the Gateway that Seldon Core binds their addresses to",
        (*KUBECTL, "apply", "--filename", "k8s/minikube/ingress.yaml"),
        60,
        istio,
    )
    look = (
        "kubectl --context servelab --namespace seldon-system get pods,events",
        "kubectl --context servelab --namespace seldon-system logs deployment/seldon-controller-manager",
    )
    values = ("--values", "k8s/minikube/seldon-core-values.yaml")
    yield _chart("Seldon Core", "seldon-core", "seldon-core-operator", look, values + wait)


def seldon() -> Iterator[Step]:
    """The graphs, with their images built here and copied into the cluster."""
    for image in images():
        build = ("docker", "build", "--file", "strategies/seldon/Dockerfile", "--build-arg",
                 f"MODEL_NAME={component(image)}", "--tag", image, ".")  # fmt: skip
        yield Step(f"the image of {component(image)}", build, 1200, ("docker info",))
        load = ("minikube", "image", "load", "--profile", PROFILE, image)
        yield Step("into the cluster, which pulls none of ours", load, 600, (f"minikube image ls --profile {PROFILE}",))
    look = (
        "kubectl --context servelab --namespace seldon get seldondeployments,pods,events",
        "kubectl --context servelab --namespace seldon describe seldondeployments # status.description says why",
        "kubectl --context servelab --namespace seldon-system logs deployment/seldon-controller-manager",
    )
    yield Step("the graphs", (*KUBECTL, "apply", "--filename", "-"), 60, look, GRAPHS)
    yield Step(
        "until each is Available: Seldon's images are pulled, the model of iris-model comes from its bucket",
        (*KUBECTL, "wait", "--for=jsonpath={.status.state}=Available", "--filename", "-", "--timeout=10m"),
        630,
        look,
        GRAPHS,
    )


def down() -> Iterator[Step]:
    """Nothing is left of the cluster."""
    yield Step("the cluster and all that is in it", ("minikube", "delete", "--profile", PROFILE), 300)


def images() -> list[str]:
    """Our own images in the graphs, ``servelab/NAME:TAG``."""
    kustomization = (ROOT / GRAPHS / "kustomization.yaml").read_text("utf-8")
    files = re.findall(r"^  - (\S+\.yaml)$", kustomization, re.MULTILINE)
    texts = "\n".join((ROOT / GRAPHS / file).read_text("utf-8") for file in files)
    return sorted(set(re.findall(r"^[ -]*image: (servelab/\S+)$", texts, re.MULTILINE)))


def component(image: str) -> str:
    """The class, and file, that an image is made of: ``servelab/model-infer:1`` is ModelInfer."""
    name = image.removeprefix("servelab/").partition(":")[0].replace("-", "")
    known = sorted(path.stem for path in COMPONENTS.glob("[A-Z]*.py"))
    for stem in known:
        if stem.lower() == name:
            return stem
    raise Failed(
        f"a graph of {GRAPHS} names the image {image}: expected a name of {', '.join(known)}, in small letters"
    )


def _chart(why: str, release: str, chart: str, look: tuple[str, ...], more: tuple[str, ...] = ()) -> Step:
    repo, version = (SELDON_CHARTS, SELDON) if "seldon" in chart else (ISTIO_CHARTS, ISTIO)
    namespace = "seldon-system" if "seldon" in chart else "istio-system"
    command = ("helm", "upgrade", "--install", release, chart, "--repo", repo, "--version", version,
               "--kube-context", PROFILE, "--namespace", namespace, "--create-namespace", *more)  # fmt: skip
    return Step(why, command, 360, (f"helm --kube-context {PROFILE} --namespace {namespace} status {release}", *look))


def _kustomized(folder: str) -> tuple[str, ...]:
    return ("kubectl", "kustomize", "--load-restrictor", "LoadRestrictionsNone", folder)


def require(steps: list[Step]) -> None:
    """Raises Failed unless every program that the steps run is on PATH, and minikube is the pinned one."""
    programs = dict.fromkeys(step.command[0] for step in steps)
    if missing := [f"  {program}: {GET[program]}" for program in programs if shutil.which(program) is None]:
        raise Failed("\n".join(["not on PATH; get", *missing, "DRY=1 prints the commands without them"]))
    if "minikube" in programs:
        asked = ["minikube", "version", "--short"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
        if found != MINIKUBE:
            raise Failed(f"expected minikube {MINIKUBE}; found {found!r}. Get {GET['minikube']}")


def run(step: Step) -> None:
    """Run one command from the repository's root, its output on this terminal. Raises Failed."""
    try:
        given = b""
        if step.given:
            given = subprocess.run(
                _kustomized(step.given), cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60
            ).stdout
        subprocess.run(step.command, cwd=ROOT, input=given, check=True, timeout=step.seconds)
    except subprocess.CalledProcessError as error:
        raise _explained(step, f"exited {error.returncode}") from None
    except subprocess.TimeoutExpired:
        raise _explained(step, f"did not end within {step.seconds} s") from None


def _explained(step: Step, problem: str) -> Failed:
    look = [f"  {command}" for command in step.look]
    lines = [
        f"{problem}: {step}",
        *(["look at", *look] if look else []),
        "then the same again: it does what is missing",
    ]
    return Failed("\n".join(lines))


TARGETS = {"up": up, "seldon": seldon, "down": down}


def main() -> int:
    """Run a target; returns the exit status."""
    if len(sys.argv) != 2 or sys.argv[1] not in TARGETS:
        print(f"k8s: expected one of {', '.join(TARGETS)}; found {' '.join(sys.argv[1:])!r}", file=sys.stderr)
        return 2
    dry = bool(os.environ.get("DRY"))
    try:
        steps = list(TARGETS[sys.argv[1]]())
        if not dry:
            require(steps)
        for step in steps:
            print(f"# {step.why} (at most {step.seconds} s)\n{step}", flush=True)
            if not dry:
                run(step)
    except Failed as failed:
        print(f"k8s: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
