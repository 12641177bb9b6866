"""The keys of a SeldonDeployment, and what each may hold: Seldon Core 1.17.1's schema, as strict as an API server 1.27.

What a graph is made of is written out; of a pod's other fields (affinity, volumes, ...) the names alone.
"""

from collections.abc import Mapping
from typing import Any

from servelab.graph.manifest.kinds import (
    Anything,
    Either,
    Flag,
    Kind,
    ListOf,
    MapOf,
    Name,
    Quantity,
    Refused,
    Table,
    Text,
    Whole,
)
from servelab.graph.manifest.problem import Problem

API_VERSIONS = tuple(f"machinelearning.seldon.io/{version}" for version in ("v1", "v1alpha2", "v1alpha3"))
TYPES = ("MODEL", "ROUTER", "COMBINER", "TRANSFORMER", "OUTPUT_TRANSFORMER", "UNKNOWN_TYPE")
METHODS = ("TRANSFORM_INPUT", "TRANSFORM_OUTPUT", "ROUTE", "AGGREGATE", "SEND_FEEDBACK")
PARAMETER_TYPES = ("STRING", "INT", "FLOAT", "DOUBLE", "BOOL")
PREPACKAGED = ("SKLEARN_SERVER", "XGBOOST_SERVER", "MLFLOW_SERVER", "TENSORFLOW_SERVER", "TRITON_SERVER",
               "HUGGINGFACE_SERVER", "TEMPO_SERVER")  # fmt: skip
# The schema knows these too; the Java engine had them, the executor that followed it has not.
GONE = ("SIMPLE_MODEL", "SIMPLE_ROUTER", "AVERAGE_COMBINER")
BUILT_IN = ("RANDOM_ABTEST", "UNKNOWN_IMPLEMENTATION")
# Seldon's schema writes out the root and this many levels of children, and ends.
LEVELS = 10

TEXT, NAME, ANY, COUNT, FLAG = Text(), Name(), Anything(), Whole(), Flag()
TEXTS, STRINGS = MapOf(TEXT), ListOf(TEXT)


def _all(names: str, kind: Kind = ANY) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


ENV = ListOf(Table({"name": NAME, "value": TEXT, "valueFrom": ANY}, ("name",)))
RESOURCES = Table({"limits": MapOf(Quantity()), "requests": MapOf(Quantity())})
PROBE = Table(
    _all("failureThreshold initialDelaySeconds periodSeconds successThreshold timeoutSeconds", COUNT)
    | _all("terminationGracePeriodSeconds exec grpc httpGet tcpSocket")
)
PORT = Table(_all("containerPort hostPort", Whole(1, 65535)) | _all("name protocol hostIP", TEXT), ("containerPort",))
MOUNT = Table(
    _all("readOnly", FLAG) | _all("name mountPath subPath subPathExpr mountPropagation", TEXT), ("name", "mountPath")
)
CONTAINER = Table(
    {
        "name": NAME,
        "image": TEXT,
        "imagePullPolicy": Text(("Always", "IfNotPresent", "Never")),
        "args": STRINGS,
        "command": STRINGS,
        "env": ENV,
        "resources": RESOURCES,
        "ports": ListOf(PORT),
        "volumeMounts": ListOf(MOUNT),
        "workingDir": TEXT,
        **_all("livenessProbe readinessProbe startupProbe", PROBE),
        **_all("stdin stdinOnce tty", FLAG),
        **_all("envFrom lifecycle securityContext terminationMessagePath terminationMessagePolicy volumeDevices"),
    },
    ("name",),
)
POD = Table(
    {
        "containers": ListOf(CONTAINER, least=1),
        "initContainers": ListOf(CONTAINER),
        **_all("activeDeadlineSeconds affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks"),
        **_all("ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostname imagePullSecrets nodeName"),
        **_all("nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates restartPolicy"),
        **_all("runtimeClassName schedulerName securityContext serviceAccount serviceAccountName setHostnameAsFQDN"),
        **_all("shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints"),
        **_all("volumes"),
    },
    ("containers",),
)
METADATA = {
    **_all("name namespace", NAME),
    **_all("labels annotations", TEXTS),
    **_all("creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation"),
    **_all("ownerReferences resourceVersion selfLink uid"),
}
COMPONENT = Table(
    {
        "metadata": Table({**METADATA, "clusterName": TEXT}),
        "spec": POD,
        "replicas": COUNT,
        "hpaSpec": Table({**_all("minReplicas maxReplicas", COUNT), **_all("metrics metricsv2")}, ("maxReplicas",)),
        "kedaSpec": ANY,
        "pdbSpec": Table(_all("minAvailable maxUnavailable", Either())),
    }
)
ENDPOINT = Table({"type": Text(("REST", "GRPC")), "service_host": TEXT} | _all("service_port httpPort grpcPort", COUNT))


def _unit(levels: int) -> Table:
    deeper: Kind = (
        ListOf(_unit(levels - 1))
        if levels
        else Refused(f"expected a graph of at most {LEVELS} levels of children, where Seldon's schema ends; found more")
    )
    return Table(
        {
            "name": NAME,
            "type": Text(TYPES),
            "implementation": TEXT,
            "methods": ListOf(Text(METHODS)),
            "parameters": ListOf(
                Table({"name": NAME, "type": Text(PARAMETER_TYPES), "value": TEXT}, ("name", "type", "value"))
            ),
            "children": deeper,
            "endpoint": ENDPOINT,
            "modelUri": TEXT,
            "logger": Table({"mode": Text(("request", "response", "all")), "url": TEXT}),
            "serviceAccountName": TEXT,
            "envSecretRefName": TEXT,
            "storageInitializerImage": TEXT,
        },
        ("name",),
    )


PREDICTOR = Table(
    {
        "name": NAME,
        "graph": _unit(LEVELS),
        "componentSpecs": ListOf(COMPONENT),
        "replicas": COUNT,
        "traffic": Whole(0, 100),
        "shadow": FLAG,
        "labels": TEXTS,
        "annotations": TEXTS,
        "svcOrchSpec": Table({"env": ENV, "replicas": COUNT, "resources": RESOURCES}),
        "engineResources": RESOURCES,
        "explainer": ANY,
        "ssl": Table({"certSecretName": TEXT}),
        "progressDeadlineSeconds": COUNT,
    },
    ("name", "graph"),
)
SPEC = Table(
    {
        "name": TEXT,
        "predictors": ListOf(PREDICTOR, least=1),
        "replicas": COUNT,
        "protocol": Text(("seldon", "tensorflow", "kfserving", "v2")),
        "transport": Text(("rest", "grpc")),
        "serverType": Text(("rpc", "kafka")),
        "annotations": TEXTS,
        "oauth_key": TEXT,
        "oauth_secret": TEXT,
    },
    ("predictors",),
)
DEPLOYMENT = Table(
    {
        "apiVersion": Text(API_VERSIONS),
        "kind": Text(("SeldonDeployment",)),
        "metadata": Table({**METADATA, "managedFields": ANY}, ("name",)),
        "spec": SPEC,
        "status": ANY,
    },
    ("apiVersion", "kind", "metadata", "spec"),
)


def check(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The document as it was meant (a copy, what could not be guessed left out), and what breaks the schema."""
    problems: list[Problem] = []
    return DEPLOYMENT.read(content, "", problems), problems
