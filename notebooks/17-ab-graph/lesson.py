# %% [markdown]
# # 17 · An A/B graph from YAML
#
# **One idea:** a graph is data: containers say what runs, children say who is asked next, and a router draws among
# them.

# %%
from notebooks.course import page

page.begin()

# %% [markdown]
# ## Why
#
# There is a new model, and somebody asks: is it better? Accuracy on stored data does not answer that for the people who
# use it. So let both answer: half of the requests go to the old model, half to the new one, and what people then do
# decides. That is an A/B test.
#
# The split could be an `if` in your server. But then who changes the shares has to change, test and ship your server.
# Seldon Core takes the `if` out of the code: each part (transform the rows, draw, predict) is a small server of its own
# ([lesson 16](../16-a-seldon-component/16-a-seldon-component.ipynb)), and one YAML file says who is asked after whom.
# On Kubernetes, Seldon's executor reads that file. Here our graph runner does, on this machine, with the same file and
# the same components.
#
# ## Do
#
# ### 1. Read the graph
#
# `k8s/seldon/ab-test.yaml` is the A/B test of the tutorial, in its form. Two lists matter. `containers` says which
# image runs under which name:

# %%
page.source("k8s/seldon/ab-test.yaml", lines=(13, 21))

# %% [markdown]
# and so on for `router`, `model-a` and `model-b`. And `graph` says who is asked, by the same names, with the parameters
# that each component gets:

# %%
page.source("k8s/seldon/ab-test.yaml", lines=(54, 104))

# %% [markdown]
# `servelab graph check` reads the file as Seldon would, and prints the graph as a tree:

# %%
# !servelab graph check k8s/seldon/ab-test.yaml

# %% [markdown]
# ```text output
# SeldonDeployment ab-test in the namespace default
# input-transformer TRANSFORMER servelab/input-transformer:1 (container_name=animals, run_name=1)
# router ROUTER servelab/router:1 (n_branches=2)
# model-a MODEL servelab/model-infer:1 (container_name=animals, run_name=1)
# model-b MODEL servelab/model-infer:1 (container_name=animals, run_name=2)
# ```
#
# Both models are the same image. Only their parameters differ: version 1 and version 2 of *animals*, which guesses what
# becomes of a shelter's animal within a month. The line above the tree is the *predictor*, a graph with its containers:
# a file may have several, each with a share of the requests; this one has one.
#
# ### 2. Run it
#
# `servelab graph run` is a server that waits for graphs; `servelab graph apply` brings one up in it, as `kubectl apply`
# does on a cluster. (With the file after `run` it is one command; this way we can change the graph later.)

# %%
import os

from notebooks.course import program

runner = program.start(["servelab", "graph", "run", "--port", "{port}", "--no-grpc"], port=0)
os.environ["RUNNER"] = runner.url

# %%
# !servelab graph apply k8s/seldon/ab-test.yaml --runner $RUNNER

# %% [markdown]
# ```text output
# default/ab-test generation 1: Available
# /seldon/default/ab-test/api/v1.0/predictions
# ```
#
# Four servers have started, one for each container, and the runner in front of them. The address is the one that a
# cluster has, too: `/seldon/<namespace>/<name>/api/v1.0/predictions`.
#
# ### 3. Ask
#
# A row mixes words and numbers; the transformer takes care of that. The row of the tutorial:

# %%
# !curl -s $RUNNER/seldon/default/ab-test/api/v1.0/predictions -H 'Content-Type: application/json' \
#   -d '{"data": {"ndarray": [["dog", 0, 4, 0.2, 0.79]]}}'

# %% [markdown]
# ## You should see
#
# ```text output
# {"data":{"names":["adopted","fostered","stays"],"ndarray":[[0.9
# "requestPath":{...servelab/input-transformer:1...servelab/model-infer:1
# "routing":{
# ```
#
# Three probabilities, and below `meta` the way of this request. Your request went to one of the two models; which one
# is said there, and the next request may go to the other. So ask the same row 300 times. `ask` does that, over four
# connections that it keeps open:

# %%
from runpy import run_path

ask = run_path("notebooks/17-ab-graph/asking.py")["ask"]
page.source("notebooks/17-ab-graph/asking.py", lines=(13, 32))

# %%
URL = f"{runner.url}/seldon/default/ab-test/api/v1.0/predictions"
ROW = {"data": {"ndarray": [["dog", 0, 4, 0.2, 0.79]]}}

answers = [answer for _, answer in ask(URL, [ROW] * 300)]
by_route = {answer["meta"]["routing"]["router"]: answer for answer in answers}
for route, answer in sorted(by_route.items()):
    print(f"the router said {route}; requestPath: {', '.join(sorted(answer['meta']['requestPath']))}")
    print(f"  routing: {dict(sorted(answer['meta']['routing'].items()))}")

# %% [markdown]
# ```text output
# the router said 0; requestPath: input-transformer, model-a
#   routing: {'input-transformer': -1, 'model-a': -1, 'router': 0}
# the router said 1; requestPath: input-transformer, model-b
#   routing: {'input-transformer': -1, 'model-b': -1, 'router': 1}
# ```
#
# Some requests were answered by A, some by B, and each answer says by whom:
#
# - `requestPath` is written by the components themselves: each adds its name and its image. The router does not appear:
#   it answers with a number, and is not part of the message's way.
# - `routing` is written by the executor, because the file sets `SELDON_ENABLE_ROUTING_INJECTION`. -1 means "all of my
#   children", which for the last of the tree is nobody. Without that variable there is no `routing` in an answer.
#
# ### A page to try it
#
# Who shall use the graph needs to know what to send. Below the same address, at `doc/`, there is a page with the tree,
# an example and a form to send it, as on a cluster. Its twin for programs, `seldon.json`, is in OpenAPI
# ([lesson 05](../05-fastapi-and-the-image/05-fastapi-and-the-image.ipynb)):

# %%
import json
from urllib.request import urlopen

DOC = f"{runner.url}/seldon/default/ab-test/api/v1.0/doc/"
with urlopen(DOC) as answer:
    text = answer.read().decode()
    print(answer.status, answer.headers["Content-Type"])
print("names every unit:", all(name in text for name in ("input-transformer", "router", "model-a", "model-b")))
print("a form to try it:", "<form>" in text)
with urlopen(f"{DOC}seldon.json") as answer:
    print("described:", *json.load(answer)["paths"], sep="\n  ")

# %% [markdown]
# ```text output
# 200 text/html
# names every unit: True
# a form to try it: True
# described:
#   /seldon/default/ab-test/api/v1.0/predictions
#   /seldon/default/ab-test/api/v1.0/feedback
# ```
#
# To see it, run `.venv/bin/servelab graph run k8s/seldon/ab-test.yaml` in a terminal, and open the address of the page
# that it prints.
#
# ### Other odds
#
# The router takes `weights`, too. A new model first gets a tenth of the requests. The file is changed, and applied
# while the graph serves:

# %%
from pathlib import Path

import yaml

CHANGED = page.scratch() / "changed.yaml"
os.environ["CHANGED"] = str(CHANGED)


def original():
    return yaml.safe_load(Path("k8s/seldon/ab-test.yaml").read_text())


def router_of(deployment):
    return deployment["spec"]["predictors"][0]["graph"]["children"][0]


def save(deployment):
    CHANGED.write_text(yaml.safe_dump(deployment))


deployment = original()
router_of(deployment)["parameters"].append({"name": "weights", "type": "STRING", "value": "0.9,0.1"})
save(deployment)

# %%
# !servelab graph apply $CHANGED --runner $RUNNER

# %% [markdown]
# ```text output
# default/ab-test generation 2: Available
# ```

# %%
unequal = [answer["meta"]["routing"]["router"] for _, answer in ask(URL, [ROW] * 300)]
equal = [answer["meta"]["routing"]["router"] for answer in answers]

# %% [markdown]
# Did the router do what we told it? 300 draws are never exactly 150 and 150. The grey band is where 99 of 100 such
# experiments end, when the shares are as told:

# %%
import math

import matplotlib.pyplot as plt

figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
for panel, title, routes, shares in [
    (panels[0], "equal", equal, (0.5, 0.5)),
    (panels[1], 'weights "0.9,0.1"', unequal, (0.9, 0.1)),
]:
    for child, share in enumerate(shares):
        wide = 2.58 * math.sqrt(share * (1 - share) / len(routes))  # 99 %, by the normal approximation
        panel.bar(child, routes.count(child) / len(routes), width=0.5, color=f"C{child}")
        panel.fill_between([child - 0.35, child + 0.35], share - wide, share + wide, color="grey", alpha=0.45, lw=0)
    panel.set(title=title, xticks=[0, 1], xticklabels=["model-a", "model-b"], ylim=(0, 1))
panels[0].set_ylabel("share of 300 requests")
print("with weights, model-a got more than twice what model-b got:", unequal.count(0) > 2 * unequal.count(1))

# %% [markdown]
# ```text output
# with weights, model-a got more than twice what model-b got: True
# ```
#
# ## What happened
#
# The runner did the work of two parts of Seldon. As the *operator* does, it started what `containers` says, a process
# for each, and told it its parameters in an environment variable. As the *executor* does, it walked the tree of `graph`
# for each request:
#
# 1. `input-transformer` is a TRANSFORMER: it gets `/transform-input`, and its answer goes on.
# 2. It has one child, the ROUTER: asked by `/route`, which answers a number. N means child N, from 0.
# 3. That child is a MODEL: `/predict`, with the transformed row. Its answer goes back to you.
#
# So a request to this graph is three requests behind it (REST here; all of these parts speak gRPC, too), and the router
# only ever sees a row, and says a number:

# %%
page.source("strategies/seldon/Router.py", lines=(10, 27))

# %% [markdown]
# `n_branches` is what the file tells it. Nobody compares that with the number of children, which stand elsewhere in the
# same file. Keep that in mind for the next section. The rules of the walk, all of them, are in
# [How a graph answers](../../docs/graphs.md).
#
# The second `apply` started four new servers beside the old ones, waited until they were ready, moved the door, let the
# old ones finish, and stopped them. So no request is lost on its way; `make soak` puts that to the test, half an hour
# long, with a load, many applies and killed components.
#
# ## Break it
#
# **A child without a container.** The names are what holds the two lists together:

# %%
broken = original()
broken["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"].pop()
save(broken)

# %%
# !servelab graph check $CHANGED

# %% [markdown]
# ```text output
# spec.predictors[0].graph.children[0].children[1].name: ...
# expected a container of the same name, 'model-b', in componentSpecs; found input-transformer, router, model-a
# ```
#
# **A word misspelt, a number that is none.** All mistakes are told at once, each with its place:

# %%
broken = original()
router = router_of(broken)
router["type"] = "ROUTR"
router["parameters"][0]["value"] = "two"
router["children"][1]["childern"] = router["children"][1].pop("children")
save(broken)

# %%
# !servelab graph check $CHANGED

# %% [markdown]
# ```text output
# 3 problems
# children[1].childern: unknown key 'childern' (did you mean 'children'?)
# type: ... found 'ROUTR' (did you mean 'ROUTER'?)
# value: expected a whole number, as its type INT says; found 'two'
# ```
#
# **A router that knows of three children, where there are two.** No validator sees this one, neither ours nor
# Seldon's: the file is well-formed, and a router may do with its parameters what it likes. It starts, and serves:

# %%
broken = original()
router_of(broken)["parameters"][0]["value"] = "3"
save(broken)

# %%
# !servelab graph apply $CHANGED --runner $RUNNER

# %%
from collections import Counter

results = ask(URL, [ROW] * 60)
print("statuses:", ", ".join(map(str, sorted({status for status, _ in results}))))
print(Counter(answer["status"]["info"] for status, answer in results if status == 500).most_common(1)[0][0])

# %% [markdown]
# ```text output
# default/ab-test generation 3: Available
# statuses: 200, 500
# router: expected its answer to name one of its 2 children, from 0, or -1 for all; found 2
# ```
#
# A third of the requests fail, and a single try looks fine two times of three. Seldon's own executor panics here and
# drops the connection. The same happens when somebody takes a child out and leaves `n_branches`. Only a test with
# enough requests finds it, which is the exercise. For now, back to what served before:

# %%
# !servelab graph rollback ab-test --runner $RUNNER

# %% [markdown]
# ```text output
# default/ab-test generation 4: Available
# ```
#
# ## Exercise
#
#     make lesson N=17
#
# puts `abc-test.yaml` into `notebooks/work/17/`: an A/B test of *animals*. Add a third model, **model-c**, which is
# version 1 once more. It is a control: A and C are the same model, so whatever differs between them is chance, or a
# fault of the test. It needs a container, a child, and a router that knows of three.
#
# `make check N=17` reads the file as Seldon would, starts the graph, sends 3,000 requests, and looks at who answered
# what. `make hint N=17` and `make solution N=17` help.
#
# You can try it yourself before: `.venv/bin/servelab graph run notebooks/work/17/abc-test.yaml` prints an address and
# a page to ask it from.
#
# ## When to use and when not
#
# **A graph** when parts change apart from each other, are written by different people, or are shared: one transformer
# before many models, one model image for many models, a split that operations changes without a programmer.
#
# **Not** for one model with one preprocessing step: each hop is a request, with its own parsing, and its own way to
# fail. A function call is free beside that. In the figures of this repository
# ([what a hop costs](../../docs/graphs.md#what-a-hop-costs)):

# %%
from servelab.choose import load

measured = load().of("image")
times = measured.arm("seldon-ab").cpu_us / measured.arm("seldon").cpu_us
print(f"the graph takes {times:.1f} times the processor time of a single component, for each prediction")

# %% [markdown]
# **A router** draws for each request, so the same person may get A now and B later. Where that matters, draw by a hash
# of the person, and where the better model should win by itself, learn from feedback: both are routers, too.
#
# **An A/B test** needs an outcome that you can see, enough requests, and a number fixed before it begins. Without an
# outcome, compare on stored data. To protect users from a bad model rather than to compare two good ones, send a small
# share first (a canary), or a copy of each request whose answer nobody sees (a shadow):
# [k8s/seldon](../../k8s/seldon/README.md) has a file for each.
#
# ## Then and now
#
# The tutorial of seed 003 is this graph, for seldon-core 1.6: same components, same tree, same variable. What is
# different today:
#
# - `apiVersion: machinelearning.seldon.io/v1`. The file of this page keeps the older `v1alpha2`, and `endpoint: REST`,
#   which nobody needs any more. Compare with [strategies/seldon-ab/iris.yaml](../../strategies/seldon-ab/iris.yaml).
# - `children: []` can be left out. `n_branches` still cannot.
# - The tutorial asks for two cores and 1 GiB for a router that draws a number. Here requests and limits are read and
#   ignored, and the runner says so.
# - It sends its request with `requests.Session`, which keeps the connection open, as `ask` does. The body is the same:
#   `{"data": {"ndarray": [["dog", 0, 4, 0.2, 0.79]]}}`.
# - It was deployed by a Kubeflow pipeline: [lesson 26](../26-pipelines/26-pipelines.ipynb). On a cluster one finds it
#   by `kubectl get sdep`; here the same question is

# %%
# !servelab graph status --runner $RUNNER

# %% [markdown]
# ```text output
# default/ab-test generation 4: Available
# ```
#
# The other manifest of the seeds, that of seed 000, is a graph of one unit without an image of your own: Seldon's
# prepackaged server for scikit-learn, and a model in a bucket. Here a stored model stands in for the bucket. The
# request and the form of the answer are those of the seed; its numbers were others, as its model was:

# %%
page.source("k8s/seldon/iris.yaml")

# %%
# !servelab graph apply k8s/seldon/iris.yaml --runner $RUNNER
# !curl -s $RUNNER/seldon/seldon/iris-model/api/v1.0/predictions -H 'Content-Type: application/json' \
#   -d '{"data": {"ndarray": [[1, 2, 3, 4]]}}'

# %% [markdown]
# ```text output
# seldon/iris-model generation 1: Available
# {"data":{"names":["t:0","t:1","t:2"],"ndarray":[[
# "meta":{"requestPath":{"classifier":"seldonio/sklearnserver:
# ```
#
# As a strategy like every other, our A/B graph is `servelab.serve("seldon-ab", model="iris")`: so the bench can
# measure it, and the kit can judge it.
#
# 1.17.1 is the last release of Seldon Core 1 under the Apache licence; later ones, and version 2 with its own form of
# graph, are under the Business Source License. The idea has not changed.
#
# ## Clean up

# %%
# !servelab graph delete ab-test --runner $RUNNER
# !servelab graph delete iris-model --runner $RUNNER
runner.stop()
print("left running:", len(runner.pids))

# %% [markdown]
# ```text output
# default/ab-test is deleted; its components are stopped
# seldon/iris-model is deleted; its components are stopped
# left running: 0
# ```
