"""`latency simulate`: what Arm's Vela estimates for networks on a board with an Ethos-U; nothing is timed."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

from rich.markup import escape
from rich.table import Table

from facerec_core.errors import require
from facerec_core.latency import BoardSpec, TimedRow
from facerec_core.latency.reading import check_writable, user_path
from facerec_core.latency.recognise import Network
from facerec_core.latency.vela import PACKAGE, RUNTIME, Npu, VelaResult, npu_of, simulate, vela_version
from facerec_core.latency.writing import write_table
from sweep.latency import Request
from sweep.latency.networks import networks
from sweep.latency.printing import plain_table, print_report
from sweep.steps import Steps, Told

SOURCE = "https://gitlab.arm.com/artificial-intelligence/ethos-u/ethos-u-vela"
SOURCE_PATH = "ethosu/config_files/Arm/vela.ini"
"""The system configurations the figures rest on, in Vela's own repository."""
_NUMBERS = (
    "width",
    "res",
    "embed-\nding",
    "ms",
    "kcycles",
    "SRAM\nKiB",
    "DRAM\nKiB",
    "flash\nKiB",
    "file\nKiB",
    "NPU\n%",
)
_NOTES = (
    "an estimate of Vela's cost model, no measurement; SRAM, DRAM and flash as Vela allocates them, file as compiled",
    "ms and cycles leave out the operators on the CPU",
)


@dataclass(frozen=True)
class Simulated:
    """One network on one board."""

    board: BoardSpec
    network: Network
    result: VelaResult

    @property
    def figures(self) -> dict[str, object]:
        """Everything known, by flat names with units."""
        plain = asdict(self.result)
        cycles = {f"cycles_{kind}": count for kind, count in plain.pop("cycles").items()}
        named = {"board": self.board.name, "network": self.network.name, **asdict(self.network.candidate)}
        return {**named, **plain, **cycles, "npu_share": self.result.npu_share}


def act(request: Request) -> int:
    """Simulate the networks of a request on its boards, print the figures and, with --out, write them as a table.

    Raises:
        UsageError: Vela is not installed, a board without an Ethos-U, or a file that is no network of this project.
        QuantizationError: Vela cannot compile a file.
    """
    npus = {board: checked_npu(board) for board in dict.fromkeys(point.board for point in request.points)}
    require(request.runs is None, "--runs", request.runs, "nothing; a simulation gives the same figures every time")
    require(request.out is None or len(npus) == 1, "--out", request.out, "one board; a table is of one board")
    if request.out is not None:
        check_writable(user_path(request.out))
    with Steps() as display:
        simulated = tuple(_simulated(npus, networks(request, display), display))
    if request.out is not None:
        write_table(user_path(request.out), [timed_row(one) for one in simulated])
        sys.stderr.write(f"written to {request.out}\n")
    {"table": _print_tables, "json": _print_json, "csv": _print_csv}[request.form](simulated, sys.stdout)
    sys.stdout.flush()
    return 0


def checked_npu(board: BoardSpec) -> Npu:
    """The accelerator of a board, if runtime, version and clock are those that would be simulated.

    Raises:
        OptionError: Vela is not installed, or names the key that does not agree.
    """
    npu, version = npu_of(board.core), vela_version()
    require(board.runtime == RUNTIME, "board.runtime", board.runtime, RUNTIME)
    hint = f"pip install {PACKAGE}=={board.runtime_version}, or set board.runtime_version={version}"
    allowed = f"{version}, the installed one"
    require(board.runtime_version == version, "board.runtime_version", board.runtime_version, allowed, hint)
    allowed = f"{npu.clock_mhz:g}, the clock of {npu.system_config}"
    require(board.clock_mhz == npu.clock_mhz, "board.clock_mhz", board.clock_mhz, allowed)
    return npu


def _simulated(npus: Mapping[BoardSpec, Npu], found: Sequence[Network], display: Told) -> Iterator[Simulated]:
    for board, npu in npus.items():
        for index, network in enumerate(found):
            display.doing(f"compiling {network.name} for {npu.accelerator} ({index + 1} of {len(found)})")
            yield Simulated(board, network, simulate(network.content, npu, name=network.name))


def timed_row(one: Simulated) -> TimedRow:
    """A simulated network as a row of a latency table.

    Raises:
        OptionError: some operators were left to the CPU, whose time Vela does not know.
    """
    candidate, result = one.network.candidate, one.result
    left = ", ".join(sorted(set(result.cpu_operators)))
    received = f"{one.network.name}, which leaves {left} to the CPU"
    require(not left, "--out", received, "networks that run on the accelerator alone; Vela does not time the CPU")
    return TimedRow(
        role="simulated",
        board=one.board.name,
        core=str(one.board.core),
        clock_mhz=result.clock_mhz,
        runtime=RUNTIME,
        runtime_version=result.vela_version,
        kernels=npu_of(one.board.core).kernels,
        model="MobileNetV2",
        width=candidate.width,
        resolution=candidate.resolution,
        channels=3,
        embedding=candidate.embedding,
        classes=None,
        latency_ms=result.inference_ms,
        low_ms=None,
        high_ms=None,
        macs_millions=None,
        n=None,
        source=SOURCE,
        path=SOURCE_PATH,
        commit=result.vela_version,
    )


def _print_json(simulated: Sequence[Simulated], out: TextIO) -> None:
    json.dump([one.figures for one in simulated], out, indent=2)
    out.write("\n")


def _print_csv(simulated: Sequence[Simulated], out: TextIO) -> None:
    writer = csv.DictWriter(out, list(simulated[0].figures), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {k: " ".join(v) if isinstance(v, tuple) else v for k, v in one.figures.items()} for one in simulated
    )


def _print_tables(simulated: Sequence[Simulated], _out: TextIO) -> None:
    """A table a board, and below it what was simulated."""
    for board in dict.fromkeys(one.board for one in simulated):
        own = [one for one in simulated if one.board == board]
        result = own[0].result
        setting = f"{board.core}, {result.clock_mhz:g} MHz, {result.system_config}, {result.memory_mode}"
        print_report(_table(own), ("", f"{board.name}: {RUNTIME} {result.vela_version}, {setting}", *_notes(own), ""))


def _notes(simulated: Sequence[Simulated]) -> tuple[str, ...]:
    return _NOTES if any(one.result.cpu_operators for one in simulated) else _NOTES[:1]


def _table(simulated: Sequence[Simulated]) -> Table:
    table = plain_table(_NUMBERS, ("on the CPU",))
    for one in simulated:
        candidate, result = one.network.candidate, one.result
        flash = result.on_chip_flash_bytes + result.off_chip_flash_bytes
        memory = (result.sram_bytes, result.dram_bytes, flash, result.size_bytes)
        table.add_row(
            f"{candidate.width:g}",
            str(candidate.resolution),
            str(candidate.embedding),
            f"{result.inference_ms:.3f}",
            f"{result.cycles.total / 1e3:,.0f}",
            *(f"{size / 1024:,.0f}" for size in memory),
            f"{result.npu_share * 100:.0f}",
            escape(", ".join(sorted(set(result.cpu_operators)))) or "nothing",
        )
    return table
