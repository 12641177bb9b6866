"""Serves the learner's InputTransformer by Seldon's stock command, and sends it the golden rows."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import shared_models
from notebooks.course import program
from notebooks.course.check import Failure, Unfinished, Work
from servelab import Client
from servelab.errors import ServelabError, StartFailed
from servelab.protocols.base import JSON, Request

STOCK = Path(__file__).parent / "stock.py"
ANIMALS = shared_models.load("animals")
SECONDS = 10.0  # that an answer may take
READY = 15.0  # seconds that the component has to start; it takes two
FILE = "InputTransformer.py"
NAMED = "the name of the method: expected transform_input, as Seldon's wrapper calls it, with features_names=None"


def served(work: Work, container_name: str) -> program.Running:
    """The learner's component under the stock command, with its parameters as a graph gives them."""
    given = {"container_name": container_name, "run_name": "" if "/" in container_name else "1"}
    typed = [{"name": name, "type": "STRING", "value": value} for name, value in given.items()]
    command = ["python", str(STOCK), "InputTransformer", "--service-type", "TRANSFORMER", "--http-port", "{port}"]
    env = {"PREDICTIVE_UNIT_PARAMETERS": json.dumps(typed)}
    try:
        return program.start(command, strategy="seldon", cwd=work.folder, port=0, env=env, ready=READY)
    except StartFailed as error:
        first, *_, last = str(error).strip().splitlines()
        said = last.strip()[:200] if "ended at its start" in first else f"that it took no connection in {READY:g} s"
        line = re.findall(rf'{FILE}", line (\d+)', str(error))
        raise Unfinished(f"expected the component to start; found {said}",
                         f"{FILE}:{line[-1]}" if line else FILE) from None  # fmt: skip


def asked(server: program.Running, rows: Any) -> tuple[int, Any]:
    """The status of the answer, and its rows; of a refusal, its words."""
    body = json.dumps({"data": {"ndarray": rows}}).encode()
    try:
        with Client(server.url, "seldon", ANIMALS, timeout=SECONDS) as client:
            status, _, answer = client.exchange(Request("POST", "/transform-input", JSON, body))
    except ServelabError as error:
        raise Unfinished(f"expected an answer within {SECONDS:g} s; found none: {error}",
                         "transform_input: a loop without end, or an end of the process?") from None  # fmt: skip
    try:
        content = json.loads(answer)
    except ValueError:  # the wrapper's 500 is a page
        log = [line for line in server.text().splitlines() if line and not line[0].isspace()]
        return status, log[-1] if log else "nothing in its log"
    return status, content["data"]["ndarray"] if status == 200 else content["status"]["info"]


def compared(found: Any, raw: list[Any], wanted: Any, features: tuple[str, ...]) -> Iterator[Failure]:
    """Every column that is not as scikit-learn's encoder and scaler make it."""
    if found in (raw, np.array(raw).tolist()):  # the second: as strings, which numpy makes of a mixed row
        yield Failure("expected the rows one-hot and scaled; they came back as they were sent: the wrapper found no "
                      "method to call, and passes the data on without an error", NAMED)  # fmt: skip
        return
    try:
        array = np.array(found)
    except ValueError:  # rows of unequal lengths
        array = np.array(str(found))
    if array.dtype.kind not in "fi":  # numbers in strings too: the next component would get strings
        yield Failure(f"expected rows of numbers; found {str(found)[:100]}", "what transform_input returns")
        return
    if array.shape != wanted.shape:
        yield Failure(f"expected the shape {wanted.shape}, the columns {', '.join(features)}; found {array.shape}",
                      "np.concatenate([one_hot, scaled], axis=1)")  # fmt: skip
        return
    for number, name in enumerate(features):
        if not np.allclose(array[:, number], wanted[:, number], atol=1e-6):
            row = int(np.abs(array[:, number] - wanted[:, number]).argmax())
            yield Failure(f"column {name}, row {row} {raw[row]}: expected {wanted[row, number]:.4f}; "
                          f"found {array[row, number]:.4f}", "how transform_input makes that column")  # fmt: skip


def check_golden(work: Work) -> Iterator[Failure]:
    """A hundred raw rows become the golden rows, column by column."""
    golden = ANIMALS.golden()
    raw = [list(row) for row in golden.raw]
    with served(work, "animals") as server:
        status, found = asked(server, raw)
    if status != 200:
        raise Unfinished(f"expected an answer with status 200; found {status}: {found}", f"transform_input in {FILE}")
    yield from compared(found, raw, golden.inputs, ANIMALS.features)


def check_unknown(work: Work) -> Iterator[Failure]:
    """An unknown species is a 400 that names it, and the next row is answered."""
    with served(work, "animals") as server:
        status, found = asked(server, [["dog", 0, 4, 0.2, 0.79], ["dragon", 0, 4, 0.2, 0.79]])
        after, said = asked(server, [["dog", 0, 4, 0.2, 0.79]])
    if status != 400 or "dragon" not in str(found):
        yield Failure(f"expected status 400 and words that name dragon; found {status}: {str(found)[:200]}",
                      "SeldonMicroserviceException, which the wrapper answers with a 400")  # fmt: skip
    elif after != 200:
        yield Failure(f"expected the next row, of a dog, to be answered; found {after}: {said}",
                      f"transform_input in {FILE}")  # fmt: skip


def check_parameters(work: Work) -> Iterator[Failure]:
    """Its parameters decide: another model's card, another encoding, by the same class."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "zoo"
        shutil.copytree(ANIMALS.folder, folder)
        card = json.loads((folder / "card.json").read_text())
        card["preprocessor"]["columns"] = [
            {"name": "species", "categories": ["zebra", "yak"]},
            {"name": "age", "minimum": 10.0, "maximum": 20.0},
        ]
        card["features"] = ["species_zebra", "species_yak", "age"]
        card["input"]["shape"] = [None, 3]
        (folder / "card.json").write_text(json.dumps(card))
        with served(work, str(folder)) as server:
            status, found = asked(server, raw := [["yak", 15], ["zebra", 30]])
    if status != 200:
        raise Unfinished(f"expected an answer with status 200; found {status}: {found}",
                         "container_name in __init__, and what transform_input takes from there")  # fmt: skip
    wanted = np.array([[0, 1, 0.5], [1, 0, 2.0]])
    yield from compared(found, raw, wanted, tuple(card["features"]))
