"""The control API as Kubernetes' clients speak it, and whom it does not answer."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from servelab.errors import AddressError
from servelab.graph.manifest import document
from servelab.graph.runner import control
from servelab.graph.runner.local import is_loopback
from servelab.kubernetes import Api, KubernetesError, Reference
from tests.servelab.graph.lab import IRIS, LATE, Lab, document as manifest, iris, laboratory, unit

ALL = "/apis/machinelearning.seldon.io/v1/seldondeployments"
DEFAULT = "/apis/machinelearning.seldon.io/v1/namespaces/default/seldondeployments"
APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with laboratory() as found:
        found.apply(iris("there"))
        yield found


def refused(answer: tuple[int, Any], code: int, reason: str) -> str:
    """The message of a Status object of that code and reason."""
    status, value = answer
    assert (status, value["code"], value["reason"]) == (code, code, reason)
    assert (value["kind"], value["apiVersion"], value["status"]) == ("Status", "v1", "Failure")
    return str(value["message"])


def test_an_object_has_the_servers_metadata_and_a_status(lab: Lab) -> None:
    status, found = lab.send("GET", f"{DEFAULT}/there")
    assert status == 200
    assert (found["apiVersion"], found["kind"]) == ("machinelearning.seldon.io/v1", "SeldonDeployment")
    assert found["spec"] == iris("there")["spec"]
    metadata = found["metadata"]
    assert (metadata["name"], metadata["namespace"], metadata["generation"]) == ("there", "default", 1)
    assert {"uid", "resourceVersion", "creationTimestamp"} <= set(metadata)
    said = found["status"]
    assert (said["state"], said["description"]) == ("Available", "")
    assert said["deploymentStatus"] == {"there-p": {"replicas": 1, "availableReplicas": 1}}
    assert said["address"]["url"] == f"{lab.url}/seldon/default/there/api/v1.0/predictions"


def test_lists_of_a_namespace_and_of_all(lab: Lab) -> None:
    for path, names in ((ALL, ["there"]), (DEFAULT, ["there"]), (DEFAULT.replace("/default/", "/other/"), [])):
        status, found = lab.send("GET", path)
        assert (status, found["kind"]) == (200, "SeldonDeploymentList")
        assert [each["metadata"]["name"] for each in found["items"]] == names


def test_server_side_apply_creates_and_changes_and_tells_when_it_is_up(lab: Lab) -> None:
    api, what = Api(lab.url), Reference("default", "applied")
    try:
        text = yaml.safe_dump(iris("applied")).encode()
        status, found = lab.send("PATCH", f"{DEFAULT}/applied?fieldManager=me&force=true", text, APPLY)
        assert (status, found["status"]["state"]) == (200, "Creating")
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 1
        assert api.settled(found, 60)["status"]["state"] == "Available"
        second = api.apply(iris("applied", "2"))
        assert second["metadata"]["generation"] == 2
        assert api.settled(second, 60)["status"]["rollback"]
        back = api.rollback(what)
        assert back["status"]["state"] == "Creating"
        assert api.settled(back, 60)["spec"] == iris("applied")["spec"]
    finally:
        api.delete(what)
    assert lab.ask("applied", IRIS)[0] == 404


def test_v1alpha2_is_spoken_too(lab: Lab) -> None:
    path = DEFAULT.replace("/v1/", "/v1alpha2/")
    assert lab.send("GET", f"{path}/there")[1]["apiVersion"] == "machinelearning.seldon.io/v1alpha2"
    old = {**iris("there"), "apiVersion": "machinelearning.seldon.io/v1alpha2"}
    assert lab.send("PATCH", f"{path}/there?dryRun=All", old, APPLY)[0] == 200


def test_create_replace_and_merge(lab: Lab) -> None:
    refused(lab.send("POST", DEFAULT, iris("there")), 409, "AlreadyExists")
    _, found = lab.send("GET", f"{DEFAULT}/there")
    status, same = lab.send("PUT", f"{DEFAULT}/there", found)
    assert (status, same["metadata"]["generation"]) == (200, found["metadata"]["generation"])
    found["metadata"]["resourceVersion"] = "0"
    assert "read it again" in refused(lab.send("PUT", f"{DEFAULT}/there", found), 409, "Conflict")
    assert "a mapping; found 3" in refused(lab.send("PUT", f"{DEFAULT}/there", {"metadata": 3}), 400, "BadRequest")
    patch = {"metadata": {"labels": {"colour": "blue"}}, "spec": {"annotations": None}}
    status, merged = lab.send("PATCH", f"{DEFAULT}/there?dryRun=All", patch, MERGE)
    assert (status, merged["metadata"]["labels"]) == (200, {"colour": "blue"})
    assert "annotations" not in merged["spec"]
    refused(lab.send("PATCH", f"{DEFAULT}/nowhere", patch, MERGE), 404, "NotFound")


def test_a_dry_run_changes_nothing(lab: Lab) -> None:
    for method, path, headers in (("PATCH", f"{DEFAULT}/dry?dryRun=All", APPLY), ("POST", f"{DEFAULT}?dryRun=All", {})):
        assert lab.send(method, path, iris("dry"), headers)[0] in (200, 201)
    lab.send("DELETE", f"{DEFAULT}/there?dryRun=All")
    assert [each["metadata"]["name"] for each in Api(lab.url).list()] == ["there"]


def test_one_that_fails_says_why_in_its_status(lab: Lab) -> None:
    api, what = Api(lab.url), Reference("default", "failing")
    status = api.settled(api.apply(manifest("failing", unit("m", "MODEL", LATE, broken=True))), 60)["status"]
    assert status["state"] == "Failed"
    assert "flux capacitor" in status["description"]
    with pytest.raises(KubernetesError, match="one version only"):
        api.rollback(what)
    assert api.delete(what)
    assert not api.delete(what)


@pytest.mark.parametrize(
    ("body", "code", "reason", "message"),
    [
        (b"{", 422, "Invalid", "expected YAML"),
        (b"", 422, "Invalid", "found no document"),
        (b"[]", 400, "BadRequest", "expected one object"),
        (b"{}\n---\n{}", 400, "BadRequest", "2 documents"),
        ({**iris("x"), "spec": {"predictors": []}}, 422, "Invalid", "spec.predictors"),
        ({**iris("other")}, 400, "BadRequest", "metadata.name 'x' as in the path; found 'other'"),
        ({**iris("x"), "metadata": {"namespace": "n"}}, 400, "BadRequest", "metadata.namespace 'default'"),
        ({**iris("x"), "metadata": 3}, 400, "BadRequest", "metadata to be a mapping"),
        ({**iris("x"), "apiVersion": "v7"}, 400, "BadRequest", "apiVersion machinelearning.seldon.io/v1 as in"),
        (manifest("x", unit("m", "MODEL", "modelinver:1")), 422, "Invalid", "did you mean 'model-infer'"),
        (b"a: " + b"b" * document.MOST_BYTES, 413, "RequestEntityTooLarge", "expected at most"),
        (b"a: &a [1,2]\nb: &b [*a,*a]\n" * 20000, 413, "RequestEntityTooLarge", "expected at most"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(lab: Lab, body: Any, code: int, reason: str, message: str) -> None:
    assert message in refused(lab.send("PATCH", f"{DEFAULT}/x", body, APPLY), code, reason)
    refused(lab.send("GET", f"{DEFAULT}/x"), 404, "NotFound")


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", f"{DEFAULT}/nowhere", 404, "NotFound"),
        ("DELETE", f"{DEFAULT}/nowhere", 404, "NotFound"),
        ("POST", f"{DEFAULT}/nowhere/rollback", 404, "NotFound"),
        ("POST", f"{DEFAULT}/there/rollback", 409, "Conflict"),
        ("GET", "/apis/apps/v1/deployments", 404, "NotFound"),
        ("POST", f"{DEFAULT}/there", 404, "NotFound"),
        ("GET", "/apis", 404, "NotFound"),
    ],
)
def test_what_is_not_there(lab: Lab, method: str, path: str, code: int, reason: str) -> None:
    refused(lab.send(method, path), code, reason)


def test_another_kind_of_patch_is_refused(lab: Lab) -> None:
    kind = {"Content-Type": "application/json-patch+json"}
    assert "merge-patch" in refused(lab.send("PATCH", f"{DEFAULT}/there", {}, kind), 415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Origin": "http://127.0.0.1:8010"}, "page in a browser"),
        ({"Origin": "null"}, "page in a browser"),
        ({"Host": "evil.example"}, "found 'evil.example'"),
        ({"Host": "evil.example:80"}, "found 'evil.example'"),
        ({"Host": "127.0.0.1.evil.example"}, "found '127.0.0.1.evil.example'"),
        ({"Host": "[::1"}, "expected Host"),
        ({"Host": ""}, "found ''"),
    ],
)
def test_pages_of_a_browser_are_refused(lab: Lab, headers: dict[str, str], message: str) -> None:
    for method, path in (("GET", ALL), ("PATCH", f"{DEFAULT}/x"), ("DELETE", f"{DEFAULT}/there"), ("GET", "/apis")):
        assert message in refused(lab.send(method, path, headers=headers), 403, "Forbidden")


@pytest.mark.parametrize("host", ["localhost", "localhost:8010", "127.0.0.2:1", "[::1]:8010"])
def test_the_loopbacks_own_names_are_taken(lab: Lab, host: str) -> None:
    assert lab.send("GET", ALL, headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("fe80::1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_which_addresses_are_this_machines_own(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_a_wrong_runner_is_an_error_that_says_what_to_type(lab: Lab) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(KubernetesError, match=r"timed out.*graph run"),
    ):
        Api(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2).list()
    with pytest.raises(AddressError, match="expected a URL"):
        Api("127.0.0.1:8010")
    with pytest.raises(KubernetesError, match=r"default/there"):
        Api(lab.url).get(Reference("default", "their"))


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_that_of_rfc_7386_appendix_a(target: Any, patch: Any, expected: Any) -> None:
    assert control._merged(target, patch) == expected
