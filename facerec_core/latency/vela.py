"""Arm's Vela: what a .tflite file costs on an Ethos-U, by the cost model of the compiler; nothing is timed.

Vela runs as a process of its own, because it prints, leaves files and can die of a damaged file. What it says is read
from the summary it writes, and which operators it left to the CPU from the compiled file. The package is optional:
`pip install 'facerec-sweep[vela]'`.
"""

from __future__ import annotations

import csv
import io
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from facerec_core.errors import OptionError, QuantizationError, StorageError
from facerec_core.stages import write_file
from facerec_core.tflite import read_operators

PACKAGE = "ethos-u-vela"
RUNTIME = "Vela"
"""What boards and tables call the runtime whose figures come from here."""
CONFIG_FILE = "Arm/vela.ini"
"""Inside the package: the system configurations and memory modes that Arm publishes with it."""
TIMEOUT_SECONDS = 600.0
KIBIBYTE = 1024
_SYSTEMS: Mapping[str, tuple[str, str, float]] = {
    "Ethos-U55": ("Ethos_U55_High_End_Embedded", "Shared_Sram", 500.0),
    "Ethos-U65": ("Ethos_U65_Embedded", "Shared_Sram", 500.0),
    "Ethos-U85": ("Ethos_U85_SYS_Flash_High", "Shared_Sram", 500.0),
}
_MACS_A_CYCLE: Mapping[str, tuple[int, ...]] = {
    "Ethos-U55": (32, 64, 128, 256),
    "Ethos-U65": (256, 512),
    "Ethos-U85": (128, 256, 512, 1024, 2048),
}


@dataclass(frozen=True)
class Npu:
    """An accelerator and the system around it, in Vela's names; the clock is that of the system configuration."""

    accelerator: str
    system_config: str
    memory_mode: str
    clock_mhz: float

    @property
    def kernels(self) -> str:
        """System configuration and memory mode, as the `kernels` column of a table states them."""
        return f"{self.system_config} {self.memory_mode}"


NPUS: Mapping[str, Npu] = {
    f"{family}-{macs}": Npu(f"{family.lower()}-{macs}", *_SYSTEMS[family])
    for family, sizes in _MACS_A_CYCLE.items()
    for macs in sizes
}
"""By the `core` of a board, such as Ethos-U55-128: 128 multiply-adds a cycle."""


@dataclass(frozen=True)
class VelaCycles:
    """Estimated cycles of one inference on the accelerator.

    `total` adds up, operator by operator, whatever takes longest there, so it is less than the sum of the others.
    """

    npu: int
    sram_access: int
    dram_access: int
    on_chip_flash_access: int
    off_chip_flash_access: int
    total: int


@dataclass(frozen=True)
class VelaResult:
    """What Vela says of one file.

    `cycles` and `inference_ms` cover the accelerator alone: what `cpu_operators` take comes on top and is not known.
    `npu_operators` counts operators of the original file. Memory is Vela's allocation in bytes, a kind of memory each;
    `size_bytes` is the compiled .tflite.
    """

    accelerator: str
    system_config: str
    memory_mode: str
    vela_version: str
    clock_mhz: float
    cycles: VelaCycles
    inference_ms: float
    sram_bytes: int
    dram_bytes: int
    on_chip_flash_bytes: int
    off_chip_flash_bytes: int
    npu_operators: int
    cpu_operators: tuple[str, ...]
    size_bytes: int

    @property
    def npu_share(self) -> float:
        """Share of the original file's operators that run on the accelerator, 0-1."""
        return self.npu_operators / (self.npu_operators + len(self.cpu_operators))


def npu_of(core: str | None) -> Npu:
    """The accelerator a board's `core` names, with the system this project assumes around it.

    Raises:
        OptionError: no such accelerator.
    """
    if core is None or core not in NPUS:
        hint = "only boards with an Ethos-U can be simulated, such as --board ethos_u55_128"
        raise OptionError("board.core", core, ", ".join(NPUS), hint)
    return NPUS[core]


def vela_version() -> str:
    """Version of the installed Vela.

    Raises:
        OptionError: it is not installed.
    """
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        allowed = f"{RUNTIME} where {PACKAGE} is installed"
        raise OptionError("board.runtime", RUNTIME, allowed, "pip install 'facerec-sweep[vela]'") from None


def simulate(
    model: Path | bytes, npu: Npu, *, name: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> VelaResult:
    """Compile a .tflite for an accelerator and return what Vela estimates.

    Args:
        model: the file, or its content.
        npu: accelerator, system configuration and memory mode.
        name: what messages call it; None: its path.
        timeout_seconds: after which the compiler is stopped.

    Raises:
        OptionError: Vela is not installed.
        StorageError: the file cannot be read or is not a .tflite.
        QuantizationError: Vela refused the file, crashed, took too long, or wrote something else than expected.
    """
    return compile_file(model, npu, name=name, timeout_seconds=timeout_seconds)[0]


def compile_file(
    model: Path | bytes, npu: Npu, *, name: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[VelaResult, bytes]:
    """What `simulate` returns, and the content of the compiled .tflite; arguments and errors as there."""
    version = vela_version()
    name = name or ("model" if isinstance(model, bytes) else str(model))
    content = model if isinstance(model, bytes) else _read(model)
    operators = _checked_operators(name, content)
    with tempfile.TemporaryDirectory(prefix="vela-") as folder:
        source = Path(folder) / "model.tflite"
        write_file(source, content)
        _compile(name, source, npu, timeout_seconds)
        summary, compiled = _results(name, Path(folder))
    left = cpu_operators(compiled)
    figures = parse_summary(summary)
    _check_configuration(name, npu, figures)
    return _result(npu, version, figures, len(operators), left, len(compiled)), compiled


def parse_summary(text: str) -> dict[str, str]:
    """The one line of Vela's summary CSV by its columns.

    Raises:
        QuantizationError: not a header and one line.
    """
    lines = [line for line in csv.reader(io.StringIO(text)) if line]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise QuantizationError(
            f"Vela's summary has {len(lines)} lines, expected a header and one line of equal length"
        )
    return dict(zip(*lines, strict=True))


def cpu_operators(compiled: bytes) -> tuple[str, ...]:
    """Names of the operators that Vela left to the CPU, in order: all but its own custom operator."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(compiled, 0)
    custom = [code.customCode for code in model.operatorCodes]
    used = [custom[operator.opcodeIndex] for operator in model.subgraphs[0].operators]
    names = [operator.name for operator in read_operators(compiled)]
    return tuple(name for name, code in zip(names, used, strict=True) if code != b"ethos-u")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error


def _checked_operators(name: str, content: bytes) -> tuple[str, ...]:
    """The file's operators, after LiteRT has found nothing wrong with it: Vela itself crashes on damaged files."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        Interpreter(model_content=content)
    except ValueError as error:
        raise StorageError(f"{name}: not a readable .tflite file ({error})") from error
    names = tuple(operator.name for operator in read_operators(content))
    if not names or len(cpu_operators(content)) < len(names):
        raise QuantizationError(
            f"{name}: holds nothing that Vela could compile; give the .tflite before Vela compiled it"
        )
    return names


def _compile(name: str, source: Path, npu: Npu, timeout_seconds: float) -> None:
    options = {
        "accelerator-config": npu.accelerator,
        "config": CONFIG_FILE,
        "system-config": npu.system_config,
        "memory-mode": npu.memory_mode,
        "output-dir": str(source.parent),
    }
    command = [sys.executable, "-m", "ethosu.vela", *(f"--{key}={value}" for key, value in options.items())]
    try:
        ran = subprocess.run(  # noqa: S603 - this interpreter, and names of our own
            [*command, str(source)],
            cwd=source.parent,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise QuantizationError(f"{name}: Vela was stopped after {timeout_seconds:g} s ({npu.accelerator})") from None
    if ran.returncode != 0:
        raise QuantizationError(f"{name}: Vela failed for {npu.accelerator}: {_reason(ran)}")


def _reason(ran: subprocess.CompletedProcess[str]) -> str:
    """One line on why the process failed: the last it said, or the signal that ended it."""
    said = [line.strip() for line in (*ran.stdout.splitlines(), *ran.stderr.splitlines()) if line.strip()]
    last = said[-1] if said else "it said nothing"
    if ran.returncode < 0:
        return f"ended by {signal.Signals(-ran.returncode).name}; last line: {last}"
    return last


def _results(name: str, folder: Path) -> tuple[str, bytes]:
    """Text of the summary and content of the compiled file."""
    summaries, compiled = sorted(folder.glob("*_summary_*.csv")), sorted(folder.glob("*_vela.tflite"))
    if len(summaries) != 1 or len(compiled) != 1:
        raise QuantizationError(
            f"{name}: Vela wrote {len(summaries)} summaries and {len(compiled)} files, expected one of each"
        )
    return summaries[0].read_text(encoding="utf-8"), compiled[0].read_bytes()


def _check_configuration(name: str, npu: Npu, figures: Mapping[str, str]) -> None:
    """Vela falls back to defaults of its own with no more than a warning; such figures are not those asked for."""
    asked = (npu.accelerator, npu.system_config, npu.memory_mode, npu.clock_mhz)
    accelerator = _cell(figures, "accelerator_configuration").lower().replace("_", "-")
    clock_mhz = _number(figures, "core_clock") / 1e6
    used = (accelerator, _cell(figures, "system_config"), _cell(figures, "memory_mode"), clock_mhz)
    if used != asked:
        raise QuantizationError(f"{name}: Vela compiled for {used}, asked for {asked}")


def _result(
    npu: Npu, version: str, figures: Mapping[str, str], operators: int, left: tuple[str, ...], size_bytes: int
) -> VelaResult:
    cycles = VelaCycles(
        npu=_count(figures, "cycles_npu"),
        sram_access=_count(figures, "cycles_sram_access"),
        dram_access=_count(figures, "cycles_dram_access"),
        on_chip_flash_access=_count(figures, "cycles_on_chip_flash_access"),
        off_chip_flash_access=_count(figures, "cycles_off_chip_flash_access"),
        total=_count(figures, "cycles_total"),
    )
    return VelaResult(
        accelerator=npu.accelerator,
        system_config=npu.system_config,
        memory_mode=npu.memory_mode,
        vela_version=version,
        clock_mhz=npu.clock_mhz,
        cycles=cycles,
        inference_ms=round(_number(figures, "inference_time") * 1000, 6),  # whole nanoseconds
        sram_bytes=_bytes(figures, "sram_memory_used"),
        dram_bytes=_bytes(figures, "dram_memory_used"),
        on_chip_flash_bytes=_bytes(figures, "on_chip_flash_memory_used"),
        off_chip_flash_bytes=_bytes(figures, "off_chip_flash_memory_used"),
        npu_operators=operators - len(left),
        cpu_operators=left,
        size_bytes=size_bytes,
    )


def _cell(figures: Mapping[str, str], column: str) -> str:
    if column not in figures:
        raise QuantizationError(
            f"Vela's summary has no column {column}; install {PACKAGE} 5.2, whose summary is read here"
        )
    return figures[column]


def _number(figures: Mapping[str, str], column: str) -> float:
    cell = _cell(figures, column)
    try:
        return float(cell)
    except ValueError:
        raise QuantizationError(f"Vela's summary, column {column}: got {cell!r}, expected a number") from None


def _count(figures: Mapping[str, str], column: str) -> int:
    return round(_number(figures, column))


def _bytes(figures: Mapping[str, str], column: str) -> int:
    """The summary counts memory in KiB, with fractions."""
    return round(_number(figures, column) * KIBIBYTE)
