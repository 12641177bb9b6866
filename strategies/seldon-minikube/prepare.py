"""Before the port-forward: the model's SeldonDeployment is in the cluster, and Available.

    python prepare.py MODEL VERSION

It talks to kubectl's context `servelab` alone, which `make k8s-up` makes: never to whatever cluster is the current one.
"""

import shutil
import string
import subprocess
import sys
from pathlib import Path

CONTEXT = "servelab"
SECONDS = 300  # images are in the cluster; Seldon's engine waits 20 s before its first probe
ASKING = 30  # seconds for a question to the API server


class NotReady(Exception):
    """The cluster does not serve the model; the message says what to type."""


def prepare(model: str, version: str, seconds: int = SECONDS) -> None:
    """Apply model.yaml and wait until Seldon says Available. Raises NotReady."""
    if "/" in model:
        raise NotReady(f"expected a shared model, which the image holds; found the folder {model}")
    if shutil.which("kubectl") is None:
        raise NotReady("kubectl is not on PATH; get it at https://kubernetes.io/docs/tasks/tools/")
    kubectl(f"no cluster answers as kubectl's context {CONTEXT}; make one with: make k8s-up", "get", "--raw", "/readyz")
    kubectl("Seldon Core is not installed in the cluster; install it with: make k8s-up",
            "get", "customresourcedefinition", "seldondeployments.machinelearning.seldon.io")  # fmt: skip
    text = Path(__file__).with_name("model.yaml").read_text("utf-8")
    manifest = string.Template(text).substitute(model=model, version=version)
    kubectl("the SeldonDeployment was refused", "apply", "--filename", "-", given=manifest)
    look = f"kubectl --context {CONTEXT} --namespace seldon describe seldondeployment servelab-{model}-{version}"
    kubectl(f"it was not Available within {seconds} s. Is its image in the cluster? make k8s-seldon. Look at: {look}",
            "wait", "--for=jsonpath={.status.state}=Available", f"--timeout={seconds}s", "--filename", "-",
            given=manifest, seconds=seconds + ASKING)  # fmt: skip


def kubectl(problem: str, *arguments: str, given: str = "", seconds: int = ASKING) -> None:
    """Run kubectl. Raises NotReady with the problem and what kubectl said."""
    command = ["kubectl", "--context", CONTEXT, *arguments]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise NotReady(f"{problem} (kubectl did not answer within {seconds} s)") from None
    if done.returncode:
        raise NotReady(f"{problem}\n{done.stderr.strip()[-1000:]}")


if __name__ == "__main__":
    try:
        model, version = sys.argv[1:]
        prepare(model, version)
    except NotReady as error:
        sys.exit(f"seldon-minikube: {error}")
