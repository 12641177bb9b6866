"""One conformance kit for all strategies: real requests against a really running server.

Example usage::

    report = servelab.conformance.run("flask", model="iris")
    print(report.render())
    assert report.ok

    with servelab.serve("fastapi", model="mnist") as server:
        servelab.conformance.parity(server)
"""

from servelab.conformance.answers import parity
from servelab.conformance.check import Report, Result, line
from servelab.conformance.kit import checks, run
from servelab.errors import ConformanceError

__all__ = ["ConformanceError", "Report", "Result", "checks", "line", "parity", "run"]
