"""Seconds to find one fingerprint among many, on one core, and whether three ways come to the same integers.

Ours is `facerec_core.gallery.match.Matcher`, which makes floats of a block of int8 at a time and multiplies those. Two
baselines: the plain way in numpy, int32 copies of all fingerprints (made beforehand) times the one looked for; and the
C library for the device, compiled here with -O3, which goes through the file one fingerprint after the other.
Fingerprints are random, one of them a person; scores and verdicts have to be equal, bit for bit. Seconds are those of
the processor: all three run in one thread, so that is what a core takes that nobody else uses.
"""

from __future__ import annotations

import os

# Read by the BLAS library when numpy is imported: one core, as stated.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import ctypes
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from measuring import Comparison, find_project, publish
from numpy.typing import NDArray

ZERO_POINT = -3
PROBES = 5
T = TypeVar("T")
_RESULT = struct.Struct("@iIiIiqq")


def main() -> None:
    """Parse the arguments, search every gallery, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fingerprints", type=int, default=100_000, help="in the gallery; default: %(default)s")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[128, 448, 640], help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=5, help="the fastest of them counts; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    comparisons = [
        comparison
        for dimension in arguments.dimensions
        for comparison in compare(arguments.fingerprints, dimension, arguments.repeats)
    ]
    setting = {"fingerprints": arguments.fingerprints, "probes": PROBES, "repeats": arguments.repeats, "threads": 1}
    publish(comparisons, setting, as_json=arguments.json)


def compare(count: int, dimension: int, repeats: int) -> list[Comparison]:
    """Seconds a search, ours against each baseline."""
    from facerec_core.gallery.match import Matcher

    rng = np.random.default_rng(dimension)
    gallery = random_gallery(rng, count, dimension)
    probes = rng.integers(-128, 128, (PROBES, dimension), np.int8)
    matcher = Matcher(gallery)

    def ours() -> list[tuple[int, int]]:
        found = [matcher.match(probe) for probe in probes]
        return [(one.person or 0, one.score) for one in found]

    seconds, wanted = best_of(repeats, ours)
    found = [Comparison(f"{dimension}-d, numpy int32", seconds / PROBES, *plain(gallery, probes, wanted, repeats))]
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is not None:
        with tempfile.TemporaryDirectory() as folder:
            search = compiled(compiler, Path(folder), gallery)
            baseline, named = best_of(repeats, lambda: [search(probe) for probe in probes])
        found.append(Comparison(f"{dimension}-d, C", seconds / PROBES, baseline / PROBES, agreement(named, wanted)))
    return found


def best_of(repeats: int, run: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds of the fastest repeat, and the last result."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        result = run()
        seconds.append(time.process_time() - started)
    return min(seconds), result


def random_gallery(rng: np.random.Generator, count: int, dimension: int) -> Any:
    """A person a fingerprint."""
    from facerec_core.gallery.records import FarThreshold, Gallery, GalleryModel, Preparation

    model = GalleryModel("00" * 32, "ptq_int8", dimension, 96, 0.02, ZERO_POINT)
    names = tuple(f"{number:08d}" for number in range(count))
    vectors = rng.integers(-128, 128, (count, dimension), np.int8)
    return Gallery(
        model, Preparation(128), "best", (FarThreshold.of(0.4),), names, np.arange(count + 1, dtype=np.int64), vectors
    )


def plain(gallery: Any, probes: NDArray[np.int8], wanted: list[tuple[int, int]], repeats: int) -> tuple[float, str]:
    """Seconds a search with int32 matrices, and whether it finds the same."""
    from facerec_core.gallery.fixed_point import inverse_norm, inverse_norms, scores

    wide = gallery.vectors.astype(np.int32) - ZERO_POINT
    inverse = inverse_norms((wide.astype(np.int64) ** 2).sum(1))

    def search() -> list[tuple[int, int]]:
        found = []
        for probe in probes:
            products = (wide @ (probe.astype(np.int32) - ZERO_POINT)).astype(np.int64)
            each = scores(products, inverse, inverse_norm(probe, ZERO_POINT))
            found.append((int(each.argmax()), int(each.max())))
        return found

    seconds, found = best_of(repeats, search)
    return seconds / PROBES, agreement(found, wanted)


def compiled(compiler: str, folder: Path, gallery: Any) -> Callable[[NDArray[np.int8]], tuple[int, int]]:
    """The C library's search of the gallery's file: person and score of a fingerprint."""
    from facerec_core.device import LIBRARY, SOURCES
    from facerec_core.gallery.encoding import encode

    sources = [str(LIBRARY / f"{module}.c") for module in SOURCES]
    program = folder / "match.so"
    command = [compiler, "-std=c99", "-O3", "-shared", "-fPIC", *sources, "-o", str(program)]
    subprocess.run(command, check=True)  # noqa: S603 # our own sources
    library = ctypes.CDLL(str(program))
    content = encode(gallery)
    opened = ctypes.create_string_buffer(256)
    if library.facerec_gallery_open(opened, content, ctypes.c_size_t(len(content))) != 0:
        sys.exit("the C library refuses the gallery")

    def search(probe: NDArray[np.int8]) -> tuple[int, int]:
        _ = content  # it is read in place
        result = ctypes.create_string_buffer(_RESULT.size)
        library.facerec_identify(opened, probe.tobytes(), ctypes.c_size_t(probe.size), result)
        _known, person, score, *_ = _RESULT.unpack(result.raw)
        return person, score

    return search


def agreement(found: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> str:
    """Ends the benchmark unless persons and scores are equal."""
    if found != wanted:
        sys.exit(f"the ways disagree: {found} and {wanted}")
    return "equal"


if __name__ == "__main__":
    main()
