"""Train a model, deploy it and put it to the test: the pipeline on KFP 2, where a ResourceOp is no more.

    fetch -> train -> evaluate -> gate -> manifest -> apply -> smoke -> probe -> promote
    or take        -> evaluate -> the same; and after any failure rollback, by the exit handler

Every task calls a command of the toolkit, `servelab step ...` or `bench probe`, found on PATH: in the image on a
cluster, in the toolkit's environment on this machine. ``python pipeline.py`` writes pipeline.yaml.
"""

from pathlib import Path

from kfp import compiler, dsl, kubernetes

IMAGE = "servelab-toolkit:1"
TRAINING_IMAGE = "servelab-training:1"
CLAIM, MOUNT = "servelab-store", "/store"  # the volume of the store, and where tasks see it
COMPILED = Path(__file__).with_name("pipeline.yaml")


def command(*words: str) -> None:
    """Run a command of the toolkit; this task ends as it does."""
    import subprocess
    import sys

    if status := subprocess.call([*words]):
        sys.exit(status)


step = dsl.component(base_image=IMAGE, install_kfp_package=False, additional_funcs=[command])
training_step = dsl.component(base_image=TRAINING_IMAGE, install_kfp_package=False, additional_funcs=[command])


@training_step
def fetch(model: str, data: dsl.Output[dsl.Dataset]) -> None:
    """The data set of a model."""
    command("servelab", "step", "fetch", "--model", model, "--output", data.path)


@training_step
def train(model: str, label_noise: float, data: dsl.Input[dsl.Dataset], trained: dsl.Output[dsl.Model]) -> None:
    """A model from data; label noise 1 sabotages it."""
    command(
        *("servelab", "step", "train", "--model", model, "--data", data.path, "--output", trained.path),
        *("--label-noise", str(label_noise)),
    )


@step
def take(model: str, version: str, taken: dsl.Output[dsl.Model]) -> None:
    """A version of the shared models, instead of training."""
    command("servelab", "step", "take", "--model", model, "--version", version, "--output", taken.path)


@step
def evaluate(
    model: dsl.Input[dsl.Model], metrics: dsl.Output[dsl.Metrics], data: dsl.Input[dsl.Dataset] = None
) -> None:
    """How good the model is on its test set; without data, what its card says."""
    import json
    from pathlib import Path

    command(
        *("servelab", "step", "evaluate", "--model-dir", model.path, "--output", metrics.path),
        *(("--data", data.path) if data else ()),
    )
    with Path(metrics.path).open() as file:
        metrics.metadata |= json.load(file)


@step
def gate(metrics: dsl.Input[dsl.Metrics], minimum: float) -> str:
    """Is that good enough? "true" or "false": the value returned, as kfp.local's conditions see no named output."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        verdict = Path(folder) / "verdict"
        command(
            *("servelab", "step", "gate", "--metrics", metrics.path, "--minimum", str(minimum)),
            *("--output", str(verdict)),
        )
        return verdict.read_text()


@step
def manifest(
    model: dsl.Input[dsl.Model], name: str, namespace: str, store: str, uri: str, document: dsl.Output[dsl.Artifact]
) -> None:
    """Store the model by its content, and write the SeldonDeployment."""
    command(
        *("servelab", "step", "manifest", "--model-dir", model.path, "--name", name, "--namespace", namespace),
        *("--store", store, "--output", document.path, *(("--uri", uri) if uri else ())),
    )


@step
def apply(document: dsl.Input[dsl.Artifact], api: str, store: str, run: str, wait: float) -> str:
    """Apply through the Kubernetes API, and wait until it is available: what ResourceOp did. The server's URL."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        url = Path(folder) / "url"
        command(
            *("servelab", "step", "apply", "--manifest", document.path, "--wait", str(wait), "--url", str(url)),
            *("--previous", f"{store}/runs/{run}/previous.json", *(("--api", api) if api else ())),
        )
        return url.read_text()


@step
def smoke(model: dsl.Input[dsl.Model], url: str) -> None:
    """Does the server answer as the model does?"""
    command("servelab", "step", "smoke", "--url", url, "--model-dir", model.path)


@step
def probe(model: dsl.Input[dsl.Model], url: str, seconds: float, p99: float, measured: dsl.Output[dsl.Metrics]) -> None:
    """Service times under load; a p99 of 0 ms is no bound."""
    import json
    from pathlib import Path

    command(
        *("bench", "probe", url, "--protocol", "seldon", "--model", model.path, "--seconds", str(seconds)),
        *("--output", measured.path, *(("--p99", str(p99)) if p99 else ())),
    )
    with Path(measured.path).open() as file:
        measured.metadata |= {f"{name} ms": value for name, value in json.load(file)["service"].items()}


@step
def promote(
    document: dsl.Input[dsl.Artifact],
    metrics: dsl.Input[dsl.Metrics],
    measured: dsl.Input[dsl.Metrics],
    name: str,
    namespace: str,
    store: str,
) -> None:
    """Write down which version serves."""
    command(
        *("servelab", "step", "promote", "--name", name, "--namespace", namespace, "--manifest", document.path),
        *("--metrics", metrics.path, "--probe", measured.path, "--store", store),
    )


@step
def rollback(
    name: str, namespace: str, api: str, store: str, run: str, wait: float, status: dsl.PipelineTaskFinalStatus
) -> None:
    """After a failure, back to what was deployed before this run."""
    command(
        *("servelab", "step", "rollback", "--name", name, "--namespace", namespace, "--wait", str(wait)),
        *("--previous", f"{store}/runs/{run}/previous.json", "--status", status.state),
        *(("--api", api) if api else ()),
    )


def small(task: dsl.PipelineTask, retries: int = 0) -> dsl.PipelineTask:
    """A task that needs little; it is never answered from a cache, for it looks at or changes the world."""
    task.set_cpu_limit("1").set_memory_limit("1Gi").set_caching_options(False)
    return task.set_retry(retries, backoff_duration="2s") if retries else task


def storing(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """A task that sees the store; on this machine that is a folder, and the volume is ignored."""
    return kubernetes.mount_pvc(task, pvc_name=CLAIM, mount_path=MOUNT)


@dsl.pipeline(name="release")
def release(
    model: dsl.Input[dsl.Model],
    metrics: dsl.Input[dsl.Metrics],
    minimum: float,
    name: str,
    namespace: str,
    seconds: float,
    p99: float,
    wait: float,
    api: str,
    store: str,
    uri: str,
    run: str,
) -> None:
    """A model that is good enough is deployed, put to the test and promoted."""
    verdict = small(gate(metrics=metrics, minimum=minimum))
    with dsl.If(verdict.output == "true", name="good-enough"):
        document = storing(small(manifest(model=model, name=name, namespace=namespace, store=store, uri=uri)))
        deployed = apply(document=document.output, api=api, store=store, run=run, wait=wait)
        storing(small(deployed, retries=2))
        smoked = small(smoke(model=model, url=deployed.output))
        probed = small(probe(model=model, url=deployed.output, seconds=seconds, p99=p99)).after(smoked)
        promoted = promote(document=document.output, metrics=metrics, measured=probed.output,
                           name=name, namespace=namespace, store=store)  # fmt: skip
        storing(small(promoted))


@dsl.pipeline(name="train-and-deploy", description="Train a model, deploy it by Seldon Core, and put it to the test")
def train_and_deploy(
    model: str = "mnist",
    version: str = "",
    label_noise: float = 0.0,
    minimum: float = 0.95,
    name: str = "mnist",
    namespace: str = "default",
    seconds: float = 5.0,
    p99: float = 0.0,
    wait: float = 300.0,
    api: str = "",
    store: str = MOUNT,
    uri: str = f"pvc://{CLAIM}",
) -> None:
    """A version: that of the shared models, instead of training. api: of the graph runner; empty: this cluster's."""
    run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    where = {"name": name, "namespace": namespace, "api": api, "store": store, "run": run, "wait": wait}
    rest = {"minimum": minimum, "seconds": seconds, "p99": p99, "uri": uri}
    undo = storing(small(rollback(**where), retries=2))
    with dsl.ExitHandler(undo, name="undo-on-failure"):
        with dsl.If(version == "", name="train-it"):
            data = fetch(model=model).set_retry(2, backoff_duration="5s").set_memory_limit("1Gi")
            trained = train(model=model, label_noise=label_noise, data=data.output)
            trained.set_cpu_limit("2").set_memory_limit("4Gi")
            measured = small(evaluate(model=trained.output, data=data.output))
            release(model=trained.output, metrics=measured.output, **where, **rest)
        with dsl.Else(name="take-it"):
            taken = small(take(model=model, version=version))
            stated = small(evaluate(model=taken.output))
            release(model=taken.output, metrics=stated.output, **where, **rest)


if __name__ == "__main__":
    compiler.Compiler().compile(train_and_deploy, str(COMPILED))
