"""What is served: a model of BentoML's store."""

import contextlib
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import bentoml
from bentoml.exceptions import BadInput, NotFound
from pydantic import BaseModel
from store import source, tag

import shared_models
from shared_models import InvalidInput
from shared_models.card import read


class Arguments(BaseModel):
    """What `bentoml build --arg tag=...` freezes into a bento; without it the environment says what is served."""

    tag: str = ""


wanted = bentoml.use_arguments(Arguments).tag or tag(source())
try:
    stored = bentoml.models.get(wanted)
except NotFound:
    sys.exit(f"expected the model {wanted} in BentoML's store; found none. Save it: python store.py")
folder = Path(stored.path)
card = read(folder)


@functools.cache
def model() -> shared_models.Model:
    """The model, loaded. The processes that answer need it; the one that starts them does not."""
    return shared_models.load(folder)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """BentoML answers 400 to its own exceptions alone."""
    try:
        yield
    except InvalidInput as error:
        raise BadInput(str(error)) from None
