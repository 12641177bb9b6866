"""The seed's pipeline on KFP 2, where a component does what ResourceOp did: ``python port.py`` compiles it."""

from pathlib import Path

import yaml
from kfp import compiler, dsl

HERE = Path(__file__).parent
MANIFEST = yaml.safe_load((HERE / "seldon_deployment.yaml").read_text("utf-8"))
IMAGE = "servelab-toolkit:1"  # where the step runs on a cluster
PROXY = "http://127.0.0.1:8001"  # of `kubectl proxy`, which knows how to log in


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def seldon_deployment(manifest: dict, api: str, seconds: float) -> str:
    """Create the object at the Kubernetes API, and return its name once its status.state is Available.

    Raises when the API refuses it (409: it is there already), when its state is Failed, and when it is not Available
    within ``seconds``.
    """
    # This function alone goes into the compiled file: what it needs, it imports here.
    # starter: raise NotImplementedError
    # solution: begin
    import json
    import time
    import urllib.request

    def ask(url: str, document: object = None) -> dict:
        body = json.dumps(document).encode() if document else None
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - raises on 409
            return json.load(answer)

    namespace = manifest["metadata"].get("namespace", "default")
    collection = f"{api}/apis/{manifest['apiVersion']}/namespaces/{namespace}/seldondeployments"
    name = ask(collection, manifest)["metadata"]["name"]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = ask(f"{collection}/{name}").get("status", {}).get("state")
        if state == "Available":
            return name
        if state == "Failed":
            raise RuntimeError(f"{name}: expected Available; found Failed")
        time.sleep(0.2)
    raise TimeoutError(f"{name}: expected Available within {seconds:g} s; found {state}")
    # solution: end


@dsl.pipeline(name="inference-pipeline")
def inference_pipeline(manifest: dict = MANIFEST, api: str = PROXY, seconds: float = 60.0) -> str:
    """One step; the name of the deployment."""
    # starter: deployed = dsl.ResourceOp(
    # starter:     name="seldon_deployment",
    # starter:     k8s_resource=manifest,
    # starter:     action="create",
    # starter:     attribute_outputs={"name": "{.metadata.name}"},
    # starter:     success_condition="status.state == Available",
    # starter:     failure_condition="status.state == Failed",
    # starter: )
    # starter: return deployed.outputs["name"]
    # solution: begin
    deployed = seldon_deployment(manifest=manifest, api=api, seconds=seconds)
    deployed.set_caching_options(False)  # it changes the world: an answer from the cache would deploy nothing
    return deployed.output
    # solution: end


if __name__ == "__main__":
    compiler.Compiler().compile(inference_pipeline, str(HERE / "pipeline.yaml"))
