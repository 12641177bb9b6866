"""A step of a pipeline: one command of the toolkit, run in the toolkit's image.

``step("...")`` turns a command line into a component of KFP. Its placeholders say what the step reads and writes:

    {name}    the value of a parameter
    {<name}   the path of a file or folder that an earlier step wrote
    {>name}   the path to write one at
"""

import json
import re
import shlex
from collections.abc import Callable

from kfp import components
from kfp.dsl import ContainerOp

PLACEHOLDER = re.compile(r"\{([<>]?)(\w+)\}")
KIND = {"": "inputValue", "<": "inputPath", ">": "outputPath"}


def step(name: str, image: str, line: str) -> Callable[..., ContainerOp]:
    """The component ``name``, which runs ``line`` in ``image``: keyword arguments in, ``.outputs[...]`` out."""
    words = [_word(word) for word in shlex.split(line)]
    found = dict.fromkeys(PLACEHOLDER.findall(line))
    spec = {
        "name": name,
        "inputs": [{"name": word} for kind, word in found if kind != ">"],
        "outputs": [{"name": word} for kind, word in found if kind == ">"],
        "implementation": {"container": {"image": image, "command": words}},
    }
    component: Callable[..., ContainerOp] = components.load_component_from_text(json.dumps(spec))  # JSON is YAML
    return component


def _word(word: str) -> str | dict[str, str]:
    match = PLACEHOLDER.fullmatch(word)
    return {KIND[match[1]]: match[2]} if match else word
