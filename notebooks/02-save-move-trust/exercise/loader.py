"""Your loader: it opens a pickled scikit-learn model, or refuses it before anything is unpickled."""

import hashlib  # solution
import importlib.metadata  # solution
import json  # solution
import pickle
from pathlib import Path
from typing import Any


class Refused(Exception):
    """The artifact is not opened; the message names its folder, what was expected and what was found."""


def load(folder: Path) -> Any:
    """The model in ``folder/model.pkl``, as the ``card.json`` beside it states it:

        {"sha256": "9f2c...", "libraries": {"scikit-learn": "1.9.1"}, ...}

    Raises Refused, and unpickles nothing, when there is no such card, when the bytes have another SHA-256, or when the
    scikit-learn of this environment has another version.
    """
    # starter: return pickle.loads((folder / "model.pkl").read_bytes())
    # solution: begin
    try:
        card = json.loads((folder / "card.json").read_bytes())
        expected, made_by = card["sha256"], card["libraries"]["scikit-learn"]
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{folder}: expected card.json with sha256 and libraries; found {error!r}") from None
    data = (folder / "model.pkl").read_bytes()  # read once: what is hashed is what is opened
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise Refused(f"{folder}: expected SHA-256 {expected}; found {found}")
    installed = importlib.metadata.version("scikit-learn")
    if installed != made_by:
        raise Refused(f"{folder}: expected scikit-learn {made_by}, which made it; found {installed}")
    return pickle.loads(data)  # noqa: S301 - its hash is that of the card
    # solution: end
