"""``python -m pipelines.upload URL``: which generation answers there, then its own client with the file it takes."""

import argparse
import subprocess
import sys
from pathlib import Path

from pipelines.upload.probe import TOKEN, NoServer, generation

PIPELINES = Path(__file__).resolve().parent.parent
WRONG = 2


def main() -> int:
    """The exit status of the client; 2 when there is no server to talk to."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.upload", description=__doc__, epilog=f"A token is taken from ${TOKEN}."
    )
    parser.add_argument("host", nargs="?", default="", help="the server, such as http://127.0.0.1:8080")
    parser.add_argument("--name", default="train-and-deploy", help="of the pipeline (default: train-and-deploy)")
    options = parser.parse_args()
    try:
        found = generation(options.host)
    except NoServer as error:
        print(f"pipelines.upload: {error}", file=sys.stderr)
        return WRONG
    file = PIPELINES / found / "pipeline.yaml"
    print(f"{options.host} is of KFP's generation {found}: it takes {file.relative_to(PIPELINES.parent)}", flush=True)
    servelab = Path(sys.executable).with_name("servelab")
    built = subprocess.run([servelab, "env", f"pipelines/{found}"], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        return built.returncode
    client = Path(__file__).with_name("client.py")
    return subprocess.run([built.stdout.strip(), client, options.host, file, options.name], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
