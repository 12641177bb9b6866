# %% [markdown]
# # 06 · Measuring latency without fooling yourself
#
# **One idea:** a latency means something only with its percentile, its load and its doubt.
#
# ## Why
#
# "The server answers in two milliseconds." Which request? The first one, or one that came an hour later? A usual one,
# or the slowest of a hundred? And how many other users were asking at the time?
#
# *Latency* is the time from a request to its answer. It is easy to measure, and very easy to measure wrongly: the
# number comes out all the same, and it looks as good as a right one. This lesson shows four ways to fool yourself, and
# what the bench of this repository does about each. How it does it stands in [Measuring](../../docs/measuring.md).

# %%
from notebooks.course import page

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

import servelab
import shared_models
from bench import explain, figures, probe, verdict
from bench.load.records import Records
from bench.load.schedule import poisson
from bench.probe import Probe
from bench.selftest.lab import Faults
from bench.selftest.subject import serving
from notebooks.course import program

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#666666"


def plain(*axes):
    """Logarithmic axes with plain numbers: 0.5, 1, 2, and so on."""
    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


# %% [markdown]
# ## Do
#
# ### 1. One number is not enough
#
# Start a real server and ask it 400 times, one request after the other. Look at every single time.

# %%
asked = shared_models.load("iris").golden().inputs[:1]
with servelab.serve("fastapi", model="iris") as server:
    took = [server.first_seconds * 1e3]  # the very first prediction, by which servelab sees that the server is ready
    for _ in range(400):
        began = time.perf_counter()
        server.predict(asked)
        took.append((time.perf_counter() - began) * 1e3)
times = np.array(took)

# %%
warm = np.sort(times[1:])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.plot(np.arange(1, len(times) + 1), times, color=BLUE, linewidth=0.8)
left.set(title="Each request, in order", xlabel="number of the request", ylabel="ms", xscale="log", yscale="log")
right.plot(warm, np.arange(1, len(warm) + 1) / len(warm), color=BLUE)
for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
    right.axhline(share, color=GREY, linewidth=0.5, linestyle=":")
    right.annotate(name, (warm[int(share * len(warm))], share), xytext=(6, -9), textcoords="offset points")
right.axvline(warm.mean(), color=ORANGE, label="mean")
right.set(title="Which share was answered within so many ms", xlabel="ms", xscale="log", ylim=(0, 1.02))
right.legend(loc="lower right", frameon=False)
plain(left.yaxis, left.xaxis, right.xaxis)
plt.show()

p50, p95, p99 = np.percentile(warm, (50, 95, 99))
rows = (("first", times[0]), ("p50", p50), ("mean", warm.mean()), ("p95", p95), ("p99", p99))
page.table([(name, f"{value:.2f}") for name, value in rows], ("", "ms"))
print("the first prediction took longer than the median one:", times[0] > p50)

# %% [markdown]
# ```text output
# the first prediction took longer than the median one: True
# ```
#
# The left plot begins high: a fresh server reads memory for the first time, and fills its caches. That is the
# *warm-up*. It is real (your users meet it after each release), but it is not the same thing as the rest, so it must
# not be mixed with it.
#
# The right plot is of all the others. A *percentile* says something about users: p95 is the time within which 95 of 100
# requests are answered. p50 is the median: half are quicker. A mean says little: it lies wherever a few slow requests
# pull it.
#
# ### 2. Who waits for the server does not see it stop
#
# The loop above sends the next request when the last answer has come. This is a *closed loop*. Real users do not do
# that: they do not know each other, and they come when they like. This is an *open loop*: requests leave by a schedule.
#
# The server below is one of the bench's own control programs. It stands still for 100 ms in every second, as a server
# does that collects garbage or waits for a disk. **Predict first:** a tenth of all time is lost. What is the p95 of
# users who come when they like? And what does a closed loop say?

# %%
with serving(Faults(stall=0.1, every=1.0)) as stalling:
    closed = stalling.drive(2.0, connections=8).records  # 8 clients, each waits for its answer
    opened = stalling.drive(2.0, poisson(300, 2.1, seed=1)).records  # 300 requests/s, whatever the server does

# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 4.2), sharex=True, sharey=True, layout="constrained")
for axis, records, title in (
    (axes[0], opened, "Open loop: 300 requests/s"),
    (axes[1], closed, "Closed loop: 8 clients"),
):
    at, milliseconds = records.intended[records.counted] / 1e9, records.response() / 1e6
    slow = milliseconds > 10  # a dot for each slow one, and one dot in a hundred of the others
    shown = slow | (np.arange(len(at)) % 100 == 0)
    axis.plot(at[shown], milliseconds[shown], ".", color=BLUE if axis is axes[0] else ORANGE, markersize=4)
    axis.set(title=f"{title}: {slow.sum():,} of {len(at):,} took more than 10 ms", ylabel="ms")
axes[1].set(xlabel="when the request was meant to be sent, s")
plt.show()

seen = {"open loop": figures.percentiles(opened.response()), "closed loop": figures.percentiles(closed.response())}
page.table(
    [(name, *(f"{p[q]:.2f}" for q in ("p50", "p95", "p99"))) for name, p in seen.items()], ("", "p50", "p95", "p99")
)
print("the open loop sees a p95 of 20 ms or more:", seen["open loop"]["p95"] > 20)
print("the closed loop's p95 is smaller:", seen["closed loop"]["p95"] < seen["open loop"]["p95"])

# %% [markdown]
# ```text output
# the open loop sees a p95 of 20 ms or more: True
# the closed loop's p95 is smaller: True
# ```
#
# It is the same server, in the same minute. In the closed loop each client is caught once in a stall and then waits, so
# a stall makes eight requests slow, among thousands of quick ones. The requests of all the users who would have
# come meanwhile were never sent. The measurement and the server stand still together: this is called *coordinated
# omission*. In the open loop everybody who comes during a stall waits, and a tenth of all users does. Half of these
# wait more than 50 ms, so the p95 of all is near 50 ms.
#
# ### 3. One client is no load
#
# Here is a server of our own. It has one model and three handlers, and each waits 20 ms before it answers, as a handler
# does that asks a database.

# %%
here = "notebooks/06-measuring-latency/exercise"
page.source(f"{here}/variants.py", lines=(21, 40))

# %% [markdown]
# Measure two of them: first with one client, as everybody does who tries a server out, then with eight.

# %%
command = ["uvicorn", "variants:app", "--port", "{port}", "--no-access-log"]
with program.start(command, strategy="fastapi", cwd=here, port=0) as running:
    halves = {
        (name, clients): probe.run(Probe(f"{running.url}/{name}", "v1", "iris", seconds=0.8, concurrency=clients))
        for clients in (1, 8)
        for name in ("blocking", "awaiting")
    }
page.table(
    [(n, c, f"{found.service['p50']:.0f}", f"{found.achieved:.0f}") for (n, c), found in halves.items()],
    ("handler", "clients", "p50 ms", "answers/s"),
)
slower = {c: halves["blocking", c].service["p50"] / halves["awaiting", c].service["p50"] for c in (1, 8)}
print("with eight clients, blocking takes more than twice as long:", slower[8] > 2)
print("answers that were wrong or missing:", sum(len(found.unfit) for found in halves.values()))

# %% [markdown]
# ```text output
# with eight clients, blocking takes more than twice as long: True
# answers that were wrong or missing: 0
# ```
#
# With one client the two are alike. `async def` promises the event loop: "I say `await` whenever I wait". `time.sleep`
# does not. The whole loop stands still, and with it all other clients, the health check too. Nothing is wrong with any
# answer, so no test of answers finds it. Only load does.
#
# ### 4. Let the bench do it
#
# `bench run` (in a terminal: `.venv/bin/bench run`) does all this at once: it checks the answers of both servers, warms
# them up, picks one rate for both, sends requests by a schedule, lets the two take turns, and watches the machine and
# itself meanwhile. This is the shortest run that makes sense as a demonstration. Give it a minute.

# %%
runs = page.scratch() / "runs"
# !bench run flask fastapi --model iris --boots 1 --rounds 2 --seconds 1 --keep-noisy --results {runs}

# %% [markdown]
# ## You should see
#
# ```text output
# SCREENING: iris version 1, Server scenario, Poisson arrivals at ...
# in-process...
# Response times count from the intended send time, service times from the sending; all are medians of rounds.
# flask: 1 worker, ...
# fastapi: 1 worker, ...
# Saved: ...
# ```
#
# - **in-process** is the model called as a function, without a server. What a server adds to that is its *tax*.
# - What each column means stands in [Measuring](../../docs/measuring.md#columns).
# - A dash stands where the run has too few requests to know a percentile: for p99 a round needs 299, for p99.9 2,995.
# - A row that says **(VOID)** was disturbed or broke a rule, and its figures are withheld. On a busy machine you will
#   meet this. It is no fault of yours; the line below the table says what happened, and `bench explain CODE` says what
#   to do.
# - **SCREENING** says: this run is too small for a verdict. Every start of a server (a *boot*) has its own luck, so the
#   bench wants six boots or more before it says that two servers differ.
#
# The run is kept: every request with three stamps, when it was *intended* to be sent, when it was *sent*, and when it
# was *done*. A response time counts from the first to the last. So you can draw your own picture of it.

# %%
(folder,) = runs.iterdir()
figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
for arm, colour in (("flask", ORANGE), ("fastapi", BLUE)):
    for number, file in enumerate(sorted((folder / "rounds").glob(f"*-{arm}.npz"))):
        waits = np.sort(Records.load(file).response()) / 1e6
        axis.plot(waits, np.arange(1, len(waits) + 1) / len(waits), color=colour, label="" if number else arm)
axis.set(title="Response times, a line for each round", xlabel="ms", ylabel="share answered", xscale="log")
axis.legend(loc="lower right", frameon=False)
plain(axis.xaxis)
plt.show()

# %% [markdown]
# Lines of one colour are the same program, measured twice. How far are they from each other? A difference between two
# servers means nothing unless it is larger than that.
#
# ## What happened
#
# The bench ends with words, not with a winner. Here are made-up medians of eight boots each, so that you see what the
# words take. Each server is compared with `old`, pair by pair. Read a line so: `slower` takes 1.30 times the p50 of
# `old`. In brackets stands its *95 % interval*, the ratios that this data leaves plausible; *p* says how often chance
# alone would make a difference as large as this.

# %%
old = [1.00, 1.02, 0.99, 1.01, 1.00, 0.98, 1.01, 1.00]  # ms, a p50 from each boot
factors = {
    "slower": [1.30, 1.25, 1.35, 1.28, 1.31, 1.27, 1.33, 1.30],
    "alike": [1.01, 0.99, 1.00, 1.01, 0.99, 1.00, 1.00, 1.005],
    "noisy": [1.30, 0.80, 1.50, 0.90, 1.20, 0.70, 1.40, 1.00],
}
made_up = {"old": old} | {name: [a * b for a, b in zip(old, each, strict=True)] for name, each in factors.items()}
by_figure = {name: {"p50": [[value] for value in values]} for name, values in made_up.items()}
for each in verdict.verdicts(by_figure):
    if each.base == "old":
        print(each)

# %% [markdown]
# ```text output
# p50: slower 1.30 of old [1.27, 1.33], p ...: different
# p50: alike 1.00 of old [0.99, 1.01], p ...: equivalent
# p50: noisy 1.06 of old [0.85, 1.33], p ...: not distinguishable
# ```
#
# - *different*: the interval excludes 1, chance alone would rarely do it (p is below 0.05), and the effect is more than
#   5 %, so it is worth a word.
# - *equivalent*: the whole interval lies within 5 % of 1. This is a claim, and it needs evidence too.
# - *not distinguishable*: this data cannot tell. `noisy` may be a third slower or 15 % faster. Who writes "no
#   difference" here says more than he knows.
#
# How much measuring would it take to find a difference of 10 %? Ask before you begin:

# %%
# !bench plan --effect 10%

# %% [markdown]
# ```text output
# To find a difference of 10% between 2 arms (1 comparison in each figure), 80% of the time:
# CPU: --boots ...
# ```
#
# Look at the times. The slowest requests (p95, p99) scatter so much that it takes more than an hour. The processor time
# for each prediction is the steadiest figure, and takes minutes.
#
# ## Break it
#
# Be fast by failing. Both servers burn 2 ms of processor time for a prediction, but the second one gives up on four of
# five requests at once, with a status of 500.

# %%
with serving(Faults(work_us=2000)) as honest, serving(Faults(work_us=2000, errors=0.8)) as failing:
    both = {name: each.drive(0.8, connections=1).records for name, each in (("honest", honest), ("failing", failing))}
naive = {name: float(((r.done - r.sent)[r.counted]).mean() / 1e6) for name, r in both.items()}
known = {name: figures.percentiles(r.response()) for name, r in both.items()}
page.table(
    [(name, f"{naive[name]:.2f}", f"{known[name]['p95']:.2f}") for name in both],
    ("", "mean of everything, ms", "p95 ms"),
)
print("counting every answer, the failing server looks faster:", naive["failing"] < naive["honest"])
print("its p95, when a failure is a request that was never answered:", known["failing"]["p95"])

# %% [markdown]
# ```text output
# counting every answer, the failing server looks faster: True
# its p95, when a failure is a request that was never answered: inf
# ```
#
# A user who got a 500 waits for ever. So the bench gives each failure an infinite time and leaves it in the
# distribution: more than 5 % have failed, so nobody can promise a p95. Nothing is dropped.
#
# Two more ways to be fast are left to [the gates](../../docs/measuring.md#gates): to answer from a memory of old
# requests, and to answer wrongly. The bench compares a sample of the answers of every timed round. `bench explain
# WRONG_ANSWER` prints what it says then, and this is the first line of it:

# %%
print(explain.page("WRONG_ANSWER").splitlines()[0])

# %% [markdown]
# ```text output
# # WRONG_ANSWER: ...
# ```
#
# ## Exercise
#
# Predict, then measure: all three handlers (`blocking`, `threads`, `awaiting`) at concurrency 16.
#
# ```bash
# make lesson N=06
# ```
#
# 1. Write into `notebooks/work/06/prediction.toml` how long each handler's p50 will be. Do it before you measure: a
#    guess made afterwards teaches nothing.
# 2. Write `measure()` in `notebooks/work/06/measure.py`. The prediction goes into the file first, then each window when
#    it is finished; every second round goes through the handlers backwards. A window counts as right only if nothing
#    failed, and answers were compared and are right.
# 3. See how well you knew it: `.venv/bin/python notebooks/work/06/measure.py`
#
# ```bash
# make check N=06
# make hint N=06        # a little help, and more each time
# make solution N=06
# ```
#
# Which one surprised you? And what will `threads` do with 100 clients? FastAPI has 40 threads for such handlers.
# Predict that, too: set `CLIENTS` to 100, and measure (the check wants 16 again).
#
# ## When to use and when not
#
# | you ask | use | not |
# | --- | --- | --- |
# | how long do users wait? | open loop, percentiles of response time | a closed loop, a mean |
# | how much can it do at most? | closed loop, `bench run --concurrency N` | response times of that loop |
# | is what I deployed fit to serve? | `bench probe URL --model iris` | one `curl` |
# | which of two is faster? | `bench run A B`, six boots or more, on a quiet machine | one run of each |
# | is it worth a closer look? | `bench run --quick`, a screening | a release note |
#
# On a shared or busy machine, compare the processor time for each prediction. Waiting times belong to the neighbours
# too.
#
# ## Then and now
#
# Seed 004 defines latency as the time that *one* prediction takes from the request to the returned value, and says that
# shorter is better. As a definition that is right. As a measurement it is step 1 of this page without the plot: one
# request, one number. Today one says which percentile, under which load, and how sure.
#
# Seed 001's handler is an `async def` that calls the model in the event loop. That is right as long as the model takes
# a millisecond, and step 3 as soon as it takes long. This is how our FastAPI strategy decides: a small body is answered
# in the loop, a large one in a thread, because a thread costs time too.

# %%
from pathlib import Path

CODE = Path("strategies/fastapi/server.py")
first = CODE.read_text("utf-8").splitlines().index("async def predict(request: Request) -> Response:")
page.source(CODE, lines=(first, first + 4))  # the decorator stands above it, and lines count from 1

# %% [markdown]
# ## Clean up
#
# Every server on this page was started in a `with` block and is stopped. The run is in a temporary folder, which is
# removed when the page ends. The bench keeps its own runs below `results/`, if you do not tell it otherwise.
