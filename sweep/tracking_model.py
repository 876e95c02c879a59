"""A variant's .tflite as a model that `mlflow.pyfunc.load_model` loads."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facerec_core.errors import StorageError
from facerec_core.types import VariantRecord

REQUIREMENTS = ("ai-edge-litert", "numpy")


def save_model(folder: Path, tflite: Path, resolution: int, variant: VariantRecord) -> None:
    """Write a pyfunc model with a signature: uint8 RGB [n, resolution, resolution, 3] to float32 [n, embedding].

    The fingerprints have unit length. The model is the .tflite and `fingerprint_model.py` as source text.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
        StorageError: `tflite` is missing.
    """
    from mlflow.models import Model

    if not tflite.is_file():
        raise StorageError(f"{tflite}: the {variant.scheme} file is missing; run the candidate again with force=true")
    template = _template()
    for name, content in template.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    stored = folder / "artifacts" / tflite.name
    stored.parent.mkdir(parents=True, exist_ok=True)
    link_or_copy(tflite, stored)
    described = Model.from_dict(_described(template.description, stored, tflite))
    described.signature = _signature(resolution, variant.file.embedding)
    (folder / "MLmodel").write_text(yaml_text(described.to_dict()), encoding="utf-8")


def yaml_text(plain: object) -> str:
    """Plain data as YAML, by the dumper in C where PyYAML was built with it: ten times as fast."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(plain, Dumper=dumper, default_flow_style=False, allow_unicode=True))


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under a second name where the file system can, else a copy; finished stages never change."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@dataclass(frozen=True)
class _Template:
    """What all models share: MLflow's description without signature and file, and the files beside it."""

    description: dict[str, Any]
    files: tuple[tuple[str, bytes], ...]


@cache
def _template() -> _Template:
    """One model written by MLflow itself, which takes its time to look at packages and code, kept in memory."""
    import mlflow
    from mlflow.models import Model

    with tempfile.TemporaryDirectory(prefix="sweep-") as temporary:
        folder, placeholder = Path(temporary) / "model", Path(temporary) / "placeholder.tflite"
        placeholder.touch()
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(Path(__file__).with_name("fingerprint_model.py")),
            artifacts={"tflite": str(placeholder)},
            signature=_signature(96, 8),
            pip_requirements=[f"{package}=={version(package)}" for package in REQUIREMENTS],
        )
        beside = (path for path in sorted(folder.rglob("*")) if path.is_file())
        names = ((str(path.relative_to(folder)), path) for path in beside)
        skipped = ("MLmodel", f"artifacts/{placeholder.name}")
        files = tuple((name, path.read_bytes()) for name, path in names if name not in skipped)
        return _Template(Model.load(str(folder)).to_dict(), files)


def _described(description: dict[str, Any], stored: Path, tflite: Path) -> dict[str, Any]:
    """The template's description, made that of a model of its own."""
    flavours = description["flavors"]
    python = flavours["python_function"] | {
        "artifacts": {"tflite": {"path": f"artifacts/{stored.name}", "uri": str(tflite.resolve())}}
    }
    return description | {
        "flavors": flavours | {"python_function": python},
        "model_uuid": uuid.uuid4().hex,
        "model_size_bytes": stored.stat().st_size,
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }


def _signature(resolution: int, embedding: int) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    images = TensorSpec(np.dtype("uint8"), (-1, resolution, resolution, 3))
    fingerprints = TensorSpec(np.dtype("float32"), (-1, embedding))
    return ModelSignature(Schema([images]), Schema([fingerprints]))
