"""A SeldonDeployment as values: what is read, what is filled in, what is told of a laptop; every problem at once."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from servelab.graph.manifest import Deployment, ManifestError, Parameter, parse, read, report
from servelab.paths import ROOT

SELDON = ROOT / "k8s" / "seldon"
MODEL: dict[str, Any] = {"name": "m", "type": "MODEL"}


def document(graph: dict[str, Any] = MODEL, **predictor: Any) -> dict[str, Any]:
    """A sound document of one predictor, with a container for each unit."""

    def names(unit: dict[str, Any]) -> list[str]:
        return [unit["name"], *(name for child in unit.get("children", ()) for name in names(child))]

    containers = [{"name": name, "image": f"{name}:1"} for name in names(graph)]
    full = {"name": "p", "graph": graph, "componentSpecs": [{"spec": {"containers": containers}}], **predictor}
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "d"},
        "spec": {"predictors": [full]},
    }


def problems(content: dict[str, Any]) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse(content, "here")
    return [str(problem) for problem in caught.value.problems]


def test_the_graph_of_an_ab_test() -> None:
    (deployment,) = read(SELDON / "ab-test.yaml")
    (predictor,) = deployment.predictors
    units = list(predictor.units())
    assert (deployment.name, deployment.namespace, deployment.protocol) == ("ab-test", "default", "seldon")
    assert [(unit.name, unit.type, unit.image) for unit in units] == [
        ("input-transformer", "TRANSFORMER", "servelab/input-transformer:1"),
        ("router", "ROUTER", "servelab/router:1"),
        ("model-a", "MODEL", "servelab/model-infer:1"),
        ("model-b", "MODEL", "servelab/model-infer:1"),
    ]
    assert units[1].parameters == (Parameter("n_branches", "2", "INT"),)
    assert [child.name for child in units[1].children] == ["model-a", "model-b"]
    assert predictor.env == {"SELDON_ENABLE_ROUTING_INJECTION": "true"}
    assert deployment.document == yaml.safe_load((SELDON / "ab-test.yaml").read_text("utf-8"))


def test_a_prepackaged_server_needs_neither_type_nor_container() -> None:
    (deployment,) = read(SELDON / "iris.yaml")
    unit = deployment.predictors[0].graph
    assert (deployment.namespace, unit.type, unit.image) == ("seldon", "MODEL", "")
    assert unit.model_uri == "gs://seldon-models/v1.11.0-dev/sklearn/iris"


def test_the_defaults_of_the_webhook() -> None:
    content = document({"name": "m"})
    before = copy.deepcopy(content)
    (predictor,) = parse(content).predictors
    assert (predictor.graph.type, predictor.graph.implementation) == ("MODEL", "UNKNOWN_IMPLEMENTATION")
    assert (predictor.replicas, predictor.traffic, predictor.shadow) == (1, 100, False)
    assert predictor.labels == {"version": "p"}
    assert content == before


def test_methods_stand_for_a_type() -> None:
    (predictor,) = parse(document({"name": "m", "methods": ["TRANSFORM_INPUT"]})).predictors
    assert (predictor.graph.type, predictor.graph.methods) == ("UNKNOWN_TYPE", ("TRANSFORM_INPUT",))


@pytest.mark.parametrize("version", ["v1", "v1alpha2", "v1alpha3"])
def test_every_served_version_reads_the_same(version: str) -> None:
    content = document()
    content["apiVersion"] = f"machinelearning.seldon.io/{version}"
    assert parse(content).predictors == parse(document()).predictors


def test_a_shadow_takes_no_share_of_the_traffic() -> None:
    main, shadow = read(SELDON / "shadow.yaml")[0].predictors
    assert [(p.name, p.traffic, p.shadow) for p in (main, shadow)] == [("main", 100, False), ("shadow", 100, True)]


def test_a_container_lends_its_environment_but_not_what_only_a_cluster_knows() -> None:
    content = document()
    env: list[dict[str, Any]] = [
        {"name": "A", "value": "1"},
        {"name": "EMPTY"},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {}}},
    ]
    content["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]["env"] = env
    deployment = parse(content)
    assert deployment.predictors[0].graph.env == {"A": "1", "EMPTY": ""}
    assert deployment.notes == ("SECRET comes from the cluster (valueFrom): it is unset here (m)",)


def test_containers_may_be_spread_over_pods() -> None:
    content = document({"name": "a", "type": "MODEL", "children": [{"name": "b", "type": "MODEL"}]})
    (predictor,) = content["spec"]["predictors"]
    first, second = predictor["componentSpecs"][0]["spec"]["containers"]
    predictor["componentSpecs"] = [{"spec": {"containers": [first]}}, {"spec": {"containers": [second]}}]
    assert [unit.image for unit in parse(content).predictors[0].units()] == ["a:1", "b:1"]


def test_every_problem_is_told_at_once() -> None:
    content = document({"name": "m", "tpye": "MODEL", "children": [{"name": "c", "type": "MODLE"}]}, replicas="2")
    content["spec"]["protocol"] = "sledon"
    unknown, kind, replicas, protocol = problems(content)
    assert unknown.startswith(
        "spec.predictors[0].graph.tpye: unknown key 'tpye' (did you mean 'type'?); the keys are: na"
    )
    assert kind.startswith("spec.predictors[0].graph.children[0].type: expected one of MODEL, ROUTER, COMBINER, TRANS")
    assert kind.endswith("; found 'MODLE' (did you mean 'MODEL'?)")
    assert replicas == "spec.predictors[0].replicas: expected a whole number; found '2'; write it without quotes"
    assert protocol.endswith("seldon, tensorflow, kfserving, v2; found 'sledon' (did you mean 'seldon'?)")


@pytest.mark.parametrize(
    ("graph", "problem"),
    [
        ({"name": "m", "implementation": "UNKNOWN_IMPLEMENTATION"}, "expected a type, or methods; found neither"),
        ({"name": "m", "methods": []}, "graph: expected a type, or methods; found neither"),
        ({"name": "m", "type": "COMBINER"}, "graph.children: expected at least one to combine; found none"),
        ({**MODEL, "logger": {"mode": "al"}}, "graph.logger.mode: expected one of request, response, all; found 'al'"),
        ({"name": "-m"}, "expected at most 63 of a-z, 0-9 and, inside, -; found '-m' (did you mean 'm'?)"),
        ({**MODEL, "parameters": [{"name": "a", "type": "BOOL", "value": "maybe"}]}, "expected true or false, as"),
        ({**MODEL, "parameters": [{"name": "a", "type": "DOUBLE", "value": ""}]}, "expected a number, as its type"),
        ({"name": "m", "type": "model"}, "found 'model' (did you mean 'MODEL'?)"),
        ({**MODEL, "type": 5}, "graph.type: expected one of MODEL, ROUTER"),
        ({**MODEL, "children": {}}, "graph.children: expected a list; found a mapping"),
        ({**MODEL, "methods": "ROUTE"}, "graph.methods: expected a list; found 'ROUTE'"),
    ],
)  # fmt: skip
def test_a_unit_that_breaks_a_rule(graph: dict[str, Any], problem: str) -> None:
    (told,) = problems(document(graph))
    assert problem in told


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"traffic": 50}, "expected the traffic of the predictors (shadows apart) to sum to 100; found 50"),
        ({"traffic": 101}, "spec.predictors[0].traffic: expected a whole number from 0 to 100; found 101"),
        ({"replicas": -1}, "spec.predictors[0].replicas: expected a whole number from 0 to 2147483647; found -1"),
        ({"shadow": "yes"}, "spec.predictors[0].shadow: expected true or false; found 'yes'"),
        ({"labels": {"a.b/c": 1}}, "labels['a.b/c']: expected a string; found 1; write it in quotes"),
        ({"engineResources": {"limits": {"cpu": 0.5}}}, "expected an amount such as '500m' or 1Gi; found 0.5; wri"),
        ({"componentSpecs": []}, "expected a container of the same name, 'm', in componentSpecs; found no containers"),
        ({"componentSpecs": [{"spec": {"containers": [{"name": "m"}]}}]}, "expected an image in the container 'm'; f"),
        ({"componentSpecs": [{"hpaSpec": {"minReplicas": 1}}]}, "expected the key 'maxReplicas'; it is missing"),
    ],
)  # fmt: skip
def test_a_predictor_that_breaks_a_rule(change: dict[str, Any], problem: str) -> None:
    assert any(problem in told for told in problems(document(**change)))


@pytest.mark.parametrize("found", [None, 3, "text", [], {}, {"apiVersion": None, "kind": [], "spec": "x", 3: 4}])
def test_what_is_no_deployment_at_all(found: Any) -> None:
    assert problems(found)


def test_a_graph_that_is_none() -> None:
    content = document()
    content["spec"]["predictors"][0]["graph"] = 3
    assert problems(content)[0].startswith("spec.predictors[0].graph: expected a mapping with the keys name, type, ")


def test_a_name_may_not_be_empty() -> None:
    unit, container = problems(document({"name": ""}))
    assert (unit, container) == (
        "spec.predictors[0].graph.name: expected a name; found an empty string",
        "spec.predictors[0].componentSpecs[0].spec.containers[0].name: expected a name; found an empty string",
    )


def test_a_name_that_no_service_may_have() -> None:
    content = document()
    content["metadata"]["name"] = "1st"
    assert problems(content) == ["metadata.name: expected a letter first, as its Service is called so; found '1st'"]


def test_kafka_wants_to_know_its_broker() -> None:
    content = document(svcOrchSpec={"env": [{"name": "KAFKA_BROKER", "value": "b:9092"}]})
    content["spec"]["serverType"] = "kafka"
    assert "expected KAFKA_BROKER, KAFKA_INPUT_TOPIC, KAFKA_OUTPUT_TOPIC" in problems(content)[0]


def test_a_graph_ends_where_seldons_schema_ends() -> None:
    def chain(levels: int) -> dict[str, Any]:
        deepest: dict[str, Any] = {"name": f"m{levels}", "type": "MODEL"}
        for level in reversed(range(levels)):
            deepest = {"name": f"m{level}", "type": "MODEL", "children": [deepest]}
        return deepest

    assert len(list(parse(document(chain(10))).predictors[0].units())) == 11
    (problem,) = problems(document(chain(11)))
    assert problem.endswith("expected a graph of at most 10 levels of children, where Seldon's schema ends; found more")


def test_of_very_many_problems_the_number() -> None:
    content = document()
    content["spec"] |= {f"key{i}": i for i in range(1000)}
    with pytest.raises(ManifestError, match=r"and 950 more$") as caught:
        parse(content, "here")
    assert len(str(caught.value).splitlines()) == 52


def test_what_a_laptop_ignores_is_told_once_with_the_names_of_all() -> None:
    (deployment,) = read(SELDON / "ab-test.yaml")
    who = "(input-transformer, router, model-a, model-b)"
    assert deployment.notes == (
        f"requests and limits of cpu and memory are ignored: a component takes what it gets {who}",
        f"imagePullPolicy is ignored {who}",
    )


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"replicas": 3}, "replicas 3: one of each component is started here (p)"),
        ({"explainer": {"type": "AnchorTabular"}}, "explainer is ignored (p)"),
        ({"componentSpecs": [{"hpaSpec": {"maxReplicas": 2}, "spec": {"containers": [
            {"name": "m", "image": "m:1"}, {"name": "sidecar", "image": "s:1"}]}}]},
         "hpaSpec is ignored (p)|a container that is no unit of the graph is not started (sidecar)"),
    ],
)  # fmt: skip
def test_a_note(change: dict[str, Any], note: str) -> None:
    assert "|".join(parse(document(**change)).notes) == note


def test_a_file_with_several_documents(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    one, two = document(), document()
    two["metadata"]["name"] = "other"
    file.write_text(yaml.dump_all([one, None, two]))
    assert [deployment.name for deployment in read(file)] == ["d", "other"]
    two["spec"]["predictors"][0]["replicas"] = "1"
    file.write_text(yaml.dump_all([one, one, two]))
    with pytest.raises(ManifestError) as caught:
        read(file)
    assert [str(problem)[:60] for problem in caught.value.problems] == [
        "document 3: spec.predictors[0].replicas: expected a whole nu",
        "metadata.name: expected one document for each deployment; fo",
    ]


def test_the_report_on_files(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: SeldonDeploymint")
    text, wrong = report.check([SELDON / "iris.yaml", broken, tmp_path / "brokn.yaml"])
    assert wrong == 2
    assert text.splitlines()[:3] == [
        f"{SELDON / 'iris.yaml'}: SeldonDeployment iris-model in the namespace seldon",
        "  default: 100 % of the requests",
        "    classifier SKLEARN_SERVER gs://seldon-models/v1.11.0-dev/sklearn/iris",
    ]
    assert "kind: expected one of SeldonDeployment; found 'SeldonDeploymint' (did you mean 'SeldonDeployment'?)" in text
    assert text.endswith("found: No such file or directory (did you mean 'broken.yaml'?)")


def test_values_cannot_be_changed() -> None:
    deployment: Deployment = parse(document())
    with pytest.raises(AttributeError):
        deployment.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        deployment.predictors[0].labels["version"] = "2"  # type: ignore[index]
