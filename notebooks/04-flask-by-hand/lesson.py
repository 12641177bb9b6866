# %% [markdown]
# # 04 · Flask by hand
#
# **One idea:** a server is a loop around a function; the hard part is bad input.

# %% [markdown]
# ## Why
#
# In a notebook, a model is a function: you call it, it answers. But your phone, a web page or another team's program
# cannot call a function inside your notebook. They can send a message over the network. So something must wait for
# messages, call the function, and send its result back. That something is a **server**.
#
# Five words, which every later lesson uses:
#
# | word | what it means |
# | --- | --- |
# | **client** | the program that wants an answer: a browser, an app, `curl`, your Python code |
# | **request** | the message that a client sends: a method (`GET`, `POST`), a path (`/predict`), headers, a body |
# | **response** | the message that comes back: a status (`200`, `400`, `500`), headers, a body |
# | **web server** | a program that waits at an address (a machine and a *port*) and answers each request |
# | **API** | the agreement between them: which requests the server understands, and what it answers |
#
# An ordinary web server sends pages. A *machine learning server* sends predictions: the same loop, another function.
#
# This is **online serving**: one data point comes, and its answer goes back at once. "This machine's sensors read so:
# will a part break in the next minutes?" "This order was placed now: when will the food arrive?"
#
# There are three ways to have such a server. Write it yourself with a web framework, such as Flask or FastAPI (this
# lesson and the next). Rent it in a cloud: Amazon SageMaker, Google Vertex AI. Or take a library that was made for it:
# BentoML, MLflow, Seldon Core (lessons 09 to 11 and 16), TensorFlow Serving, TorchServe, KServe. We write it ourselves
# first: then you know what the others do for you, and are tied to none of them.

# %% [markdown]
# ## Do
#
# ### 1. Read a small server
#
# Flask is a web framework: it does the reading and writing of messages, and you write one function for each route.

# %%
from notebooks.course import page

page.begin()  # the repository's root is the working folder; plots are drawn as SVG
page.source("strategies/flask/quickstart.py")

# %% [markdown]
# Find three parts. The model is loaded **once**, when the program starts: `session` is the model's file (ONNX, lesson
# 02), opened, and `session.run` calls it. `@app.post(...)` ties a method and a path to a function. The function turns
# JSON into an array, calls the model, and returns a dictionary, which Flask writes as JSON.
#
# ### 2. Start it
#
# `servelab.serve` starts a server of this course and returns when it predicts. It takes a free port.

# %%
import os

import servelab

server = servelab.serve("flask:quickstart", model="iris")
os.environ["URL"] = server.url  # for the lines of shell below
print("ready:", server.model.name, "behind", server.strategy.title)

# %% [markdown]
# ```text output
# ready: iris behind Flask on gunicorn, plain
# ```
#
# ### 3. Ask it with curl
#
# `curl` is the plainest client: `-d` is the body (and makes it a `POST`), `-H` a header, `-i` shows the response's
# head.

# %% language="bash"
# curl -s -i "$URL/v1/models/iris:predict" -H 'Content-Type: application/json' \
#   -d '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'

# %% [markdown]
# ```text output
# HTTP/1.1 200 OK
# Content-Type: application/json
# {"predictions":[[0.98...
# ```
#
# ### 4. Ask it with the common client
#
# The client of this course speaks to every server that you will meet here. A batch goes in, an array comes out.

# %%
probabilities = server.predict([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]])
print(probabilities.shape, [server.model.labels[best] for best in probabilities.argmax(axis=1)])
server.stop()

# %% [markdown]
# ```text output
# (2, 3) ['setosa', 'virginica']
# ```
#
# ### 5. An API with names
#
# Numbers in a row are easy to put in the wrong order. The first server that many courses teach takes *named* features
# and answers the label's index. Our full Flask server has that route as well: `/predict`.

# %%
server = servelab.serve("flask", model="iris")
os.environ["URL"] = server.url

# %% language="bash"
# curl -s "$URL/predict" -d '{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}'

# %% [markdown]
# ## You should see
#
# ```text output
# {"result":[0]}
# ```
#
# `0` is the first label, setosa. The answer is a list, because the model always takes a batch; here it is a batch of
# one.

# %% [markdown]
# ## What happened
#
# ### The message
#
# A request is bytes: a line with method and path, headers, an empty line, the body. Here are all of them.

# %%
import numpy as np

from servelab import protocols

row = np.array([[5.1, 3.5, 1.4, 0.2]])
request = protocols.get("features").encode(row, server.model)
print(request.to_bytes("127.0.0.1:8001").decode())

# %% [markdown]
# ```text output
# POST /predict HTTP/1.1
# Host: 127.0.0.1:8001
# Content-Type: application/json
# Content-Length: 75
# {"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}
# ```
#
# ### The loop
#
# Without any framework, a server is this: listen; then for ever accept a connection, read a message, call the function,
# write a message. The function below goes round that loop once.

# %%
import json
import socket
import threading

NAMES = server.model.features


def once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as message:
        length = 0
        while line := message.readline().strip():  # the head ends with an empty line
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        flower = json.loads(message.read(length))
        result = server.model.predict([[flower[name] for name in NAMES]]).argmax(axis=1)
        answer = json.dumps({"result": result.tolist()}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=once, args=[listener], daemon=True).start()
os.environ["BARE"] = f"http://127.0.0.1:{listener.getsockname()[1]}"

# %% language="bash"
# curl -s --max-time 5 "$BARE/predict" \
#   -d '{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}'

# %% [markdown]
# ```text output
# {"result": [0]}
# ```
#
# It answers! And it is wrong in many ways. It takes every path for `/predict`. A client that stops in the middle holds
# it for ever. It serves one client and then ends (run that `curl` again: nobody answers, and it gives up after
# `--max-time`). Flask and the server in front of it do all of that rightly. What they cannot know is *your* input:
# which fields there must be, and which values make sense.
#
# ### `get_json(force=True)`
#
# Flask reads a body as JSON when the header says `Content-Type: application/json`. `curl -d` says something else (a
# form). Then `get_json()` refuses; `get_json(force=True)` reads it all the same. This is why the first `curl` above has
# `-H` and the second has not. Here is the plain server without the header, and our full server, which reads any type:

# %%
from servelab.protocols import Request

FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
batch = Request("POST", "/v1/models/iris:predict", FORM, b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}')
with servelab.serve("flask:quickstart", model="iris") as plain:
    for name, who in (("plain", plain), ("full", server)):
        status, headers, body = who.client.exchange(batch)
        print(name, status)

# %% [markdown]
# ```text output
# plain 415
# full 200
# ```
#
# ### Flask's own server, and the server in front of it
#
# There are two programs here. **Flask** is the framework: routes and functions. **gunicorn** is the web server: it owns
# the port, and keeps worker processes, which take the requests. Flask also has a small server of its own, `app.run()`.
# It is made for your desk: one process, no limits on slow clients, no orderly stop. It says so itself:

# %%
from pathlib import Path

from notebooks.course import program

LESSON = Path("notebooks/04-flask-by-hand")
then = program.start(["python", "app.py"], strategy="flask", cwd=LESSON / "then", port=0, env={"PORT": "{port}"})
with servelab.connect(then.url, "features", "iris") as client:
    print(client.predict(row))
print(then.text())

# %% [markdown]
# ```text output
# [0]
# WARNING: This is a development server. Do not use it in a production deployment.
# ```
#
# Without `PORT` that program takes port 5000, as Flask does. On a Mac, port 5000 is often taken by AirPlay, and your
# `curl` then talks to the wrong program and gets a 403. So no strategy of this course has the port 5000, and every
# server takes another as `PORT`.

# %% [markdown]
# ## Break it
#
# The program that we have just started is the first server of many courses. Read it: it is short and clear.

# %%
page.source(LESSON / "then" / "app.py")

# %% [markdown]
# Now be a clumsy client: forget a field, send a word for a number, send half a body, send a list.

# %%
good = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
bodies = {
    "good": json.dumps(good),
    "a missing field": json.dumps({key: good[key] for key in NAMES[:3]}),
    "a word for a number": json.dumps(good | {"petal_width": "wide"}),
    "half a body": json.dumps(good)[:40],
    "a list": json.dumps([5.1, 3.5, 1.4, 0.2]),
}


def ask(client: servelab.Client) -> list[tuple[str, int, str]]:
    """What was sent, the status of the answer, and its first line of text."""
    rows = []
    for what, text in bodies.items():
        status, headers, body = client.exchange(Request("POST", "/predict", FORM, text.encode()))
        kind = headers["content-type"].partition(";")[0]
        rows.append((what, status, body.decode().strip() if kind == "application/json" else f"a page of {kind}"))
    return rows


page.table(ask(servelab.connect(then.url, "features", "iris")), ["sent", "status", "answer"])

# %% [markdown]
# ```text output
# good ... 200 ... {"result":[0]}
# a missing field ... 500 ... a page of text/html
# a word for a number ... 500 ... a page of text/html
# half a body ... 400 ... a page of text/html
# a list ... 500 ... a page of text/html
# ```
#
# A status that begins with 5 says: *the server* is broken. It is not: the client made a mistake, and is not told which.
# It may send the same again, at once, for ever. Whoever watches the server is woken at night. The status for "your
# request is wrong" begins with 4. Only the log knows more:

# %%
then.stop()
print(*[line for line in then.text().splitlines() if line.startswith("KeyError")], sep="\n")

# %% [markdown]
# ```text output
# KeyError: 'petal_width'
# ```
#
# ### And with `debug=True`
#
# The same tutorials start the server with `debug=True`. Then every 500 is a page for the developer, sent to the client.

# %%
settings = {"PORT": "{port}", "DEBUG": "1"}
with program.start(["python", "app.py"], strategy="flask", cwd=LESSON / "then", port=0, env=settings) as debugging:
    client = servelab.connect(debugging.url, "features", "iris")
    status, _, body = client.exchange(Request("POST", "/predict", FORM, bodies["a missing field"].encode()))
told = body.decode()
print("status", status)
print("names the exception:", "KeyError" in told)
print("shows our source:", "flower[name] for name in names" in told)
print("has a console that runs Python here:", "EVALEX = true" in told)

# %% [markdown]
# ```text output
# status 500
# names the exception: True
# shows our source: True
# has a console that runs Python here: True
# ```
#
# The page shows your code to strangers, and holds a Python console. A PIN protects it, but a server that others can
# reach has no business offering one. `debug=True` is for your own desk.
#
# ### The same mistakes, our server

# %%
page.table(ask(server.connect("features")), ["sent", "status", "answer"])

# %% [markdown]
# ```text output
# good ... 200 ... {"result":[0]}
# a missing field ... 400 ... {"error":"expected a JSON object with sepal_length...found no petal_width"}
# a word for a number ... 400 ... {"error":"iris expects numbers of shape (N, 4) (float32); found strings"}
# half a body ... 400 ... {"error":"expected a JSON object with sepal_length...found malformed JSON...
# a list ... 400 ... {"error":"expected a JSON object with sepal_length...
# ```

# %% [markdown]
# ## Exercise
#
# Make bad input a 400 that says what was expected and what was found.
#
# ```bash
# make lesson N=04      # your files: notebooks/work/04/
# make check N=04       # as often as you like
# make hint N=04        # the next hint
# make solution N=04    # one way to do it
# ```
#
# Edit `notebooks/work/04/flask/server.py`. It answers good input, and makes a 500 of nearly everything else. The check
# starts *your* server and sends it some eighty requests, good and bad: the same that every server of this course must
# stand (`make test-flask`). It tells you of each that failed what was sent, what came back and what was expected.
#
# A good message lets the client repair the request without asking you:
# `expected a JSON object with sepal_length, ...; found no petal_width`. But refuse bad input only: a failure of your
# own must stay a 500, or nobody will ever look for it in your server.

# %% [markdown]
# ## When to use and when not
#
# | | |
# | --- | --- |
# | **Use Flask** | the model joins a Flask application that exists; the team knows it; one model and a route or two |
# | **Pros** | small, readable, every line is yours; runs wherever Python runs |
# | **Cons** | every line is yours: validation, limits, documentation, metrics; one request at a time for each worker |
# | **Think first** | many models, versions, batches of requests, uploads: lesson 05, the libraries of 09 to 11 |
#
# *Flask or Django?* Django brings a database layer, accounts and an admin site. For one model behind one route you need
# none of these; in a Django site that exists, a Django view is as good a loop around the function as Flask's.
#
# More: [the Flask strategy](../../strategies/flask/README.md), [all strategies](../../docs/strategies.md).

# %% [markdown]
# ## Then and now
#
# The [first document](../../docs/seeds.md) behind this course (seed 000) builds this very server. What has changed:
#
# | then | now |
# | --- | --- |
# | `pip install -U Flask`: whatever is newest today | a lock file with hashes: the same on every machine |
# | `pickle.load(open("./build/model.pkl", "rb"))`: runs what the file says | `shared_models.load("iris")` (lesson 02) |
# | `@app.route("/predict", methods=["POST"])` | `@app.post("/predict")`, since Flask 2.0 |
# | a missing feature: `KeyError`, status 500 | status 400, with the name of what is missing |
# | `app.run(port=5000, debug=True)` | gunicorn, a port that is free, no debugger |
#
# The API has not changed: the same body, the same `{"result":[0]}`. We keep it in the conformance kit, and compare
# every stored example (a *golden*) with it:

# %%
from servelab import conformance

report = conformance.run("flask", model="iris", only=["features/all-goldens", "features/missing-*"])
for result in report.results:
    print(result.outcome, result.check)

# %% [markdown]
# ```text output
# pass features/all-goldens
# pass features/missing-sepal_length
# pass features/missing-sepal_width
# pass features/missing-petal_length
# pass features/missing-petal_width
# ```

# %% [markdown]
# ## Clean up

# %%
server.stop()
listener.close()
print("still running:", server.pids + then.pids)

# %% [markdown]
# ```text output
# still running: []
# ```
