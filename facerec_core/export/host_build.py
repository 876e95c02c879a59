"""Compilers at hand: the exported self-test run on this machine, and the library's size on a Cortex-M."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facerec_core.device import SOURCES
from facerec_core.errors import QuantizationError

HOST_COMPILERS = ("cc", "gcc", "clang")
CROSS_COMPILER = "arm-none-eabi-gcc"
CROSS_SIZE = "arm-none-eabi-size"
CORES = ("cortex-m4", "cortex-m7")
TIMEOUT_SECONDS = 300.0
_WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
_INCLUDES = ("library", "network", "golden", "self_test")
_SELF_TEST = (
    *(f"library/{module}.c" for module in SOURCES),
    "network/facerec_network.c",
    "golden/facerec_golden.c",
    "self_test/facerec_self_test.c",
    "self_test/self_test_main.c",
)


@dataclass(frozen=True)
class SelfTest:
    """The self-test as it went on this machine: by which compiler, and the line it printed."""

    compiler: str
    said: str


@dataclass(frozen=True)
class LibrarySize:
    """Sections of the match library on one core in bytes, all of its objects added up."""

    core: str
    compiler: str
    option: str
    text_bytes: int
    data_bytes: int
    bss_bytes: int


def host_compiler() -> str | None:
    """The C compiler of this machine, None where there is none."""
    return next((name for name in HOST_COMPILERS if shutil.which(name)), None)


def run_self_test(folder: Path, flags: Sequence[str] = ("-O1",), compiler: str | None = None) -> SelfTest | None:
    """Compile the self-test of an export with every warning an error, and run it; None without a compiler.

    Args:
        folder: of the export; nothing is written there.
        flags: for the compiler, such as those of a sanitizer.
        compiler: instead of the machine's own.

    Raises:
        QuantizationError: it does not compile, or a check failed.
    """
    compiler = compiler or host_compiler()
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(prefix="self-test-") as built:
        program = Path(built) / "self_test"
        includes = [f"-I{folder / name}" for name in _INCLUDES]
        sources = [str(folder / name) for name in _SELF_TEST]
        _run([compiler, *_WARNINGS, *flags, *includes, *sources, "-o", str(program)], "the self-test does not compile")
        said = _run([str(program)], "the self-test failed on this machine")
    return SelfTest(_version(compiler), said.strip())


def library_sizes(library: Path) -> tuple[LibrarySize, ...]:
    """The match library compiled for each of CORES at -Os; empty without arm-none-eabi-gcc.

    Args:
        library: the folder of its sources.

    Raises:
        QuantizationError: it does not compile.
    """
    if not (shutil.which(CROSS_COMPILER) and shutil.which(CROSS_SIZE)):
        return ()
    return tuple(_size_on(core, library) for core in CORES)


def _size_on(core: str, library: Path) -> LibrarySize:
    with tempfile.TemporaryDirectory(prefix="cross-") as built:
        objects = []
        for module in SOURCES:
            objects.append(str(Path(built) / f"{module}.o"))
            target = [f"-mcpu={core}", "-mthumb", "-Os", "-c", str(library / f"{module}.c"), "-o", objects[-1]]
            _run([CROSS_COMPILER, *_WARNINGS, *target], f"{module}.c does not compile for {core}")
        printed = _run([CROSS_SIZE, "-t", *objects], "the sizes of the library cannot be read")
    text, data, bss = map(int, printed.splitlines()[-1].split()[:3])
    return LibrarySize(core, _version(CROSS_COMPILER), "-Os", text, data, bss)


def _version(compiler: str) -> str:
    return _run([compiler, "--version"], f"{compiler} does not run").splitlines()[0]


def _run(command: Sequence[str], trouble: str) -> str:
    """What a program printed; its exit status has to be 0."""
    try:
        done = subprocess.run(  # noqa: S603 - compilers of this machine, and what they have just made
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QuantizationError(f"{trouble}: {error}") from error
    if done.returncode != 0:
        said = next((line for line in (*done.stderr.splitlines(), *done.stdout.splitlines()) if line.strip()), "")
        raise QuantizationError(f"{trouble} ({Path(command[0]).name}, status {done.returncode}): {said}")
    return done.stdout
