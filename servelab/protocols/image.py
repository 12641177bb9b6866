"""The FastAPI seed's own dialect: an image file as multipart field ``image``, ``POST /prediction`` -> a sentence.

Specification of the body: RFC 7578 (multipart/form-data).
"""

import hashlib
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from servelab.protocols.base import DecodeError, Request, excerpt
from shared_models import InvalidInput, Model

_ANSWER = re.compile(r"예측한 값은: (\d+)입니다\.")


def encode(batch: NDArray[Any], model: Model) -> Request:  # noqa: ARG001 - one signature for all dialects
    """The request for one image, shape (1, height, width), 0 to 1, sent as an 8-bit grey PNG."""
    from PIL import Image

    if batch.ndim != 3 or batch.shape[0] != 1:
        raise InvalidInput(f"the image dialect takes one image, shape (1, height, width); found shape {batch.shape}")
    file = io.BytesIO()
    Image.fromarray(np.rint(batch[0] * 255).astype(np.uint8)).save(file, "PNG")
    return upload(file.getvalue(), "image.png")


def upload(data: bytes, filename: str = "image.jpg") -> Request:
    """The request that uploads these bytes as they are."""
    boundary = hashlib.sha256(data).hexdigest()[:32]  # the same file gives the same bytes, run after run
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{filename}"\r\n'
    body = f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return Request("POST", "/prediction", (("Content-Type", f"multipart/form-data; boundary={boundary}"),), body)


def decode(headers: Mapping[str, str], body: bytes) -> NDArray[Any]:  # noqa: ARG001 - one signature for all dialects
    """The digit, shape (1,)."""
    try:
        sentences = orjson.loads(body)
    except orjson.JSONDecodeError:
        sentences = None
    found = _ANSWER.fullmatch(str(sentences[0])) if isinstance(sentences, list) and len(sentences) == 1 else None
    if found is None:
        raise DecodeError(f'expected ["예측한 값은: N입니다."]; found {excerpt(body)}')
    return np.array([int(found[1])])
