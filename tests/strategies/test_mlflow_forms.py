"""MLflow's forms, as the strategy reads them: whatever comes is refused with a reason, or is a batch of the model."""

import contextlib
import importlib.util
import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

import shared_models
from servelab.paths import STRATEGIES

spec = importlib.util.spec_from_file_location("mlflow_forms", STRATEGIES / "mlflow" / "forms.py")
assert spec
assert spec.loader
forms: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(forms)

IRIS, MNIST = shared_models.load("iris"), shared_models.load("mnist")
TABLE, TENSOR, COLUMNS_AS_TENSOR = forms.Forms(IRIS, False), forms.Forms(MNIST, True), forms.Forms(IRIS, True)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
BATCHES = npst.arrays(np.float32, st.tuples(st.integers(1, 4), st.just(4)), elements=FINITE)
ORDERS = st.permutations([*IRIS.features, "colour"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
WORDS = st.sampled_from([*forms.FORMS, "columns", "data", "index", "image", *IRIS.features])
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5), max_leaves=12
)


def handed(form: Any, document: object) -> NDArray[Any]:
    """The rows that MLflow is handed for a document, read as its signature takes them."""
    kind, body = form.accept("application/json", json.dumps(document).encode())
    assert kind == "application/json"
    ((name, value),) = orjson.loads(body).items()
    if form.tensor:
        assert name in ("inputs", "instances")
        return np.asarray(value, np.float32)
    if name == "dataframe_split":
        assert value["columns"] == list(IRIS.features)
        rows = value["data"]
    elif name == "inputs":
        rows = list(zip(*(value[column] for column in IRIS.features), strict=True))
    else:
        rows = [[row[column] for column in IRIS.features] for row in value]
    return np.asarray(rows, np.float32)


@pytest.mark.parametrize("form", [TABLE, COLUMNS_AS_TENSOR], ids=["table", "tensor"])
@given(batch=BATCHES, order=ORDERS)
def test_a_table_arrives_whatever_its_form_and_the_order_of_its_columns(
    form: Any, batch: NDArray[Any], order: list[str]
) -> None:
    columns = dict(zip(IRIS.features, batch.T.tolist(), strict=True)) | {"colour": [0.5] * len(batch)}
    records = [{name: columns[name][i] for name in order} for i in range(len(batch))]
    for document in (
        {"inputs": batch.tolist()},
        {"instances": batch.tolist()},
        {"inputs": {name: columns[name] for name in order}},
        {"instances": records},
        {"dataframe_records": records},
        {"dataframe_split": {"columns": order, "data": [[record[name] for name in order] for record in records]}},
    ):
        assert np.array_equal(handed(form, document), batch)


@given(npst.arrays(np.float32, st.tuples(st.integers(1, 2), st.just(28), st.just(28)), elements=st.just(0.25)))
def test_a_tensor_arrives_nested_or_flat(batch: NDArray[Any]) -> None:
    for cells in (batch.tolist(), batch.reshape(len(batch), -1).tolist()):
        table = {"columns": ["image"], "data": [[cell] for cell in cells]}
        assert np.array_equal(handed(TENSOR, {"dataframe_split": table}), batch)
        assert np.array_equal(handed(TENSOR, {"dataframe_records": [{"image": cell} for cell in cells]}), batch)
    assert np.array_equal(handed(TENSOR, {"inputs": batch.tolist()}), batch)


@pytest.mark.parametrize("form", [TABLE, TENSOR, COLUMNS_AS_TENSOR], ids=["table", "tensor", "columns as tensor"])
@given(document=st.dictionaries(WORDS, DOCUMENTS, max_size=2) | DOCUMENTS)
def test_any_document_is_refused_with_a_reason_or_is_a_batch(form: Any, document: object) -> None:
    with contextlib.suppress(shared_models.InvalidInput):
        assert handed(form, document).shape[1:] == form.model.input.shape[1:]


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(shared_models.InvalidInput, match=r"expected .*found"):
        TABLE.accept("application/json", body)
