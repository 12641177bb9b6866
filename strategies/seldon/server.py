"""Seldon's own wrapper around one component: its REST routes, guarded, and /metrics.

Run it with gunicorn (see README.md): each worker imports this after the fork, so that each loads the component itself.
component.py says which one is served.
"""

import os
from collections.abc import Iterable
from typing import Any

import component as components
from metrics import Metrics
from seldon_core.wrapper import (  # type: ignore[import-untyped]
    METRICS_ENDPOINT,
    get_metrics_microservice,
    get_rest_microservice,
)

component = components.asked()
components.load(component)
metrics = Metrics(os.environ.get("METRICS_FOLDER", ""))
rest = get_rest_microservice(component, metrics)
scraped = get_metrics_microservice(metrics)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The WSGI application of all ports."""
    called = scraped if environ["PATH_INFO"] == METRICS_ENDPOINT else rest
    return called(environ, start_response)  # type: ignore[no-any-return]
