# %% [markdown]
# # 09 · BentoML
#
# **One idea:** a serving library keeps, serves and packs a model; you write one class.
#
# ## Why
#
# In lessons 04 and 05 you wrote a server by hand. It was one file, and you were the one who knew which model belonged
# to it, where that model lay, which packages it needed, and how it gets into an image. With one model that is easy.
# With ten models, three versions of each, and a colleague who deploys them on Friday, it is not.
#
# A *serving library* takes these jobs from you:
#
# | job | by hand | BentoML |
# | --- | --- | --- |
# | keep models and versions | a folder, a naming habit | the *model store*, with tags such as `mnist:1` |
# | routes, health, metrics, a page to try it | you write them | come with the class |
# | many requests at once in one call of the model | you write it | `batchable=True` |
# | code, model and packages in one thing | a Dockerfile of your own | a *bento* |
# | answer a file instead of requests | another program | the same class |
#
# What it costs, [lesson 10](../10-a-hundred-times-flask/10-a-hundred-times-flask.ipynb) measures.
#
# BentoML runs in an environment of its own. This page stays outside of it: it starts programs there and talks to them.

# %%
from notebooks.course import page, program

page.begin()

# %% [markdown]
# ## Do
#
# ### 1. Save two models
#
# BentoML looks for its store in `BENTOML_HOME`, or in your home folder. Here it is a folder that goes away with this
# page. The second variable matters as well: without it BentoML reports to its makers what you do.
#
# `store.py` is a short program of the strategy. It copies the model's files into the store, under a tag:
# name, version, and a key made of the content.

# %%
BENTO = "strategies/bentoml"
STORE = {"BENTOML_HOME": str(page.scratch()), "BENTOML_DO_NOT_TRACK": "True"}


def bento(*command: str, cwd: str = BENTO, **variables: str) -> None:
    """Run a command in BentoML's environment and show what it says."""
    done = program.run([*command], strategy="bentoml", cwd=cwd, env=STORE | variables)
    print((done.stdout or done.stderr).strip())


for model in ("iris", "mnist"):
    bento("python", "store.py", MODEL=model)

# %% [markdown]
# And this is what the store holds now:

# %%
bento("bentoml", "models", "list")

# %% [markdown]
# ```text output
# iris:1-
# mnist:1-
# Tag
# mnist:1-
# ```
#
# ### 2. Write a service
#
# A service is a class. `@bentoml.service` makes it one, `@bentoml.api` makes a method a route. BentoML makes an object
# of the class in each process that answers, so the model is loaded there, in `__init__`, and not at the import.

# %%
page.source("strategies/bentoml/quickstart.py")

# %% [markdown]
# Types are the contract: `instances: np.ndarray` says what a request must hold, so no line of this program parses JSON.
#
# ### 3. Serve it
#
# `bentoml serve MODULE:CLASS` is the whole command. Say `--host 127.0.0.1`: by itself BentoML listens on every address
# of your machine.

# %%
serving = ["bentoml", "serve", "quickstart:Quickstart", "--host", "127.0.0.1", "--port", "{port}"]
plain = program.start(serving, strategy="bentoml", cwd=BENTO, port=0, env=STORE | {"MODEL": "iris"})

# %% [markdown]
# Health comes with it, for whoever watches the server: *does it live, can it answer?* You wrote none of these routes.

# %%
import json
import urllib.error
import urllib.request


def ask(url: str, body: object = None) -> str:
    """The status, and the start of the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return f"{answer.status} {answer.read(300).decode().strip()}"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(300).decode().strip()}"


for path in ("/livez", "/readyz", "/healthz"):
    print(path, ask(plain.url + path))
print(ask(plain.url + "/v1/models/iris:predict", {"instances": [[5.1, 3.5, 1.4, 0.2]]}))

# %% [markdown]
# There is a page as well: Swagger, at `/`. To see one, type `make serve-bentoml` in a terminal, open
# http://127.0.0.1:8003 in a browser, and press *Try it out*. The same description for programs is at `/docs.json`; it
# was made from the class.

# %%
print("a page of Swagger:", b"swagger-ui" in urllib.request.urlopen(plain.url).read())
for path, methods in json.loads(urllib.request.urlopen(plain.url + "/docs.json").read())["paths"].items():
    print(path, *methods)

# %% [markdown]
# ```text output
# /livez 200
# /readyz 200
# /healthz 200
# 200 {"predictions": [[0.98
# a page of Swagger: True
# /v1/models/iris:predict post
# ```
#
# ### 4. Send it an image
#
# The strategy `bentoml` is a longer service: it has a second API, `classify`, that takes a file. Start it
# as every strategy of this course is started, and send it an image with `curl`, as in lesson 05.

# %%
import servelab

server = servelab.serve("bentoml", model="mnist")
# !curl -s -F image=@shared_models/mnist/samples/1.jpg {server.url}/classify | python -m json.tool --no-ensure-ascii

# %% [markdown]
# ```text output
# 예측한 값은: 1입니다.
# ```
#
# ### 5. Pack it
#
# `bentoml build` puts the class, the tag of its model and the list of packages into one thing, a *bento*.
# `bentofile.yaml` says what belongs to it. The build works on a copy of the folder, because `shared_models` goes in
# beside the service. `--arg` freezes the tag: this bento will never serve another model.

# %%
import shutil

page.source("strategies/bentoml/bentofile.yaml")
tag = program.run(["python", "store.py"], strategy="bentoml", cwd=BENTO, env=STORE | {"MODEL": "mnist"}).stdout.strip()
build = page.scratch() / "build"
shutil.copytree(BENTO, build, ignore=shutil.ignore_patterns("__pycache__"))
shutil.copytree("shared_models", build / "shared_models", ignore=shutil.ignore_patterns("__pycache__"))
bento("bentoml", "build", "--version", "1", "--arg", f"tag={tag}", "--output", "tag", cwd=str(build), MODEL="mnist")

# %% [markdown]
# ```text output
# __tag__:mnist:1
# ```
#
# From now on `bentoml serve mnist:1` serves it from any folder, and is told nothing more but where the store is:

# %%
serving = ["bentoml", "serve", "mnist:1", "--host", "127.0.0.1", "--port", "{port}"]
packed = program.start(serving, strategy="bentoml", cwd=page.scratch(), port=0, env=STORE)
# !curl -s -F image=@shared_models/mnist/samples/1.jpg {packed.url}/classify | python -m json.tool --no-ensure-ascii
packed.stop()

# %% [markdown]
# ```text output
# 예측한 값은: 1입니다.
# ```
#
# The seed of this lesson calls this *easy to dockerise*: an image holds a bento, its model and that one command
# (`strategies/bentoml/Dockerfile`, `make image-bentoml`).
#
# ### 6. The same class, offline
#
# Not everything is a request. The same class answers a file of rows, without a server, a thousand rows in a call:

# %%
page.source("strategies/bentoml/batch.py")
rows = "[5.1, 3.5, 1.4, 0.2]\n[6.7, 3.0, 5.2, 2.3]\n"
(page.scratch() / "rows").write_text(rows)
bento("sh", "-c", f"python batch.py < {page.scratch() / 'rows'}", MODEL="iris")

# %% [markdown]
# ```text output
# [0.98
# [...0.91
# ```
#
# ## You should see
#
# Two models in the store; a prediction; a sentence; a bento; two rows answered without a server. And one more thing.
# Everything that was asked so far has been counted. Prometheus, the usual collector of such numbers, reads this route:

# %%
metrics = urllib.request.urlopen(server.url + "/metrics").read().decode()
print(*(line for line in metrics.splitlines() if "request_total{" in line and "classify" in line), sep="\n")

# %% [markdown]
# ```text output
# request_total{endpoint="/classify"...http_response_code="200"...} 1.0
# ```
#
# ## What happened
#
# ```
# store.py  ->  model store  (iris:1-..., mnist:1-...)
#                   |
#               service class  --serve-->  /v1/models/...:predict, /classify, /livez, /metrics, /
#                   |          --batch-->  rows in, rows out
#               bento mnist:1  --serve-->  the same, from any folder
# ```
#
# * The **store** knows models by tag. A server names a tag, so a new model never slips under a running server.
# * The **class** is all that you write. One object of it lives in each worker process.
# * The **types** of its methods make the routes, the checks, the page and the description.
# * The **bento** freezes class, tag and packages together.
#
# How many processes does one worker take? Look:

# %%
print("processes:", len(server.pids))

# %% [markdown]
# ```text output
# processes: 2
# ```
#
# One starts and watches, the other answers. Both have loaded BentoML: that is memory which a small web framework would
# not take, and you find it in the column *PSS MB* of `make bench STRATEGIES="fastapi bentoml"`.
#
# ## Break it
#
# ### A row that is too short
#
# The types say *an array*; they do not say *four columns*. Send three numbers to the plain service, and then to the
# strategy's:

# %%
short = {"instances": [[5.1, 3.5, 1.4]]}
print("plain   ", ask(plain.url + "/v1/models/iris:predict", short))
careful = servelab.serve("bentoml", model="iris")
print("strategy", ask(careful.url + "/v1/models/iris:predict", short))
careful.stop()

# %% [markdown]
# ```text output
# plain    500
# strategy 400 [{"error":"iris expects numbers of shape (N, 4) (float32); found shape (1, 3)"}]
# ```
#
# A 500 says *the server is broken*: it wakes up the wrong person. A library does not free you from saying what is
# wrong with a request. `served.py` does that in the strategy, in five lines: `InvalidInput` becomes BentoML's
# `BadInput`, which is a 400.
#
# ### A tag that nobody saved
#
# The store is the only place where a service looks. Ask for a version that is not there:

# %%
bento("bentoml", "models", "get", "mnist:3")

# %% [markdown]
# ```text output
# mnist:3
# ...not found
# ```
#
# ## Exercise
#
# Port the seed's `service.py` to BentoML 1.4.
#
# ```bash
# make lesson N=09      # your files: notebooks/work/09/bentoml/
# make check N=09       # until it is green
# make hint N=09        # when you are stuck; again for the next one
# make solution N=09    # a solution, beside yours
# ```
#
# Edit `notebooks/work/09/bentoml/server.py`. It begins as the program of 2022, and does not even import. Make it one
# class, `Classifier`, with two APIs: `predict`, which takes rows, and `classify`, which takes an image. The other files
# of the folder are the strategy's and are yours to use. The check asks your service a hundred questions, good and bad
# (the conformance kit, as `make test-bentoml` does), and then packs it into a bento.
#
# ## When to use and when not
#
# **For it:**
#
# * models and versions are kept, packed and handed on by one tool;
# * health, metrics and a page to try it come with the class;
# * batching, for models that profit by it; the same class online and offline.
#
# **Against it:**
#
# * the library's own work around a small prediction costs more than the prediction;
# * at least two processes hold the library;
# * its names change: see below.
#
# **Think about:**
#
# * who reads its release notes;
# * `traffic.timeout`: BentoML keeps what belongs to a request for that long, answered or not;
# * its reports to its makers, and those of its page to Google (`strategies/bentoml/edge.py` stops the second).
#
# Use it when packing and handing on is your problem. When a millisecond or a hundred megabytes are, take
# [FastAPI](../05-fastapi-and-the-image/05-fastapi-and-the-image.ipynb). More in
# [the strategy's page](../../strategies/bentoml/README.md); batching has [a page of its own](../../docs/batching.md).
#
# ## Then and now
#
# The seed of this lesson is of May 2022. It chose BentoML, which firms such as LINE used in production by then. Version
# 1.0 was not out, so it says `pip install bentoml --pre`, in an environment made by `virtualenv -p python3 env` and
# `source env/bin/activate`. Today the environment of each strategy is made by `uv` from a lock with hashes, and nobody
# activates it. This is the seed's program, in our words:

# %%
page.source("notebooks/09-bentoml/then/service.py")

# %% [markdown]
# Run it under BentoML 1.4:

# %%
then = program.run(["python", "service.py"], strategy="bentoml", cwd="notebooks/09-bentoml/then", env=STORE)
print("exit status:", then.returncode)
print(then.stderr.strip().splitlines()[-1])

# %% [markdown]
# ```text output
# exit status: 1
# AttributeError: ...has no attribute 'load_runner'
# ```
#
# `load_runner` went before 1.0 was out. Since 1.2 there are no *runners* at all: a runner was a process of its own that
# held the model, and the service called it. Today the service is the process that computes. The old service and the
# old runner live on as `bentoml.legacy`, and in these words the program still runs:

# %%
page.source("notebooks/09-bentoml/then/legacy.py")
serving = ["bentoml", "serve", "legacy:svc", "--host", "127.0.0.1", "--port", "{port}"]
old = program.start(serving, strategy="bentoml", cwd="notebooks/09-bentoml/then", port=0, env=STORE)
# !curl -s -F image=@shared_models/mnist/samples/1.jpg {old.url}/classify

# %% [markdown]
# The answer is a row of ten probabilities, and the largest stands at index 1. The library tells what it thinks of such
# programs:

# %%
print(*sorted({line.partition("Warning: ")[2] for line in old.text().splitlines()}), sep="\n")
old.stop()

# %% [markdown]
# ```text output
# `Runner` is deprecated since BentoML v1.4
# `bentoml.io` is deprecated since BentoML v1.4
# `bentoml.legacy.Service` is deprecated since BentoML v1.4
# ```
#
# | then | now |
# | --- | --- |
# | `bentoml.tensorflow.save("bento_mnist_model", m)` | `bentoml.models.create("mnist")`, and plain files in it |
# | `bentoml models list` | the same |
# | `bentoml.tensorflow.load_runner("bento_mnist_model:latest")` | `stored = BentoModel("mnist:latest")` in the class |
# | `bentoml.Service("mnist_classifier", runners=[...])` | `@bentoml.service` upon a class |
# | `@svc.api(input=Image(pilmode="L"), output=NumpyNdarray())` | `@bentoml.api`, and types |
# | `runner.run(imgs)` | a call of your own method |
# | `bentoml serve service.py --host='0.0.0.0' --port=3389` | `bentoml serve service:Mnist --host 127.0.0.1 -p 3389` |
# | `bentoml serve IrisClassifier:latest` (seed 004) | `bentoml serve iris:latest`: tags are lower case |
#
# The seed also lists what BentoML promises. *Online and offline*: you saw both. *Many frameworks*: the store keeps
# plain files, so any; the module for each framework (`bentoml.tensorflow` and its kin) is deprecated since 1.4.
# *Easy to dockerise*: a bento. *Swagger*: at `/`. *A web dashboard for models*: that was Yatai, a project of its own,
# and it does not know services of today; `bentoml models list` is what is left. *A hundred times Flask*: that is
# [lesson 10](../10-a-hundred-times-flask/10-a-hundred-times-flask.ipynb). The whole list, with sources, is in
# [then and now](../../strategies/bentoml/then-and-now.md).
#
# ## Clean up
#
# The servers stop, and the store goes away with this page.

# %%
plain.stop()
server.stop()
print("left:", plain.pids + server.pids)

# %% [markdown]
# ```text output
# left: []
# ```
