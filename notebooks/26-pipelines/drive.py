"""The part of check.py that runs in KFP 2's environment: compiles port.py, and runs it by kfp.local.

``python drive.py COMPILED API RUNS`` writes the compiled file, runs the pipeline against each cluster of recording.py,
and writes a line of JSON for each run that ends: the cluster, the pipeline's output and why it failed.
"""

import contextlib
import io
import json
import re
import sys
import tempfile
import warnings
from pathlib import Path

import port
from kfp import compiler, local
from recording import OTHER

ANSI = re.compile(r"\x1b\[\d+m")
ERROR = re.compile(r"^(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception|Timeout)\b.*")  # the last line of a traceback
SECONDS = {"available": 20.0, "other": 5.0, "taken": 5.0, "failed": 8.0, "never": 1.0}
MANIFESTS = {"other": {"manifest": OTHER}}  # where it is not the pipeline's own


def run(api: str, **given: object) -> dict[str, object]:
    """The pipeline's output, or the last error that its step printed."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            return {"output": port.inference_pipeline(api=api, **given).output, "error": ""}
    except Exception as error:
        lines = [ANSI.sub("", line).strip() for line in printed.getvalue().splitlines()]
        said = ANSI.sub("", f"{type(error).__name__}: {error}")
        return {"output": None, "error": next(filter(ERROR.match, reversed(lines)), said)}


def main() -> None:
    """Compile, then run."""
    compiled, api, runs = sys.argv[1:]
    warnings.simplefilter("ignore")
    compiler.Compiler().compile(port.inference_pipeline, compiled)
    with tempfile.TemporaryDirectory() as root, Path(runs).open("w", encoding="utf-8", buffering=1) as lines:
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=root)
        for cluster, seconds in SECONDS.items():
            ended = run(f"{api}/{cluster}", seconds=seconds, **MANIFESTS.get(cluster, {}))
            print(json.dumps({"cluster": cluster, **ended}), file=lines)


if __name__ == "__main__":
    main()
