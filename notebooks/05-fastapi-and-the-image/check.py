"""Does the learner's app.py answer however it is started, load its model at the right time, and describe itself?"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import servelab
import shared_models
from notebooks.course import program
from notebooks.course.check import Failure, Work
from servelab.protocols import Request, image
from servelab.protocols.base import excerpt
from shared_models.mnist import sentence

SAMPLES = {"1.jpg": "1", "3.png": "3", "4.jpg": "4", "7.png": "7"}
FOLDER = Path("shared_models/mnist/samples")
ROOT_ANSWER = {"error": "use POST /prediction instead of root route"}
READY, PATIENCE = 15.0, 15.0  # seconds for a start, and for an answer
UVICORN = ["uvicorn", "app:app", "--port", "{port}"]


def check_python(work: Work) -> Iterator[Failure]:
    """it answers under `python app.py`"""
    yield from answers(work, ["python", "app.py"])


def check_uvicorn(work: Work) -> Iterator[Failure]:
    """it answers under `uvicorn app:app`"""
    yield from answers(work, UVICORN)


def check_workers(work: Work) -> Iterator[Failure]:
    """it answers under `uvicorn app:app --workers 2`"""
    yield from answers(work, [*UVICORN, "--workers", "2"])


def check_loading(work: Work) -> Iterator[Failure]:
    """the model is loaded once, at the start: not at the import, not at a request"""
    before, after = probed(work, "import")
    opened = "PROBE a model is opened"
    if opened in before.partition("PROBE imported")[0]:
        yield Failure("the import of app.py loads the model: expected it to load nothing", "load it in the lifespan")
    if before.count(opened) != 1:
        look = "the part of the lifespan before its yield"
        yield Failure(f"expected one loading before the first request; found {before.count(opened)}", look)
    if after.count(opened) > before.count(opened):
        yield Failure("a request loads the model", "a route takes the model that the lifespan has kept")


def check_loading_once(work: Work) -> Iterator[Failure]:
    """under `python app.py`, too, no process loads the model twice"""
    _, after = probed(work, "main")
    loads = Counter(line for line in after.splitlines() if line.startswith("PROBE a model is opened"))
    if loads and (most := max(loads.values())) > 1:
        look = "what runs when the file is executed as __main__ (that copy answers no request), or at each request"
        yield Failure(f"expected one loading in each process; found {most} in one", look)


def probed(work: Work, how: str) -> tuple[str, str]:
    """What the app printed before the first request, and after two: which tells when its model was opened."""
    command = ["python", str(Path(__file__).with_name("probe.py")), how, "{port}"]
    with program.start(command, strategy="fastapi", cwd=work.folder, port=0, ready=READY) as running:
        before = running.text()
        ask(running.url)
        ask(running.url)
        return before, running.text()


def check_openapi(work: Work) -> Iterator[Failure]:
    """/openapi.json describes GET / and POST /prediction with its one file, image; /docs shows it"""
    with program.start(UVICORN, strategy="fastapi", cwd=work.folder, port=0, ready=READY) as running:
        api = json.loads(get(running.url, "/openapi.json")[1])
        status, page = get(running.url, "/docs")
    routes = {path: sorted(methods) for path, methods in api["paths"].items()}
    expected = {"/": ["get"], "/prediction": ["post"]}
    if routes | expected != routes:  # more routes are no fault
        yield Failure(f"expected the routes {expected}; found {routes}", "the decorators @app.get and @app.post")
    else:
        yield from upload(api)
    if status != 200 or b"swagger" not in page:
        yield Failure(f"expected GET /docs to show Swagger UI; found {status}", "FastAPI(title=...)")


def upload(api: dict[str, Any]) -> Iterator[Failure]:
    """What the description of POST /prediction must say of its body."""
    operation = api["paths"]["/prediction"]["post"]
    content = operation.get("requestBody", {}).get("content", {})
    name = content.get("multipart/form-data", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = api.get("components", {}).get("schemas", {}).get(name, {})
    if list(schema.get("properties", {})) != ["image"] or schema.get("required") != ["image"]:
        found = f"{list(content) or 'no body'} with the fields {list(schema.get('properties', {}))}"
        look = "the parameters of prediction(): image: UploadFile, and besides it request: Request only"
        yield Failure(f"expected multipart/form-data with the one required field image; found {found}", look)
    if operation.get("parameters"):
        names = [parameter["name"] for parameter in operation["parameters"]]
        yield Failure(f"expected no other parameter; found {names}", "a parameter that is no Request is asked for")


def answers(work: Work, command: list[str]) -> Iterator[Failure]:
    """The failures of the app started by that command, asked on a new connection each time."""
    shown = " ".join(command).replace(" --port {port}", "")
    with program.start(
        command, strategy="fastapi", cwd=work.folder, port=0, env={"PORT": "{port}"}, ready=READY
    ) as running:
        status, body = get(running.url, "/")
        if status != 200 or read(body) != ROOT_ANSWER:
            yield Failure(f"{shown}: expected GET / to answer {ROOT_ANSWER}; found {status} {excerpt(body)}", "root()")
        wrong = set()
        for name, digit in (*SAMPLES.items(), *SAMPLES.items()):  # twice, so that each worker has its share
            if name in wrong:
                continue
            status, body = ask(running.url, name)
            expected = f'["{sentence(digit)}"]'
            if status == 500:
                running.stop()  # its log is whole then
                yield Failure(f"{shown}: {name} was answered 500", f"the end of its log:\n{tail(running.text())}")
                return
            if (status, body.decode("utf-8", "replace")) != (200, expected):
                wrong.add(name)
                found = f"expected 200 {expected}; found {status} {excerpt(body)}"
                yield Failure(f"{shown}: {name}: {found}", "prediction()")
        status, body = get(running.url, "/prediction")
        if status != 405:
            yield Failure(f"{shown}: expected 405 for GET /prediction; found {status} {excerpt(body)}", "@app.post")


def ask(url: str, name: str = "1.jpg") -> tuple[int, bytes]:
    """The status and body of the answer to a sample image."""
    return exchange(url, image.upload((FOLDER / name).read_bytes(), name))


def get(url: str, path: str) -> tuple[int, bytes]:
    return exchange(url, Request("GET", path, (), b""))


def read(body: bytes) -> object:
    """The JSON of an answer; None when it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def exchange(url: str, request: Request) -> tuple[int, bytes]:
    """The status and body of an answer; a server that takes longer than some seconds gives none."""
    with servelab.Client(url, "image", shared_models.load("mnist"), PATIENCE) as client:
        status, _, body = client.exchange(request)
    return status, body


def tail(log: str, lines: int = 4) -> str:
    told = [line for line in log.splitlines() if line and not line.startswith("INFO:")]  # its stop is no news
    return "\n".join(told[-lines:])
