"""Does the learner's codec lose nothing and refuse what it would lose? By examples, random cases and a real server."""

import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import servelab
from notebooks.course import program
from notebooks.course.check import Failure, Work, from_exception
from servelab.protocols import Request, base, seldon

CASES = 400
DATA = {"ndarray": [[5.0, 3.5], [6.5, 3.0]]}
TENSOR = {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [5.0, 3.5, 6.5, 3.0]}
DRAWN: dict[str, Callable[[random.Random], Any]] = {
    "BOOL": lambda draw: draw.random() < 0.5,
    "INT64": lambda draw: draw.choice([0, -1, draw.randint(-(2**63), 2**63 - 1)]),
    "FP64": lambda draw: draw.choice([0.0, -1.5, 3.0, 1e300, draw.gauss(0, 1000)]),
    "BYTES": lambda draw: draw.choice(["", "setosa", "붓꽃", "5.1", '"']),
}
NO_ROWS = {
    "rows of different lengths": [[1.0, 2.0], [3.0]],
    "a value among rows": [[1.0], 2.0],
    "a text among numbers": [["dog", 0, 4, 0.2]],
    "a boolean among numbers": [[True, 1]],
    "null": [[None, None]],
    "an object": [[{"a": 1}]],
    "no rows": [],
    "rows without values": [[], []],
    "a whole number of 65 bits": [[2**64]],
    "a whole number that no float equals, among floats": [[2**53 + 1, 0.5]],
}
NO_TENSORS = {
    "a shape that is too small": TENSOR | {"shape": [1, 2]},
    "a shape that is too large": TENSOR | {"shape": [2, 3]},
    "no values": TENSOR | {"shape": [0, 4], "data": []},
}


def check_examples(work: Work) -> Iterator[Failure]:
    """the two examples at the top of codec.py become each other"""
    codec = learned(work)
    for call, found, expected in (
        ('to_v2(data, "x")', codec.to_v2(DATA, "x"), TENSOR),
        ("to_seldon(tensor)", codec.to_seldon(TENSOR), DATA),
        ("to_seldon(tensor with nested data)", codec.to_seldon(TENSOR | {"data": DATA["ndarray"]}), DATA),
    ):
        if text(found) != text(expected):
            yield Failure(f"{call}: expected {text(expected)}; found {text(found)}", "the docstring of that function")


def check_from_seldon(work: Work) -> Iterator[Failure]:
    """Seldon → V2 → Seldon gives the same ndarray, for random ones of every type and depth"""
    codec = learned(work)
    look = "shape: the sizes from outside to inside; data: row by row; back: cut it up from inside to outside"
    yield from smallest(work, lambda case: back_in_seldon(codec, case), look)


def check_from_v2(work: Work) -> Iterator[Failure]:
    """V2 → Seldon → V2 gives the same tensor, name, shape and datatype included"""
    codec = learned(work)
    look = "DATATYPES: type(True) is bool, but isinstance(True, int) holds as well; 3.0 is a float"
    yield from smallest(work, lambda case: back_in_v2(codec, case), look)


def check_mixed(work: Work) -> Iterator[Failure]:
    """whole numbers among others become FP64; the numbers of a floating tensor become floats"""
    codec = learned(work)
    found = codec.to_v2({"ndarray": [[1, 2.5]]}, "x")
    if text(found) != text({"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.5]}):
        yield Failure(f"[[1, 2.5]]: expected FP64 with the data [1.0, 2.5]; found {text(found)}", "to_v2()")
    found = codec.to_seldon({"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 0.5]})
    if text(found) != text({"ndarray": [1.0, 0.5]}):
        yield Failure(f"FP32 with the data [1, 0.5]: expected [1.0, 0.5]; found {text(found)}", "to_seldon()")


def check_refusals(work: Work) -> Iterator[Failure]:
    """what cannot be carried over is a ValueError that says why"""
    codec = learned(work)
    calls: list[tuple[str, Callable[[Any], Any], Any]] = [
        *(
            (f"to_v2 of {what}", lambda data: codec.to_v2(data, "x"), {"ndarray": rows})
            for what, rows in NO_ROWS.items()
        ),
        *((f"to_seldon of {what}", codec.to_seldon, tensor) for what, tensor in NO_TENSORS.items()),
    ]
    look = "what its docstring says of ValueError; numpy.array, if you use it, makes one type of all values by itself"
    for what, function, sent in calls:
        try:
            found = f"it gave {text(function(sent))}"
        except NotImplementedError:
            raise
        except ValueError as error:
            found = "" if len(str(error).split()) > 2 else f"ValueError({str(error)!r}), which says too little"
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found:
            yield Failure(f"{what}, {text(sent)}: expected a ValueError that says why; found: {found}", look)


def check_server(work: Work) -> Iterator[Failure]:
    """a Seldon client is answered by a V2 server, through your codec, as by the model itself"""
    codec = learned(work)
    command = ["gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}", "v2_server:app"]
    with (
        program.start(command, strategy="flask", cwd=Path(__file__).parent, port=0) as running,
        servelab.connect(running.url, "v2", "iris") as client,
    ):
        golden = client.model.golden()
        asked = json.loads(seldon.encode(golden.inputs, client.model).body)
        body = text({"inputs": [codec.to_v2(asked["data"], client.model.input.name)]}).encode()
        path = f"/v2/models/{client.model.name}/infer"
        status, _, answer = client.exchange(Request("POST", path, base.JSON, body))
        if status != 200:
            yield Failure(f"expected 200; the V2 server answered {status} {answer.decode()!r}", "to_v2()")
            return
        data = codec.to_seldon(json.loads(answer)["outputs"][0])
        found = seldon.decode({}, text({"data": data}).encode())
    if found.shape != golden.outputs.shape or not np.allclose(found, golden.outputs, atol=1e-5):
        yield Failure("expected the probabilities that the model gives; found others", "to_seldon()")


def learned(work: Work) -> ModuleType:
    """The learner's codec, with both of its functions."""
    return work.module("codec", "to_v2", "to_seldon")


def back_in_seldon(codec: ModuleType, tensor: dict[str, Any]) -> str:
    """What is wrong with Seldon → V2 → Seldon for the ndarray of a case; empty when nothing is."""
    data = {"ndarray": np.array(tensor["data"], object).reshape(tensor["shape"]).tolist()}
    there = codec.to_v2(data, "x")
    if math.prod(there["shape"]) != len(there["data"]):
        return f"{text(data)} became {text(there)}: its shape does not hold its values"
    back = codec.to_seldon(there)
    return "" if text(back) == text(data) else f"{text(data)} became {text(there)} and then {text(back)}"


def back_in_v2(codec: ModuleType, tensor: dict[str, Any]) -> str:
    """What is wrong with V2 → Seldon → V2 for a case; empty when nothing is."""
    there = codec.to_seldon(tensor)
    back = codec.to_v2(there, tensor["name"])
    return "" if text(back) == text(tensor) else f"{text(tensor)} became {text(there)} and then {text(back)}"


def smallest(work: Work, wrong: Callable[[dict[str, Any]], str], look: str) -> Iterator[Failure]:
    """One failure for all random cases that are wrong: the shortest of them, and how many there are."""
    draw = random.Random(3)  # noqa: S311 - the same cases each time
    problems = []
    for _ in range(CASES):
        case = drawn(draw)
        try:
            problem = wrong(case)
        except NotImplementedError:
            raise
        except Exception as error:
            where = from_exception(error, work).look
            problem = f"{text(case)}: {type(error).__name__}: {error} ({where})"
        if problem:
            problems.append(problem)
    if problems:
        yield Failure(f"{len(problems)} of {CASES} random cases; the shortest: {min(problems, key=len)}", look)


def drawn(draw: random.Random) -> dict[str, Any]:
    """A random tensor of one to four dimensions."""
    shape = [draw.randint(1, 3) for _ in range(draw.randint(1, 4))]
    datatype = draw.choice(list(DRAWN))
    data = [DRAWN[datatype](draw) for _ in range(math.prod(shape))]
    return {"name": draw.choice(["x", "붓꽃"]), "shape": shape, "datatype": datatype, "data": data}


def text(value: object) -> str:
    """JSON, in which True is not 1 and 3 is not 3.0; keys in order. What JSON cannot carry is named."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=lambda it: f"no JSON: {type(it)} {it}")
