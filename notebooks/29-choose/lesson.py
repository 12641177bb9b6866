# %% [markdown]
# # 29 · Choose
#
# **One idea:** the case decides, not the tool: who waits, how long, how often, who looks after it, for how much.
#
# ## Why
#
# "Which serving tool is the best?" Nobody can answer that, because it does not say for what. A form on a small shop's
# page, a press that may break in the next second, a forecast for tomorrow morning: each has another answer, and none of
# the three is decided by who is fastest.
#
# So turn the question round. Describe *your* case: does anybody wait? How long may an answer take, how many are asked
# for, who will look after it, until when, for how much? Each answer rules something out. What is left is a short list,
# and for that there are figures. This lesson shows how to get from a case to a choice that you can defend. The whole
# guide is [one page](../../docs/choosing.md).

# %%
from notebooks.course import page

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

# %%
import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

from bench.report.command import report
from servelab.choose import CARDS, Answers, advise, load, rules
from servelab.choose.figures import FILE
from servelab.strategy import discover

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#666666"
strategies, figures = list(discover().values()), load()

# %% [markdown]
# ## Do
#
# ### 1. What is known
#
# `bench report` shows what was measured of every strategy: the medians of a long run of each model, on one machine.

# %%
# !.venv/bin/bench report

# %% [markdown]
# ```text output
# mnist version 1, Server scenario, Poisson arrivals at ...
# flask...
# in-process...
# From: docs/measured/mnist, ...
# Figures of two runs do not compare.
# ```
#
# All strategies of a run got the same rate, so their rows compare. What stands in the way is below each table:
# `UNEQUAL_BUDGET` says that *kfp* and *seldon-ab* work with several processes, the others with one. CPU time is that of
# all its processes, and compares all the same; milliseconds only hint. *In-process* is the model called as a function,
# without a server. Look at two columns in a picture: what a prediction costs, and how long the slowest hundredth waits.

# %%
run = figures.of("image")
shown = sorted((arm for arm in run.arms if not arm.void), key=lambda arm: arm.cpu_us)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
left.barh("in-process", run.floor_cpu_us, color=GREY)
left.barh([arm.name for arm in shown], [arm.cpu_us for arm in shown], color=BLUE)
left.set(title="CPU time of a prediction, µs (logarithmic)", xscale="log")
right.barh([arm.name for arm in shown], [arm.p99_ms for arm in shown], color=ORANGE)
right.set(title=f"p99 at {run.rate:g} requests a second, ms")
left.invert_yaxis()
plt.show()
print(
    "every server costs more than ten times the model alone:", min(arm.cpu_us for arm in shown) > 10 * run.floor_cpu_us
)

# %% [markdown]
# ```text output
# every server costs more than ten times the model alone: True
# ```
#
# These models are small. That is on purpose: what you see is the server. If *your* model computes for 50 ms, all of
# these bars become nearly equal, and other things decide.
#
# ### 2. Ask
#
# `servelab choose` asks for your case. In a terminal, without options, it asks one question after another. Here is a
# shop's form with four numbers, a few answers a second:

# %%
# !.venv/bin/servelab choose --model table --latency 200 --rate 5

# %% [markdown]
# ```text output
# Your answers: when online, model table, need nothing, latency 200, ...
# Recommended, the first one first:
# Ruled out:
# seldon-minikube, by ...
# The way:
# What the numbers cannot say:
# Figures: docs/measured/...
# ```
#
# There are four parts: who remains and why, who is ruled out and *by which of your answers*, the way there, and what
# the numbers cannot say. The last part matters as much as the first.
#
# ### 3. Change one answer at a time
#
# Each answer only rules out. So change one, and see whom it costs you.

# %%
asked = Answers(price=0.05)  # your own price of a core-hour
changes = {
    "as it is": {},
    "gRPC, too": {"need": ("grpc",)},
    "in days": {"time": "days"},
    "who know Python alone": {"know": "python"},
    "half of the slowest p99": {"latency": max(arm.p99_ms for arm in shown) / 2},
    "2,000 a second for 80 a month": {"rate": 2000.0, "budget": 80.0},
    "nobody waits": {"when": "batch"},
}
remain = {words: advise(replace(asked, **change), strategies, figures).names for words, change in changes.items()}
page.table([(words, len(who), ", ".join(who) or "-") for words, who in remain.items()], ("the case", "remain", "who"))
print("a stricter answer added somebody:", any(set(who) - set(remain["as it is"]) for who in remain.values()))

# %% [markdown]
# ```text output
# as it is...flask...
# nobody waits...0...-
# a stricter answer added somebody: False
# ```
#
# The last row is not a mistake. If nobody waits, no server is needed at all. Begin with *batch*: run the function every
# night, put the answers into a table, look them up in the morning. It is the simplest way, and there is no latency to
# worry about. A strategy for it is still to be written here, so `servelab choose` says that, and what to do meanwhile:

# %%
print(*advise(replace(asked, when="batch"), strategies, figures).missing, sep="\n")

# %% [markdown]
# ```text output
# There is no batch strategy here yet. Until there is: ...
# ```
#
# ### 4. What does it cost?
#
# A month costs the cores that you keep for it. How many? As many copies as bring each of them to 40 % of its capacity:
# the nearer to its capacity, the longer a server lets its users wait. The dotted line is a budget of 80.

# %%
rates = np.geomspace(10, 5000, 400)
figure, axis = plt.subplots(figsize=(9, 3.4), layout="constrained")
for arm in shown:
    bills = [rules.scale(arm, run.rate, replace(asked, rate=float(rate))).per_month for rate in rates]
    axis.plot(rates, bills, label=arm.name, drawstyle="steps-post")
axis.axhline(80, color=GREY, linestyle=":")
axis.set(title="A month, at 0.05 for a core-hour", xlabel="predictions per second", xscale="log", yscale="log")
axis.legend(frameon=False, ncols=2)
plt.show()
few = [rules.scale(arm, run.rate, replace(asked, rate=10.0)) for arm in shown]
print("at 10 a second one core is enough for every one of them:", {scaled.cores for scaled in few} == {1})
enough = min(rules.BUSY * arm.capacity_per_s for arm in shown)
print(f"the first of them needs a second core above {enough:.0f} a second")

# %% [markdown]
# ```text output
# at 10 a second one core is enough for every one of them: True
# ```
#
# ## You should see
#
# On the left all lines are one: up to the number above, one core is enough, whichever strategy has it. There,
# performance decides nothing, and people do: who can keep it running in two years? Speed becomes money only where the
# lines part.
#
# Now see what your own machine says. This is a very short run of two strategies, at the rate of the table above. It is
# a *screening*: a hint.

# %%
runs, own = page.scratch() / "runs", page.scratch() / "figures.json"
short = f"--boots 1 --rounds 1 --seconds 2 --rate {run.rate:g} --keep-noisy --no-raw"
# !.venv/bin/bench run flask fastapi --model mnist {short} --results {runs} > /dev/null 2>&1
# !.venv/bin/bench report {runs} --json > {own}
# !.venv/bin/servelab choose --figures {own} --latency any

# %% [markdown]
# ```text output
# Your answers: when online, model image, need nothing, latency any, ...
# Recommended, the first one first:
# What the numbers cannot say:
# its figures are hints
# There are no figures of ...
# ```
#
# Compare with the table at the top. The microseconds differ, perhaps by far: another machine, on another day. Does the
# order of the two differ?

# %%
mine = load(own).of("image")
page.table(
    [
        (name, *(f"{where.arm(name).cpu_us or float('nan'):.0f}" for where in (run, mine)))
        for name in ("flask", "fastapi")
    ],
    ("CPU µs", f"there, at {run.rate:g}/s", f"here, at {mine.rate:g}/s"),
)

# %% [markdown]
# (*nan*: the row was void, because the machine was busy or a rule was broken. `bench report` on the run says why.)
#
# ## What happened
#
# Behind the answers are rules, one for each question. A rule looks at one strategy and either returns why it is out, or
# nothing. This is the one for the latency bound:

# %%
page.source(rules.RULES["latency"])

# %% [markdown]
# Three kinds of rules must not be mixed up:
#
# - **Facts of the contract**: a need is there or it is not. Each strategy's `strategy.toml` says so, and a conformance
#   check held it to that.
# - **Figures**: a bound was kept in a measurement, on one machine, at one rate. A strategy that was not measured is out
#   when you set a bound: nothing shows that it keeps it.
# - **Rules of thumb**: a cluster wants two people. Nobody measured that here. These say "rule of thumb", so that you
#   can disagree.
#
# Who is left is ranked by moving parts, and within a kind by CPU time, the steadiest figure. Note what is *not* in it:
# a total of points. Ten points for speed do not outweigh "nobody here can repair it".
#
# ## Break it
#
# ### Correct a figure by hand
#
# The figures are a file. Make a strategy look good in it, as slides do:

# %%
forged = page.scratch() / "forged.json"
content = json.loads(FILE.read_text())
for each in content["runs"]:
    for arm in each["arms"]:
        if arm["name"] == "mlflow":
            arm["cpu_us"], arm["p99_ms"] = 1.0, 0.1
forged.write_text(json.dumps(content))
for what, known in {"as measured": figures, "forged": load(forged)}.items():
    found = advise(asked, strategies, known).recommended
    print(f"the first library, {what}:", next(e.name for e in found if e.case.strategy.family == "serving library"))
print("the forged file is what the journals say:", load(forged) == report())
print("the committed file is what the journals say:", load() == report())

# %% [markdown]
# ```text output
# the first library, forged: mlflow
# the forged file is what the journals say: False
# the committed file is what the journals say: True
# ```
#
# The choice believed it at once. So a figure needs a way back to what was measured. Each of ours is derived from a
# journal, line by line, and a test derives all of them again: a number that was edited by hand fails it. When somebody
# shows you a benchmark, ask for the journal.
#
# ### Ask for what nobody can do

# %%
# !.venv/bin/servelab choose --latency 0.01 | head -12

# %% [markdown]
# ```text output
# Nothing here fits all of your answers.
# would fit with another answer to: latency
# ```
#
# ### Answer badly

# %%
# !.venv/bin/servelab choose --rate often
# !.venv/bin/servelab choose --budget 10

# %% [markdown]
# ```text output
# rate: expected a number above 0 and at most 1e+09; found 'often'
# budget: expected a price of a core-hour beside it (--price 0.05), in the same money
# ```
#
# ## Exercise
#
# Six cards, and a choice for each. These are the situations:

# %%
for card in CARDS:
    print(f"{card.name}: {card.title} (scarce: {card.scarce})\n  {card.story}\n  {card.answers.command()}\n")

# %% [markdown]
# ```text output
# by-friday: By Friday (scarce: time)
# tomorrows-stock: Tomorrow's stock (scarce: nothing, as nobody waits)
# ```
#
# ```bash
# make lesson N=29
# ```
#
# Write into `notebooks/work/29/choices.py`, for each card, what you take, a claim about a figure that justifies it, and
# a strategy that you did not take with the answer that rules it out. Choose before you ask `servelab choose`, then see
# where you disagree.
#
# ```bash
# make check N=29
# make hint N=29        # a little help, and more each time
# make solution N=29
# ```
#
# The check holds your choices against the figures of this repository. Better: against yours. Measure what you have
# built, eight minutes or so for each model, and it uses `notebooks/work/29/figures.json` instead. (A p99 needs 299
# requests in a round, so that a slow machine needs rounds of six seconds.)
#
# ```bash
# .venv/bin/bench run flask fastapi bentoml mlflow seldon seldon-ab --model mnist --quick --seconds 6
# .venv/bin/bench run flask fastapi bentoml mlflow seldon seldon-ab --model iris --quick --seconds 6
# .venv/bin/bench report results --json > notebooks/work/29/figures.json
# ```
#
# Your figures may ask for another choice than ours. Then yours is right, on your machine.
#
# ## When to use and when not
#
# | | use it when | not when |
# | --- | --- | --- |
# | batch | an hour-old answer does | somebody waits, or what is new must be answered (*cold start*) |
# | a prototype on a cloud service | few people have much to do, and it may cost more | nobody knows what is inside it |
# | an own server | you want to see and own every step | you write store, versions, batching and metrics again |
# | a serving library | models, settings and batches are many | one route and one model are all there is |
# | a graph on a cluster | versions side by side, several teams | one person looks after it |
#
# You have seen what they cost: own servers have the shortest bars of CPU time, libraries longer ones, the A/B graph the
# longest; the plain call, all that a batch needs, costs less than a tenth of the shortest. What the longer ones give
# for it stands in the table below.
#
# ## Then and now
#
# Seed 004 says that the surroundings decide: the schedule, the people, the budget, the performance that is wanted. It
# goes through a prototype on a cloud service, then an own server, then a library, and gives four reasons for not
# beginning with the library: one learns to solve problems and not a tool, one sees why it was chosen, new tools come,
# and without the level below one does not understand the level above. Seed 001 says where the own server ends: when
# models, settings and batches become many. All of that still holds, and it is in the rules above.
#
# What is new is the other half. Then, one chose by what a tool said of itself ("a hundred times Flask", lesson 10).
# Today you can measure the candidates in your own case in a few minutes, with the same model, the same answers and the
# same load, and keep the journal.

# %%
page.table(
    [(each.name, each.family, ", ".join(each.capabilities) or "-") for each in strategies if each.tier < rules.CLUSTER],
    ("strategy", "family", "capabilities"),
)

# %% [markdown]
# ## Clean up
#
# The run above is in a temporary folder, which is removed when the page ends, and its servers are stopped. Your own
# runs stay in `results/` until you remove them.
