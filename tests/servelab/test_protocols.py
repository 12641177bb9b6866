"""Wire dialects: what one side writes the other reads back, and what is no answer is refused with its reason."""

import contextlib
import http.client
import io
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

import shared_models
from servelab import protocols
from servelab.protocols import features, image, invocations, seldon, v1, v2, v2_binary
from servelab.protocols.base import DecodeError, Request, to_json

WIRE = Path(__file__).with_name("wire")
IRIS, MNIST = shared_models.load("iris"), shared_models.load("mnist")
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
BATCHES = npst.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(4)), elements=FINITE)
TENSORS = st.sampled_from(sorted(v2.DATATYPES.values(), key=str)).flatmap(
    lambda dtype: npst.arrays(
        dtype,
        npst.array_shapes(min_dims=1, max_dims=3, min_side=0),
        elements=npst.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
    )
)


def test_every_name_has_its_module() -> None:
    assert [protocols.get(name) for name in protocols.names()] == [
        v1,
        v2,
        v2_binary,
        invocations,
        seldon,
        features,
        image,
    ]
    with pytest.raises(ValueError, match="unknown protocol 'v3'; the protocols are: v1, v2"):
        protocols.get("v3")


@given(BATCHES)
def test_v1_carries_float32_exactly(batch: NDArray[Any]) -> None:
    sent = v1.encode(batch, IRIS)
    assert np.array_equal(np.asarray(orjson.loads(sent.body)["instances"], np.float32), batch)
    assert np.array_equal(v1.decode({}, to_json({"predictions": batch})), batch)
    assert (sent.method, sent.path) == ("POST", "/v1/models/iris:predict")


@given(BATCHES)
def test_invocations_carries_a_table_by_its_columns(batch: NDArray[Any]) -> None:
    sent = orjson.loads(invocations.encode(batch, IRIS).body)["dataframe_split"]
    assert sent["columns"] == list(IRIS.features)
    assert np.array_equal(np.asarray(sent["data"], np.float32), batch)
    assert np.array_equal(invocations.decode({}, to_json({"predictions": batch})), batch)


@given(npst.arrays(np.float32, (2, 28, 28), elements=FINITE))
def test_invocations_carries_a_tensor_and_finds_the_answer_below_its_outputs_name(batch: NDArray[Any]) -> None:
    sent = invocations.encode(batch, MNIST)
    assert np.array_equal(np.asarray(orjson.loads(sent.body)["inputs"], np.float32), batch)
    rows = batch.reshape(2, 784)
    answer = to_json({"predictions": {"probabilities": rows}})
    assert np.array_equal(invocations.decode({}, answer), rows)


@given(npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=3, min_side=1), elements=FINITE))
def test_seldon_carries_rows_and_reads_both_kinds(batch: NDArray[Any]) -> None:
    sent = seldon.encode(batch, IRIS)
    assert (sent.method, sent.path) == ("POST", "/api/v1.0/predictions")
    assert np.array_equal(np.asarray(orjson.loads(sent.body)["data"]["ndarray"], np.float32), batch)
    assert np.array_equal(seldon.decode({}, sent.body), batch)
    tensor = {"shape": list(batch.shape), "values": batch.reshape(-1)}
    assert np.array_equal(seldon.decode({}, to_json({"meta": {}, "data": {"names": [], "tensor": tensor}})), batch)


@pytest.mark.parametrize("name", ["iris", "iris-tensor"])
def test_seldon_is_these_bytes_on_the_wire(name: str) -> None:
    """What is sent for an iris, and what the strategy seldon answered, to a tensor as well: the files of wire/."""
    sent = seldon.encode(np.array([[5.1, 3.5, 1.4, 0.2]], np.float32), IRIS).to_bytes("127.0.0.1:8005")
    assert sent == (WIRE / "seldon-iris-request.http").read_bytes()
    head, _, body = (WIRE / f"seldon-{name}-answer.http").read_bytes().partition(b"\r\n\r\n")
    answer = seldon.decode({}, body)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.shape == (1, 3)
    assert answer.argmax() == 0
    assert answer.sum() == pytest.approx(1)


def test_invocations_are_these_bytes_on_the_wire() -> None:
    """What is sent for an iris and for a stroke of the pen, and what MLflow 3.17.2 answered: the files of wire/."""
    stroke = np.zeros((1, 28, 28), np.float32)
    stroke[0, 4:24, 14] = 1
    for model, batch, label in ((IRIS, np.array([[5.1, 3.5, 1.4, 0.2]], np.float32), 0), (MNIST, stroke, 1)):
        sent = invocations.encode(batch, model).to_bytes("127.0.0.1:8004")
        assert sent == (WIRE / f"invocations-{model.name}-request.http").read_bytes()
        head, _, body = (WIRE / f"invocations-{model.name}-answer.http").read_bytes().partition(b"\r\n\r\n")
        answer = invocations.decode({}, body)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.shape == (1, len(model.labels))
        assert answer.argmax() == label
        assert answer.sum() == pytest.approx(1)


@given(TENSORS)
@example(np.array([0, 2**63 + 1], np.uint64))
def test_v2_json_carries_every_type_and_shape(tensor: NDArray[Any]) -> None:
    sent = orjson.loads(v2.encode(tensor, IRIS).body)["inputs"][0]
    assert (sent["name"], sent["shape"]) == (IRIS.input.name, list(tensor.shape))
    answer = v2.decode({}, orjson.dumps({"outputs": [sent]}))
    assert answer.dtype == tensor.dtype
    assert np.array_equal(answer, tensor)


@given(TENSORS)
def test_v2_binary_carries_every_type_and_shape_bit_by_bit(tensor: NDArray[Any]) -> None:
    sent = v2_binary.encode(tensor, IRIS)
    length = int(dict(sent.headers)["Inference-Header-Content-Length"])
    header, data = orjson.loads(sent.body[:length]), sent.body[length:]
    answered = orjson.dumps({"outputs": header["inputs"]})
    headers = {"inference-header-content-length": str(len(answered))}
    answer = v2_binary.decode(headers, answered + data)
    assert answer.dtype == tensor.dtype
    assert answer.tobytes() == tensor.tobytes()


def test_v2_binary_understands_a_server_that_answers_json() -> None:
    answer = {"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [0.25, 0.75]}
    assert v2_binary.decode({}, orjson.dumps({"outputs": [answer]})).tolist() == [[0.25, 0.75]]


@given(npst.arrays(np.float32, (1, 4), elements=FINITE))
def test_features_name_each_value(row: NDArray[Any]) -> None:
    sent = orjson.loads(features.encode(row, IRIS).body)
    assert list(sent) == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    assert np.array_equal(np.array(list(sent.values()), np.float32), row[0])
    assert features.decode({}, b'{"result":[2]}').tolist() == [2]


def test_features_and_image_take_one_item() -> None:
    with pytest.raises(shared_models.InvalidInput, match=r"one row of 4 named features; found shape \(2, 4\)"):
        features.encode(np.zeros((2, 4), np.float32), IRIS)
    with pytest.raises(shared_models.InvalidInput, match=r"one image.*found shape \(2, 28, 28\)"):
        image.encode(np.zeros((2, 28, 28), np.float32), MNIST)


@given(npst.arrays(np.uint8, (28, 28)))
def test_image_survives_its_multipart_body(pixels: NDArray[Any]) -> None:
    from email.parser import BytesParser

    from PIL import Image

    sent = image.encode(pixels[None] / np.float32(255), MNIST)
    message: Any = BytesParser().parsebytes(
        f"Content-Type: {dict(sent.headers)['Content-Type']}\r\n\r\n".encode() + sent.body
    )
    (part,) = message.get_payload()
    assert part.get_param("name", header="content-disposition") == "image"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(part.get_payload(decode=True)))), pixels)


def test_image_reads_the_seeds_sentence() -> None:
    assert image.decode({}, '["예측한 값은: 7입니다."]'.encode()).tolist() == [7]
    with pytest.raises(DecodeError, match=r"expected.*found"):
        image.decode({}, b'["seven"]')


@pytest.mark.parametrize(
    ("name", "body", "found"),
    [
        ("v1", b"<html>", "found '<html>'"),
        ("v1", b"[1]", "found '\\[1\\]'"),
        ("v1", b'{"predictions": [[1], [1, 2]]}', "ragged"),
        ("v1", b'{"predictions": ["a"]}', "expected .*predictions.* numbers"),
        ("invocations", b'{"predictions": {"a": [[1]], "b": [[1]]}}', "one output; found a, b"),
        ("invocations", b'{"predictions": {}}', "found none"),
        ("invocations", b'{"error_code": "BAD_REQUEST"}', "'predictions'"),
        ("v2", b'{"outputs": []}', "list of tensors"),
        ("v2", b'{"outputs": [{"datatype": "FP8", "shape": [1], "data": [1]}]}', "found 'FP8'"),
        ("v2", b'{"outputs": [{"datatype": "UINT64", "shape": [2], "data": [-1, 9223372036854775809]}]}', "of uint64"),
        ("v2", b'{"outputs": [{"datatype": "FP32", "shape": [3], "data": [1]}]}', "3 elements; found 1"),
        ("v2", b'{"outputs": [{"datatype": "FP32", "shape": "x", "data": [1]}]}', "found 'x'"),
        ("seldon", b'{"status": {"info": "no"}}', "'data'"),
        ("seldon", b'{"data": []}', "ndarray or a tensor; found \\[\\]"),
        ("seldon", b'{"data": {"names": []}}', "ndarray or a tensor"),
        ("seldon", b'{"data": {"ndarray": [[1], [1, 2]]}}', "ragged"),
        ("seldon", b'{"data": {"tensor": {"values": [1]}}}', "list of sizes"),
        ("seldon", b'{"data": {"tensor": {"shape": [2, 2], "values": [1]}}}', "4 elements; found 1"),
        ("seldon", b'{"data": {"tensor": {"shape": [1]}}}', '"values"'),
        ("features", b"{}", "'result'"),
    ],
)
def test_what_is_no_answer_is_refused_with_its_reason(name: str, body: bytes, found: str) -> None:
    with pytest.raises(DecodeError, match=found):
        protocols.get(name).decode({}, body)


@pytest.mark.parametrize("length", ["-1", "x", "9999"])
def test_v2_binary_refuses_a_wrong_header_length(length: str) -> None:
    with pytest.raises(DecodeError, match="at most the body's 2 bytes"):
        v2_binary.decode({"inference-header-content-length": length}, b"{}")


@given(st.binary(max_size=300), st.sampled_from(protocols.names()))
def test_no_bytes_break_a_decoder(body: bytes, name: str) -> None:
    for headers in ({}, {"inference-header-content-length": "2"}):
        with contextlib.suppress(DecodeError):
            protocols.get(name).decode(headers, body)


@given(st.binary(max_size=100))
def test_a_request_is_one_http_message(body: bytes) -> None:
    message = Request("POST", "/x", (("A", "b"),), body).to_bytes("host:1")
    head, _, rest = message.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = http.client.parse_headers(io.BytesIO(b"\r\n".join(lines) + b"\r\n\r\n"))
    assert first == b"POST /x HTTP/1.1"
    assert dict(headers) == {"Host": "host:1", "A": "b", "Content-Length": str(len(body))}
    assert rest == body
