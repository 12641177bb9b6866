"""Run the pipeline for a version of a model, unless it has promoted just that: ``prepare.py MODEL VERSION FILE``.

FILE is the SeldonDeployment that it promoted, which the graph runner then serves. Anew when the model, the pipeline or
a lock file is another; `servelab` is found on PATH.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import shared_models

ROOT = Path(__file__).resolve().parent.parent.parent
PIPELINE = ROOT / "pipelines" / "v2"
LOCKS = (ROOT / "requirements.txt", ROOT / "strategies" / "seldon" / "requirements.txt", PIPELINE / "requirements.txt")
KEY = "servelab/made-from"
SECONDS = "1"  # of load: the bench measures this server at length


def main() -> None:
    """Write the promoted deployment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("version")
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    model = shared_models.load(options.model, options.version)
    key = _key(model.folder)
    if _made_from(options.file) != key:
        name = model.name.lower().replace("_", "-").replace(".", "-")
        store = options.file.parent / "store"
        what = f"{model.name} version {model.version}"
        print(f"kfp: running the pipeline once for {what} ...", file=sys.stderr, flush=True)
        # A brought model passes the gate whatever its card says: whoever brings it has judged it.
        brought = ["--minimum", "0"] if "/" in options.model else []
        _run("--name", name, "--model", options.model, "--version", model.version, "--store", str(store), *brought)
        record = json.loads((store / "promoted" / "default" / f"{name}.json").read_text())
        _write(options.file, record["manifest"], key)


def _key(folder: Path) -> str:
    """A hash over what decides the run: the model's files, the compiled pipeline, the packages."""
    digest = hashlib.sha256()
    for part in (*sorted(folder.glob("*.*")), PIPELINE / "pipeline.yaml", *LOCKS):
        digest.update(hashlib.sha256(part.read_bytes()).digest())
    return digest.hexdigest()


def _made_from(file: Path) -> str:
    """The key of the deployment in that file; nothing when there is none, or the model that it names is gone."""
    if not file.exists():
        return ""
    document = json.loads(file.read_text())
    folder = Path(document["spec"]["predictors"][0]["graph"]["modelUri"].removeprefix("file://"))
    return str(document["metadata"]["annotations"][KEY]) if folder.is_dir() else ""


def _run(*arguments: str) -> None:
    """The pipeline in its own environment."""
    python = subprocess.run(["servelab", "env", "pipelines/v2"], check=True, stdout=subprocess.PIPE, text=True)
    command = [python.stdout.strip(), str(PIPELINE / "run.py"), "--seconds", SECONDS, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout.rstrip().rpartition("\n")[2] or "the pipeline did not run")  # its last line says why


def _write(file: Path, document: dict[str, dict[str, object]], key: str) -> None:
    """At once or not at all: a server may be reading it."""
    document["metadata"] |= {"annotations": {KEY: key}}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(document, indent=2) + "\n")
    part.replace(file)


if __name__ == "__main__":
    main()
