# %% [markdown]
# # 05 · FastAPI and the image upload
#
# **One idea:** the model must be loaded where the requests are answered.

# %% [markdown]
# ## Why
#
# People do not send 784 numbers. They send a photograph. So this lesson's server takes an *image file*, as a web form
# would send it, and answers in a sentence. And it describes itself, so that others can call it without asking you.
#
# FastAPI is a web framework, as Flask is. Two things are different. You write the *types* of what comes in and what
# goes out, and FastAPI makes checks and a documentation page of them. And it runs on an *event loop*: while one client
# is slow to send its picture, others are served.
#
# There is a trap in the way in which such programs are started. A program that was printed in a course fell into it: it
# starts, its first page works, and every prediction fails. We shall run it, understand it and repair it.

# %% [markdown]
# ## Do
#
# ### 1. Start the server
#
# Our FastAPI server, with the digits model, on a free port:

# %%
import os
from pathlib import Path

import servelab
from notebooks.course import page, program

page.begin()  # the repository's root is the working folder; plots are drawn as SVG
server = servelab.serve("fastapi", model="mnist")
os.environ["URL"] = server.url  # for the lines of shell below
print("ready:", server.model.name, "behind", server.strategy.title)

# %% [markdown]
# ```text output
# ready: mnist behind FastAPI on uvicorn
# ```
#
# ### 2. Open the front door
#
# You would do this in a browser: the address of the machine, a colon, the port. On a rented machine it is its *external
# IP*, such as `http://203.0.113.7:3389/`, and its firewall must let the port through.

# %% language="bash"
# curl -s "$URL/"

# %% [markdown]
# ```text output
# {"error":"use POST /prediction instead of root route"}
# ```
#
# ### 3. Do what it says, but by GET
#
# A browser's address bar always sends `GET`. The route exists, but not for this method: status 405, and the header
# `Allow` names what is allowed.

# %% language="bash"
# curl -s -i "$URL/prediction"

# %% [markdown]
# ```text output
# HTTP/1.1 405 Method Not Allowed
# allow: POST
# {"error":"expected one of the methods POST; found GET /prediction"}
# ```
#
# ### 4. Upload an image
#
# `-F` sends a form, as a web page with a "choose file" button does. `image` is the name of the field, `@` says "the
# contents of this file". If curl cannot find the file, look where you are: the path is relative to your folder.

# %% language="bash"
# curl -s -F image=@shared_models/mnist/samples/1.jpg "$URL/prediction"

# %% [markdown]
# ## You should see
#
# ```text output
# ["예측한 값은: 1입니다."]
# ```
#
# This is Korean: "the predicted value is: 1". The first document that taught this server was Korean, and its sentence
# is part of the API: a program that reads the answer expects exactly these characters.

# %% [markdown]
# ## What happened
#
# ### The form
#
# An upload is a body in several parts, with a line between them that occurs nowhere in the file. Each part has small
# headers of its own: the field's name, the file's name.

# %%
from servelab.protocols import Request, image

file = Path("shared_models/mnist/samples/1.jpg").read_bytes()
request = image.upload(file, "1.jpg")
boundary = request.headers[0][1].partition("boundary=")[2]
print(dict(request.headers)["Content-Type"].replace(boundary, "LINE"))
print(request.body.replace(boundary.encode(), b"LINE").replace(file, b"(%d bytes of JPEG)" % len(file)).decode())

# %% [markdown]
# ```text output
# multipart/form-data; boundary=LINE
# --LINE
# Content-Disposition: form-data; name="image"; filename="1.jpg"
# (384 bytes of JPEG)
# --LINE--
# ```
#
# ### From the file to the model
#
# A picture as people make it is not what the model was trained on: 28×28 grey pixels, white ink on black. Below there
# is a 3 drawn in blue on nothing (a transparent ground), a 4 from a camera held sideways (the file says so), a black 7
# on white. The server makes of each what the model knows (`model.preprocess`). Only then is it lesson 01 again: image →
# model → the largest probability.

# %%
import io

import matplotlib.pyplot as plt
from PIL import Image

names = ["1.jpg", "3.png", "4.jpg", "7.png"]
figure, axes = plt.subplots(3, len(names), figsize=(9, 6), height_ratios=[2, 2, 1.4], layout="constrained")
for name, (upper, middle, lower) in zip(names, axes.T, strict=True):
    file = Path("shared_models/mnist/samples", name).read_bytes()
    picture = Image.open(io.BytesIO(file))
    row = server.model.preprocess(file)
    upper.imshow(picture.convert("RGBA"))
    upper.set_title(f"{name}, {picture.width}×{picture.height}")
    middle.imshow(row, cmap="gray")
    middle.set_title("what the model sees")
    lower.bar(range(10), server.predict([row])[0])
    lower.set(xticks=range(10), ylim=(0, 1), title="probabilities")
for axis in axes[:2].flat:
    axis.axis("off")

# %%
with server.connect("image") as client:
    for name in names:
        (digit,) = client.send(image.upload(Path("shared_models/mnist/samples", name).read_bytes(), name))
        print(name, "→", digit)

# %% [markdown]
# ```text output
# 1.jpg → 1
# 3.png → 3
# 4.jpg → 4
# 7.png → 7
# ```
#
# ### Types become documentation
#
# This is the route. `image: UploadFile` says: a form with a file in the field `image`.

# %%
CODE = Path("strategies/fastapi/server.py")
first = next(number for number, line in enumerate(CODE.read_text("utf-8").splitlines(), 1) if '"/prediction"' in line)
page.source(CODE, lines=(first, first + 5))

# %% [markdown]
# From the types FastAPI writes a description of the whole API for programs, in the OpenAPI format, at `/openapi.json`:

# %%
import json

status, headers, body = server.client.exchange(Request("GET", "/openapi.json", (), b""))
api = json.loads(body)
print("OpenAPI", api["openapi"])
page.table(
    [(method.upper(), path) for path, methods in api["paths"].items() for method in methods],
    ["method", "path"],
)
form = api["paths"]["/prediction"]["post"]["requestBody"]["content"]
print("a body of", *form)
print("with the fields", *api["components"]["schemas"]["Body_prediction_prediction_post"]["required"])

# %% [markdown]
# ```text output
# OpenAPI 3.1
# POST ... /v1/models/mnist:predict
# POST ... /prediction
# GET ... /
# a body of multipart/form-data
# with the fields image
# ```
#
# For people, the same description is a page, **Swagger UI**, at `/docs`. Try it: run `make serve-fastapi` in a
# terminal, open <http://127.0.0.1:8002/docs> in your browser, click on `POST /prediction`, then *Try it out*, choose a
# file from `shared_models/mnist/samples/`, and click *Execute*. You see the answer, and the `curl` line that does the
# same.

# %%
status, headers, body = server.client.exchange(Request("GET", "/docs", (), b""))
print(status, headers["content-type"], "SwaggerUIBundle" in body.decode())

# %% [markdown]
# ```text output
# 200 text/html; charset=utf-8 True
# ```

# %% [markdown]
# ## Break it
#
# Here is the first server of the course that this lesson continues (seed 001, in our own words, on our model):

# %%
LESSON = Path("notebooks/05-fastapi-and-the-image")
page.source(LESSON / "then" / "app.py")

# %% [markdown]
# It looks right. Loading takes long, so the model is loaded once, before the server starts. Start it as the course
# says, `python app.py`, and ask:

# %%
SETTINGS = {"PORT": "{port}"}
SAMPLE = Path("shared_models/mnist/samples/1.jpg").read_bytes()


def ask(url: str) -> None:
    """Ask the front door, then upload an image; print both statuses and what came back."""
    with servelab.connect(url, "image", "mnist") as client:
        for what in (Request("GET", "/", (), b""), image.upload(SAMPLE)):
            status, _, body = client.exchange(what)
            print(what.method, what.path, status, body.decode())


then = program.start(["python", "app.py"], strategy="fastapi", cwd=LESSON / "then", port=0, env=SETTINGS)
ask(then.url)

# %% [markdown]
# ```text output
# GET / 200 {"error":"use POST /prediction instead of root route"}
# POST /prediction 500 Internal Server Error
# ```
#
# The front door answers, so the server runs. A prediction is a 500. The log says why:

# %%
then.stop()
log = then.text().splitlines()
print(*[line for line in log if line.startswith(("app.py is executed", "NameError"))], sep="\n")

# %% [markdown]
# ```text output
# app.py is executed, as the module __main__
# app.py is executed, as the module app
# NameError: name 'model' is not defined
# ```
#
# **The file is executed twice.** `python app.py` runs it under the name `__main__`: this copy has a `model`. It then
# calls `uvicorn.run("app:app")` with a *text*: "import the module `app`, take its variable `app`". Python has no module
# of that name yet, so it executes the file again. In this second copy `__name__` is `"app"`, the last block is skipped,
# and there is no `model`. The requests are answered by the second copy.
#
# Would `uvicorn app:app` be better? There, only the second copy exists:

# %%
command = ["uvicorn", "app:app", "--port", "{port}"]
with program.start(command, strategy="fastapi", cwd=LESSON / "then", port=0) as running:
    ask(running.url)

# %% [markdown]
# ```text output
# GET / 200
# POST /prediction 500
# ```
#
# And `uvicorn.run(app)`, with the object in place of the text? That works, for one process. For two (`workers=2`)
# uvicorn needs the text: it starts new Python processes, and each must import the application for itself. So the rule
# is the idea of this lesson: load the model *where the requests are answered*, in each process that answers.
#
# FastAPI's place for it is the **lifespan**: a function with a `yield`. What stands before the `yield` is done in each
# of these processes before its first request, what stands after it when the server stops. Here is one that only says
# so:

# %%
page.source(LESSON / "lifespan.py")

# %%
command = ["python", "lifespan.py"]
with (
    program.start(command, strategy="fastapi", cwd=LESSON, port=0, env=SETTINGS) as running,
    servelab.connect(running.url, "image", "mnist") as client,
):
    client.exchange(Request("GET", "/", (), b""))
print(*[line for line in running.text().splitlines() if "module" in line], sep="\n")

# %% [markdown]
# ```text output
# executed, as the module __main__
# executed, as the module lifespan
# hello: before the first request, in the module lifespan
# hello: a request, in the module lifespan
# hello: after the last request, in the module lifespan
# ```
#
# Again the file is executed twice. But the lifespan runs once, and in the copy that answers.

# %% [markdown]
# ## Exercise
#
# Repair the server with a lifespan. It must answer however it is started.
#
# ```bash
# make lesson N=05      # your files: notebooks/work/05/
# make check N=05       # as often as you like
# make hint N=05        # the next hint
# make solution N=05    # one way to do it
# ```
#
# Edit `notebooks/work/05/app.py`. The check starts it in three ways: `python app.py`, `uvicorn app:app` and
# `uvicorn app:app --workers 2`. It uploads images, looks *when* the model is loaded (once in each process, before the
# first request; not at the import, and not once more under `__main__`), and reads `/openapi.json`. To try it by hand,
# take the environment's own Python:
#
# ```bash
# PYTHON=$(.venv/bin/servelab env fastapi)
# cd notebooks/work/05
# PORT=3389 $PYTHON app.py                                # the first way; Ctrl+C ends it
# $PYTHON -m uvicorn app:app --port 3389 --workers 2      # the third
# ```

# %% [markdown]
# ## When to use and when not
#
# | | |
# | --- | --- |
# | **Use FastAPI** | a new service of your own, that others call by its description; uploads; many slow clients |
# | **Pros** | documentation that cannot be out of date, checks from types, an event loop |
# | **Cons** | the event loop is easy to block (lesson 06); no limit on a body's size or time comes with it |
# | **Think first** | many models, versions and batches: that is what serving libraries are for (lessons 09 to 11) |
#
# A server for a browser or a phone takes files, as here. For a program that has numbers already, an array is smaller to
# handle and loses nothing: lesson 03 compares the bytes.
#
# More: [the FastAPI strategy](../../strategies/fastapi/README.md), [all strategies](../../docs/strategies.md).

# %% [markdown]
# ## Then and now
#
# The [second document](../../docs/seeds.md) (seed 001) builds this server on a rented machine, with Keras. What has
# changed:
#
# | then | now |
# | --- | --- |
# | `model` under `if __name__ == "__main__":` with `uvicorn.run("app:app")`: 500 | a lifespan |
# | `@app.on_event("startup")`, the usual repair | superseded by the lifespan in FastAPI 0.93 (2023), and deprecated |
# | `image: UploadFile = File(...)` | `image: UploadFile` says the same |
# | `return {f"..."}`, a Python *set* of one sentence | a list; JSON has no sets, so both are written as a list |
# | `model.layers[0].input_shape` | gone in Keras 3; here the model's card says its shape |
# | `resize` to 28×28, no matter where the digit is | cropped to its ink and centred, as MNIST was made (lesson 01) |
# | port 3389 (that of Remote Desktop, often attacked), host `0.0.0.0`: open to all | 127.0.0.1, until you decide |
# | Swagger UI from another company's network | its files come with the package `fastapi-offline` |
#
# The answer has not changed by a byte: with its model in place, the old program says the same sentence. Here it is,
# repaired in the shortest way, by a module variable:

# %%
repaired = page.scratch() / "app.py"
source = (LESSON / "then" / "app.py").read_text("utf-8")
repaired.write_text(source.replace("if __name__", "model = load_model()\nif __name__"), "utf-8")
with program.start(["python", "app.py"], strategy="fastapi", cwd=repaired.parent, port=0, env=SETTINGS) as running:
    ask(running.url)
    print("executed as:", *[line.rpartition(" ")[2] for line in running.text().splitlines() if "is executed" in line])

# %% [markdown]
# ```text output
# GET / 200
# POST /prediction 200 ["예측한 값은: 1입니다."]
# executed as: __main__ app
# ```
#
# It works, and shows why a lifespan is better: the file is still executed twice, and each copy loads a model. One of
# them never answers anything.

# %% [markdown]
# ## Clean up

# %%
server.stop()
print("still running:", server.pids + then.pids)

# %% [markdown]
# ```text output
# still running: []
# ```
