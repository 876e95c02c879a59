"""A teacher's fingerprints of the training images: read from a file, or made by running its .tflite.

The small network learns to give the fingerprints a larger one gives (Hinton et al., "Distilling the Knowledge in a
Neural Network", 2015, with fingerprints instead of class scores).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.records import FaceSet
from facerec_core.errors import DataError, OptionError
from facerec_core.metrics import unit_length
from facerec_core.stages import file_digest
from facerec_core.weights import UNREADABLE, read_plain_arrays

NAMES, EMBEDDINGS = "names", "embeddings"
ALLOWED = "null, an .npz file with the arrays names and embeddings, or a .tflite file of face fingerprints"
_NAME_PARTS = 2
"""Parts of a path that name an image: its identity's folder and its file."""

FacesAt = Callable[[int], FaceSet]
"""The training images at another resolution, in the same order."""


def teacher_identity(teacher: str | None) -> str | None:
    """The content of the teacher's file as a hash, None without a teacher.

    Raises:
        OptionError: the file cannot be read, or is of neither kind.
    """
    if teacher is None:
        return None
    path = Path(teacher).expanduser()
    if path.suffix not in (".npz", ".tflite"):
        raise OptionError("train.teacher", teacher, ALLOWED)
    try:
        return file_digest(path)
    except OSError as error:
        raise OptionError("train.teacher", teacher, ALLOWED, f"it cannot be read: {error.strerror}") from error


def teacher_vectors(teacher: str, faces: FaceSet, faces_at: FacesAt, threads: int = 1) -> NDArray[np.float32]:
    """Unit-length fingerprints of `faces`, float32 [n, t], in their order.

    Args:
        teacher: an .npz of `names` [m] and `embeddings` [m, t], or a .tflite.
        faces: the training split.
        faces_at: the same images at the resolution the .tflite takes.
        threads: threads the .tflite may use.

    Raises:
        DataError: a fingerprint is missing, is not finite or has no direction, or names are not unique.
        OptionError: the file cannot be read, or is of neither kind.
        StorageError: the .tflite is none.
    """
    path = Path(teacher).expanduser()
    vectors = _run(path, faces_at, threads) if path.suffix == ".tflite" else _look_up(path, faces.names)
    if not np.isfinite(vectors).all() or not np.abs(vectors).max(axis=1, initial=0.0).all():
        raise DataError(f"train.teacher: {path} holds fingerprints that are zero or not finite; they point nowhere")
    return unit_length(vectors)


def _run(path: Path, faces_at: FacesAt, threads: int) -> NDArray[np.float32]:
    from facerec_core.tflite import Interpreter

    interpreter = Interpreter(path, threads=threads)
    return interpreter.embed(faces_at(interpreter.resolution).images)


def _look_up(path: Path, names: Sequence[str]) -> NDArray[np.float32]:
    known, embeddings = _read(path)
    rows = _by_name(known, path)
    missing = [name for name in names if _key(name) not in rows]
    if missing:
        raise DataError(
            f"train.teacher: {path} has no fingerprint of {len(missing)} of {len(names)} training images, such as "
            f"{missing[0]}; names end in IDENTITY/FILE"
        )
    return embeddings[[rows[_key(name)] for name in names]]


def _read(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    try:
        arrays = read_plain_arrays(path)
    except UNREADABLE as error:
        raise OptionError("train.teacher", str(path), ALLOWED, f"it cannot be read: {error}") from error
    if not {NAMES, EMBEDDINGS} <= arrays.keys():
        raise OptionError("train.teacher", str(path), ALLOWED, f"it holds {', '.join(sorted(arrays)) or 'nothing'}")
    names, embeddings = arrays[NAMES], arrays[EMBEDDINGS]
    shapes = f"names {names.shape} and embeddings {embeddings.shape}"
    if names.ndim != 1 or names.dtype.kind != "U" or embeddings.ndim != 2 or len(names) != len(embeddings):
        raise OptionError("train.teacher", str(path), "names [m] of text and embeddings [m, t]", f"it holds {shapes}")
    return list(names), embeddings.astype(np.float32)


def _key(name: str) -> str:
    """The last two parts of a path: trees are unpacked at different places."""
    return "/".join(PurePosixPath(name).parts[-_NAME_PARTS:])


def _by_name(names: Sequence[str], path: Path) -> Mapping[str, int]:
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        if rows.setdefault(_key(name), row) != row:
            raise DataError(f"train.teacher: {path} names {_key(name)} twice; every image needs one fingerprint")
    return rows
