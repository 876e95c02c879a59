"""A variant's .tflite as a model that `mlflow.pyfunc.load_model` loads."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from facerec_core.errors import StorageError
from facerec_core.types import VariantRecord

REQUIREMENTS = ("ai-edge-litert", "numpy")


def save_model(folder: Path, tflite: Path, resolution: int, variant: VariantRecord) -> None:
    """Write a pyfunc model with a signature: uint8 RGB [n, resolution, resolution, 3] to float32 [n, embedding].

    The fingerprints have unit length. The model is the .tflite and `fingerprint_model.py` as source text.

    Raises:
        StorageError: `tflite` is missing.
    """
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    if not tflite.is_file():
        raise StorageError(f"{tflite}: the {variant.scheme} file is missing; run the candidate again with force=true")
    images = TensorSpec(np.dtype("uint8"), (-1, resolution, resolution, 3))
    fingerprints = TensorSpec(np.dtype("float32"), (-1, variant.file.embedding))
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=str(Path(__file__).with_name("fingerprint_model.py")),
        artifacts={"tflite": str(tflite.resolve())},
        signature=ModelSignature(Schema([images]), Schema([fingerprints])),
        pip_requirements=[f"{package}=={version(package)}" for package in REQUIREMENTS],
    )
