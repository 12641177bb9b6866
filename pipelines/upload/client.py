"""``client.py URL FILE NAME``: a new pipeline, a new version of it, or nothing, by KFP's own client.

Runs in the environment of either generation; what differs between their clients is in ``Server``. The version's name is
a hash of the file, so the same content is never uploaded twice. The description of a pipeline that this program made
starts with MARK and ends with the name of its first version, which the server names otherwise. A pipeline of that name
without the mark is somebody else's, and is left alone.
"""

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import kfp
import kfp_server_api

MARK = "servelab train-and-deploy, first uploaded as version "
TOKEN = "KFP_TOKEN"  # noqa: S105 - the name of a variable
FAILED = 1


class Server:
    """The calls of a client that differ in their fields: 1.8 says id and name, 2 pipeline_id and display_name."""

    def __init__(self, client: kfp.Client) -> None:
        self.client = client
        self.second = not kfp.__version__.startswith("1.")

    def pipeline(self, name: str) -> str | None:
        """The id of the pipeline of that name."""
        found: str | None = self.client.get_pipeline_id(name)
        return found

    def description(self, pipeline: str) -> str:
        """What is written about it."""
        return str(self.client.get_pipeline(pipeline).description or "")

    def versions(self, pipeline: str) -> Iterator[str]:
        """The names of its versions."""
        token = ""
        while True:
            page = self.client.list_pipeline_versions(pipeline, page_token=token, page_size=100)
            found = (page.pipeline_versions if self.second else page.versions) or []
            yield from (each.display_name if self.second else each.name for each in found)
            if not (token := page.next_page_token or ""):
                return


def main() -> int:
    """Upload if there is something new."""
    host, file, name = sys.argv[1:]
    warnings.simplefilter("ignore", FutureWarning)
    try:
        print(upload(host, Path(file), name))
    except kfp_server_api.ApiException as error:
        print(f"pipelines.upload: {host}: {_meaning(error, name)}", file=sys.stderr)
        return FAILED
    except Taken as error:
        print(f"pipelines.upload: {host}: {error}", file=sys.stderr)
        return FAILED
    return 0


class Taken(Exception):
    """Somebody else's pipeline has the name."""


def upload(host: str, file: Path, name: str) -> str:
    """What was done, in words."""
    server = Server(kfp.Client(host=host, existing_token=os.environ.get(TOKEN)))
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    pipeline = server.pipeline(name)
    if pipeline is None:
        server.client.upload_pipeline(str(file), pipeline_name=name, description=MARK + version)
        return f"new pipeline {name}, version {version}"
    about = server.description(pipeline)
    if not about.startswith(MARK):
        raise Taken(_taken(name))
    if version in {about.removeprefix(MARK), *server.versions(pipeline)}:
        return f"pipeline {name} has version {version} already: nothing uploaded"
    server.client.upload_pipeline_version(str(file), version, pipeline_id=pipeline)
    return f"new version {version} of pipeline {name}"


def _taken(name: str) -> str:
    return f"the name {name} is taken by a pipeline that is not of this program. Say another: NAME={name}-2"


def _meaning(error: kfp_server_api.ApiException, name: str) -> str:
    """A refusal in words; bodies are cut, and headers (with the token) never shown."""
    text = str(error.body or error.reason)
    if error.status in {401, 403}:
        return f"unauthorised ({error.status}). Set ${TOKEN} to a fresh bearer token"
    if error.status == 409 or "already exist" in text:
        return _taken(name)
    if error.status == 404:
        return f"no route for the upload ({error.reason}). Is the API under another path, such as /pipeline?"
    return f"refused with {error.status}: {text[:300]}"


if __name__ == "__main__":
    sys.exit(main())
