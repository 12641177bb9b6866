"""Where the walk looks into a message: JSON and protobuf find the same, and say what they could not find."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from grpc_tools import protoc  # type: ignore[import-untyped]
from hypothesis import given, strategies as st

import servelab
from servelab.graph import codec_json, codec_proto
from servelab.graph.proto.prediction_pb2 import DESCRIPTOR, Feedback, SeldonMessage
from servelab.graph.walk import Codec, Message, WalkError

ROOT = Path(servelab.__file__).parent.parent
CODECS: list[tuple[Codec, type[SeldonMessage] | None]] = [(codec_json, None), (codec_proto, SeldonMessage)]
numbers = st.integers(-2, 1000)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


def as_proto(value: Any, empty: SeldonMessage | Feedback | None = None) -> Message:
    return Message(json_format.ParseDict(value, empty or SeldonMessage()).SerializeToString())


def as_json(value: object) -> Message:
    return Message(json.dumps(value).encode())


@given(numbers, st.lists(numbers, max_size=2), st.sampled_from(["rows", "row", "tensor"]))
def test_route_is_the_first_number_of_an_ndarray_or_a_tensor(route: int, more: list[int], form: str) -> None:
    values: list[float] = [route, *more]
    data: Any = {
        "rows": {"ndarray": [[value] for value in values]},
        "row": {"ndarray": values},
        "tensor": {"tensor": {"shape": [len(values), 1], "values": values}},
    }[form]
    message = {"data": {"names": ["t:0"], **data}, "meta": {"puid": "p"}}
    assert codec_json.route(as_json(message)) == route
    assert codec_proto.route(as_proto(message)) == route


@given(numbers)
def test_route_may_be_a_bare_array(route: int) -> None:
    assert codec_json.route(as_json([route, 7])) == route


def test_route_of_data_without_an_array_is_minus_1() -> None:
    assert codec_json.route(as_json({"data": {"names": []}})) == -1
    assert codec_proto.route(as_proto({"data": {"names": []}})) == -1


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"meta": {}},
        {"strData": "1"},
        {"data": {"ndarray": []}},
        {"data": {"ndarray": [[]]}},
        {"data": {"ndarray": ["1"]}},
        {"data": {"ndarray": [True]}},
        {"data": {"ndarray": [[[1]]]}},
        {"data": {"tensor": {"shape": [0], "values": []}}},
    ],
)
def test_an_answer_without_a_route_is_an_error(value: object) -> None:
    for codec, message in ((codec_json, as_json(value)), (codec_proto, as_proto(value))):
        with pytest.raises(WalkError, match=r"expected .* router's .*; found"):
            codec.route(message)


@pytest.mark.parametrize("body", [b"", b"null", b"1" * 5000 + b"x", b'{"data": 1}', b"[]", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_json_message_is_an_error(body: bytes) -> None:
    with pytest.raises(WalkError, match="expected"):
        codec_json.route(Message(body))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_route_that_only_protobuf_can_write_is_an_error(number: float) -> None:
    tensor, ndarray = SeldonMessage(), SeldonMessage()
    tensor.data.tensor.values.append(number)
    ndarray.data.ndarray.append(number)
    for message in (tensor, ndarray):
        with pytest.raises(WalkError, match="expected a number"):
            codec_proto.route(Message(message.SerializeToString()))


def test_bytes_that_are_no_protobuf_are_an_error() -> None:
    for look in (codec_proto.route, codec_proto.feedback_routing, lambda m: codec_proto.with_routing(m, {})):
        with pytest.raises(WalkError, match=r"expected a servelab\.seldon\."):
            look(Message(b"\xff\xff\xff"))


@given(st.lists(st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=4))
def test_combined_json_is_an_array_of_the_bytes_as_they_were(values: list[dict[str, float]]) -> None:
    messages = [Message(json.dumps(value, indent=1).encode(), "application/json") for value in values]
    found = codec_json.combined(messages)
    assert json.loads(found.body) == values
    assert all(message.body in found.body for message in messages)
    assert found.content_type == "application/json"


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4))
def test_combined_protobuf_is_a_seldon_message_list(values: list[str]) -> None:
    found = codec_proto.combined([as_proto({"strData": value}) for value in values]).body
    listed = []
    while found:
        size, shift, at = 0, 0, 1
        assert found[0] == 1 << 3 | 2
        while True:
            size |= (found[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not found[at - 1] & 0x80:
                break
        listed.append(SeldonMessage.FromString(found[at : at + size]).strData)
        found = found[at + size :]
    assert listed == values


@given(st.dictionaries(texts.filter(bool), numbers, max_size=4))
def test_with_routing_sets_it_and_keeps_everything_else(routing: dict[str, int]) -> None:
    message = {"strData": "x", "meta": {"puid": "p", "routing": {"old": 3}, "tags": {"t": [1.5, "x"]}}}
    wanted = {**message, "meta": {"puid": "p", "tags": {"t": [1.5, "x"]}, "routing": routing}}
    found = codec_json.with_routing(as_json(message), routing).body
    assert json.loads(found) == wanted
    assert list(json.loads(found)) == sorted(wanted)
    parsed = SeldonMessage.FromString(codec_proto.with_routing(as_proto(message), routing).body)
    assert parsed == json_format.ParseDict(wanted, SeldonMessage())


@pytest.mark.parametrize("body", [b"", b"text", b'{"data": NaN}', b"\xff"])
def test_with_routing_leaves_what_is_no_json(body: bytes) -> None:
    message = Message(body, "text/plain")
    assert codec_json.with_routing(message, {"a": 1}) is message


def test_with_routing_refuses_more_levels_than_can_be_written() -> None:
    def deep(levels: int) -> Message:
        return Message(b'{"meta": {"tags": {"t": ' + b"[" * levels + b"]" * levels + b"}}}")

    assert b'"routing":{"a":1}' in codec_json.with_routing(deep(codec_json.LEVELS - 3), {"a": 1}).body
    with pytest.raises(WalkError, match="at most 254 levels") as error:
        codec_json.with_routing(deep(codec_json.LEVELS), {"a": 1})
    assert error.value.client


@pytest.mark.parametrize("value", [{"data": {"ndarray": [1]}}, {"meta": "text"}, [1, 2], "text"])
def test_with_routing_leaves_what_has_no_meta(value: object) -> None:
    assert json.loads(codec_json.with_routing(as_json(value), {"a": 1}).body) == value


def test_with_routing_leaves_a_protobuf_message_without_meta() -> None:
    message = as_proto({"strData": "x"})
    assert codec_proto.with_routing(message, {"a": 1}) is message


def test_with_routing_keeps_fields_of_a_protobuf_message_that_we_do_not_know() -> None:
    tensor = b"\x1a\x04\x22\x02\x08\x01"  # data (3) with a tftensor (4), which our messages leave out
    found = codec_proto.with_routing(Message(b"\x12\x00" + tensor), {"a": 1})
    assert tensor in found.body


def test_a_feedback_with_a_large_map_is_refused_and_large_data_is_none() -> None:
    def feedback(routing: dict[str, int]) -> Message:
        tags = {str(number): number for number in range(2000)}
        meta = {"routing": routing, "tags": tags}
        return Message(json.dumps({"response": {"meta": meta, "jsonData": tags}, "reward": 1.0}).encode())

    assert codec_json.feedback_routing(feedback({"r": 1})) == {"r": 1}
    with pytest.raises(WalkError, match="at most 1000 keys in an object of a feedback; found 1001") as caught:
        codec_json.feedback_routing(feedback({str(number): 0 for number in range(1001)}))
    assert caught.value.client


@given(st.dictionaries(texts.filter(bool), numbers, max_size=4))
def test_feedback_routing_is_that_of_its_response(routing: dict[str, int]) -> None:
    feedback = {"response": {"meta": {"routing": routing}}, "reward": 0.5, "truth": {"data": {"ndarray": [[1.0]]}}}
    assert codec_json.feedback_routing(as_json(feedback)) == routing
    assert codec_proto.feedback_routing(as_proto(feedback, Feedback())) == routing


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"reward": 1}',
        b'{"response": {"meta": {"routing": {"r": 1}}}, "unknown": 1}',  # strict: one unknown field, and none counts
        b'{"response": {"meta": {"routing": {"r": "x"}}}}',
        b'{"response": ' * 50_000,
        b"9" * 5000,
    ],
)
def test_a_feedback_that_cannot_be_read_has_no_routing(body: bytes) -> None:
    assert codec_json.feedback_routing(Message(body)) == {}


def test_a_feedback_s_rows_are_not_looked_at_but_for_the_first() -> None:
    routing = {"meta": {"routing": {"r": 1}, "tags": {"a": {"b": []}}}, "jsonData": [1, 2]}
    for rows, found in (([1.5, "x"], {"r": 1}), (["x"], {})):
        request = {"data": {"names": ["a", "b"], "tensor": {"shape": [2], "values": rows}}}
        feedback = {"request": request, "response": routing, "truth": {"data": {"ndarray": [[1], [2, [3]]]}}}
        assert codec_json.feedback_routing(as_json(feedback)) == found


@given(st.recursive(texts | numbers, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=8))
def test_escaped_json_means_the_same_and_holds_none_of_the_signs(value: object) -> None:
    body = json.dumps({"<&>\u2028\u2029": value}, ensure_ascii=False).encode()
    found = codec_json.escaped(Message(body))
    assert json.loads(found) == json.loads(body)
    assert not set("<>&\u2028\u2029") & set(found.decode())


def test_an_encoded_body_is_not_escaped() -> None:
    assert codec_json.escaped(Message(b"<&>", "application/json", "gzip")) == b"<&>"


def test_the_generated_module_is_the_one_that_the_proto_file_makes(tmp_path: Path) -> None:
    source = Path("servelab/graph/proto/prediction.proto")
    include = Path(protoc.__file__).parent / "_proto"
    assert protoc.main(["protoc", f"-I{ROOT}", f"-I{include}", f"--python_out={tmp_path}", str(source)]) == 0
    # Another description of the same file would be refused here: "duplicate file name".
    made = runpy.run_path(str(tmp_path / source.parent / "prediction_pb2.py"))
    assert made["DESCRIPTOR"].serialized_pb == DESCRIPTOR.serialized_pb
