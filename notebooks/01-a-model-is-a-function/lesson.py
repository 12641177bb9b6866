# %% [markdown]
# # 01 · A model is a function
#
# **One idea:** a trained model is a function: something goes in, something comes out.

# %% [markdown]
# ## Why
#
# You have trained a model, and it is good. It lives in a notebook on your computer. Who benefits? Nobody yet. A shop
# wants it behind the button "recommend me something"; a phone wants it behind the camera.
#
# **Serving** is what lies between: it means to turn a model that has been trained into a service that others can use. A
# model that predicts, in the service of a real product, is *served*.
#
# Serving sounds like a new world, with servers, clusters and protocols. All of it becomes simple with one thought,
# which this lesson is about: **the model is a function.** Everything else only carries the input to the function, and
# the output back.

# %% [markdown]
# ## Do
#
# ### 1. A function that you know

# %%
from notebooks.course import page

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

# %%
import math


def get_sqrt(number: float) -> float:
    return math.sqrt(number)


print("get_sqrt(9) =", get_sqrt(9))

# %% [markdown]
# ```text output
# get_sqrt(9) = 3.0
# ```
#
# A number goes in, a number comes out: `number → get_sqrt → 3`. You need not know how the root is found.
#
# ### 2. A function that was learned
#
# Nobody can write down the rule that tells three kinds of iris apart by their flowers. So it was *learned*, from 150
# flowers that a botanist had measured. What came out is a function as well. Four lengths go in: sepal length, sepal
# width, petal length, petal width, in centimetres. Three numbers come out.

# %%
import shared_models

iris = shared_models.load("iris")
probabilities = iris.predict([[5.1, 3.5, 1.4, 0.2]])

print("in: ", iris.features)
print("out:", iris.labels)
print(probabilities.round(2))

# %% [markdown]
# ```text output
# in:  ('sepal_length', 'sepal_width', 'petal_length', 'petal_width')
# out: ('setosa', 'versicolor', 'virginica')
# [[0.98 0.02 0.  ]]
# ```
#
# The three numbers are *probabilities*, one for each kind; they add up to 1. The place of the largest is called its
# **argmax**. It is the model's answer.
#
# Look at the brackets, too: there are two pairs on both sides. The function takes a **batch**, a list of flowers, and
# gives a row for each. One flower is a batch of one.

# %%
best = probabilities.argmax(axis=1)
print("argmax:", best, "which means", iris.labels[best[0]])

three = iris.predict([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 2.8, 4.3, 1.3]])
print(three.shape, [iris.labels[i] for i in three.argmax(axis=1)])

# %% [markdown]
# ```text output
# argmax: [0] which means setosa
# (3, 3) ['setosa', 'virginica', 'versicolor']
# ```
#
# ### 3. A picture goes in
#
# The same with a picture. `1.jpg` is a handwritten digit of 28 by 28 pixels. Before the function can take it, a small
# step makes numbers of it: grey values, from 0 (black) to 1 (white). This step is called *preprocessing*.

# %%
from pathlib import Path

import matplotlib.pyplot as plt

mnist = shared_models.load("mnist")
image = mnist.preprocess(Path("shared_models/mnist/samples/1.jpg").read_bytes())
predictions = mnist.predict([image])

left, right = plt.subplots(1, 2, figsize=(8, 2.6), width_ratios=[1, 2])[1]
left.imshow(image, cmap="gray")
left.set(title="in: 28 x 28 numbers", xticks=[], yticks=[])
right.bar(mnist.labels, predictions[0])
right.set(title="out: 10 probabilities", ylim=(0, 1))
plt.show()

print("in: ", image.shape, "from", image.min(), "to", image.max())
print("out:", predictions.shape)
print("argmax:", predictions[0].argmax())

# %% [markdown]
# ## You should see
#
# A stroke on the left; one high bar, at 1, on the right.
#
# ```text output
# in:  (28, 28) from 0.0 to
# out: (1, 10)
# argmax: 1
# ```
#
# Now the whole way in one command, file in, sentence out: first by our command, then by a short program like that of
# the [document](../../docs/seeds.md) which this lesson comes from (seed 001). The sentence is that document's, too. It
# is Korean for "The predicted value is 1", and every strategy of this project that takes images still answers with it:

# %%
# !.venv/bin/servelab predict --image shared_models/mnist/samples/1.jpg
# !.venv/bin/python shared_models/mnist/test_single_image.py --image_path 1.jpg

# %% [markdown]
# ```text output
# 예측한 값은: 1입니다.
# 예측한 값은: 1입니다.
# ```

# %% [markdown]
# ## What happened
#
# `image → model → argmax → label`. That is all that a model does. The second command is a short program:

# %%
page.source("shared_models/mnist/test_single_image.py", lines=(14, 27))

# %% [markdown]
# Two words are often mixed up. **Inference** is the use of the function: data goes in, a prediction comes out; you did
# it five times by now. **Serving** is the way in which the function is put at the disposal of others: where it runs,
# when, and how one asks it. (Many texts say "online inference" where others say "online serving". They mean the same.)
#
# ### One function, served in three ways
#
# **Online:** the function waits behind an address. Each request is answered at once. Here a server starts, gets one
# picture over the network, and answers.

# %%
import servelab

with servelab.serve("flask", model="mnist") as server:
    online = server.predict([image])

print("online:", mnist.labels[online.argmax()])

# %% [markdown]
# **Batch:** nobody waits. At a fixed time, say every hour, a program takes all that has come in, asks the function
# *once*, and stores the answers, to be read later. There are 50 digits here, in one call, and a file:

# %%
import csv

digits = mnist.golden().inputs
answers = mnist.predict(digits).argmax(axis=1)

with (page.scratch() / "answers.csv").open("w", newline="") as file:
    csv.writer(file).writerows(enumerate(answers))

print("batch:", digits.shape, "in,", len((page.scratch() / "answers.csv").read_text().splitlines()), "lines stored")

# %% [markdown]
# **Edge:** the function travels to the user: into a phone, a camera, a web page. No network, no server. What travels is
# a file, and something small that can run it:

# %%
import onnxruntime

artifact = Path("shared_models/mnist/1/model.onnx")
session = onnxruntime.InferenceSession(artifact)
(edge,) = session.run(None, {"image": image[None]})

print("edge:", edge.argmax(), "by a file of", artifact.stat().st_size // 1000, "kB")
print("the same answer:", online.argmax() == edge.argmax() == predictions.argmax())

# %% [markdown]
# ```text output
# online: 1
# batch: (50, 28, 28) in, 50 lines stored
# edge: 1 by a file of 407 kB
# the same answer: True
# ```
#
# Three ways, one function. (Preprocessing, too, is part of what must travel: forget it, and the same file gives other
# answers.)
#
# ### So why is serving difficult?
#
# Three reasons, and what this course does about each:
#
# 1. Models and software are *developed differently*: the one by experiments in notebooks, the other by programs, tests
#    and reviews. Here the model is a function with a card and stored answers, and the servers are tested programs.
# 2. The two ways of working *fall apart*: other people, other tools, other packages for each step. Here one model
#    stands behind many servers, and one client asks them all; lessons 11 and 26 join training to serving.
# 3. It is hard to *judge and watch* a model that serves. Here every server must first give the same answers; only then
#    is it measured (lesson 06), and two versions of a model are compared while both serve (lesson 17).

# %% [markdown]
# ## Break it
#
# A function has a *domain*: the inputs that it was made for. Step outside in three ways.
#
# ### Black on white
#
# The model learned from white digits on black ground. You would write black on white. To us it is the same digit.

# %%
import numpy as np

right_way = mnist.predict(digits).argmax(axis=1)
inverted = mnist.predict(1 - digits).argmax(axis=1)

figure, places = plt.subplots(2, 10, figsize=(8, 2))
for column in range(10):
    for row, (pictures, said) in enumerate([(digits, right_way), (1 - digits, inverted)]):
        places[row, column].imshow(pictures[column], cmap="gray", vmin=0, vmax=1)
        places[row, column].set(title=said[column], xticks=[], yticks=[])
plt.show()

print("inverted digits that keep their answer: fewer than 10 of 50:", (inverted == right_way).sum() < 10)

drawn = np.arange(50) % 10  # they are stored as 0, 1, 2 ... 9, five times
print("as they are, it is right about:", (right_way == drawn).sum(), "of 50")

# %% [markdown]
# ```text output
# fewer than 10 of 50: True
# it is right about: 40 of 50
# ```
#
# The number above each picture is what the model said. No error, no warning: **a wrong answer looks exactly like a
# right one.**
#
# And why only 40 in the upper row, where the first five is called 9? The model's card says that it is right about 98 of
# 100, and that is true of digits like those that it learned from, MNIST's. These 50 are from another collection, in
# other hands. They look alike to us, and are already a step outside.
#
# ### Not a digit at all
#
# The function always answers. An empty picture is a digit, too. Its probability is low, so can one not look at that?

# %%
nothing = mnist.predict(np.zeros((1, 28, 28)))
print("an empty picture is a", mnist.labels[nothing.argmax()], "with a probability below a half:", nothing.max() < 0.5)

sure = mnist.predict(1 - digits).max(axis=1) > 0.5
print("inverted digits, called wrongly, with more than a half:", (sure & (inverted != drawn)).sum(), "of 50")

# %% [markdown]
# ```text output
# an empty picture is a 5 with a probability below a half: True
# inverted digits, called wrongly, with more than a half: 48 of 50
# ```
#
# One cannot. The probabilities compare the ten digits with each other; "none of them" is not on the list.
#
# ### Another shape
#
# This one is refused, and the message says what was expected and what was found. That is not the model's doing:
# `shared_models` checks every batch before the model sees it. Lesson 04 shows what happens to a server without such a
# check.

# %% tags=["raises-exception"]
mnist.predict(np.zeros((1, 56, 56)))

# %% [markdown]
# ```text output
# InvalidInput: mnist expects numbers of shape (N, 28, 28) (float32); found shape (1, 56, 56)
# ```

# %% [markdown]
# ## Exercise
#
# Write `predict(image)`, a function for people: a grey picture in, a digit out. It must also cope with black on white,
# and with pictures of 56 by 56 pixels.
#
# ```bash
# make lesson N=01      # puts digit.py into notebooks/work/01/
# make check N=01       # 10 digits as they are, 6 distorted ones; the 6 fail now
# ```
#
# Edit `notebooks/work/01/digit.py`, and check again as often as you like. `make hint N=01` gives a hint, then the next;
# `make solution N=01` shows ours.

# %% [markdown]
# ## When to use and when not
#
# | | use it when | not when |
# | --- | --- | --- |
# | online | an answer is wanted at once: when will this order arrive? | nobody looks before tomorrow |
# | batch | the answer may be old, inputs come together: tomorrow's demand | something is new since the last run |
# | edge | the network is slow, absent or private: a camera, a car | the model is large, secret, or changes often |
#
# Two questions decide most cases. **How does the input come:** one by one, or many together? **How is the output
# used:** at once, or later? If later will do, begin with batch: it is simpler, and it can become online when somebody
# needs it. ([Rules and cases](../../docs/choosing.md), and lesson 29.)
#
# And think of a model as a function *only* as far as it goes: a function gives the same output for the same input for
# ever, while the world that the model learned from goes on changing.

# %% [markdown]
# ## Then and now
#
# Seed 001 (2022) wrote the same thing with TensorFlow. First it installs `wget`, `pip` and TensorFlow
# on a virtual machine, and fetches the picture; then:
#
# ```python
# image = tf.keras.utils.load_img(image_path)
# image = image.convert("L")
# image = np.array(image) / 255.0
# image = image.reshape(-1, 28, 28, 1)
#
# model = tf.keras.models.load_model("mnist_model.h5")
# predictions = model([image])
# result = np.argmax(predictions[0])
# ```
#
# The idea is the one above: load, preprocess, call, argmax. Three things are done otherwise today.
#
# **The function is separated from what trained it.** There, whoever wants to ask the model installs all of TensorFlow.
# Here, the same network is still trained with Keras (below), then written down in ONNX, a format that many programs can
# run. We leave TensorFlow out of this page because it is so large; `make models` uses it.

# %%
page.source("shared_models/mnist/train.py", lines=(100, 122))

# %% [markdown]
# **The batch has a shape that fits.** The old code makes `(1, 28, 28, 1)`, and puts it into a list on top, for a
# network that takes `(N, 28, 28)`. Keras guesses what was meant. A server should not have to guess, so ours says no:

# %% tags=["raises-exception"]
mnist.predict(image.reshape(-1, 28, 28, 1))

# %% [markdown]
# ```text output
# InvalidInput: mnist expects numbers of shape (N, 28, 28) (float32); found shape (1, 28, 28, 1)
# ```
#
# **Preprocessing is more than a division.** The old code needs a picture of exactly 28 by 28 pixels, white on black.
# Ours inverts, crops, scales and centres, as it was done when the training data were made:

# %%
for name in ("3.png", "4.jpg", "7.png"):
    uploaded = Path("shared_models/mnist/samples", name).read_bytes()
    print(name, "->", mnist.labels[mnist.predict([mnist.preprocess(uploaded)]).argmax()])

# %% [markdown]
# ```text output
# 3.png -> 3
# 4.jpg -> 4
# 7.png -> 7
# ```
#
# Last, a small thing that can cost an evening. Seed 001 downloads its picture as `img_1.jpg`, and two
# paragraphs later opens `1.jpg`. What does a program do for you then?

# %%
# !.venv/bin/python shared_models/mnist/test_single_image.py --image_path img_1.jpg

# %% [markdown]
# ```text output
# img_1.jpg: No such file or directory: expected an image file, or one of 0.png, 1.jpg
# ```

# %% [markdown]
# ## Clean up
#
# The server stopped when its `with` block ended, and this page's file goes with the page. Nothing is left.
#
# Next: a function must outlive the program that learned it, and move to another machine.
# [02 · Save it, move it, trust it](../02-save-move-trust/02-save-move-trust.ipynb).
