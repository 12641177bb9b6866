"""A preprocessing server: it makes an input row of an image, and asks the model's server, which sees no images.

`MODEL_URL=http://127.0.0.1:8002 uvicorn front:app`. It needs Pillow, and neither onnxruntime nor the model.
"""

import http.client
import os
import threading
from urllib.parse import urlsplit

import orjson
from fastapi import FastAPI, UploadFile

from shared_models import load_card
from shared_models.image import preprocess
from shared_models.mnist import sentence

ROUTE = "/v1/models/mnist:predict"
labels = load_card("mnist").labels
address = urlsplit(os.environ["MODEL_URL"]).netloc
kept = threading.local()  # a connection to the model's server for each thread
app = FastAPI()


def ask(body: bytes) -> bytes:
    if not hasattr(kept, "connection"):
        kept.connection = http.client.HTTPConnection(address, timeout=10)
    kept.connection.request("POST", ROUTE, body, {"Content-Type": "application/json"})
    answer: bytes = kept.connection.getresponse().read()
    return answer


@app.post("/prediction")
def prediction(image: UploadFile) -> list[str]:
    row = preprocess(image.file.read())
    answer = orjson.loads(ask(orjson.dumps({"instances": [row]}, option=orjson.OPT_SERIALIZE_NUMPY)))
    (probabilities,) = answer["predictions"]
    return [sentence(labels[probabilities.index(max(probabilities))])]
