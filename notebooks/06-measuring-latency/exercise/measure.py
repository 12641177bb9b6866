"""Predict, then measure: three handlers under the same load. `python notebooks/work/06/measure.py`."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from bench import probe
from bench.probe import Probe
from notebooks.course import page, program

HERE = Path(__file__).parent
CLIENTS = 16


def measure(
    urls: Mapping[str, str], predicted: Mapping[str, float], file: Path, rounds: int = 3, seconds: float = 2.0
) -> None:
    """Write what was predicted, and then what was found, to `file`: a JSON object a line, each when it is known.

    The first line:   {"kind": "prediction", "p50_ms": {"blocking": 1.0, ...}}
    for each window:  {"kind": "window", "round": 1, "variant": "blocking", "clients": 16, "p50_ms": 1.0, "p95_ms": 1.0,
                       "requests": 100, "compared": 100, "right": true}

    In each round every variant has one window of so many `seconds`: in the order of `urls` in the first round, from the
    last to the first in the second, and so on in turns. A percentile that bench.probe does not know stays None.
    `right`: nothing failed, and the answers that were compared are right.
    """
    # starter: raise NotImplementedError("write the prediction down, then make the windows")
    # solution: begin
    with file.open("w") as lines:
        print(json.dumps({"kind": "prediction", "p50_ms": dict(predicted)}), file=lines, flush=True)
        for number in range(1, rounds + 1):
            for variant in urls if number % 2 else reversed(list(urls)):
                found = probe.run(Probe(urls[variant], "v1", "iris", seconds=seconds, concurrency=CLIENTS))
                window = {
                    "kind": "window",
                    "round": number,
                    "variant": variant,
                    "clients": CLIENTS,
                    "p50_ms": found.service["p50"],
                    "p95_ms": found.service["p95"],
                    "requests": found.requests,
                    "compared": found.compared,
                    "right": not found.unfit,
                }
                print(json.dumps(window), file=lines, flush=True)
    # solution: end


def main() -> None:
    predicted = tomllib.loads((HERE / "prediction.toml").read_text(encoding="utf-8"))
    command = ["uvicorn", "variants:app", "--port", "{port}", "--no-access-log"]
    file = HERE / "found.jsonl"
    with program.start(command, strategy="fastapi", cwd=HERE, port=0) as running:
        measure({name: f"{running.url}/{name}" for name in predicted}, predicted, file)
    windows = [line for line in map(json.loads, file.read_text().splitlines()) if line["kind"] == "window"]
    rows = [
        (w["round"], w["variant"], predicted[w["variant"]], _shown(w["p50_ms"]), _shown(w["p95_ms"]), w["right"])
        for w in windows
    ]
    page.table(rows, ("round", "variant", "predicted p50 ms", "found p50 ms", "found p95 ms", "right"))


def _shown(ms: float | None) -> str:
    return "too few requests" if ms is None else f"{ms:.1f}"


if __name__ == "__main__":
    main()
