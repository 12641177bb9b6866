# %% [markdown]
# # 10 · A hundred times Flask?
#
# **One idea:** a claim about speed is a figure, a load, a budget, a machine and an interval, or it is nothing.
#
# ## Why
#
# Seed 001 lists what speaks for BentoML, and one line of it reads: *high performance (about 100 times Flask, they
# say)*. The author is careful. He says that others say so, and names the blog where he read it. Most claims travel
# without even that.
#
# Is it true? The question cannot be answered as it stands. A hundred times *what*: requests, predictions, less time?
# With how many processes, under which load, with which model, on which machine? And if somebody measured it again, how
# much would the hundred move? In this lesson you put those questions to the claim, measure, and write down what can be
# said.

# %%
from notebooks.course import page

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

# %%
import math
from pathlib import Path

import matplotlib.pyplot as plt

from bench import curves, explain, statistics, summary
from bench.results import Run

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#666666"

# %% [markdown]
# ## Do
#
# ### 1. Give all of them the same
#
# A fair comparison begins before the first request. Each server gets one worker process, one thread for the model, no
# access log, the same model file, and the same requests at the same rate. The bench does not take the servers' word for
# it: it reads from the running processes what they have. (More *threads* in such a line are threads of the framework,
# which mostly wait; the model computes in one, and all of them share one CPU.) Here is a run of one boot, the smallest
# that there is. It takes about a minute.

# %%
runs = page.scratch() / "runs"
# !bench run flask bentoml --model mnist --boots 1 --rounds 2 --seconds 1 --keep-noisy --results {runs}

# %% [markdown]
# ```text output
# SCREENING: mnist version 1, Server scenario, Poisson arrivals at ...
# in-process
# flask: 1 worker, ...
# bentoml: 1 worker, ...
# Machine: ...
# ```
#
# On your machine other figures stand there, and perhaps a (VOID) where something disturbed the run. Look at *CPU µs*,
# the processor time for each prediction: it is the steadiest figure of a small run.
#
# ### 2. Ask for the doubt as well
#
# One boot says what happened once. For a claim we need to know what would happen again. So here is a longer run that
# came with the course: nine boots of each server, two rounds each, on a machine that did nothing else (when it was
# disturbed all the same, the round was taken again: the output counts them). It was taken for this project's own
# figures together with four more servers (`.venv/bin/bench show docs/measured/mnist` has them all); these are the
# rounds of our three. Reading them again takes a second, and says the same on every machine.

# %%
# !bench show notebooks/10-a-hundred-times-flask/run

# %% [markdown]
# ## You should see
#
# ```text output
# mnist version 1, Server scenario, Poisson arrivals at ...
# CPU: fastapi 0.67 of flask [0.62, 0.72], p 0.012: different
# CPU: bentoml ... of flask [...: different
# p50: bentoml ... of flask [...: different
# p99: bentoml ... of flask [...: not distinguishable
# flask: 1 worker, 1 CPU, native threads default, no access log, ...
# bentoml: 1 worker, 1 CPU, native threads default, no access log, ...
# ```
#
# Read the first of these lines aloud. *For one prediction FastAPI takes 0.67 times the processor time of Flask. If we
# ran all this again and again, an interval made like this one, 0.62 to 0.72, would hold the true ratio 19 times in 20.
# If the two were alike, chance would show as much in at most 12 of 1,000 such runs (p 0.012).* Now find the lines about
# BentoML and read them, too. And look at p99: the slowest requests of a round scatter so much that nine boots cannot
# tell Flask and BentoML apart. That is an honest answer.
#
# One p99 looks odd: FastAPI's interval ends below 1, and yet *not distinguishable*. Three servers make three pairs, and
# who asks three times finds something by chance more easily. So p, not the interval, counts for all pairs together
# (Holm's method), and at 0.055 it is above the usual bound of 0.05.
#
# Now all of it in one picture. 1 is Flask. Left of it is faster, right of it is slower; the claim would be far to the
# left, at a hundredth.


# %%
def ratios(folder: Path) -> dict[tuple[str, str], tuple[float, float, float]]:
    """(figure, arm) -> how much of Flask's figure that arm takes, with its interval."""
    found = {}
    for table in summary.summarise(Run.load(folder)).tables:
        for each in table.verdicts:
            if each.base == "flask" and each.figure in ("CPU", "p50"):
                c = each.comparison
                found[each.figure, each.arm] = (c.ratio, c.low, c.high)
    return found


kept = Path("notebooks/10-a-hundred-times-flask/run")
(mine,) = runs.iterdir()
asked = (
    ("fastapi", "fastapi", kept, BLUE),
    ("bentoml", "bentoml", kept, BLUE),
    ("bentoml, yours", "bentoml", mine, ORANGE),
)
rows = [
    (f"{figure}, {label}", ratios(folder).get((figure, arm)), colour)
    for figure in ("CPU", "p50")
    for label, arm, folder, colour in asked
]
figure, axis = plt.subplots(figsize=(9, 3.4), layout="constrained")
for height, (_, found, colour) in enumerate(rows):
    if found is None:  # a void row says nothing
        axis.annotate("withheld", (1, height), color=colour, va="center")
        continue
    ratio, low, high = found
    if not (math.isfinite(high) and low > 0):  # two values tell no interval
        low = high = ratio
    axis.plot([low, high], [height, height], color=colour, linewidth=2)
    axis.plot([ratio], [height], "o", color=colour, markersize=5)
axis.axvline(1, color=GREY, linewidth=0.8)
axis.axvline(0.01, color=GREEN, linewidth=2)
axis.annotate("the claim: a hundredth of Flask", (0.01, 2.5), xytext=(6, 0), textcoords="offset points", color=GREEN)
axis.set(xscale="log", xlim=(0.006, 20), xlabel="times Flask's (blue: the run of the course; orange: yours)")
axis.xaxis.set_major_formatter("{x:g}")
axis.set_yticks(range(len(rows)), [label for label, *_ in rows])
axis.invert_yaxis()
plt.show()

# %% [markdown]
# The orange lines are yours. Two rounds tell so little that an interval may run across the whole picture; that is what
# SCREENING means. Where none can be told, only a dot stands.
#
# The claim is about performance, and somebody may mean *how many requests per second at most*. The bench notes that for
# each boot, in a closed loop of 16 clients. Nine boots, nine pairs, and the same statistics:

# %%
run = Run.load(kept)
most = {arm: [boot.capacity for boot in run.boots if boot.arm == arm] for arm in run.names}
for arm in ("fastapi", "bentoml"):
    pairs = [[statistics.log_ratio(a, b)] for a, b in zip(most[arm], most["flask"], strict=True)]
    c = statistics.compare(pairs)
    print(f"answers/s at most: {arm} {c.ratio:.2f} of flask [{c.low:.2f}, {c.high:.2f}], {c.units} {c.unit}s")
    print(f"{arm}: a hundred times Flask is within the interval:", c.high >= 100)

# %% [markdown]
# ```text output
# fastapi: a hundred times Flask is within the interval: False
# bentoml: a hundred times Flask is within the interval: False
# ```
#
# ## What happened
#
# The three servers run the same ten microseconds of model. What differs is all around it: sockets, parsers,
# middlewares, tracing, metrics. A web framework does little of that, and a serving library does more, so it takes more.
# This is no verdict on BentoML: what it does for you besides answering (a model store, packing, metrics, batching) is
# lesson 09, and somebody has to do it. It is a verdict on the sentence.
#
# The idea behind the sentence is probably *batching*: requests that arrive together share one call of the model. A call
# of this model costs some ten microseconds of a request's half a millisecond: there is next to nothing to gain. With a
# model of 10 ms a call, which takes hardly longer for many rows, and with hundreds of clients, sharing calls pays.
# [Batching](../../docs/batching.md) has our curve, with batching on and off.
#
# ## Break it
#
# How do you get a hundred? Compare things that are not the same. Below, Flask is compared with Flask: one worker, the
# same program, eight clients. One of the two gets a single iris in each request, the other one 256 of them, and both
# count predictions per second.

# %%
single, many = (
    next(iter(curves.curves(["flask"], "iris", [curves.Load(clients=8)], workers=1, rounds=1, seconds=0.6,
                            batch=rows).values()))
    for rows in (1, 256)
)  # fmt: skip
page.table(
    [(rows, f"{point.answered:,.0f}", f"{point.answered * rows:,.0f}") for rows, point in ((1, single), (256, many))],
    ("rows in a request", "requests/s", "predictions/s"),
)
times = many.answered * 256 / single.answered
print(f"Flask makes {times:.0f} times as many predictions as Flask")
print("more than ten times:", times > 10)

# %% [markdown]
# ```text output
# more than ten times: True
# ```
#
# Nothing in this cell is false, and nobody was asked to lie. Somebody only has to write "batched BentoML" on one row
# and "Flask" on the other. Other ways to the same end: four workers against one, a development server against a
# production server, an access log on one side, an overloaded server on the other. For the first of these the bench
# keeps arms with unequal budgets in tables of their own. So begins `bench explain UNEQUAL_BUDGET`:

# %%
print("\n".join(explain.page("UNEQUAL_BUDGET").splitlines()[:3]))

# %% [markdown]
# ```text output
# # UNEQUAL_BUDGET: arms did not have the same to work with
# **A warning.** Their rows stand in separate tables.
# ```
#
# ## Exercise
#
# Write the claim that the data supports.
#
# ```bash
# make lesson N=10
# ```
#
# `notebooks/work/10/claim.toml` holds the seed's claim, in numbers. Change its lines until they say what the run of the
# course says: which of the two is faster, by how much, how sure, with what, and where. See your sentence with
# `.venv/bin/python notebooks/work/10/say.py`.
#
# ```bash
# make check N=10
# make hint N=10
# make solution N=10
# ```
#
# Then do it with figures of your own: `.venv/bin/bench run flask bentoml --model mnist` takes about five minutes on a
# quiet machine. Put its folder behind `run`, and change the claim. The check works for every run of the two.
#
# ## When to use and when not
#
# | you read | ask first |
# | --- | --- |
# | "100 times faster" | than what, in which figure, and who ran both? |
# | "up to" | and in the usual case? |
# | requests/s without latency | how many clients waited, and how long? |
# | a bar chart of two bars | how long are the bars the next time? |
# | "in our benchmark" | workers, threads, batch, log, versions: the same on both sides? |
# | a number without a machine | nothing; turn the page |
#
# Choose a serving library for what it does, and measure whether you can afford it. Choose by speed alone only when you
# have measured your model, under your load. And when you publish, say all that `claim.toml` asks for.
#
# ## Then and now
#
# Then, in 2022: one line in a list of features, with a blog as its source. What the blog had measured, if anything, we
# do not know. A README of BentoML (its commit ef28b6a45) speaks of 10 to 100 times the throughput by micro-batching. If
# that is the source, a statement about batching, for models and loads that profit by it, became one about Flask on its
# way. In the seed's own example, an image at a time, there is nothing to share.
#
# Now: the same two servers, in their current versions, are measured in one command, and the data is kept, so that
# anybody can ask it other questions. Versions matter as well, so the run knows what it ran: of the model and of each
# strategy's locked packages it keeps the hash.

# %%
page.table(
    [
        ("model", run.environment["model"]["name"]),
        ("boots of each", len(most["flask"])),
        ("requests/s", run.rate),
        ("Python", run.environment["python"]),
        ("model's hash", run.environment["model"]["sha256"][:12]),
        *((f"lock of {name}", run.environment["locks"][name][:12]) for name in run.names),
    ],
    ("", "of the run of the course"),
)

# %% [markdown]
# ## Clean up
#
# Every server was stopped when its measurement ended. Your run is in a temporary folder that goes with the page.
