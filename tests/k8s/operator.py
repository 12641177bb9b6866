"""In the place of Seldon's operator, whose image cannot be had here: what it makes of a SeldonDeployment of one model.

Names, ports and variables are those of Seldon Core 1.17.1 (operator/controllers, operator/constants). Its engine is
left out: the Service leads to the component itself, which answers on the same path.
"""

import json
from typing import Any

SERVICE_PORT, COMPONENT_PORT, GRPC_PORT, METRICS_PORT = 8000, 9000, 9500, 6000
USER = 8888  # defaultUserID of its chart


def objects(deployment: dict[str, Any]) -> str:
    """The Deployment and the Service, as a JSON list for kubectl."""
    (predictor,) = deployment["spec"]["predictors"]
    (container,) = predictor["componentSpecs"][0]["spec"]["containers"]
    service = f"{deployment['metadata']['name']}-{predictor['name']}"
    name = f"{service}-0-{container['name']}"
    labels = {"seldon-app": service}
    ready = {"tcpSocket": {"port": COMPONENT_PORT}, "periodSeconds": 1, "failureThreshold": 60}
    pod = {
        "securityContext": {"runAsUser": USER},
        "containers": [container | {"env": _environment(deployment, predictor), "readinessProbe": ready}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    made = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "seldon"},
         "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": "seldon"},
         "spec": {"selector": labels, "ports": [{"port": SERVICE_PORT, "targetPort": COMPONENT_PORT}]}},
    ]  # fmt: skip
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": made})


def _environment(deployment: dict[str, Any], predictor: dict[str, Any]) -> list[dict[str, str]]:
    graph = predictor["graph"]
    variables = {
        "PREDICTIVE_UNIT_ID": graph["name"],
        "PREDICTIVE_UNIT_PARAMETERS": json.dumps(graph["parameters"]),
        "PREDICTIVE_UNIT_SERVICE_PORT": str(COMPONENT_PORT),
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": str(COMPONENT_PORT),
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": str(GRPC_PORT),
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": str(METRICS_PORT),
        "PREDICTOR_ID": predictor["name"],
        "SELDON_DEPLOYMENT_ID": deployment["metadata"]["name"],
    }
    return [{"name": name, "value": value} for name, value in variables.items()]
