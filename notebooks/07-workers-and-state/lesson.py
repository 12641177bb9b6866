# %% [markdown]
# # 07 · Workers, fork and state
#
# **One idea:** a worker is a forked copy: ask of each line which process runs it, and when.

# %%
from notebooks.course import page

page.begin()

# %% [markdown]
# ## Why
#
# The Python code of one process runs on one core at a time. So a server starts several copies of your program, its
# *workers*, and each of them answers requests. [gunicorn](https://gunicorn.org) does it as many servers on Unix do: a
# first process, the master, starts; then it *forks*, that is, the operating system makes copies of it, with all that
# stands in its memory.
#
# A copy is not a connection. What one worker changes, the others do not see. And what was made *before* the fork is
# the same in all of them, even what should not be: a random generator, a connection, a thread.
#
# None of this gives an error message. The server starts, answers, and is wrong.
#
# ## Do
#
# ### 1. A server with a state
#
# It draws a number, and counts how often it was asked. `made_by`, `chance` and `count` are made when the file is
# imported, not for each request:

# %%
page.source("notebooks/07-workers-and-state/lottery.py")

# %% [markdown]
# To see each worker, we must ask each of them. Requests one after another do not do that: whoever is free takes the
# next. `one_each` holds as many requests at once as there are workers, and completes them only when each was taken:

# %%
from runpy import run_path

one_each = run_path("notebooks/07-workers-and-state/each_worker.py")["one_each"]
page.source("notebooks/07-workers-and-state/each_worker.py", lines=(13, 36))

# %% [markdown]
# ### 2. Forty draws: from one worker, from four, and from four with `--preload`
#
# Without `--preload` the master imports nothing: each worker imports your file after the fork. With it the master
# imports the file once, and the workers are copies of that. That saves memory and starts faster, says gunicorn's own
# documentation.

# %%
from notebooks.course import program

HERE = "notebooks/07-workers-and-state"
BODY = b'{"below": 1000000000}'


def forty(workers, *options):
    command = ["gunicorn", "--bind", "127.0.0.1:{port}", "--workers", str(workers), *options, "lottery:app"]
    with program.start(command, strategy="seldon", cwd=HERE, port=0) as server:
        return [each for _ in range(40 // workers) for each in one_each(server.url, "/draw", BODY, workers)]


runs = {
    "1 worker": forty(1),
    "4 workers": forty(4),
    "4 workers, --preload": forty(4, "--preload"),
}

# %% [markdown]
# ## You should see

# %%
head = ["server", "workers that answered", "processes that imported", "different draws", "highest count"]


def row(name, answers):
    different = {key: len({each[key] for each in answers}) for key in ("worker", "made_by", "draw")}
    return [name, different["worker"], different["made_by"], different["draw"], max(each["count"] for each in answers)]


page.table([row(name, answers) for name, answers in runs.items()], head)

# %% [markdown]
# ```text output
# server ... workers that answered ... processes that imported ... different draws ... highest count
# 1 worker ... 1 ... 1 ... 40 ... 40
# 4 workers ... 4 ... 4 ... 40 ... 10
# 4 workers, --preload ... 4 ... 1 ... 10 ... 10
# ```
#
# Forty draws, and only ten different numbers. Each number came four times, once from each worker:

# %%
from collections import Counter

import matplotlib.pyplot as plt

figure, panels = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True, layout="constrained")
for panel, name in zip(panels, ["4 workers", "4 workers, --preload"], strict=True):
    for size, worker in enumerate(sorted({each["worker"] for each in runs[name]}), 1):
        draws = [each["draw"] / 1e9 for each in runs[name] if each["worker"] == worker]
        panel.scatter(
            range(1, 11),
            draws,
            s=45 * size,
            facecolors="none",
            edgecolors=f"C{size - 1}",
            linewidths=1.5,
            label=f"worker {size}",
        )
    panel.set(title=name, xlabel="a worker's first, second, ... draw", xticks=range(1, 11))
panels[0].set_ylabel("what it drew, of 0 to 1")
panels[0].legend(loc="upper left", bbox_to_anchor=(-0.02, -0.2), ncols=4, frameon=False)
print("how often each number came:", sorted(Counter(each["draw"] for each in runs["4 workers, --preload"]).values()))

# %% [markdown]
# ```text output
# how often each number came: [4, 4, 4, 4, 4, 4, 4, 4, 4, 4]
# ```
#
# ## What happened
#
# A generator is an object with numbers in it; drawing moves these numbers on. `default_rng()` asks the operating system
# for a good seed once, when it is made. With `--preload` it is made in the master. Each worker has a copy of it, and so
# the same numbers in the same order.
#
# Here every worker answered ten times. In common traffic one worker answers more often than another. So let four
# requests come together, then three, two and one, and begin again:

# %%
command = ["gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "4", "--preload", "lottery:app"]
with program.start(command, strategy="seldon", cwd=HERE, port=0) as server:
    answers = [each for together in (4, 3, 2, 1) * 4 for each in one_each(server.url, "/draw", BODY, together)]
by_worker, different = Counter(each["worker"] for each in answers), {each["draw"] for each in answers}
print("answers by each worker:", sorted(by_worker.values()))
print("different draws of 40: ", len(different))
print("as many as the busiest worker drew:", len(different) == max(by_worker.values()))
print("less than half of the draws:", len(different) < 20)

# %% [markdown]
# ```text output
# as many as the busiest worker drew: True
# less than half of the draws: True
# ```
#
# With other traffic the number is another one; a run that we wrote down gave 22 of 40. And who asks alone, one request
# after the other, may meet the same worker each time: then all forty are different. So in a test nobody notices.
#
# The counter is the other half: see *highest count* in the table. With four workers nobody counted beyond 10. A page
# "so many requests so far" would tell another number with each click, and of a router that learns from rewards each
# copy would learn a part. What must be known by all workers has to live outside of them: in a database, in a file with
# a lock, or, as the metrics of [strategies/seldon](../../strategies/seldon/metrics.py), in each worker, with somebody
# who asks them all.
#
# ### Before the fork, after the fork
#
# Seldon's wrapper (lesson 16 is about it) also makes your object before the fork, with no option for it. But it gives
# you a place for what must come after: it calls the constructor once, in the master, and `load()` in each worker. This
# component tells who ran what:

# %%
page.source(f"{HERE}/Told.py")

# %%
STOCK = "../16-a-seldon-component/stock.py"  # Seldon's own command, on this machine's loopback alone
command = ["python", STOCK, "Told", "--http-port", "{port}", "--workers", "4"]
with program.start(command, strategy="seldon", cwd=HERE, port=0) as server:
    told = [answer["data"]["ndarray"] for answer in one_each(server.url, "/predict", b'{"data": {"ndarray": [[1]]}}')]
for method, processes in zip(["__init__", "load", "predict"], zip(*told, strict=True), strict=True):
    print(f"{method:8} ran in {len(set(processes))} process(es)")

# %% [markdown]
# ```text output
# __init__ ran in 1 process(es)
# load     ran in 4 process(es)
# predict  ran in 4 process(es)
# ```
#
# So the rule is short. The constructor takes parameters and keeps them. `load()` makes whatever is alive: generators,
# sessions, connections, threads. In gunicorn without Seldon the hook `post_fork` is such a place, or you leave
# `--preload` out. One trap stays: the wrapper takes an `AttributeError` inside `load()` for "this component has no
# `load`", and says nothing.
#
# ## Break it
#
# Why is a model "alive"? TensorFlow computes in threads of its own, and so may other libraries. A fork copies the
# memory, but of all threads only the one that called it. The copy believes that its threads are there, gives them work,
# and waits. Here is the same with Python's own pool of threads:

# %%
page.source(f"{HERE}/pool.py")


# %%
def sums(*options):
    command = ["gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "4", "--graceful-timeout", "1", *options]
    with program.start([*command, "pool:app"], strategy="seldon", cwd=HERE, port=0) as server:
        return one_each(server.url, "/sum", b'{"numbers": [1, 2, 3]}', timeout=5)


sums()

# %% tags=["raises-exception"]
sums("--preload")

# %% [markdown]
# ```text output
# [{'sum': 6}, {'sum': 6}, {'sum': 6}, {'sum': 6}]
# TimeoutError
# ```
#
# The same file, and one option more. No answer, and nothing in the log that says why. gunicorn kills a worker that has
# been silent for 30 seconds, and forks the next one from the same master: it hangs as well. Seldon's wrapper gives a
# worker 5,000 seconds: in a cluster, a pod that is "running". Users of Seldon met it with [TensorFlow](https://github.com/SeldonIO/seldon-core/issues/2220)
# and with [PyTorch](https://github.com/SeldonIO/seldon-core/issues/4102), in models that were loaded too early.
#
# ## Exercise
#
#     make lesson N=07
#
# puts two components into `notebooks/work/07/`. `Router.py` draws which model answers, `ModelInfer.py` is a model. Both
# work with one worker. Make them right with four, under Seldon's stock command:
#
# - forty draws of the router by four workers are forty different numbers;
# - the model is loaded once in each worker, and never in the process that forks;
# - who calls `ModelInfer("iris").predict(rows)` by hand, without `load()`, gets an answer, too.
#
# To see the fault yourself, start the router in one terminal, and ask it some times in another: four times the same
# number is what its four workers drew first.
#
# ```bash
# PYTHON=$(.venv/bin/servelab env seldon)
# cd notebooks/work/07
# export PREDICTIVE_UNIT_PARAMETERS='[{"name": "n_branches", "type": "INT", "value": "1000"}]'
# $PYTHON ../../16-a-seldon-component/stock.py Router --http-port 9000 --workers 4     # Ctrl+C ends it
#
# curl -s http://127.0.0.1:9000/route -H 'Content-Type: application/json' -d '{"data": {"ndarray": [[1]]}}'
# ```
#
# `make check N=07` says how far you are, `make hint N=07` helps, `make solution N=07` shows ours.
#
# ## When to use and when not
#
# **More workers** when the cores are not busy and requests wait: up to one for each core. Each has its own copy of the
# model, so memory sets an end, too. They do not make one request faster. What they do on your machine is measured by
# `.venv/bin/bench run flask --quick --workers 2`;
# [lesson 06](../06-measuring-latency/06-measuring-latency.ipynb) says how to read it.
#
# **`--preload`** when what you import is large, only read, and without life: tables, a vocabulary, code. Then the
# copies share that memory. **Not** with generators, sessions, connections, threads or locks at the top of a module, and
# not when you want a worker that restarts to read a new model.
#
# **State in the process** when it is a cache: to lose it, or to have it four times, costs time and not truth. **Not**
# for counters, for rewards, for anything that two requests must agree on.
#
# ## Then and now
#
# The [A/B tutorial](../../docs/seeds.md) of seed 003 warns of exactly this: with gunicorn, do not load a TensorFlow
# model in the constructor, because only the master runs that. It moves the loading to `load()`, as we do. Two details
# of its code are worth a look.
#
# Its `predict` begins with `if self.model is None: self.load()`, but nothing ever sets `self.model` to None. Under the
# wrapper nobody notices, as `load()` was called before. By hand it fails:


# %% tags=["raises-exception"]
class ModelInfer:
    def __init__(self, container_name):
        self.container_name = container_name

    def load(self):
        self.model = sum

    def predict(self, X, features_names=None):
        if self.model is None:
            self.load()
        return self.model(X)


ModelInfer("iris").predict([1, 2, 3])

# %% [markdown]
# ```text output
# AttributeError: 'ModelInfer' object has no attribute 'model'
# ```
#
# And its router draws by `random.randrange`, of Python's own module. That one is right with any number of workers:
# Python seeds the module's generator anew in each forked child. It does so for no generator that you make. And NumPy
# does it for none at all, its global one included:

# %%
page.source(f"{HERE}/forked.py", lines=(8, 27))
print(program.run(["python", "forked.py"], strategy="seldon", cwd=HERE).stdout)

# %% [markdown]
# ```text output
# random.random() ... 4
# random.Random().random() ... 1
# np.random.random() ... 1
# np.random.default_rng().random() ... 1
# random.SystemRandom().random() ... 4
# ```
#
# `SystemRandom` has no state: it asks the operating system for each draw. That is what the router of
# [strategies/seldon](../../strategies/seldon/Router.py) does, and what its test forks it for.
#
# The wrapper still works as it did in seldon-core 1.6, and the warning still holds. ONNX Runtime, which runs the models
# here, gets through a fork in the version that is locked for this strategy. Nobody promises that for the next one.
#
# ## Clean up
#
# Each server stopped at the end of its `with`, and its workers with it. Nothing was written. Nothing is left.
