"""The part of check.py that runs in MLflow's environment: calls functions of champion.py on the registry in STATE.

``python drive.py CALLS REPORT``, where CALLS is a JSON list such as ``[["promote", "2"], ["take_back"]]``. REPORT gets
first a line of JSON with the runs by their versions, and then one for each call as soon as it is over: what it returned
or raised, and what the aliases name afterwards.
"""

import registry  # isort: skip  # of strategies/mlflow: it turns MLflow's telemetry off, so it is imported first

import json
import sys
import traceback
from pathlib import Path

import champion
import mlflow

NAME = "mnist"


def call(client: mlflow.MlflowClient, function: str, *arguments: str) -> dict[str, object]:
    """Make one call; an error of the learner's is a result like any other."""
    said: dict[str, object] = {"returned": None, "raised": ""}
    try:
        said["returned"] = getattr(champion, function)(client, NAME, *arguments)
    except NotImplementedError:
        said["raised"] = "not written yet"
    except (Exception, SystemExit) as error:
        trace = traceback.extract_tb(error.__traceback__)
        own = [frame.lineno for frame in trace if frame.filename == champion.__file__]
        said["raised"] = f"{type(error).__name__}: {error}" + (f" (champion.py, line {own[-1]})" if own else "")
    aliases = client.get_registered_model(NAME).aliases  # by a database its numbers are numbers, not text
    return said | {"aliases": {alias: str(version) for alias, version in aliases.items()}}


def main() -> None:
    """Make the calls, in order."""
    mlflow.set_tracking_uri(registry.tracking_uri())
    client = mlflow.MlflowClient()
    runs = {str(found.version): found.run_id for found in client.search_model_versions(f"name = '{NAME}'")}
    with Path(sys.argv[2]).open("w", encoding="utf-8", buffering=1) as report:
        report.write(json.dumps(runs) + "\n")
        report.writelines(json.dumps(call(client, *words), default=str) + "\n" for words in json.loads(sys.argv[1]))


if __name__ == "__main__":
    main()
