"""Which generation of KFP's API answers at an address. The second is asked for first: its servers know both."""

import http.client
import json
import os
import urllib.error
import urllib.request

TOKEN = "KFP_TOKEN"  # noqa: S105 - the name of a variable; its value goes into one header and nowhere else
PATHS = {"v2": "/apis/v2beta1/healthz", "v1": "/apis/v1beta1/healthz"}
TIMEOUT = 20.0
UNAUTHORISED = {401, 403}
MISSING = 404


class NoServer(Exception):
    """No server of KFP can be talked to there; the message says what was found and what to type."""


def generation(host: str) -> str:
    """``v1`` or ``v2``. NoServer when nothing, something else, or something that wants a login answers."""
    if not host.startswith(("http://", "https://")):
        raise NoServer(f"expected http://... of a KFP server; found {host or 'none'}. "
                       "Type: make pipeline-upload KFP_HOST=http://127.0.0.1:8080")  # fmt: skip
    for name, path in PATHS.items():
        if _answers(host.rstrip("/") + path):
            return name
    raise NoServer(
        f"{host} answers, but has no route {' or '.join(PATHS.values())}. Is it Kubeflow Pipelines, and is its "
        "API under another path, such as /pipeline? Type: make pipeline-upload KFP_HOST=URL/pipeline"
    )


def _answers(url: str) -> bool:
    """Whether the health route is there. NoServer when the server itself is not, or wants to know who asks."""
    token = os.environ.get(TOKEN)
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http(s), seen to above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            json.loads(answer.read())
    except urllib.error.HTTPError as error:
        if error.code == MISSING:
            return False
        why = f"{url} answered {error.code}"
        if error.code in UNAUTHORISED:
            raise NoServer(f"{why}, unauthorised. {advice()}") from None
        raise NoServer(f"{why} {error.reason}; look into the server's log") from None
    except ValueError:
        raise NoServer(f"{url} answered with a page, not with JSON: a login stands before it? {advice()}") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoServer(f"no server answers at {url}: {getattr(error, 'reason', error)}. "
                       "Is it up, and its port forwarded?") from None  # fmt: skip
    return True


def advice() -> str:
    """What to do about a server that does not know who asks."""
    return (f"The token in ${TOKEN} is not taken; set a fresh one." if os.environ.get(TOKEN)
            else f"Set ${TOKEN} to a bearer token.")  # fmt: skip
