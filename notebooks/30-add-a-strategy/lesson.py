# %% [markdown]
# # 30 · Add a strategy
#
# **One idea:** a new way of serving is a folder that keeps a contract; a kit of real requests says whether it does.

# %% [markdown]
# ## Why
#
# Next year there will be a serving library that this course has never heard of. Its page will say that it is ten times
# as fast. Should you take it?
#
# You know by now what to ask. Does it give the same answers? What does it do with bad input, with a body of 17 MiB,
# with a client that falls silent, with a stop in the middle of a request? And only then: how fast is it, at the same
# rate, on the same machine?
#
# You need not write that test again. If the new server is put into the form that the others have, everything here works
# with it: `make serve-...`, `make test-...`, the bench, the tables. The form is a folder. This last lesson adds one.

# %% [markdown]
# ## Do
#
# ### 1. A copy to work in
#
# You would type `make new-strategy NAME=mine` in your checkout. This page must leave your checkout as it is, so it does
# the same in a small copy.

# %%
import os
import shutil
import subprocess
from pathlib import Path

from notebooks.course import page

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

copy = page.scratch() / "copy"
for room in ("servelab", "shared_models", "strategies", "docs"):
    shutil.copytree(room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "_build"))


def servelab_there(*words: str) -> None:
    """The servelab command, of the copy."""
    command = [Path(".venv/bin/servelab").absolute(), *words]
    done = subprocess.run(command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True)
    print(done.stdout or done.stderr)


servelab_there("new-strategy", "mine")

# %% [markdown]
# ```text output
# made strategies/mine, a working copy of flask on port
# try it now      make serve-mine
# make it yours   strategies/mine/server.py
# lock            make lock-mine
# check it        make test-mine
# ```
#
# ### 2. What is in it
#
# A working copy of a strategy that works. That is the idea: **begin with something that conforms, and change one thing
# at a time.** (`LIKE=fastapi` starts from another one.)

# %%
mine = copy / "strategies" / "mine"
purpose = {
    "strategy.toml": "who it is, how it is started, which routes it has: the contract",
    "server.py": "the adapter: from a request to the model, and back",
    "quickstart.py": "the plain program of the framework's documentation, to compare with",
    "requirements.in": "the packages that it asks for by name",
    "requirements.txt": "the lock: every package, with hashes",
    "Dockerfile": "the same, as an image",
    "README.md": "when to use it, when not; every command in it is tested",
}
page.table(((name, what, (mine / name).is_file()) for name, what in purpose.items()), ["file", "what it is", "there"])
print("also:", *sorted(file.name for file in mine.iterdir() if file.name not in purpose))

# %% [markdown]
# ```text output
# strategy.toml     who it is
# server.py         the adapter
# requirements.txt  the lock
# README.md
# also: gunicorn_server.py
# ```
#
# The facts are in one file, and every tool reads them there. Nobody keeps a list of strategies:

# %%
print((mine / "strategy.toml").read_text())

# %%
servelab_there("list")

# %% [markdown]
# ```text output
# name = "mine"
# command = ["gunicorn"
# protocol = "v1"
# [env]
# MODEL = "{model}"
# flask
# mine
# ```
#
# ### 3. Start it, ask it
#
# A folder is as good as a name, wherever it is. Its lock is still Flask's, so Flask's environment will do; with a lock
# of its own it gets an environment of its own, at its first start.

# %%
import servelab

with servelab.serve(mine, model="iris") as server:
    print(server.strategy.name, "says:", server.model.labels[server.predict([[6.7, 3.0, 5.2, 2.3]]).argmax()])

# %% [markdown]
# ```text output
# mine says: virginica
# ```

# %% [markdown]
# ## You should see
#
# Now the kit. It starts the server itself, and sends what no polite client sends. The whole kit is `make test-mine`;
# here are the answers, and everything that can be wrong with a body:

# %%
from servelab import conformance

report = conformance.run(mine, model="iris", only=["answers/*", "v1/*"])
print(report.render())

# %% [markdown]
# ```text output
# pass       answers/parity
# pass       v1/good
# pass       v1/malformed-json
# pass       v1/missing-key
# pass       v1/nan
# pass       v1/unknown-model
# mine serving iris (1 worker): ...pass, 0 deviation, ...skip, 0 fail
# ```
#
# It conforms from its first minute. Your work is to keep it so, while you put *your* framework into it.

# %% [markdown]
# ## What happened
#
# Four parts met, and none of them knows the others by name.
#
# **The contract** (`strategy.toml`) says what the toolkit cannot guess: the command with `{host}` and `{port}` in it,
# the dialect, the port, the health page. [The contract](../../docs/contract.md) lists every key.
#
# **The adapter** (`server.py`) is the only program. It does three things: it reads what it serves from the environment
# (`MODEL`, `MODEL_VERSION`), gives the rows to `Model.predict`, and turns `InvalidInput` into a 400. What a batch must
# look like is not its business; all servers share that part, so all of them give the same messages.
#
# **The kit** is a list of checks: a request each, and what may come back. It does not know Flask. It knows what every
# client may expect of every server:

# %%
import shared_models
from servelab import strategy

groups: dict[str, list[str]] = {}
for check in conformance.checks(strategy.load(mine), shared_models.load("iris")):
    if not check.skip:
        group, _, name = check.name.partition("/")
        groups.setdefault(group, []).append(name)
page.table(
    ((group, len(names), ", ".join(names[:4])) for group, names in groups.items()), ["group", "checks", "such as"]
)

# %% [markdown]
# ```text output
# answers
# v1
# body
# pages
# load
# lifecycle
# ```
#
# **The folder** is found by looking. `make help`, the table of the docs, the doctor, the tests and the bench read
# `strategies/*/strategy.toml`. To remove a strategy, remove its folder.

# %% [markdown]
# ## Break it
#
# ### A contract that is not kept
#
# A typing error in a configuration is found late in most systems, when something strange happens. Here it is found when
# the file is read:

# %% tags=["raises-exception"]
stated = (mine / "strategy.toml").read_text()
(mine / "strategy.toml").write_text(stated.replace('protocol = "v1"', 'protocoll = "v1"'))
strategy.load(mine)

# %% [markdown]
# ```text output
# StrategyError: ...strategy.toml: unknown key 'protocoll' (did you mean 'protocol'?)
# ```

# %%
(mine / "strategy.toml").write_text(stated)
print("restored:", strategy.load(mine).protocol)

# %% [markdown]
# ### An adapter without care
#
# `quickstart.py` is the program that you find in a framework's documentation. It is right, and short, and this is what
# it does with input that is not:

# %%
page.source("strategies/flask/quickstart.py", lines=(22, 29))

# %%
plain = conformance.run("flask:quickstart", model="iris", only=["answers/*", "v1/*"])

failed = [result for result in plain.results if result.outcome == "fail"]
for result in failed:
    if result.check in ("v1/missing-key", "v1/null"):
        print(conformance.line(result), end="\n\n")
print("right answers to right questions:", plain.results[0].outcome)
print("checks that it fails: more than 10:", len(failed) > 10)

# %% [markdown]
# ```text output
# fail       v1/missing-key
# came back 500
# fail       v1/null
# came back 200 application/json '{"predictions":[[NaN,NaN,NaN]]}'
# right answers to right questions: pass
# checks that it fails: more than 10: True
# ```
#
# The client made the mistake in both. The first answer, a 500, says that the *server* is broken, and does not say why.
# The second is worse: a 200, "all is well", with `NaN` in it, which is not even JSON.
#
# To right questions its answers are perfect, and a benchmark would time it without a word. **A speed is worth something
# only beside the same care.** That is why the bench refuses to time a server that does not give the right answers, and
# why it can time both programs: `.venv/bin/bench run mine mine:quickstart` shows what the care costs.

# %% [markdown]
# ## Exercise
#
# Make a server conform that uses no framework at all: Python's own `http.server`. You will write by hand what Flask and
# gunicorn did for you, and know their worth.
#
# ```bash
# make lesson N=30      # puts the folder plain into notebooks/work/30/
# make check N=30       # the contract, a few requests, the whole kit: each failure with what was sent and came back
# ```
#
# Edit `notebooks/work/30/plain/strategy.toml` first, then `server.py` beside it. Reading bodies, also chunked ones, is
# done for you. The lock is Flask's, so that nothing needs to be installed; of it your server takes NumPy, ONNX Runtime
# and orjson alone. What is wanted:
#
# 1. `strategy.toml` keeps the contract (two things are wrong with it).
# 2. Bad input is a 400 that says what was expected and what was found; another path is a 404, another method a 405
#    whose header `Allow` names the right one.
# 3. A body of more than 16 MiB is a 413, and a client that sends all of it before it reads gets that answer.
# 4. A stop finishes the requests that are in flight.
#
# `.venv/bin/servelab conformance notebooks/work/30/plain --only 'v1/*'` runs a part of the kit. `make hint N=30` has
# five hints, one for each step; `make solution N=30` shows ours.

# %% [markdown]
# ## When to use and when not
#
# **Add a strategy** when you want to know what a library would do for *you*: with your model, your input, your machine.
# An afternoon for an adapter is cheap, beside a year with the wrong library.
#
# **Do not add one** for another setting of a server that is there: copy its folder, change the command, compare, and
# throw the copy away. And if what is new is a *model*, you need no strategy at all: any folder with `model.onnx`,
# `card.json` and `golden.json` is served by all of them (`make serve-flask MODEL=path/to/folder`).
#
# **A deviation** is for a fault of a library that you cannot mend: name it in `strategy.toml` (`[[deviations]]`, the
# check and why), and the kit prints it instead of failing. Never use one for a fault of your own.

# %% [markdown]
# ## Then and now
#
# The sources of this course name about ten systems. Their writers knew that the list would not last: *new ones may come
# at any time, so do not depend on one*, says one of them, and gives that as a reason to begin with a server of your
# own. A few years later, of those systems, one was archived (TorchServe), one renamed (KFServing is KServe), one has
# replaced its whole interface (BentoML), one has changed its licence (Seldon Core; this project keeps its
# last release under the old one).
#
# So a strategy states its status and its licence, and you can see at a glance what you would depend on:

# %%
known = strategy.discover().values()
page.table(((each.name, each.family, each.status, each.licence, each.protocol) for each in known),
           ["strategy", "family", "status", "licence", "dialect"])  # fmt: skip

# %% [markdown]
# ```text output
# bentoml
# fastapi
# flask
# mlflow
# seldon
# ```
#
# Then, a comparison was made by the vendor of one of the things that were compared. Now you can make it yourself, and
# so can those who do not believe you: the folder, the lock, the kit and the bench are all that they need.

# %% [markdown]
# ## Clean up
#
# The new strategy was made in the copy, which goes with this page. Yours is as it was:

# %%
print("a folder 'mine' in strategies/:", Path("strategies/mine").exists())

# %% [markdown]
# ```text output
# a folder 'mine' in strategies/: False
# ```
#
# Had you made it in your checkout, `rm -r strategies/mine` and `make docs` would take it away.
#
# ### Where next
#
# This was the last lesson. If your exercise is green, you have written a server that conforms. Four ways on:
#
# - Put the framework of your choice behind the contract, for good: `make new-strategy NAME=...`, then
#   [Strategies](../../docs/strategies.md) step by step, and [Contributing](../../CONTRIBUTING.md).
# - Teach it: a lesson is a folder, too. [The course](../README.md) says what is in it, and how its marks work.
# - Measure it: [How the bench measures](../../docs/measuring.md), and `make bench STRATEGIES="flask mine"`.
# - Read on: [the reading list](../../docs/reading.md).
