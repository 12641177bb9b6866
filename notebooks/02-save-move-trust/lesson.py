# %% [markdown]
# # 02 · Save it, move it, trust it
#
# **One idea:** a saved model is a file from somebody: check its hash and its versions before you open it.

# %% [markdown]
# ## Why
#
# A function that was learned lives in the memory of the program that learned it. When the program ends, the function is
# gone. A server would have to train it again at each start: minutes, hours, or a night on a graphics card that the
# server does not have. So the last step of every training is to **save**: to write the function down as a file. Such a
# file is called an *artifact*.
#
# Then the file moves: from the machine that trains, to a store, to the machine that serves. Months may lie between the
# two, and other people. Three questions arise at its arrival:
#
# 1. **Is it whole?** Half a download is a file, too.
# 2. **Does it fit?** It was made by libraries of certain versions. Yours may be others.
# 3. **Who made it?** Some kinds of files *run code* when they are opened.
#
# Whoever skips the questions gets wrong answers, or worse, and no error.

# %% [markdown]
# ## Do
#
# ### 1. Train, and save twice
#
# This program trains a small model of irises with scikit-learn. It writes it down in two forms: as a *pickle*, Python's
# own form for any object, and as *ONNX*, a form that many programs and languages can read.

# %%
from pathlib import Path

from notebooks.course import page, program

page.begin()  # the repository's root is the working folder; plots are drawn as SVG

HERE = Path("notebooks/02-save-move-trust")
page.source(HERE / "save.py", lines=(16, 37))

# %% [markdown]
# It needs scikit-learn. The environment of the strategy `mlflow` has it, so the program runs there.

# %%
training = page.scratch() / "training-machine"
program.run(["python", HERE / "save.py", training], strategy="mlflow").check_returncode()

page.table(((file.name, file.stat().st_size) for file in sorted(training.iterdir())), ["file", "bytes"])

# %% [markdown]
# ```text output
# card.json
# golden.json
# model.onnx
# model.pkl
# ```
#
# Two more files came along. `card.json` says what the artifact is. `golden.json` holds a few inputs with the right
# answers, for whoever wants to know whether the model still is what it was.
#
# ### 2. Move it
#
# In real life, a bucket of a cloud store lies between the machines (`gsutil cp model gs://my-bucket/`). A bucket is a
# place for files with a name and an owner. Here, a folder stands in for it.

# %%
import shutil

bucket = shutil.copytree(training, page.scratch() / "bucket", dirs_exist_ok=True)
serving = shutil.copytree(bucket, page.scratch() / "serving-machine", dirs_exist_ok=True)

# %% [markdown]
# Did the same bytes arrive? To compare two files on two machines, compare their **hashes**. SHA-256 makes 64
# hexadecimal digits of any file. The same bytes give the same hash, always; other bytes give another (nobody has ever
# found two files that share one).

# %%
import hashlib
import json


def sha256(file) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


stated = json.loads((serving / "card.json").read_text())["sha256"]
print("the hash of model.onnx has", len(stated), "digits and begins with", stated[:8])
print("it arrived whole:", sha256(serving / "model.onnx") == stated)

# %% [markdown]
# ```text output
# the hash of model.onnx has 64 digits and begins with
# it arrived whole: True
# ```
#
# ### 3. Open it where it shall serve
#
# A server's environment has what the server needs, and no more. That of the strategy `flask` has no scikit-learn. First
# the pickle, then ONNX:

# %%
page.source(HERE / "ask.py")

# %%
done = program.run(["python", HERE / "ask.py", serving / "model.pkl"], strategy="flask")
print("pickle:", done.stderr.splitlines()[-1])

ASK = "import sys, shared_models as s; print(s.load(sys.argv[1]).predict([[5.1, 3.5, 1.4, 0.2]]).round(2))"
done = program.run(["python", "-c", ASK, serving], strategy="flask")
print("ONNX:  ", done.stdout.strip())

# %% [markdown]
# ```text output
# pickle: ModuleNotFoundError: No module named 'sklearn'
# ONNX:   [[0.98 0.02 0.  ]]
# ```

# %% [markdown]
# ## You should see
#
# Where scikit-learn is, both open, and both give the same answer:

# %%
import numpy as np

import shared_models

done = program.run(["python", HERE / "ask.py", serving / "model.pkl"], strategy="mlflow")
print("pickle, with scikit-learn:", done.stdout.strip())

flower = shared_models.load(serving)
golden = flower.golden()
print("ONNX differs from scikit-learn by less than 0.00001 on all", len(golden.inputs), "flowers:",
      np.abs(flower.predict(golden.inputs) - golden.outputs).max() < 1e-5)  # fmt: skip

# %% [markdown]
# ```text output
# pickle, with scikit-learn: LogisticRegression [[0.98
# ONNX differs from scikit-learn by less than 0.00001 on all 150 flowers: True
# ```

# %% [markdown]
# ## What happened
#
# The two files hold very different things. Look into both:

# %%
print(program.run(["python", HERE / "inside.py", training], strategy="mlflow").stdout)

# %% [markdown]
# ```text output
# to open model.pkl, Python must:
# import LogisticRegression from sklearn.linear_model._logistic
# import _reconstruct from numpy._core.multiarray
# and give the object the attributes: ...coef_, intercept_
# model.onnx is:
# weights1
# Gemm (features, weights1, bias1)
# Softmax
# ```
#
# **A pickle is a list of instructions.** "Import this class from that module, make an object of it, and put these
# values into its attributes." Note the underscores: `_logistic`, `_reconstruct`. These are private parts of libraries,
# which their authors may move or rename at any time. A pickle fits the libraries that made it, and perhaps others.
#
# **ONNX is the arithmetic itself**, and you see all of it: twelve weights, three biases, a product (`Gemm`), a
# `Softmax`. There is nothing to import, and nothing to run but operations with known names. Hence the small
# environments of servers.
#
# | | pickle | ONNX |
# | --- | --- | --- |
# | holds | any object of Python | a graph of known operations |
# | needs, to open it | the same libraries, in about the same versions | an ONNX runtime, not an older one |
# | opening it | runs code | runs no code |
# | can be made of | everything | most networks, many models of scikit-learn; not your own Python code |

# %% [markdown]
# ## Break it
#
# ### One bit
#
# Twelve weights of four bytes lie in the file, one after the other. We turn a single bit of the file: the sign of
# the weight which says that long petals speak *against* setosa.

# %%
data = bytearray((training / "model.onnx").read_bytes())
begins = data.rfind(b"weights1") + len("weights1") + 2  # the name, two bytes, then the numbers
weights = np.frombuffer(data, "<f4", 12, begins).reshape(4, 3)
print("petal_length, setosa:", weights[2, 0].round(2))
before = weights[2, 0].copy()
data[begins + 4 * 6 + 3] ^= 0b1000_0000  # row 2, column 0; its last byte holds the sign
print("turned into its opposite:", weights[2, 0] == -before)

# %%
import onnxruntime


def count(graph: bytes) -> dict[str, int]:
    """How many of the 150 flowers are called what."""
    (answers,) = onnxruntime.InferenceSession(graph).run(None, {"features": golden.inputs})
    return {label: int((answers.argmax(axis=1) == i).sum()) for i, label in enumerate(flower.labels)}


print("whole:  ", count((training / "model.onnx").read_bytes()))
print("damaged:", count(bytes(data)))

# %% [markdown]
# ```text output
# turned into its opposite: True
# whole:   {'setosa': 50,
# damaged: {'setosa': 150, 'versicolor': 0, 'virginica': 0}
# ```
#
# **It opens, it answers, it is always wrong, and nothing complains.** A runtime cannot know what the numbers should be.
# The card knows. `shared_models` compares the hash before it opens anything:

# %% tags=["raises-exception"]
(serving / "model.onnx").write_bytes(data)
shared_models.load(serving)

# %% [markdown]
# ```text output
# ModelError: ...model.onnx is not the artifact of its card: expected SHA-256
# ```
#
# ### Another scikit-learn
#
# The folder `old` holds two pickles that this project made with scikit-learn 1.2.2, of the year 2023. First we compare
# their hashes with their cards, as it should be; then we open them with today's scikit-learn:

# %%
old = [HERE / "old" / name for name in ("regression", "tree")]
for folder in old:
    card = json.loads((folder / "card.json").read_text())
    whole = sha256(folder / "model.pkl") == card["sha256"]
    print(card["training"]["how"], "by scikit-learn", card["libraries"]["scikit-learn"], "; whole:", whole)

done = program.run(["python", HERE / "ask.py", *(folder / "model.pkl" for folder in old)], strategy="mlflow")
print("answered:", done.stdout)
print("said:", *(line for line in done.stderr.splitlines() if "Warning:" in line or "Error:" in line), sep="\n  ")

# %% [markdown]
# ```text output
# LogisticRegression(max_iter=1000) by scikit-learn 1.2.2 ; whole: True
# DecisionTreeClassifier(max_depth=2, random_state=20) by scikit-learn 1.2.2 ; whole: True
# answered: LogisticRegression [[0.98
# InconsistentVersionWarning
# ValueError: node array from the pickle has an incompatible dtype
# ```
#
# Two endings of one fault. One is a warning in a log that nobody reads. The other is a server that no longer starts, on
# the day on which somebody upgraded a package. The card would have told both beforehand: it names the versions.
#
# ### A stranger's file
#
# A pickle may contain *any* instruction. An object says how it wants to be pickled, with `__reduce__`: a function, and
# what to call it with. It is called by whoever opens the file.

# %%
import pickle


class Gift:
    def __reduce__(self):
        return print, ("this line was printed by opening a file",)


stranger = pickle.dumps(Gift())
print("a model of", len(stranger), "bytes")
opened = pickle.loads(stranger)  # noqa: S301 - we know who made it

# %% [markdown]
# ```text output
# a model of
# this line was printed by opening a file
# ```
#
# It was `print` here. It could be a function that deletes your files, or one that sends them away. And the model could
# still predict well, so that no test of its answers finds it. So: **never open a pickle whose hash you do not have from
# somebody you trust.** And get the hash by another way than the file: who can exchange the file can exchange a card
# that lies beside it. Ours are in the repository.
#
# ### Not your bucket
#
# The last thing that goes wrong on the way is the simplest. A bucket has an owner. Whoever copies a command from a
# text, with the author's bucket in it, gets a permission error. With a folder it looks like this:

# %%
import os
import subprocess

private = bucket / "model.onnx"
private.chmod(0)  # nobody may read it

# The administrator of a machine may read everything; without that privilege, even root is told no.
humble = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
copy = subprocess.run([*humble, "cat", private], capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"})
print(copy.stderr.strip(), "; status", copy.returncode)

# %% [markdown]
# ```text output
# Permission denied ; status 1
# ```
#
# Read such a message from its end: *what* was refused, then *which* file or bucket. Then ask: is this name mine? Does
# the account that runs this program have the right to read it? It is never a reason to make the bucket public.

# %% [markdown]
# ## Exercise
#
# Write the loader of a server that must live with pickles. It opens an artifact that is whole, known and of this
# scikit-learn, and refuses every other, by name, *before* it is opened.
#
# ```bash
# make lesson N=02      # puts loader.py into notebooks/work/02/
# make check N=02       # one good artifact; bad ones: a flipped byte, half a copy, no card or too little
# #                       of one, another scikit-learn, a stranger's gift
# ```
#
# Edit `notebooks/work/02/loader.py`. The message must name the folder, what was expected and what was found: somebody
# will read it at night. `make hint N=02` helps, one step at a time; `make solution N=02` shows ours.

# %% [markdown]
# ## When to use and when not
#
# **Use ONNX** (or another format that is data and not code) for what is served: small environments, no private names,
# readable from other languages. **Do not** when the model contains Python of your own, or an operation that ONNX lacks;
# and always compare its answers with those of the original, as `golden.json` does, before you trust the export.
#
# **Use a pickle** inside one project, made and opened by the same lock file, with a hash in a card. **Do not** use it
# to give a model away, to take one from others, or to keep one for years.
#
# **Use a hash** always; it is cheap. But remember what it says: *these are the bytes*. It does not say that
# the bytes are good, nor who made them.
#
# **Use versions in a card** to say what was true when the model was made. To make it true again, use a lock
# ([environments](../../docs/environments.md)). Code and models that cannot be reproduced are a risk that you carry
# along.

# %% [markdown]
# ## Then and now
#
# ### `pickle.load(open('./build/model.pkl', 'rb'))`
#
# So the Flask server of [seed 000](../../docs/seeds.md) starts: no hash, no version, and a path that depends on the
# folder from which it was started. It is the shortest way, and each of the breaks above is open to it. Today, for
# scikit-learn, there is *skops*: it keeps the objects of scikit-learn, and asks before it makes an object of a type
# that it does not know. Here it meets our model, and then one with a function in it, which `pickle` would bring along
# without a word:

# %%
SKOPS = """
import sys, pickle, skops.io
from functools import partial
from pathlib import Path

model = pickle.loads(Path(sys.argv[1]).read_bytes())     # our own
file = Path(sys.argv[2], "model.skops")
skops.io.dump(model, file)
print("types to be asked about:", skops.io.get_untrusted_types(file=file))
print("opened:", type(skops.io.load(file)).__name__)

model.gift = partial(print, "called")                    # waits in an attribute for somebody to call it
skops.io.dump(model, file)
print("types to be asked about:", skops.io.get_untrusted_types(file=file))
try:
    skops.io.load(file)
except Exception as error:
    print(type(error).__name__, "and the file stays shut")
"""
done = program.run(["python", "-c", SKOPS, training / "model.pkl", training], strategy="mlflow")
print(done.stdout or done.stderr)

# %% [markdown]
# ```text output
# types to be asked about: []
# opened: LogisticRegression
# types to be asked about: [...print
# UntrustedTypesFoundException and the file stays shut
# ```
#
# ### `model.save("mnist_model.h5")`
#
# Seed 001 trains a network with Keras on Colab, and saves it in HDF5. Keras still reads such files, calls the
# format *legacy*, and writes `.keras` today: one archive with the architecture as JSON and the weights apart. (We only
# describe this. The page would need TensorFlow, in an environment larger than any that the lessons use. Our MNIST model
# is trained by Keras, compared with its ONNX form on stored inputs, and served from that.)
#
# A `Lambda` layer puts Python code into the file, in either format, and so has the pickle's trouble. Keras 3 refuses to
# open it unless told `safe_mode=False`. Until 2025 that refusal did not reach `.h5` (CVE-2025-9905), and in `.keras`
# there was a way around it (CVE-2025-1550). So here, too: the hash first.
#
# ### Colab → laptop → bucket → virtual machine
#
# There, the file is downloaded by hand, uploaded by hand, and fetched by
#
# ```bash
# gsutil cp gs://BUCKET_NAME/OBJECT_NAME SAVE_TO_LOCATION
# ```
#
# with a permission error for everybody who does not put in a bucket of their own. Google's newer command is
# `gcloud storage cp`. The larger change is that people no longer carry the file: the training *logs* its model to a
# registry, which gives it a version, and a server asks the registry for a version by name. Lesson 11 does that with
# MLflow; lesson 26 lets a pipeline train, judge and deploy.

# %% [markdown]
# ## Clean up
#
# Everything was written to this page's own folder, which goes with it. Only the right to read has to be given back, so
# that it can be removed:

# %%
private.chmod(0o600)

# %% [markdown]
# Next: the function is saved, and waits on another machine. In which words does one ask it?
# [03 · The wire](../03-the-wire/03-the-wire.ipynb).
