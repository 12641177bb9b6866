# %% [markdown]
# # 16 · A Seldon component by hand
#
# **One idea:** a component is a class that a wrapper finds by its name and calls by the names of its methods.

# %%
from notebooks.course import page

page.begin()

# %% [markdown]
# ## Why
#
# Seldon Core runs graphs of small servers on Kubernetes: one transforms the rows, one draws which model answers, one is
# the model. Each must speak HTTP and gRPC, answer probes, count, log, and start several workers. Who writes three parts
# does not want to write three servers.
#
# So Seldon has a *wrapper*: you write a class with one method, and its command makes a server of it. The price is that
# everything goes by names: of the file, of the class, of the method, of the parameters. This lesson is about that
# contract, and about what happens when a name is wrong. All of it runs here, without a cluster.
#
# ## Do
#
# ### 1. The class

# %%
HERE = "notebooks/16-a-seldon-component"
page.source(f"{HERE}/components/ModelInfer.py")

# %% [markdown]
# No server, no JSON, no route. `X` comes as a NumPy array, and an array goes back. What matters is names:
#
# | name | must be |
# | --- | --- |
# | file and class | the same: `ModelInfer.py` has the class `ModelInfer` |
# | method of a MODEL | `predict` |
# | method of a TRANSFORMER | `transform_input`, or `transform_output` for what comes back |
# | method of a ROUTER, of a COMBINER | `route`, `aggregate` |
# | second argument | there, by custom `features_names=None`: the wrapper hands over the names of the columns |
# | constructor's arguments | those that the graph's `parameters` give |
#
# One more may be missing, `load()`: the wrapper calls it in each worker, after the fork
# ([lesson 07](../07-workers-and-state/07-workers-and-state.ipynb)). `predict` above calls it, too, so that the class
# also answers without the wrapper, in a test.
#
# ### 2. The command
#
# On a cluster, a container runs `seldon-core-microservice ModelInfer --service-type MODEL`. That command listens on all
# interfaces of the machine. `stock.py` is the same command, on this machine's loopback alone:

# %%
page.source(f"{HERE}/stock.py")

# %% [markdown]
# The parameters come in an environment variable, as a JSON list of name, type and value. On a cluster Seldon's operator
# fills it from the YAML file:

# %%
import json
import os
from pathlib import Path

from notebooks.course import program

STOCK = Path(HERE, "stock.py").resolve()


def stock(component, folder=f"{HERE}/components", **parameters):
    typed = [{"name": name, "type": "STRING", "value": value} for name, value in parameters.items()]
    command = ["python", STOCK, component, "--http-port", "{port}"]
    return program.start(command, "seldon", folder, port=0, env={"PREDICTIVE_UNIT_PARAMETERS": json.dumps(typed)})


iris = stock("ModelInfer", container_name="iris", run_name="1")
os.environ["URL"] = iris.url

# %% [markdown]
# ### 3. Ask

# %%
# !curl -s $URL/api/v1.0/predictions -H 'Content-Type: application/json' \
#   -d '{"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}}'

# %% [markdown]
# ## You should see
#
# ```text output
# {"data":{"names":["t:0","t:1","t:2"],"ndarray":[[0.98
# "meta":{}}
# ```
#
# Three probabilities, under names that the wrapper made up, as our class has no method `class_names`.
#
# ### One image, many models
#
# The class knows no model: the parameters name one. So one image serves all of them, which is what the tutorial of
# seed 003 recommends. The same file again, for both versions of *animals*, a model of a shelter's animals:

# %%
import shared_models
from servelab import Client

golden = shared_models.load("animals").golden()
for version in ("1", "2"):
    model = shared_models.load("animals", version)
    with (
        stock("ModelInfer", container_name="animals", run_name=version) as server,
        Client(server.url, "seldon", model) as client,
    ):
        answer = client.predict(golden.inputs[:1])
    same = abs(answer - model.predict(golden.inputs[:1])).max() < 1e-5
    print(
        f"animals {version}:", ", ".join(f"{label} {p:.3f}" for label, p in zip(model.labels, answer[0], strict=True))
    )
    print("  the same as the stored model in this process:", same)

# %% [markdown]
# ```text output
# animals 1: adopted 0.99
#   the same as the stored model in this process: True
# animals 2: adopted 0.9
#   the same as the stored model in this process: True
# ```
#
# ### What the class gets
#
# `Echo` says what the wrapper hands to it:

# %%
import urllib.error
import urllib.request


def ask(server, path, message):
    """The status, and the text of the answer."""
    body, headers = json.dumps(message).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}{path}", body, headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()


messages = {
    "rows of numbers": {"data": {"ndarray": [[5.1, 3.5], [4, 2]]}},
    "with names": {"data": {"names": ["length", "width"], "ndarray": [[5.1, 3.5]]}},
    "a tensor": {"data": {"tensor": {"shape": [1, 2], "values": [5.1, 3.5]}}},
    "words and numbers": {"data": {"ndarray": [["dog", 0, 4, 0.2, 0.79]]}},
}
with stock("Echo") as server:
    for name, message in messages.items():
        status, text = ask(server, "/predict", message)
        print(f"{name:18}", json.loads(text)["strData"])

# %% [markdown]
# ```text output
# rows of numbers    ndarray of shape (2, 2), dtype float64, names []
# with names         ndarray of shape (1, 2), dtype float64, names ['length', 'width']
# a tensor           ndarray of shape (1, 2), dtype float64, names []
# words and numbers  ndarray of shape (1, 5), dtype <U32, names []
# ```
#
# Look at the last line. An array has one type, so one word makes words of all numbers of the message: `0.79` comes as
# `"0.79"`. A transformer that gets mixed rows must make numbers of them again.
#
# ### A transformer
#
# It stands before the model, and has learned from the training data, too: which species there are, and between which
# ends each number lies. One-hot makes four columns of the species, one of which is 1. Min-max makes 0 of the smallest
# value and 1 of the largest. The one of [strategies/seldon](../../strategies/seldon/README.md) runs under the same
# command:

# %%
with stock("InputTransformer", "strategies/seldon", container_name="animals", run_name="1") as server:
    status, text = ask(server, "/transform-input", messages["words and numbers"])
data = json.loads(text)["data"]
columns = zip(data["names"], data["ndarray"][0], strict=True)
page.table([[name, round(value, 4)] for name, value in columns], ["column", "value"])

# %% [markdown]
# ```text output
# species_cat ... 0
# species_dog ... 1
# species_parrot ... 0
# species_rabbit ... 0
# returned ... 0
# age ... 0.1053
# shyness ... 0.202
# health ... 0.7614
# ```
#
# ## What happened
#
# The command took the word `ModelInfer` and did with it what you would do by hand: import the module of that name, take
# the class of that name out of it, call it with the parameters. Then it started gunicorn around a small Flask
# application, which has a route for each method that a component may have: `/predict`, `/transform-input`, `/route`,
# `/aggregate`, `/send-feedback`. A route makes an array of the message, looks whether your object has the method, calls
# it, and makes a message of what it returns, in the form in which it came: an ndarray for an ndarray, a tensor for a
# tensor.
#
# `--service-type` hardly matters here. Every component has every route. Which of them is called is decided by the
# graph, that is, by the type of its unit in the YAML file ([lesson 17](../17-ab-graph/17-ab-graph.ipynb)).
#
# ## Break it
#
# The tutorial warns: these names must be so. What happens when they are not? Seven components, each with one mistake:

# %%
MISTAKES = {  # the file: its class, its method
    "OtherName": ("Othername", "predict(self, X, features_names=None): return X"),
    "OtherParameter": ("OtherParameter", "__init__(self, model_name): self.model_name = model_name"),
    "NoNames": ("NoNames", "predict(self, X): return X"),
    "NoArray": ("NoArray", "predict(self, X, features_names=None): print(X)"),
    "Chooser": ("Chooser", "choose(self, X, features_names=None): return 0"),
    "Inferer": ("Inferer", "infer(self, X, features_names=None): return X"),
    "Transformer": ("Transformer", "transform(self, X, features_names=None): return X / 10"),
}
folder = page.scratch()
for file, (name, method) in MISTAKES.items():
    code = f"from seldon_core.user_model import SeldonComponent\n\nclass {name}(SeldonComponent):\n    def {method}\n"
    (folder / f"{file}.py").write_text(code)

# %% [markdown]
# **Mistakes that stop the start.** The class is not called as its file; a parameter is given that the constructor does
# not take. Read each message from its end:

# %% tags=["raises-exception"]
stock("OtherName", folder)

# %% tags=["raises-exception"]
stock("OtherParameter", folder, container_name="iris")

# %% [markdown]
# ```text output
# AttributeError: module 'OtherName' has no attribute 'OtherName'
# TypeError: OtherParameter.__init__() got an unexpected keyword argument 'container_name'
# ```
#
# These are the good mistakes: nothing starts, and the log says why. On a cluster the container starts again and again,
# and the same words are in the log of its pod.
#
# **Mistakes that fail each request, or worse.** These start, and call themselves healthy:

# %%
ROW = {"data": {"ndarray": [[5.1, 3.5]]}}
health = set()
for name, path in [("NoNames", "/predict"), ("NoArray", "/predict"), ("Chooser", "/route"), ("Inferer", "/predict"),
                   ("Transformer", "/transform-input")]:  # fmt: skip
    with stock(name, folder) as server:
        status, text = ask(server, path, ROW)
        with urllib.request.urlopen(f"{server.url}/health/status") as answer:
            health.add(json.load(answer)["strData"])
    print(f"{name:12} {path:17} {status}  {text[:120]}")
print("health, of all five:", *health)

# %% [markdown]
# ```text output
# NoNames      /predict          500
# NoArray      /predict          400
# Chooser      /route            400
# Inferer      /predict          200
# Transformer  /transform-input  200
# health, of all five: not implemented - assuming healthy
# ```
#
# The last two are the worst. The wrapper found no method of the right name, and thought: this component has nothing to
# do here. A model without `predict` answers an empty array. A transformer without `transform_input` passes the rows on
# **as they came**, with status 200. The model behind it gets unscaled numbers and answers, wrongly, with confidence.
#
# Only one thing finds that: a row of which you know the answer, sent through the running component. That is the check
# of the exercise.
#
# Where does a good error come from, then? Bad *data* is a case of its own: whoever raises
# `SeldonMicroserviceException` in a method gets a 400 with these words, and anything else that is raised is a 500. A
# wrong *name* of `predict` or of a transform nobody can tell but a test; a router at least says that `route` is not
# implemented, because there is no number that it could make up.
#
# ## Exercise
#
#     make lesson N=16
#
# puts `InputTransformer.py` into `notebooks/work/16/`: the transformer of above, by hand. Its constructor is there, and
# reads what was fitted from the card of the model. Its method is not: it has the wrong name, and does nothing. Wanted:
#
# - a hundred raw rows become the golden rows, one-hot and min-max, by NumPy alone;
# - an unknown species is a 400 that names it;
# - the parameters decide: with another model's card, the same class makes other columns.
#
# `make check N=16` serves your class by Seldon's command, and sends it real requests. Run it once before you write
# anything, to see what it says about the wrong name. `make hint N=16` and `make solution N=16` help.
#
# ## When to use and when not
#
# **Seldon's wrapper** when the model goes into a Seldon graph: then the component that you tried here is what the image
# holds, byte for byte.
#
# **Not** for a model alone. [FastAPI](../05-fastapi-and-the-image/05-fastapi-and-the-image.ipynb) and
# [Flask](../04-flask-by-hand/04-flask-by-hand.ipynb) take less processor time, and the wrapper holds its environment
# back: Flask 2.2, gunicorn 20.1, protobuf 3.20. Nor does it know what bad input is: it answers bad rows with a 500, as
# if the server were broken. [strategies/seldon](../../strategies/seldon/README.md) puts a guard before it. Compare:

# %%
import servelab
from servelab.choose import load

BAD = {"unequal rows": [[5.1, 3.5], [1.4]], "a word": [["long", 3.5, 1.4, 0.2]], "too few columns": [[5.1, 3.5]]}
with servelab.serve("seldon", model="iris") as guarded:
    for name, rows in BAD.items():
        message = {"data": {"ndarray": rows}}
        print(f"{name}: the stock command {ask(iris, '/predict', message)[0]}, with a guard", end=" ")
        print(*ask(guarded, "/predict", message))
measured = load().of("table")
figures = [f"{name} {measured.arm(name).cpu_us:.0f} µs" for name in ("seldon", "flask", "fastapi")]
print("processor time of a prediction of iris, in this repository's figures:", ", ".join(figures))

# %% [markdown]
# ```text output
# unequal rows: the stock command 500, with a guard 400
# a word: the stock command 500, with a guard 400
# too few columns: the stock command 500, with a guard 400
# processor time of a prediction of iris, in this repository's figures: seldon ...
# ```
#
# ## Then and now
#
# The tutorial of seed 003 goes in five steps: store model and preprocessors where all can read them, wrap each part in
# a class, build an image of each, write the graph as YAML, deploy it by Kubeflow. This lesson was the second. For the
# third it writes a file like this one for each class:
#
# ```text
# FROM python:3.7
# COPY ./ModelInfer.py /home/app/ModelInfer.py
# WORKDIR /home/app
# EXPOSE 9000
# ENV GUNICORN_WORKERS 2
# ENV MODEL_NAME ModelInfer
# ENV SERVICE_TYPE MODEL
# RUN pip install tensorflow==2.3.1 seldon_core==1.6.0
# CMD exec seldon-core-microservice $MODEL_NAME --service-type $SERVICE_TYPE --workers $GUNICORN_WORKERS
# ```
#
# Ours, today:

# %%
page.source("strategies/seldon/Dockerfile")

# %% [markdown]
# - The last line is nearly the same: the contract has not changed in all these versions. `component.` before the name
#   puts the guard around the class.
# - One image for every component, not one for each class: `MODEL_NAME` says at the start which one a container is.
# - Python 3.7 is long out of support; `seldon-core` 1.17.1 runs on 3.11. Later releases are not under a free licence.
# - All packages are locked with their hashes: `pip install seldon_core==1.6.0` alone takes whatever its dependencies
#   are on that day. An old setuptools is among ours: `seldon-core` imports `pkg_resources`, which 82 no longer has.
# - The process is a user without rights, and the container tells whether it is healthy.
# - No pickle, no TensorFlow: ONNX, and what was fitted as plain numbers in a card.
#
# The tutorial also sees a problem: models that share a transformer but take different columns. It trains each model to
# ignore what it does not need. Here each model's card says which columns it takes, and the transformer of a model is
# fitted with it: versions that take other columns get a transformer of their own, with their own `parameters`.
#
# ## Clean up

# %%
iris.stop()
print("left running:", len(iris.pids))

# %% [markdown]
# ```text output
# left running: 0
# ```
