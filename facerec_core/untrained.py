"""Int8 files of networks nobody has trained: all that size, memory and speed depend on, in seconds.

Weights are drawn at random, and so are the offsets and statistics of batch normalisation: left as they are
initialised they give biases of zero, which the converter stores once for many layers, and a file 5 % too small.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np

from facerec_core.arena import verify_tflite
from facerec_core.errors import QuantizationError, StorageError
from facerec_core.stages import write_file
from facerec_core.strip import strip
from facerec_core.types import Candidate

CALIBRATION_IMAGES = 4
VERSION = 1
"""Goes into the file names: raise it when the files change."""


def untrained_path(candidate: Candidate, folder: Path) -> Path:
    """Where the file of a candidate lies, whether or not it is there yet."""
    shape = f"mobilenetv2_{candidate.width:g}_{candidate.resolution}_{candidate.embedding}"
    if candidate.last is not None:
        shape += f"_last{candidate.last}"
    return folder / f"{shape}_v{VERSION}.tflite"


def untrained_files(
    candidates: Sequence[Candidate], folder: Path, report: Callable[[int, int, Candidate], None]
) -> dict[Candidate, Path]:
    """The stripped int8 file of each candidate, from `folder` or made now; a file that is cut is made again.

    Conversion happens in a process that ends, because the converter leaks memory.

    Args:
        candidates: the architectures.
        folder: where the files are kept.
        report: called with (files made so far, files to make, the candidate being made).

    Raises:
        QuantizationError: a conversion failed.
        StorageError: the folder cannot be written.
    """
    paths = {candidate: untrained_path(candidate, folder) for candidate in candidates}
    missing = [candidate for candidate, path in paths.items() if not _is_whole(path)]
    _make_folder(folder)
    for done, (candidate, content) in enumerate(_converted(missing, report)):
        _keep(paths[candidate], content)
        if done + 1 < len(missing):
            report(done + 1, len(missing), missing[done + 1])
    return paths


def _is_whole(path: Path) -> bool:
    """Whether a file is there that can be used; one that was cut, as by a full disk, cannot."""
    try:
        verify_tflite(path.read_bytes())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _storage_error("read", path, error) from error
    except StorageError:
        return False
    return True


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _storage_error("write", folder, error) from error


def _keep(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that under its own name it is whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_file(temporary, content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # never written, or in a folder that cannot be
            temporary.unlink(missing_ok=True)
        raise _storage_error("write", path, error) from error


def _storage_error(what: str, path: Path, error: OSError) -> StorageError:
    hint = "free some space, or set paths.root=PATH to a folder that can be written"
    return StorageError(f"cannot {what} {path}: {error.strerror or error}; {hint}")


def _converted(
    candidates: Sequence[Candidate], report: Callable[[int, int, Candidate], None]
) -> Iterator[tuple[Candidate, bytes]]:
    if not candidates:
        return
    report(0, len(candidates), candidates[0])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_start_converter) as pool:
        try:
            yield from zip(candidates, pool.map(untrained_int8, candidates), strict=True)
        except BrokenProcessPool as error:
            raise QuantizationError("the process that converts was killed; is there enough memory?") from error


def _start_converter() -> None:
    """Silent, because native libraries would tear the progress apart; and gone as soon as its parent is."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def untrained_int8(candidate: Candidate) -> bytes:
    """The int8 file of a candidate with random weights, the same at every call. Imports TensorFlow.

    Raises:
        QuantizationError: the conversion failed.
    """
    from facerec_core.model import build_network
    from facerec_core.quantize import post_training
    from facerec_core.tf import configure

    seed = int.from_bytes(hashlib.sha256(repr(candidate).encode()).digest()[:4])
    configure(0, seed)
    rng = np.random.default_rng(seed)
    network = build_network(candidate)
    network.set_weights([_drawn(rng, weight.name, weight.shape) for weight in network.weights])
    side = candidate.resolution
    images = rng.integers(0, 256, (CALIBRATION_IMAGES, side, side, 3), dtype=np.uint8)
    return strip(post_training(network, images).content)


def _drawn(
    rng: np.random.Generator, name: str, shape: Sequence[int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Kernels at He's scale, everything of batch normalisation near 1 or 0 as its role asks."""
    if "variance" in name or "gamma" in name:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    fan_in = int(np.prod(shape[:-1])) if len(shape) > 1 else 1
    if "depthwise" in name and len(shape) == 4:
        fan_in = int(np.prod(shape[:2]))
    scale = np.sqrt(2 / fan_in) if len(shape) > 1 else 0.1
    return (rng.standard_normal(shape) * scale).astype(np.float32)
