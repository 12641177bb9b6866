"""A manifest deployed by a ResourceOp, in the words of the program that this course starts from.

``python seed.py`` writes seed.yaml. What the program of 2022 said otherwise: its manifest was a form with blanks, and
is a file of this repository, read safely; and it had no conditions, so its pipeline was green as soon as the object
existed, whether or not anything ever served. All the rest works as it did, on KFP 1.8: ``create``, so that a second run
is refused while the first one's object is there.
"""

from pathlib import Path

import yaml  # type: ignore[import-untyped]
from kfp import dsl

from compiling import write  # isort: skip

MANIFEST = Path(__file__).parents[2] / "k8s" / "seldon" / "ab-test.yaml"
COMPILED = Path(__file__).with_name("seed.yaml")


@dsl.pipeline(name="Inference Pipeline")  # type: ignore[untyped-decorator]
def inference_pipeline() -> None:
    """One step: the SeldonDeployment, until it is Available."""
    dsl.ResourceOp(
        name="seldon_deployment",
        k8s_resource=yaml.safe_load(MANIFEST.read_text("utf-8")),
        action="create",
        attribute_outputs={"name": "{.metadata.name}"},
        success_condition="status.state == Available",
        failure_condition="status.state == Failed",
    )


if __name__ == "__main__":
    write(inference_pipeline, COMPILED)
