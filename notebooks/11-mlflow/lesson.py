# %% [markdown]
# # 11 · MLflow
#
# **One idea:** a registry says which version answers, and how each version was made.
#
# ## Why
#
# It is Monday. Customers complain about wrong digits. You ask three questions:
#
# 1. Which model answers at the moment?
# 2. Who made it, from which data, with which settings, and what did it score?
# 3. How do we get back to the one from last week, now?
#
# With `model_final_v2_really.onnx` in a folder nobody can say. MLflow answers with three words:
#
# * a **run** is one training, written down: parameters, metrics, tags, files;
# * a **registered model** has numbered **versions**, and each version knows its run;
# * an **alias** is a name for one version, such as `champion`. It can be moved.
#
# A server then serves `models:/mnist@champion`: not a file, but *whatever is champion*.
#
# MLflow runs in an environment of its own. This page starts programs there and talks to them. All that they write goes
# to a folder that is removed with this page.

# %%
import json
import urllib.error
import urllib.request

import numpy as np

import servelab
import shared_models
from notebooks.course import page, program

page.begin()

# %% [markdown]
# ## Do
#
# ### 1. Log and register
#
# The program `prepare.py` of the strategy writes down a run for each version of our MNIST model, and registers it.
# These are its central lines:

# %%
# !sed -n '/^def _log(/,/^    return/p' strategies/mlflow/prepare.py

# %% [markdown]
# A small program of this lesson calls that, and then prints what the registry holds: of each version the run that made
# it, and its alias. Each model is loaded again and asked, to see that it answers as before, so this takes some seconds.

# %%
page.source("notebooks/11-mlflow/registered.py")

MLFLOW = "strategies/mlflow"
STATE = {"STATE": str(page.scratch()), "MODEL": "mnist"}


def mlflow(*command: str, cwd: str = MLFLOW, **variables: str) -> None:
    """Run a program in MLflow's environment, and show what it says."""
    done = program.run([*command], strategy="mlflow", cwd=cwd, env=STATE | variables, timeout=60)
    print(done.stdout.strip() or done.stderr.strip().splitlines()[-1])


mlflow("python", "../../notebooks/11-mlflow/registered.py", PYTHONPATH=".")

# %% [markdown]
# ```text output
# models:/mnist/1   60000 images  accuracy 0.9809  @champion
# models:/mnist/2    1000 images  accuracy 0.8832
# ```
#
# Version 2 is the newer one, and the weaker one: it was trained on a thousand images. Newer is not better. That is why
# an alias, and not the highest number, says who answers.
#
# ### 2. Serve it, by MLflow's own command
#
# `mlflow models serve` takes the name of the alias. `--env-manager local` says: use the packages that are here. Without
# it, MLflow builds an environment for the model first, and downloads hundreds of megabytes.

# %%
(database,) = page.scratch().glob("*/mlflow.db")
serving = ["mlflow", "models", "serve", "--model-uri", "models:/mnist@champion", "--env-manager", "local"]
quiet = {"MLFLOW_TRACKING_URI": f"sqlite:///{database}", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
plain = program.start([*serving, "--host", "127.0.0.1", "--port", "{port}"], strategy="mlflow", port=0, env=quiet)

# %% [markdown]
# Every server that MLflow starts has the same routes, and two of them matter. `/ping` says whether it can answer.
# `/invocations` takes a batch, and answers with `predictions`:


# %%
def ask(url: str, body: str | None = None) -> str:
    """The status, and the start of the answer."""
    request = urllib.request.Request(url, body and body.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return f"{answer.status} {answer.read(300).decode().strip()}"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(300).decode().strip()}"


digits = shared_models.load("mnist", "1").golden().inputs
image = json.dumps({"inputs": digits[:1].tolist()})
print("/ping       ", ask(plain.url + "/ping"))
print("/invocations", ask(plain.url + "/invocations", image)[:60])

# %% [markdown]
# ```text output
# /ping        200
# /invocations 200 {"predictions": {"probabilities": [[
# ```
#
# ### 3. Which version was that?
#
# The answer does not say. But our models carry *goldens*: inputs, and the answers that are right for them. Versions
# differ, so the answers tell which one is behind the URL.

# %%
goldens = {version: shared_models.load("mnist", version).golden().outputs for version in ("1", "2")}


def version_of(url: str) -> str:
    """The version whose goldens a server gives."""
    answers = servelab.connect(url, "invocations", "mnist").predict(digits)
    return next(version for version, right in goldens.items() if np.allclose(answers, right, atol=1e-5))


print("mlflow models serve answers by version", version_of(plain.url))

# %% [markdown]
# ### 4. Move the alias
#
# Now let `champion` name version 2. `promote.py` is one call of MLflow: `set_registered_model_alias`.

# %%
mlflow("python", "promote.py", "mnist", "2")
print("the server that runs answers by version    ", version_of(plain.url))

# %% [markdown]
# Nothing happened! A server reads the alias when it starts. That is a decision: a server whose model changes while it
# runs is hard to reason about. Start two more: one that follows the alias, and one that is told the number. (They are
# the strategy `mlflow`: the same scoring server with a guard before it. *Break it* shows what the guard is for.)

# %%
SERVE = ["uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log", "server:app"]


def serve(**variables: str) -> program.Running:
    """The strategy's server, on the store of this page."""
    return program.start(SERVE, strategy="mlflow", cwd=MLFLOW, port=0, env=STATE | variables)


champion = serve()
pinned = serve(MODEL_VERSION="1")
print("a server that starts now answers by version", version_of(champion.url))
print("one that is told version 1, by version     ", version_of(pinned.url))

# %% [markdown]
# ## You should see
#
# ```text output
# mlflow models serve answers by version 1
# models:/mnist@champion is version 2
# the server that runs answers by version     1
# a server that starts now answers by version 2
# one that is told version 1, by version      1
# ```
#
# ## What happened
#
# ```
# run (60000 images, seed, accuracy)  <-  models:/mnist/1
# run ( 1000 images, seed, accuracy)  <-  models:/mnist/2  <-  @champion  <-  a server, when it starts
# ```
#
# Nothing was copied and nothing was overwritten. The alias is one row in a database; version 1 is where it was, and a
# server may still ask for it by its number. So the way back is one command, and it is the same command.
#
# And the three questions of Monday? The registry answers them:

# %%
mlflow("python", "../../notebooks/11-mlflow/registered.py", PYTHONPATH=".")

# %% [markdown]
# ```text output
# models:/mnist/1   60000 images  accuracy 0.9809
# models:/mnist/2    1000 images  accuracy 0.8832  @champion
# ```
#
# The second line is the finding: the champion is the weak one. MLflow writes the accuracy down; it does not look at it.
# To judge a model before it is promoted is a job for a [pipeline](../26-pipelines/26-pipelines.ipynb), or for you.
#
# In a browser the same story has pictures: `make mlflow-ui`, then http://127.0.0.1:8104. There you click a version, see
# its run, and move the alias. (It shows the store of `make serve-mlflow`, not the one of this page.)
#
# ## Break it
#
# ### A version that is not there

# %%
mlflow("python", "promote.py", "mnist", "9")

# %% [markdown]
# ```text output
# expected a version that is registered; found mnist 9
# ```
#
# ### A number that is none
#
# JSON has no *NaN* (not a number), but Python's parser reads it. What does MLflow's own server make of an image with
# one pixel that is NaN?

# %%
spoiled = digits[:1].copy()
spoiled[0, 0, 0] = np.nan
body = json.dumps({"inputs": spoiled.tolist()})
print("mlflow models serve:", ask(plain.url + "/invocations", body)[:60])
print("the strategy:       ", ask(champion.url + "/invocations", body))

# %% [markdown]
# ```text output
# mlflow models serve: 200 {"predictions": {"probabilities": [[NaN, NaN
# the strategy:        400 {"error_code":"BAD_REQUEST"
# ```
#
# Status 200, and an answer that is not JSON: most clients fail on it, far away from the cause. The guard of the
# strategy reads each row before MLflow does. `strategies/mlflow/README.md` lists what else it refuses.
#
# ## Exercise
#
# `promote.py` can move the alias, but it forgets who was champion before. Write the three functions that you would want
# on Monday:
#
# ```bash
# make lesson N=11      # your file: notebooks/work/11/champion.py
# make check N=11       # until it is green
# make hint N=11        # when you are stuck; again for the next one
# make solution N=11    # a solution, beside yours
# ```
#
# `promote` lets `champion` name a version and `previous` the one before it; `take_back` goes back; `recipe` says how a
# version was made. The check registers both versions in a store of its own, calls your functions, and starts servers:
# the new champion must answer by version 2, and a server of version 1 by version 1.
#
# ## When to use and when not
#
# **For it:**
#
# * models are trained often and by several people, and someone must be able to say which one answers, where it came
#   from and what it scored;
# * the same container shall run on Amazon SageMaker: `/ping` and `/invocations` are its contract.
#
# **Against it:**
#
# * a request costs three times (an image) to eight times (four numbers) as much CPU as with FastAPI in
#   [our figures](../../docs/strategies/mlflow.md): `make bench STRATEGIES="fastapi mlflow"` measures yours;
# * its environment takes some 900 MB on the disk, about five times FastAPI's.
#
# **Think about:**
#
# * a database that someone must back up;
# * a server follows an alias at its start only;
# * MLflow reports its use unless told not to.
#
# About the last point: importing MLflow writes an identity into your home folder and reports to its makers, unless
# `MLFLOW_DISABLE_TELEMETRY` or `DO_NOT_TRACK` is set **before** the import. Every program of this strategy sees to
# that:

# %%
# !grep setdefault strategies/mlflow/registry.py
check = "import os, registry; print({name: os.environ[name] for name in ('MLFLOW_DISABLE_TELEMETRY', 'DO_NOT_TRACK')})"
mlflow("python", "-c", check)

# %% [markdown]
# ```text output
# {'MLFLOW_DISABLE_TELEMETRY': 'true', 'DO_NOT_TRACK': 'true'}
# ```
#
# A registry and a server are two things. You may keep MLflow's registry and serve by something faster: one call fetches
# what the champion was saved as, the ONNX file among it, for FastAPI or anything else to serve.

# %%
FETCH = """
import registry
import pathlib, mlflow

mlflow.set_tracking_uri(registry.tracking_uri())
folder = mlflow.artifacts.download_artifacts("models:/mnist@champion")
print(*sorted(file.name for file in pathlib.Path(folder).iterdir()))
"""
mlflow("python", "-c", FETCH)

# %% [markdown]
# ```text output
# model.onnx
# ```
#
# ## Then and now
#
# The seeds name MLflow beside BentoML (001 promises it for the week after, 004 lists it among the serving libraries),
# and show none of its code. What a program of 2022 would have said, and what MLflow 3 says to it:

# %%
THEN = """
import registry
import warnings, mlflow

try:
    mlflow.set_tracking_uri("file:./mlruns")
    mlflow.search_experiments()
except mlflow.MlflowException as error:
    print("file store:", error.message.partition(" and ")[0])
mlflow.set_tracking_uri(registry.tracking_uri())
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    mlflow.MlflowClient().transition_model_version_stage("mnist", "1", "Production")
print("stages:", next(f"{each.message}" for each in said if "stage" in f"{each.message}")[:150])
"""
mlflow("python", "-c", THEN)
print("models serve:", urllib.request.urlopen(plain.url + "/ping").headers["server"])

# %% [markdown]
# ```text output
# file store: The filesystem tracking backend (e.g., './mlruns') is in maintenance mode
# stages: ...deprecated since 2.9.0
# models serve: uvicorn
# ```
#
# | then (MLflow 1) | now (MLflow 3) |
# | --- | --- |
# | runs in a folder, `./mlruns` | a database: `sqlite:///mlflow.db`, or PostgreSQL |
# | stages: *Staging*, *Production* | aliases, as many as you like |
# | `models:/mnist/Production` | `models:/mnist@champion` |
# | `mlflow models serve`: Flask on gunicorn | FastAPI on uvicorn, same routes |
# | conda builds an environment for the model | `--env-manager local`, `virtualenv` or `uv` |
# | scikit-learn models are pickles, which run code when loaded | saved by *skops*, which does not |
#
# ## Clean up

# %%
for server in (plain, champion, pinned):
    server.stop()
print("left:", plain.pids + champion.pids + pinned.pids)

# %% [markdown]
# ```text output
# left: []
# ```
