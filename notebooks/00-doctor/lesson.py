# %% [markdown]
# # 00 · Will my machine do?
#
# **One idea:** ask the machine what it has before you blame the code.

# %% [markdown]
# ## Why
#
# You follow a tutorial word by word, and the third command fails. The text is right, and so is your typing. The reason
# is often the machine: another Python, a package of another version, a port that somebody else uses, no Docker, too
# little memory. You lose an evening, and learn nothing about the subject.
#
# So this course begins with a *doctor*: a command that looks at your machine, says what is there, and says what to do
# about the rest. It takes a second. Run it first, and run it again whenever something fails to start.
#
# No lesson needs a graphics card, a cloud account or money. Most lessons need nothing but Python.

# %% [markdown]
# ## Do
#
# ### How to use these pages
#
# Every lesson has the same nine parts, from *Why* to *Clean up*. Grey cells are code: click on one and press
# Shift+Enter to run it, from the top down. Some lines begin with `!`; they are for the shell, and you may type them in
# a terminal in the repository's folder, without the `!` (the page puts a value where `{name}` stands). Typewriter text
# below a cell, without a number beside it, shows the lines that you should see among the cell's own, with `...` for
# what differs between machines. Change things, run them again, break them: `make lab N=00` opens a copy of your own,
# and nothing that you do there changes the project.
#
# ### 1. Ask the doctor
#
# In a terminal you would type `make doctor`. It runs this:

# %%
from notebooks.course import page

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

# %%
# !.venv/bin/servelab doctor

# %% [markdown]
# Each finding begins with one of three words:
#
# | word | what it means |
# | --- | --- |
# | `ok` | it is there |
# | `without` | it is not there, and only a part of the project misses it; the line below says how to get it |
# | `MISSING` | repair this first; the line below says how |
#
# Read the last lines, too: one for each lesson. `ready` means that you can run it now, without a network.
# `installs first` names what a lesson fetches when you start it. "All but its part in a container" is no reason to skip
# it: every lesson has a part for any laptop.

# %% [markdown]
# ## You should see
#
# Your numbers are your own. These lines are the same everywhere:
#
# ```text output
# Python 3.11 or 3.12
# CPU architecture
# curl, for lessons
# memory
# disk
# container engine
# Kubernetes cluster
# port 5000
# port 3389
# port 8080
# port 9000
# strategy flask
# lesson 00 Will my machine do?
# lesson 01 A model is a function
# ```
#
# ### 2. Let a program ask
#
# A line of text is for people. For a program, such as the check of this lesson's exercise, there is JSON: names and
# values, written so that every language can read them. It says `ok` for everything together, then every finding.

# %%
import json
import subprocess

asked = subprocess.run([".venv/bin/servelab", "doctor", "--json"], capture_output=True, text=True)
report = json.loads(asked.stdout)

print("everything that is needed is there:", report["ok"] and asked.returncode == 0)
print("a finding has:", ", ".join(report["findings"][0]))

wanting = [finding for finding in report["findings"] if not finding["ok"]]
page.table(((each["what"], each["found"], each["remedy"]) for each in wanting), ["without", "found", "remedy"])

# %% [markdown]
# ```text output
# everything that is needed is there:
# a finding has: what, ok, found, remedy, optional
# ```
#
# ### 3. The real test: a server that answers
#
# A doctor looks, but a machine is only fit when it works. This starts a real web server with a real model behind it,
# sends it one flower (four lengths in centimetres), and stops it again.

# %%
import servelab

with servelab.serve("flask", model="iris") as server:
    print("listens on", server.url)
    answer = server.predict([[5.1, 3.5, 1.4, 0.2]])
    print("the flower is:", server.model.labels[answer.argmax()])
    pids = server.pids

print("processes of the server:", len(pids) > 0, "; after its stop:", server.pids)

# %% [markdown]
# ```text output
# listens on http://127.0.0.1:
# the flower is: setosa
# processes of the server: True ; after its stop: []
# ```
#
# If you saw *setosa*, your machine will do.

# %% [markdown]
# ## What happened
#
# Four things, and each is a place where a machine can say no.
#
# 1. **An environment.** The server ran in a Python environment of its own, below `.servelab/`, with its own packages.
#    It was built on first use from a *lock file*: a list of every package with its exact version and the hash of its
#    file.
# 2. **A port.** An address on a network has two parts: the machine (`127.0.0.1` means "this machine, and nobody else")
#    and a port, a number from 1 to 65535. **Only one program can listen at such an address.** We asked for any port
#    that was free.
# 3. **A start.** The server is another process. It can die at once, for example for want of memory.
# 4. **A wait.** A process that runs does not answer yet. We waited until it *predicted*, not for some seconds.
#
# Look at the first of these. Here is the same question to two environments: which Flask do you have?

# %%
from notebooks.course import program

QUESTION = "import flask, importlib.metadata as m; print('Flask', m.version('flask'))"

for environment in (None, "flask"):
    done = program.run(["python", "-c", QUESTION], strategy=environment)
    print(f"{environment or 'the toolkit':12}", (done.stdout or done.stderr).strip().splitlines()[-1])

# %% [markdown]
# ```text output
# the toolkit  ModuleNotFoundError: No module named 'flask'
# flask        Flask 3.
# ```
#
# The toolkit, in which this page runs, has no Flask at all. So no server's packages can disturb it, or those of another
# server. That matters more than it seems: some serving libraries cannot share one environment, because they want
# different versions of the same package. [Environments](../../docs/environments.md) shows which, and how one finds out.
#
# The lock file says what must be inside. Does the environment hold what the lock says?

# %%
import re
from pathlib import Path

page.source("strategies/flask/requirements.in")  # what was asked for by name

lock = Path("strategies/flask/requirements.txt").read_text()
locked = set(re.findall(r"^([a-z0-9-]+)==([^ \\]+)", lock, re.MULTILINE))
hashes = len(re.findall(r"--hash=sha256:", lock))

LIST = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
listed = program.run(["python", "-c", LIST], strategy="flask").stdout.lower()
installed = {(re.sub("[._]", "-", name), version) for name, version in re.findall(r"(\S+)==(\S+)", listed)}

print("packages in the lock:", len(locked), "with", hashes, "hashes")
print("installed here:", len(installed), "; as locked, every one:", installed <= locked)

# %% [markdown]
# ```text output
# packages in the lock: ... hashes
# installed here: ... as locked, every one: True
# ```
#
# A few packages are asked for by name; the rest came along as *their* needs, and some of those are for other systems
# than yours. Any of them can change under you, if nobody writes down what worked.

# %% [markdown]
# ## Break it
#
# ### A port that is taken
#
# Here we hold a port ourselves, with a line of Python, and then ask a server to listen on it.

# %%
import socket

holder = socket.create_server(("127.0.0.1", 0))  # 0: any free port
port = holder.getsockname()[1]

try:
    servelab.serve("flask", model="iris", port=port)
except servelab.ServelabError as error:
    print(error)

# %% [markdown]
# ```text output
# cannot listen on 127.0.0.1:...: Address already in use. Stop the program that uses it, or choose another: PORT=
# ```
#
# `Address already in use` is the message that you will meet most often. It has two cures, and the error names both.
#
# ### What the doctor says of it
#
# A strategy is a folder, and its `strategy.toml` says which port it likes. We make a copy that likes the taken one, and
# name the folder to the doctor: what you name must be able to serve, so now it is `MISSING`, and the doctor says who is
# on the port, where the system tells.

# %%
import shutil

folder = page.scratch() / "mine"
shutil.copytree("strategies/flask", folder, dirs_exist_ok=True)
toml = (folder / "strategy.toml").read_text().replace('name = "flask"', 'name = "mine"')
(folder / "strategy.toml").write_text(toml.replace("port = 8001", f"port = {port}"))
print("a strategy that likes the port which we hold")

# %%
# !.venv/bin/servelab doctor {folder} | tail -n 2

# %% [markdown]
# ```text output
# MISSING  strategy ...mine ... in use
# -> stop the program on port
# ```
#
# The program on the port is this very page. Let the port go, and ask again:

# %%
holder.close()

# %%
# !.venv/bin/servelab doctor {folder} | tail -n 1

# %% [markdown]
# ```text output
# ok       strategy ...mine ... free
# ```
#
# ### A port that is yours only on some machines
#
# Port 5000 is Flask's default. On a Mac, AirPlay has listened there since 2021: what works for its author does not
# start for a reader with a Mac, or a strange `403` answers in its place. This project refuses the port, on every
# machine:

# %% tags=["raises-exception"]
from servelab import strategy

(folder / "strategy.toml").write_text(toml.replace("port = 8001", "port = 5000"))
strategy.load(folder)

# %% [markdown]
# ```text output
# StrategyError: ...strategy.toml: port
# ```

# %% [markdown]
# ## Exercise
#
# A server of your own wants port 8080. So does half of the world: the check holds that port with another program, as a
# colleague's development server would.
#
# ```bash
# make lesson N=00      # puts your files into notebooks/work/00/
# make check N=00       # fails now, and says why
# ```
#
# Move the server to a port that is free on your machine: edit `notebooks/work/00/flask/strategy.toml`. On the way you
# may ask the doctor, and start the server yourself (Ctrl-C stops it):
#
# ```bash
# .venv/bin/servelab doctor notebooks/work/00/flask
# .venv/bin/servelab serve notebooks/work/00/flask
# ```
#
# The check is green when the doctor's JSON is, with 8080 held by somebody else, and when the server predicts on the
# port that you chose.
#
# Stuck? `make hint N=00`, again for the next hint. `make solution N=00` shows ours.

# %% [markdown]
# ## When to use and when not
#
# **Run the doctor** before the first lesson, after a change of machine, and when something does not start. Put a check
# like it at the start of your own projects: what people need, in one command, with the remedy in the message. Let it
# end with a status that a script can test (`servelab doctor && ...`).
#
# **Do not use it** to decide whether a server is healthy. The doctor looks at a machine at rest; a running server has a
# health page and must be asked to predict. And a doctor does not replace a lock: it can see that Python is there, but
# not that your packages will be the same tomorrow.

# %% [markdown]
# ## Then and now
#
# ### Ports
#
# The [documents](../../docs/seeds.md) that this course is made from start Flask on port 5000, and FastAPI and BentoML
# on port 3389 of a virtual machine in a cloud. These two listen on `0.0.0.0`, every address of the machine, so that
# anybody on the network may ask. 5000 is AirPlay's, as you read above, and 3389 is where Windows listens for remote
# desktops, so attackers try it all day. Our servers listen on `127.0.0.1` unless you say otherwise, each strategy on a
# port of its own:

# %%
# !.venv/bin/servelab list

# %% [markdown]
# ```text output
# bentoml
# fastapi
# flask
# ```
#
# ### Environments
#
# Then, an environment was made and entered by hand:
#
# ```bash
# sudo apt install virtualenv -y
# virtualenv -p python3 env
# source env/bin/activate
# pip install -U Flask
# pip install bentoml --pre
# ```
#
# Three things went wrong with this over the years. `python3` is another Python on each machine. "Activated" is a state
# of one terminal, and the next terminal does not have it. And `pip install bentoml --pre` fetches what is newest
# *today*: the code of 2022 fails with what it installs now (lesson 09 shows how).
#
# Today: name the Python, lock every package, and call programs by their path, so that nothing needs to be activated.
# The tool behind it here is uv; this makes an environment as the toolkit does, and asks it what it has:

# %%
place = page.scratch() / "env"

# %%
# !.venv/bin/uv venv --quiet --clear --no-project --no-python-downloads --python .venv/bin/python {place}
# !{place}/bin/python -c "import importlib.metadata as m; print('packages in it:', len(list(m.distributions())))"
# !.venv/bin/python -c "import importlib.metadata as m; print('in the toolkit:', len(list(m.distributions())))"

# %% [markdown]
# ```text output
# packages in it: 0
# in the toolkit:
# ```
#
# It is empty, and knows nothing of the toolkit's packages. What it is to have, a lock says.
#
# Virtualenv, Poetry, uv and Docker are four answers to one demand: *code that cannot be run again is a risk*. A virtual
# environment separates packages. A lock (Poetry's, uv's, pip's with hashes) makes them the same tomorrow. A container
# image also fixes what lies below Python; most strategies here have a `Dockerfile`, built from the same lock.

# %% [markdown]
# ## Clean up
#
# Nothing is left: the server was stopped, and this page's own folder goes with it. `.servelab/` holds the environments,
# to be used again; `make clean` removes them and the toolkit's.
#
# ### Where next
#
# The lessons build on each other. Three ways through them:
#
# | you have | take |
# | --- | --- |
# | a day | 00 to 06, 08, 17, 29: from a function to a server that you have measured, an A/B test, a choice |
# | a cluster at work | 00 to 03, 07, 16, 17, 26: components, graphs and pipelines, as Seldon and Kubeflow run them |
# | the original documents | 04 (Flask) · 01, 05, 09 (MNIST, FastAPI, BentoML) · 16, 17, 26 (A/B test) · 29 (choosing) |
#
# Next: [01 · A model is a function](../01-a-model-is-a-function/01-a-model-is-a-function.ipynb).
