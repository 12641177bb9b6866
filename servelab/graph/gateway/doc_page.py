"""What a deployment is, for people and for programs: the page at /api/v1.0/doc/, its OpenAPI, the graph's metadata."""

import html
from collections.abc import Mapping
from typing import Any

import orjson

from servelab.graph import codec_json
from servelab.graph.gateway import example
from servelab.graph.manifest import Deployment, Predictor, Unit
from servelab.graph.walk import Message, WalkError
from servelab.protocols.base import excerpt

# Completes the curl line's address; sends the text of the form to the route beside the page, and shows what comes back.
_SCRIPT = """
const curl = document.querySelector("#curl");
curl.textContent = curl.textContent.replace(" /", " " + location.origin + "/");
document.forms[0].onsubmit = async event => {
  event.preventDefault();
  const body = document.querySelector("textarea").value, result = document.querySelector("#result");
  const headers = {"Content-Type": "application/json"};
  try {
    const response = await fetch("../predictions", {method: "POST", headers, body});
    result.textContent = response.status + " " + await response.text();
  } catch (error) { result.textContent = error; }
};
"""


def body(deployment: Deployment) -> str:
    """The page's HTML between its title and its end; it loads nothing."""
    path = f"/seldon/{deployment.namespace}/{deployment.name}/api/v1.0/predictions"
    graphs = "".join(f"<h2>{_headline(p)}</h2><ul>{_item(p.graph)}</ul>" for p in deployment.predictors)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in deployment.notes)
    return (
        f"<p>A SeldonDeployment of namespace <code>{html.escape(deployment.namespace)}</code>, served on this machine; "
        'the same file runs on a cluster. <a href="seldon.json">OpenAPI</a>, <a href="../metadata">metadata</a>, '
        '<a href="../health/status">health</a>, <a href="../../../prometheus">metrics</a></p>'
        f"{graphs}<h2>Try it</h2><form><textarea rows=4>{html.escape(example.body(deployment))}</textarea>"
        f"<p><button>POST</button></p></form><pre id=result></pre>"
        f"<pre id=curl>{html.escape(example.curl(path, deployment))}</pre>"
        + (f"<h2>Ignored on this machine</h2><ul>{notes}</ul>" if notes else "")
        + f"<script>{_SCRIPT}</script>"
    )


def _headline(predictor: Predictor) -> str:
    share = "shadow" if predictor.shadow else f"{predictor.traffic} % of the traffic" if predictor.traffic else ""
    return html.escape(f"Predictor {predictor.name}" + (f", {share}" if share else ""))


def _item(unit: Unit) -> str:
    what = [unit.type if unit.implementation == "UNKNOWN_IMPLEMENTATION" else unit.implementation]
    what += [unit.image, unit.model_uri, *(f"{p.name} = {p.value}" for p in unit.parameters)]
    children = "".join(map(_item, unit.children))
    text = html.escape(", ".join(filter(None, what)))
    return f"<li><b>{html.escape(unit.name)}</b> {text}{f'<ul>{children}</ul>' if children else ''}</li>"


def openapi(deployment: Deployment) -> dict[str, Any]:
    """The routes for predictions and feedback, by OpenAPI 3.0 (https://spec.openapis.org/oas/v3.0.3)."""
    message = {"type": "object", "description": "SeldonMessage: meta, and one of data, binData, strData, jsonData"}
    rows = {"value": orjson.loads(example.body(deployment))}

    def post(summary: str, examples: dict[str, Any]) -> dict[str, Any]:
        schema = {"$ref": "#/components/schemas/SeldonMessage"}
        answers = {
            "200": {"description": "the graph's answer", "content": {"application/json": {"schema": schema}}},
            "default": {"description": "an error: status.code, status.info, status.status"},
        }
        content = {"application/json": {"schema": {"type": "object"}, "examples": examples}}
        return {
            "post": {"summary": summary, "requestBody": {"required": True, "content": content}, "responses": answers}
        }

    prefix = f"/seldon/{deployment.namespace}/{deployment.name}/api/v1.0"
    return {
        "openapi": "3.0.3",
        "info": {"title": deployment.name, "version": "v1.0"},
        "paths": {
            f"{prefix}/predictions": post("Ask the graph", {"rows": rows}),
            f"{prefix}/feedback": post("Tell the graph how good an answer was: request, response, reward, truth", {}),
        },
        "components": {"schemas": {"SeldonMessage": message}},
    }


def graph_metadata(predictor: Predictor, answers: Mapping[str, Message]) -> Message:
    """The metadata of a graph from its components' own (executor/predictor/metadata.go).

    Its inputs are those of the unit that takes the request first, its outputs those of the one that answers last.
    Raises WalkError where a component's is no JSON object.
    """
    models = {name: _metadata(name, answer) for name, answer in answers.items()}
    first, last = _edges(predictor.graph)
    value = {
        "name": predictor.name,
        "models": models,
        "graphinputs": models.get(first, {}).get("inputs"),
        "graphoutputs": models.get(last, {}).get("outputs"),
    }
    return Message(orjson.dumps(value), "application/json")


def _metadata(name: str, answer: Message) -> dict[str, Any]:
    value = codec_json.decoded(answer, f"the metadata of {name}")
    if not isinstance(value, dict):
        raise WalkError(f"expected the metadata of {name} to be a JSON object; found {excerpt(answer.body)}")
    return value


def _edges(unit: Unit) -> tuple[str, str]:
    if not unit.children:
        return unit.name, unit.name
    first, last = _edges(unit.children[0])
    if unit.type in ("MODEL", "TRANSFORMER"):
        return unit.name, last
    return first, unit.name if unit.type in ("OUTPUT_TRANSFORMER", "COMBINER") else last
