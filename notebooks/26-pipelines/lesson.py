# %% [markdown]
# # 26 · Pipelines: ResourceOp then and now
#
# **One idea:** a pipeline is a program that compiles to a file; deploying is one of its steps.
#
# ## Why
#
# A model is trained, judged, stored, deployed, tried out. Done by hand at night, a step is forgotten. A *pipeline*
# writes the steps down, and something else runs them: on a cluster that is **Kubeflow Pipelines** (KFP).
#
# You write a Python program. It does not train anything: it *describes* the steps, and is **compiled** to a file of
# YAML. That file is what you review, upload and run.
#
# The seed of this lesson has five steps: store the model and its preprocessors, wrap each in a component, build images,
# write the graph as YAML, and let Kubeflow deploy it. The first four are
# [lesson 16](../16-a-seldon-component/16-a-seldon-component.ipynb) and [lesson 17](../17-ab-graph/17-ab-graph.ipynb).
# This one is the fifth: a pipeline of one step, which deploys the A/B graph by a thing called *ResourceOp*. Learners of
# today copy it, and get an error: ResourceOp is gone. This page runs the seed's program where it still runs, shows what
# became of it, and lets you write the port.

# %%
import sys
from pathlib import Path

import yaml

from notebooks.course import page, program

page.begin()

# %% [markdown]
# ## Do
#
# ### 1. Then: a ResourceOp
#
# This is the seed's pipeline, in the repository's words. A `ResourceOp` has a manifest (a Kubernetes object), an action
# as `kubectl` has it, what to read of the object afterwards (`attribute_outputs`), and what to wait for. The two
# conditions are ours: the seed has none, so its pipeline was green as soon as the object was *created*, whether or not
# anything ever served.

# %%
page.source("pipelines/v1/seed.py")

# %% [markdown]
# KFP 1.8 still installs, into an environment of its own. It compiles the program to a *Workflow* of Argo, the engine
# that ran pipelines then. (`make pipeline` does this for the files in the repository.)

# %%
compiled = page.scratch() / "seed.yaml"
COMPILE = "import pathlib, sys, compiling, seed; compiling.write(seed.inference_pipeline, pathlib.Path(sys.argv[1]))"
done = program.run(["python", "-c", COMPILE, str(compiled)], strategy="pipelines/v1", cwd="pipelines/v1", timeout=60)
print(done.stderr[-500:], end="")

workflow = yaml.safe_load(compiled.read_text())
(step,) = (each for each in workflow["spec"]["templates"] if "resource" in each)
resource = step["resource"]
print(workflow["apiVersion"], workflow["kind"])
print("action:", resource["action"], "| waits for:", resource["successCondition"])
print("manifest:", yaml.safe_load(resource["manifest"])["kind"])
print("outputs:", ", ".join(each["name"] for each in step["outputs"]["parameters"]))

# %% [markdown]
# ```text output
# argoproj.io/v1alpha1 Workflow
# action: create | waits for: status.state == Available
# manifest: SeldonDeployment
# outputs: seldon-deployment-manifest, seldon-deployment-name
# ```
#
# The whole manifest stands inside of the compiled file. Argo runs `kubectl create` with it, and looks at the object
# again and again, until the condition holds. What later steps could use comes out of it: the manifest, and the name.
#
# ### 2. Run it
#
# There is no cluster here. But there are two stand-ins that do enough of the work: `pipelines.argo` runs workflows as
# processes, and the *graph runner* of lesson 17 takes SeldonDeployments by the same API as Kubernetes and runs them as
# processes, too. So this file runs, from the first line to the last:

# %%
runner = program.start(["servelab", "graph", "run", "--port", "{port}", "--no-grpc"], port=0)


def argo(*words: str) -> None:
    """`python -m pipelines.argo`, and the end of what it says."""
    done = program.run([sys.executable, "-m", "pipelines.argo", *words], timeout=60)
    print(done.stdout + done.stderr, end="")
    print("exit status:", done.returncode)


here = ["--volumes", str(page.scratch() / "volumes"), "--runner", runner.url]
argo("lint", str(compiled))
argo("run", str(compiled), *here, "--folder", str(page.scratch() / "first"))

# %% [markdown]
# ```text output
# no faults found
# exit status: 0
# stand-in for Argo Workflows
# Succeeded
# exit status: 0
# ```
#
# The deployment is up. This is the seed's request to it: rows of a word and four numbers, which the transformer turns
# into numbers before a model sees them.

# %%
row = '{"data": {"ndarray": [["dog", 0, 4, 0.2, 0.79]]}}'
url = f"{runner.url}/seldon/default/ab-test/api/v1.0/predictions"
# !curl -s {url} -H 'Content-Type: application/json' -d '{row}'

# %% [markdown]
# ```text output
# "ndarray":
# "routing":{...
# ```
#
# ### 3. The same program under KFP 2
#
# Now the very same file, by the other environment:

# %%
now = program.run(["python", "seed.py"], strategy="pipelines/v2", cwd="pipelines/v1", timeout=60)
print("exit status:", now.returncode)
print(now.stderr.strip().splitlines()[-1])

# %% [markdown]
# ```text output
# exit status: 1
# AttributeError: module 'kfp.dsl' has no attribute 'ResourceOp'
# ```
#
# It is not renamed; it is gone. The work of a pipeline of KFP 2 is done in containers, so that its file need not know
# Argo or Kubernetes. (An add-on, `kfp.kubernetes`, gives them secrets and volumes, and can create a volume, but nothing
# else.) Whoever wants to deploy writes a step that talks to the Kubernetes API.
#
# ### 4. Now: a component
#
# A component is a Python function with a decorator. Its body goes into the compiled file as text and runs in a
# container later, so it imports what it needs inside. `additional_funcs` takes a function along that several components
# call, here `command`. These are from the repository's pipeline; `servelab step apply` does the two things of a
# ResourceOp, *apply* and *wait*:

# %%
parts = Path("pipelines/v2/pipeline.py").read_text().split("\n\n\n")
print(*(part for part in parts if part.startswith(("def command(", "step = ", "@step\ndef apply("))), sep="\n\n")

# %% [markdown]
# ```text output
# def command(
# step = dsl.component(
# @step
# def apply(
# ```

# %% [markdown]
# The pipeline around it trains, judges and tries out as well: `pipelines/v2/pipeline.py`. Compile it:

# %%
second = page.scratch() / "pipeline.yaml"
COMPILE = """
import sys, kfp, pipeline
kfp.compiler.Compiler().compile(pipeline.train_and_deploy, sys.argv[1])
"""
done = program.run(["python", "-c", COMPILE, str(second)], strategy="pipelines/v2", cwd="pipelines/v2", timeout=60)
print(done.stderr[-500:], end="")
document = next(yaml.safe_load_all(second.read_text()))
print(*document)
for name, file in {"then": compiled, "now": second}.items():
    print(f"{name:4} the file holds a Kubernetes object:", "apiVersion: machinelearning" in file.read_text())

# %% [markdown]
# ```text output
# components ... deploymentSpec ... root ... schemaVersion
# then the file holds a Kubernetes object: True
# now  the file holds a Kubernetes object: False
# ```
#
# It is no Workflow any more, but a form of KFP's own. The manifest is now a file that one task writes and the next one
# reads.
#
# ### 5. Run it, here
#
# KFP 2 brings `kfp.local`, which runs tasks as processes, without a cluster. `make pipeline-run MODEL=iris` trains
# iris, deploys it on a graph runner and puts it to the test. This page takes version 1 of the shared model instead of
# training (`VERSION=1`), and one second of load:


# %%
def pipeline(*words: str) -> None:
    """`make pipeline-run`, with a store of this page."""
    given = ["--model", "iris", "--seconds", "1", "--store", str(page.scratch() / "store"), *words]
    done = program.run(["python", "run.py", *given], strategy="pipelines/v2", cwd="pipelines/v2", timeout=90)
    print(done.stdout + done.stderr, end="")
    print("exit status:", done.returncode)


pipeline("--version", "1")

# %% [markdown]
# ## You should see
#
# A line for each task, in order, and a prediction of the server that the pipeline deployed. (The pipeline has two
# branches, a model trained and a model taken, with the same tasks in both. KFP numbers those of the second.)
#
# ```text output
# take Succeeded
# evaluate-2 Succeeded
# gate-2 Succeeded
# manifest-2 Succeeded
# apply-2 Succeeded
# smoke-2 Succeeded
# probe-2 Succeeded
# promote-2 Succeeded
# rollback Succeeded ... nothing to roll back
# promoted version
# exit status: 0
# ```
#
# ## What happened
#
# ```
#            then, KFP 1.8                     now, KFP 2
# program    dsl.ResourceOp(manifest)          apply(document=...)   a function
# file       Workflow of Argo, manifest in it  KFP's own form, the function in it
# runs       Argo: kubectl create, then waits  a container: calls the API, then waits
# may do so  Argo's service account            the step's own: k8s/pipelines/service-account.yaml
# ```
#
# The work did not vanish, it moved: from the engine into your step. That is more to write, and less to guess. The
# condition `status.state == Available` was a string that Argo read; now it is a loop, and it can say *why* it gave up.
#
# And there is more in the second pipeline than a deployment: between the training and the world stands a **gate**. It
# is the thing that MLflow did not do in [lesson 11](../11-mlflow/11-mlflow.ipynb): look at the score before anything is
# promoted.
#
# ## Break it
#
# ### Run the seed's pipeline a second time

# %%
argo("run", str(compiled), *here, "--folder", str(page.scratch() / "second"))

# %% [markdown]
# ```text output
# refused POST ... 409 seldondeployments 'ab-test' is there
# exit status: 1
# ```
#
# The seed says `create`, and the object is there. For a pipeline that runs every night that is the wrong word: the
# repository's own pipelines say `apply`, which makes it or changes it.
#
# ### A model that is not good enough
#
# Ask the gate for an accuracy that version 1 does not have:

# %%
pipeline("--version", "1", "--minimum", "0.99")

# %% [markdown]
# ```text output
# gate-2 Succeeded ... the model is refused
# the gate refused iris version 1
# nothing was deployed
# exit status: 1
# ```
#
# ### Upload to a server that is not there
#
# On a cluster the compiled file is uploaded: `make pipeline-upload KFP_HOST=http://127.0.0.1:8080`. The command asks
# the server which API it has, and sends the file of that generation. Without a server it says what to do:

# %%
# !python -m pipelines.upload http://127.0.0.1:9

# %% [markdown]
# ```text output
# no server answers at http://127.0.0.1:9
# ...port forwarded?
# ```
#
# (KFP's server is a large program that wants a cluster, so this page cannot start one. The tests of this repository
# send the real requests of both clients to a recording server, `tests/pipelines/kfp_server.py`, and run both pipelines
# on a real Kubernetes.)
#
# ## Exercise
#
# Port the seed's pipeline to KFP 2.
#
# ```bash
# make lesson N=26      # your files: notebooks/work/26/
# make check N=26       # until it is green
# make hint N=26        # when you are stuck; again for the next one
# make solution N=26    # a solution, beside yours
# ```
#
# Edit `notebooks/work/26/port.py`. Write the component `seldon_deployment`, which creates the object and waits for it,
# and let the pipeline use it. The check compiles your file, looks at the result, and runs it by `kfp.local` against an
# API server of its own, once with another manifest. That server is *a recording stand-in of the Kubernetes API*: it
# notes what you send, answers as Kubernetes would, and deploys nothing.
#
# ## When to use and when not
#
# **For it:**
#
# * the same steps run again and again, by schedule or by many people, and every step leaves a record;
# * a gate stands between training and production;
# * you have Kubernetes already.
#
# **Against it:**
#
# * one model, twice a year: a Makefile does it;
# * steps that take no time: look at the seconds above. Each task is a process of its own, on a cluster a pod, which
#   takes longer to start, whatever little it does;
# * no cluster: KFP's server is a large installation.
#
# **Think about:**
#
# * who may change the cluster: a step that deploys needs an account with rights;
# * what a retry does: `create` fails, `apply` does not;
# * what goes back to the old version when a later step fails.
#
# ## Then and now
#
# You have seen both run. Side by side, with the reasons, on one page:
# [then and now](../../pipelines/then-and-now.md). In short:
#
# | then: KFP 1.8 | now: KFP 2 |
# | --- | --- |
# | `dsl.ResourceOp` | a component that calls the Kubernetes API |
# | `attribute_outputs={"name": "{.metadata.name}"}` | the value that the function returns |
# | `success_condition="status.state == Available"` (the seed had none) | a loop |
# | a Workflow of Argo | KFP's own form |
# | no way to run it without a cluster | `kfp.local` |
# | `compiler.Compiler().compile(inference_ppl, 'pipeline.yaml')` | the same |
#
# The rest of the seed's article is still right: components in images, a graph in a manifest, one request to
# `/seldon/<namespace>/<name>/api/v1.0/predictions`. To find the name on a cluster it says `kubectl get sdep -n
# <namespace>`, which still works. What else both pipelines of the repository do: [v1](../../pipelines/v1/README.md) and
# [v2](../../pipelines/v2/README.md).
#
# ## Clean up
#
# The runner stops, and with it the four processes of the A/B test.

# %%
print("processes:", len(runner.pids) > 4)
runner.stop()
print("left:", runner.pids)

# %% [markdown]
# ```text output
# processes: True
# left: []
# ```
