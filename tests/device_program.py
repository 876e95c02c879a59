"""The C library compiled with the sanitizers of the compilers on this machine, and talked to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_core.device import LIBRARY, SOURCES

HOST = Path(__file__).parent / "device" / "host.c"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
COMPILERS = tuple(name for name in ("gcc", "clang") if shutil.which(name))

Case = tuple[bytes, NDArray[np.int8]]
"""A gallery and probes int8 [n, dimension]."""


def build(compiler: str, folder: Path, *flags: str) -> Path:
    """Compile library and host program without a warning."""
    program = folder / f"host_{compiler}"
    files = [str(LIBRARY / f"{module}.c") for module in SOURCES]
    command = [compiler, *STRICT, *(flags or SANITIZED), f"-I{LIBRARY}", str(HOST), *files, "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def talk(program: Path, cases: Iterable[Case], *arguments: str) -> list[list[str]]:
    """What the program says of each case, line by line; the sanitizers end it with a status other than 0."""
    sent = b"".join(
        len(gallery).to_bytes(4, "little")
        + gallery
        + len(probes).to_bytes(4, "little")
        + probes.shape[1].to_bytes(4, "little")
        + probes.tobytes()
        for gallery, probes in cases
    )
    done = subprocess.run([str(program), *arguments], input=sent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answers: list[list[str]] = []
    for line in done.stdout.decode().splitlines():
        if line.startswith("status"):
            answers.append([])
        answers[-1].append(line)
    return answers


def cmake(source: Path, folder: Path, *options: str) -> Path:
    """Configure and build a CMake project in `folder`, which is returned."""
    for step in (["-S", str(source), "-B", str(folder), *options], ["--build", str(folder)]):
        done = subprocess.run(["cmake", *step], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder
