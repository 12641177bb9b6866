"""How a component is started: the strategy ``seldon`` with the variables that tell it who it is."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from servelab import process, start, strategy as strategies, supervisor
from servelab.graph.gateway.live import Endpoint
from servelab.graph.manifest import Unit
from servelab.graph.runner.program import Program
from servelab.strategy import PLACEHOLDERS


@dataclass(frozen=True, slots=True)
class Place:
    """Which unit of which deployment a component runs."""

    deployment: str
    predictor: str
    unit: Unit

    def __str__(self) -> str:
        return f"{self.deployment}/{self.predictor}/{self.unit.name}"


def of(place: Place, program: Program, endpoint: Endpoint, workers: int = 1) -> dict[str, Any]:
    """The job of a Process, with its stop and its log; the strategy's environment is built where it is missing."""
    who = strategies.load("seldon")
    host, port = endpoint.http
    # The strategy's own way to choose a model is left empty; here the unit's parameters do.
    values: dict[str, Any] = dict.fromkeys(PLACEHOLDERS, "")
    values |= {"host": host, "port": port, "address": f"{host}:{port}", "workers": workers}
    job = start.venv_job(who, values)
    # The container's own variables come before those that Seldon's operator sets.
    job["env"] |= dict(place.unit.env) | _variables(place, program, endpoint) | {supervisor.COOKIE: uuid.uuid4().hex}
    name = str(place).replace("/", "-")
    return job | {"stop": who.stop, "grace": process.GRACE, "log": str(start.log_file(f"graph-{name}"))}


def _variables(place: Place, program: Program, endpoint: Endpoint) -> dict[str, str]:
    """As Seldon sets them (operator/controllers/seldondeployment_engine.go and prepack; 1.17.1)."""
    parameters = [{"name": p.name, "value": p.value, "type": p.type} for p in program.parameters]
    port = str(endpoint.http[1])
    named = {
        "MODEL_NAME": program.model_name,
        "PREDICTIVE_UNIT_ID": place.unit.name,
        "PREDICTIVE_UNIT_IMAGE": program.image,
        "PREDICTIVE_UNIT_PARAMETERS": json.dumps(parameters),
        "PREDICTIVE_UNIT_SERVICE_PORT": port,
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": port,
        "PREDICTOR_ID": place.predictor,
        "SELDON_DEPLOYMENT_ID": place.deployment,
    }
    return named | ({"PREDICTIVE_UNIT_GRPC_SERVICE_PORT": str(endpoint.grpc[1])} if endpoint.grpc else {})
