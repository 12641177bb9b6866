"""Makes the pickles of this folder with an older scikit-learn, for the lesson to open with today's:

uv run --no-project --python 3.11 --with scikit-learn==1.2.2 --with numpy==1.26.4 \
    python notebooks/02-save-move-trust/old/make.py
"""

import hashlib
import json
import pickle
import platform
from importlib.metadata import version
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

HERE = Path(__file__).parent
LIBRARIES = ("scikit-learn", "numpy")
MODELS = {
    "regression": LogisticRegression(max_iter=1000),
    "tree": DecisionTreeClassifier(max_depth=2, random_state=20),
}

for name, model in MODELS.items():
    data = pickle.dumps(model.fit(*load_iris(return_X_y=True)))
    card = {
        "name": name,
        "version": "1",
        "sha256": hashlib.sha256(data).hexdigest(),
        "summary": "Kind of iris from four lengths in centimetres, pickled by an older scikit-learn on purpose",
        "data": {
            "source": "Iris (R. A. Fisher, 1936; UCI, 1988), 150 rows, as bundled with scikit-learn",
            "licence": "CC BY 4.0",
        },
        "training": {"how": repr(model)},
        "libraries": {"python": platform.python_version(), **{each: version(each) for each in LIBRARIES}},
    }
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "model.pkl").write_bytes(data)
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")
