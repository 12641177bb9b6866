"""Train a model, deploy it and put it to the test: the pipeline on KFP 1.8, whose ResourceOp applies the manifest.

    fetch -> train -> evaluate -> gate -> store -> remember -> deploy -> smoke -> probe -> promote
    and in the end settle, the exit handler: after any failure, back to what served before

Every step is a command of the toolkit in its image. ``python pipeline.py`` writes pipeline.yaml, a Workflow of Argo.
"""

from pathlib import Path

from kfp import dsl

from compiling import write  # isort: skip
from components import step  # isort: skip

TOOLKIT, TRAINING = "servelab-toolkit:1", "servelab-training:1"
CLAIM, STORE = "servelab-store", "/store"  # the volume that steps and servers share, and where steps see it
# What served before this run. The exit handler sees no outputs of other steps, so the path is one that both know.
BEFORE = f"{STORE}/runs/{dsl.RUN_ID_PLACEHOLDER}/previous.json"
COMPILED = Path(__file__).with_name("pipeline.yaml")

fetch = step("fetch", TRAINING, "servelab step fetch --model {model} --output {>data}")
# This generation cannot merge the ends of two branches, so the step itself chooses: a version is taken, else trained.
train = step(
    "train",
    TRAINING,
    """
    sh -c 'if test -n "$1"; then exec servelab step take --model "$0" --version "$1" --output "$2"; fi
           exec servelab step train --model "$0" --data "$3" --output "$2" --label-noise "$4"'
       {model} {version} {>trained} {<data} {label_noise}
    """,
)
evaluate = step("evaluate", TOOLKIT, "servelab step evaluate --model-dir {<trained} --data {<data} --output {>metrics}")
gate = step("gate", TOOLKIT, "servelab step gate --metrics {<metrics} --minimum {minimum} --output {>passed}")
store = step(
    "store",
    TOOLKIT,
    f"""
    servelab step manifest --model-dir {{<trained}} --name {{name}} --namespace {{namespace}}
        --store {STORE} --uri {{uri}} --output {{>manifest}} --version-output {{>version}} --uri-output {{>stored}}
    """,
)
remember = step(
    "remember",
    TOOLKIT,
    f"servelab step previous --name {{name}} --namespace {{namespace}} --api {{api}} --output {BEFORE}",
)
smoke = step(
    "smoke",
    TOOLKIT,
    """sh -c 'exec servelab step smoke --url "$0" --model-dir "${1:-$2}"' {url} {answers} {<trained}""",
)
probe = step(
    "probe",
    TOOLKIT,
    "bench probe {url} --protocol seldon --model {<trained} --seconds {seconds} --p99 {p99} --output {>measured}",
)
promote = step(
    "promote",
    TOOLKIT,
    f"""
    servelab step promote --name {{name}} --namespace {{namespace}} --store {STORE}
        --manifest {{<manifest}} --metrics {{<metrics}} --probe {{<measured}}
    """,
)
settle = step(
    "settle",
    TOOLKIT,
    f"""
    servelab step rollback --name {{name}} --namespace {{namespace}} --api {{api}} --previous {BEFORE}
        --status {{{{workflow.status}}}}
    """,
)


def deployment(name: object, namespace: object, version: object, uri: object) -> dict[str, object]:
    """The SeldonDeployment of a stored version: what ``store`` writes too, its values filled in when the step runs."""
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/version": version},
        },
        "spec": {
            "predictors": [
                {
                    "name": "main",
                    "replicas": 1,
                    "labels": {"version": version},
                    "graph": {
                        "name": "model",
                        "implementation": "SKLEARN_SERVER",
                        "modelUri": uri,
                        "parameters": [{"name": "method", "type": "STRING", "value": "predict_proba"}],
                    },
                }
            ]
        },
    }


def small(op: dsl.ContainerOp, memory: str = "1Gi", cpu: str = "1") -> dsl.ContainerOp:
    """Limits; and no answer from KFP's cache, for a step looks at or changes the world."""
    op.enable_caching = False
    return op.set_memory_limit(memory).set_cpu_limit(cpu)


def storing(op: dsl.ContainerOp) -> dsl.ContainerOp:
    """A step that sees the store."""
    return op.add_pvolumes({STORE: dsl.PipelineVolume(pvc=CLAIM, name=CLAIM)})


@dsl.pipeline(name="train-and-deploy", description="Train a model, deploy it by Seldon Core, and put it to the test")
def train_and_deploy(
    model: str = "mnist",
    version: str = "",
    label_noise: float = 0.0,
    minimum: float = 0.95,
    name: str = "mnist",
    namespace: str = "default",
    seconds: float = 5.0,
    p99: float = 1000.0,
    answers: str = "",
    api: str = "",
    uri: str = f"pvc://{CLAIM}",
) -> None:
    """A version: that of the shared models, instead of training. api: of the graph runner; empty: this cluster's.

    answers: a folder with another model, whose answers the smoke test then expects: it fails, and you see the rollback.
    """
    where = {"name": name, "namespace": namespace}
    with dsl.ExitHandler(storing(small(settle(**where, api=api))).set_retry(2, backoff_duration="2s")):
        data = small(fetch(model=model)).set_retry(2, backoff_duration="5s", backoff_factor=2)
        trained = small(train(model=model, version=version, data=data.output, label_noise=label_noise), "4Gi", "2")
        metrics = small(evaluate(trained=trained.output, data=data.output))
        passed = small(gate(metrics=metrics.output, minimum=minimum))
        with dsl.Condition(passed.output == "true", name="good-enough"):
            stored = storing(small(store(trained=trained.output, **where, uri=uri)))
            before = storing(small(remember(**where, api=api))).set_retry(2, backoff_duration="2s")
            deploy = dsl.ResourceOp(
                name="deploy",
                k8s_resource=deployment(name, namespace, stored.outputs["version"], stored.outputs["stored"]),
                action="apply",
                success_condition="status.state == Available",
                failure_condition="status.state == Failed",
                attribute_outputs={"url": "{.status.address.url}"},
            )
            deploy.after(before).set_timeout(300)
            smoked = small(smoke(url=deploy.outputs["url"], answers=answers, trained=trained.output))
            probed = small(probe(url=deploy.outputs["url"], trained=trained.output, seconds=seconds, p99=p99))
            probed.after(smoked)
            storing(small(promote(**where, manifest=stored.outputs["manifest"], metrics=metrics.output,
                                  measured=probed.output)))  # fmt: skip


if __name__ == "__main__":
    write(train_and_deploy, COMPILED)
