# %% [markdown]
# # 03 · The wire: five dialects of one request
#
# **One idea:** a dialect is how a request is written down; the question and the answer stay the same.

# %% [markdown]
# ## Why
#
# A model takes an array and gives an array. Between two programs there are no arrays, only bytes. So the two sides must
# agree how an array is written down. There is more than one such agreement, and each serving system has its own
# favourite. We call it a **dialect** (in the code: a *protocol*).
#
# If you do not see that these are dialects of *one* thing, every new tool looks like a new world. If you do, changing
# the server is changing a few lines. This lesson asks one question in five dialects, of real servers, and compares.

# %% [markdown]
# ## Do
#
# ### 1. One flower, written in four ways
#
# Four numbers: the lengths and widths of an iris. Here is the same row in four dialects: the bytes, as they are sent.

# %%
import numpy as np

import shared_models
from notebooks.course import page
from servelab import protocols

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

iris = shared_models.load("iris")
flower = np.array([[5.0, 3.5, 1.5, 0.25]], np.float32)
DIALECTS = ("features", "seldon", "v1", "v2")
for name in DIALECTS:
    request = protocols.get(name).encode(flower, iris)
    print(f"{name}: {request.method} {request.path}", request.body.decode(), sep="\n", end="\n\n")

# %% [markdown]
# ```text output
# features: POST /predict
# {"sepal_length":5.0,"sepal_width":3.5,"petal_length":1.5,"petal_width":0.25}
# seldon: POST /api/v1.0/predictions
# {"data":{"ndarray":[[5.0,3.5,1.5,0.25]]}}
# v1: POST /v1/models/iris:predict
# {"instances":[[5.0,3.5,1.5,0.25]]}
# v2: POST /v2/models/iris/infer
# {"inputs":[{"name":"...","shape":[1,4],"datatype":"FP32","data":[5.0,3.5,1.5,0.25]}]}
# ```
#
# | dialect | who speaks it | the row is | and says |
# | --- | --- | --- | --- |
# | **features** | servers written by hand (lesson 04) | an object: a name for each number | what each number means |
# | **Seldon** | Seldon Core (lessons 16, 17) | nested lists: `ndarray` | nothing more; `names` may be added |
# | **V1** | TensorFlow Serving, KServe; in part MLflow, Vertex | nested lists: `instances` | the model's name (path) |
# | **V2** | MLServer, Triton, KServe (*Open Inference Protocol*) | one flat list | name, shape and type of the array |
#
# ### 2. Three servers
#
# Our Flask server speaks *features* and V1. Seldon's Python wrapper speaks Seldon. No strategy of this course speaks V2
# yet, so this lesson brings a server of its own. It is short: a dialect is a thin coat around the function.

# %%
from pathlib import Path

import servelab
from notebooks.course import program

LESSON = Path("notebooks/03-the-wire")
flask = servelab.serve("flask", model="iris")
seldon = servelab.serve("seldon", model="iris")
command = ["gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}", "v2_server:app"]
v2 = program.start(command, strategy="flask", cwd=LESSON, port=0)
page.source(LESSON / "v2_server.py")

# %% [markdown]
# ### 3. One client asks them all
#
# `servelab.connect` takes a URL and the dialect's name. The rest is the same for every server: `predict(batch)`.

# %%
URLS = {"features": flask.url, "seldon": seldon.url, "v1": flask.url, "v2": v2.url}
for name in DIALECTS:
    with servelab.connect(URLS[name], name, "iris") as client:
        status, headers, body = client.exchange(client.protocol.encode(flower, iris))
        print(name, status, body.decode().strip())

# %% [markdown]
# ```text output
# features 200 {"result":[0]}
# seldon 200 {"data":{"names":["setosa","versicolor","virginica"],"ndarray":[[0.9...
# v1 200 {"predictions":[[0.9...
# v2 200 {..."datatype":"FP32"..."shape":[1,3]}
# ```
#
# Do they agree? We decode each answer, and compare it with the model in this very notebook.

# %%
here = iris.predict(flower)
for name in DIALECTS:
    with servelab.connect(URLS[name], name, "iris") as client:
        answer = client.predict(flower)
    expected = here.argmax(axis=1) if name == "features" else here  # that dialect answers the label's index alone
    print(f"{name}: the same answer: {np.allclose(answer, expected, atol=1e-6)}")

# %% [markdown]
# ```text output
# features: the same answer: True
# seldon: the same answer: True
# v1: the same answer: True
# v2: the same answer: True
# ```
#
# ### 4. The fifth dialect: a file
#
# A picture of a digit can be sent as its 784 numbers. A person would rather send the file itself, as a web form does
# (lesson 05). Our FastAPI server takes both.

# %%
fastapi = servelab.serve("fastapi", model="mnist")
mnist = fastapi.model
file = Path("shared_models/mnist/samples/7.png").read_bytes()
pixels = mnist.preprocess(file)[np.newaxis]

with fastapi.connect("image") as client:
    (digit,) = client.send(protocols.image.upload(file, "7.png"))
print("image:", digit)
print("v1:", fastapi.predict(pixels).argmax())

# %% [markdown]
# ## You should see
#
# ```text output
# image: 7
# v1: 7
# ```
#
# Five dialects, and each time the answer that the model itself gives.

# %% [markdown]
# ## What happened
#
# Each request has the same four parts: a method, a path, headers, a body. The dialect decides the path and what the
# body looks like. The server undoes the writing, calls the *same function*, and writes the answer.
#
# ### What do they weigh?
#
# The same question takes a different number of bytes. We count the bodies for one flower and for one digit. There is
# one more dialect here: `v2-binary`, in which V2 sends the numbers as they lie in memory, 4 bytes each, not as text.

# %%
import matplotlib.pyplot as plt


def sizes(names: tuple[str, ...], batch: np.ndarray, model: shared_models.Model) -> dict[str, int]:
    """The bytes of the body, by dialect."""
    return {name: len(protocols.get(name).encode(batch, model).body) for name in names}


flower_sizes = sizes(("features", "seldon", "v1", "v2", "v2-binary"), flower, iris)
digit_sizes = sizes(("seldon", "v1", "v2", "v2-binary"), pixels, mnist)
digit_sizes = {"image": len(protocols.image.upload(file).body)} | digit_sizes

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
titles = ("one flower, 16 bytes in memory", "one digit, 3136 bytes in memory")
for axis, title, found in zip(axes, titles, (flower_sizes, digit_sizes), strict=True):
    axis.bar_label(axis.barh(list(found), list(found.values())), padding=3)
    axis.set(title=title, xlabel="bytes of body")
    axis.invert_yaxis()
    axis.margins(x=0.15)

# %%
print("flower, lightest to heaviest:", *sorted(flower_sizes, key=flower_sizes.get))
print("digit,  lightest to heaviest:", *sorted(digit_sizes, key=digit_sizes.get))

noise = np.random.default_rng(3).random(pixels.shape, np.float32)  # as many numbers, none of them 0
print("the same for noise:", sizes(("v1", "v2-binary"), noise, mnist))

# %% [markdown]
# ```text output
# flower, lightest to heaviest: v1 seldon features v2 v2-binary
# digit,  lightest to heaviest: image v2-binary v1 v2 seldon
# the same for noise: {'v1': ..., 'v2-binary': 3281}
# ```
#
# For four numbers the *names and brackets* are what you pay for: the binary dialect is even the heaviest, for its
# header is longer than the flower. For a picture you pay for the numbers. Most of this one's are `0.0`, which is as
# short as text gets. The noise shows the other end: many digits for each number in text, and still 4 bytes in binary.
#
# The file is the lightest: a PNG is compressed, and this one is black and white, a bit for each pixel. But the server
# has to decode it: bytes saved on the wire are work for the server. Whether a dialect is *faster* is a question for a
# measurement (lesson 06), not for a scale.
#
# ### What does each one say?
#
# Weight is not what matters most. A dialect that says more finds more mistakes.
#
# * Only **features** says which number is which. In the others, as we send them, two numbers swapped are a wrong
#   answer, not an error.
# * Only **V2** states the type, and it states the shape: a server can check both before it looks at the values.
# * **features** and **image** take one item at a time. The others take a batch.
# * **Seldon** and **V2** name the answer, too: `names` for its columns, or a name for each output tensor.

# %% [markdown]
# ## Break it
#
# ### The wrong dialect
#
# Speak V1 to Seldon's server on Seldon's path, and Seldon to the V1 route.

# %%
v1_body = protocols.get("v1").encode(flower, iris).body
seldon_body = protocols.get("seldon").encode(flower, iris).body
for server, path, body in (
    (seldon, "/api/v1.0/predictions", v1_body),
    (flask, "/v1/models/iris:predict", seldon_body),
):
    status, _, answer = server.client.exchange(protocols.Request("POST", path, protocols.seldon.JSON, body))
    print(server.strategy.name, status, answer.decode()[:120])

# %% [markdown]
# ```text output
# seldon 400
# flask 400 {"error":"expected a JSON object with instances; found no instances"}
# ```
#
# A good refusal says what was expected. You will write one in lesson 04.
#
# ### A tensor that lies
#
# Four values, and a shape that says eight:

# %%
body = b'{"inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP32", "data": [5.0, 3.5, 1.5, 0.25]}]}'
with servelab.connect(v2.url, "v2", "iris") as client:
    status, _, answer = client.exchange(protocols.Request("POST", "/v2/models/iris/infer", protocols.v2.JSON, body))
print(status, answer.decode())

# %% [markdown]
# ```text output
# 400 {"error":"...cannot reshape array of size 4 into shape (2,4)"}
# ```
#
# ### Numbers that text cannot carry
#
# JSON has no word for "not a number". Python writes one all the same; nobody else has to read it. And what is a tensor
# of *no* rows with four columns, as nested lists?

# %%
import json

written = json.dumps({"instances": [[float("nan"), 3.5, 1.5, 0.25]]})
print(written)
status, _, answer = flask.client.exchange(
    protocols.Request("POST", "/v1/models/iris:predict", protocols.v1.JSON, written.encode())
)
print(status, answer.decode())
print("no rows of four columns, as nested lists:", np.zeros((0, 4)).tolist())

# %% [markdown]
# ```text output
# {"instances": [[NaN, 3.5, 1.5, 0.25]]}
# 400 {"error":"...malformed JSON...
# no rows of four columns, as nested lists: []
# ```
#
# The four columns are gone: `[]` could be anything. V2 would still say `"shape": [0, 4]`. And a row such as
# `["dog", 0, 4, 0.2]` (lesson 17 sends such rows) fits Seldon's `ndarray`, but no *single* V2 tensor, which has one
# type. numpy makes texts of all four, without a word:

# %%
print(np.array([["dog", 0, 4, 0.2]]).tolist())

# %% [markdown]
# ```text output
# [['dog', '0', '4', '0.2']]
# ```

# %% [markdown]
# ## Exercise
#
# Write a codec between Seldon's dialect and V2: so that a client of the one is served by a server of the other.
#
# ```bash
# make lesson N=03      # your files: notebooks/work/03/
# make check N=03       # as often as you like
# make hint N=03        # the next hint
# make solution N=03    # one way to do it
# ```
#
# Edit `notebooks/work/03/codec.py`: two functions, `to_v2` and `to_seldon`. The check does not only try examples. It
# tests a *property*: there and back again must give what you began with, for hundreds of random arrays. It then looks
# that you refuse what cannot be carried over, and puts your codec between a Seldon request and a real V2 server.

# %% [markdown]
# ## When to use and when not
#
# | dialect | use it | think first |
# | --- | --- | --- |
# | features | people and forms call you, one row at a time; wrong order would be costly | batches, images |
# | image | a browser or a phone sends a file | a program that has numbers already: decoding costs the server time |
# | V1 | the default: many systems speak it, and it is easy to write by hand | several inputs of different types |
# | V2 | several named inputs, types that matter; `v2-binary` for large arrays | you write requests by hand |
# | Seldon | graphs of components (lessons 16, 17); rows of texts and numbers | elsewhere |
#
# Design your program so that the dialect is one module at its edge, as
# [servelab/protocols](../../servelab/protocols/__init__.py) does. Then it can be changed, and the model does not
# notice. MLflow's dialect, `/invocations`, is there as well (lesson 11).

# %% [markdown]
# ## Then and now
#
# The [first document](../../docs/seeds.md) (seed 000) sends this line of `curl` to Seldon Core in a cluster. It still
# works, here on a laptop: the same body, the same path behind the cluster's prefix `/seldon/<namespace>/<name>`. The
# model behind it is another one, and it too says virginica, the third label.

# %%
import os

os.environ["URL"] = seldon.url

# %% language="bash"
# curl -s "$URL/api/v1.0/predictions" -H 'Content-Type: application/json' -d '{ "data": { "ndarray": [[1,2,3,4]] } }'

# %% [markdown]
# ```text output
# {"data":{"names":["setosa","versicolor","virginica"],"ndarray":[[0.0...,0.0...,0.9...
# ```
#
# | then | now |
# | --- | --- |
# | `names: t:0, t:1, t:2`: the model had no names for its classes | the names of the labels |
# | `meta.requestPath: {classifier: seldonio/sklearnserver:1.15.1}` | the same, when a graph answers (lesson 17) |
# | KFServing's V1 | the same V1, in KServe: KFServing changed its name in 2021 |
# | "V2 inference protocol" of KFServing and Triton | the Open Inference Protocol, the same under a neutral name |
# | `SeldonClient(gateway="ambassador", ...)` | `servelab.connect(url, "seldon")`: one client for every dialect |

# %% [markdown]
# ## Clean up

# %%
for server in (flask, seldon, fastapi, v2):
    server.stop()
print("still running:", [pid for server in (flask, seldon, fastapi, v2) for pid in server.pids])

# %% [markdown]
# ```text output
# still running: []
# ```
#
# Next: you have seen servers from outside. Now write one.
# [04 · Flask by hand](../04-flask-by-hand/04-flask-by-hand.ipynb).
