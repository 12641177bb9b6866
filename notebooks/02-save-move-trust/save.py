"""Train iris, and write the model down twice: as a pickle, and as ONNX with its card and goldens.

python save.py FOLDER, in an environment with scikit-learn and onnx.
"""

import pickle
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from shared_models import Tensor, artifact

folder = Path(sys.argv[1])
rows, kinds = load_iris(return_X_y=True)
model = LogisticRegression(max_iter=1000).fit(rows, kinds)

# The pickle: Python's own form for any object of Python.
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.pkl").write_bytes(pickle.dumps(model))

# ONNX: the arithmetic alone. This model is one layer: rows x weights + bias, then Softmax.
entry = Tensor("features", (None, 4), "float32")
exit_ = Tensor("probabilities", (None, 3), "float32")
graph = artifact.dense_graph(entry, exit_, [(model.coef_.T, model.intercept_)])
card = {
    "name": "flower",
    "version": "1",
    "input": entry,
    "output": exit_,
    "labels": ("setosa", "versicolor", "virginica"),
    "libraries": artifact.libraries("scikit-learn", "numpy", "onnx"),
}
answers = model.predict_proba(rows).astype(np.float32)
artifact.Trained(card, graph, rows.astype(np.float32), answers).write(folder)  # only if graph and model agree
