"""`python -m sweep latency measure`: networks timed on this machine, written as the table of board=host."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich.table import Table

from facerec_core.errors import require
from facerec_core.latency.contradiction import contradictions
from facerec_core.latency.reading import check_writable, user_path
from facerec_core.latency.recognise import Network
from facerec_core.latency.table import TimedRow, read_table
from facerec_core.latency.timing import ClockQuality, Timing, clock_quality, open_network, processor_name, time_networks
from facerec_core.latency.writing import (
    Setup,
    check_setup,
    merge_rows,
    only_writer,
    own_row,
    table_text,
    write_table,
)
from sweep.latency import Request
from sweep.latency.networks import networks
from sweep.latency.printing import contradiction_text, plain_table, print_report, usage
from sweep.provenance import git_commit, versions
from sweep.steps import Steps

BOARD = "host"
KERNELS = "XNNPACK"
SPREAD_WARNING = 0.2
DRIFT_WARNING = 0.1
CLOCK_SHARE = 0.01


@dataclass(frozen=True)
class Measured:
    """What was timed and how well: the rows, each network's timing in the same order, and the clock."""

    rows: tuple[TimedRow, ...]
    timings: tuple[Timing, ...]
    clock: ClockQuality


def act(request: Request) -> int:
    """Time the networks of a request, merge them into the table of this machine and say what was found.

    Raises:
        UsageError: a file that is no network of this project, or a table of another machine or runtime.
    """
    require(request.board in (None, BOARD), "--board", request.board, f"{BOARD}; of a board: `latency bench`")
    path, setup = table_file(request), this_machine()
    check_writable(path)
    earlier_rows(path, setup)
    with Steps() as steps:
        measured = _measure(networks(request, steps), setup, request.runs, steps)
    rows = keep(path, setup, measured.rows)
    _say(request, measured, rows, path)
    return 0


def keep(path: Path, setup: Setup, new: Sequence[TimedRow]) -> tuple[TimedRow, ...]:
    """Merge rows into a table as it is now, whatever other commands wrote meanwhile; every row it holds then.

    Raises:
        DataError: the table cannot be read, or is of another machine or runtime.
        StorageError: it cannot be written.
    """
    with only_writer(path):
        rows = merge_rows(earlier_rows(path, setup), new)
        write_table(path, rows)
    return rows


def table_file(request: Request) -> Path:
    """Where the table goes: --out, or what conf/board/host.yaml names."""
    if request.out is not None:
        return user_path(request.out)
    return request.points[0].paths.folder / "latency" / f"{BOARD}.csv"


def earlier_rows(path: Path, setup: Setup) -> tuple[TimedRow, ...]:
    """The rows of a table, none where there is no file.

    Raises:
        DataError: it cannot be read, or is of another board or runtime.
    """
    rows = read_table(path).rows if path.exists() else ()
    check_setup(rows, setup, str(path))
    return rows


def this_machine() -> Setup:
    """This machine and its LiteRT; its clock is not known, it changes while it is used."""
    return Setup(BOARD, processor_name(), None, "LiteRT", version("ai-edge-litert"), KERNELS)


def _measure(found: Sequence[Network], setup: Setup, runs: int | None, steps: Steps) -> Measured:
    steps.doing("loading the networks into LiteRT")
    with _native_messages_aside():
        calls = [open_network(one.content, one.name) for one in found]
    steps.doing(f"warming up {len(calls)} networks")

    def report(done: int, total: int) -> None:
        steps.doing(f"timing {len(calls)} networks, round {min(done + 1, total)} of {total}")

    clock = clock_quality(time.perf_counter_ns)
    timings = time_networks(calls, time.perf_counter_ns, runs, report)
    project = git_commit() or f"facerec-sweep {versions().get('facerec-sweep', 'of unknown version')}"
    origin = ("measured on this machine", "python -m sweep latency measure", project)
    rows = tuple(
        own_row(setup, one.candidate, (timing.low_ms, timing.median_ms, timing.high_ms), timing.n, origin)
        for one, timing in zip(found, timings, strict=True)
    )
    return Measured(rows, timings, clock)


@contextmanager
def _native_messages_aside() -> Iterator[None]:
    """Keep what the runtime's native code prints out of the terminal."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _say(request: Request, measured: Measured, rows: Sequence[TimedRow], path: Path) -> None:
    for line in (*warnings(measured), *wrong_order(rows, measured.rows)):
        sys.stderr.write(f"warning: {line}\n")
    if request.form == "json":
        json.dump([asdict(row) for row in measured.rows], sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    elif request.form == "csv":
        sys.stdout.write(table_text(measured.rows))
    else:
        print_report(_table(measured), _closing_lines(measured, rows, path))


def _table(measured: Measured) -> Table:
    table = plain_table(("width", "res", "embedding", "ms", "5 %", "95 %", "spread", "drift", "n"))
    for row, timing in zip(measured.rows, measured.timings, strict=True):
        times = (f"{value:.3f}" for value in (timing.median_ms, timing.low_ms, timing.high_ms))
        shares = (f"{timing.spread:.0%}", f"{timing.drift:+.0%}")
        table.add_row(f"{row.width:g}", str(row.resolution), str(row.embedding), *times, *shares, f"{timing.n}")
    return table


def _closing_lines(measured: Measured, rows: Sequence[TimedRow], path: Path) -> Iterator[str]:
    row, clock = measured.rows[0], measured.clock
    yield ""
    yield f"{row.core}, {row.runtime} {row.runtime_version} with {row.kernels}, one thread, batch 1"
    yield f"clock: steps of {clock.resolution_ns} ns, {clock.overhead_ns:.0f} ns a reading"
    kept = len(rows) - len(measured.rows)
    yield f"written to {path}" + (f", which keeps {kept} earlier rows" if kept else "")
    yield usage(rows, f"python -m sweep plan board={BOARD}")


def wrong_order(rows: Sequence[TimedRow], new: Sequence[TimedRow]) -> Iterator[str]:
    """Networks slower than ones that contain them, a line each pair; at least one of the pair is new."""
    for one in contradictions(rows, new):
        yield f"{contradiction_text(one)}; measure both again, or no estimate between them can be trusted"


def warnings(measured: Measured) -> Iterator[str]:
    """What makes these figures less than they seem, a line each."""
    wide = [timing for timing in measured.timings if timing.spread > SPREAD_WARNING]
    if wide:
        worst = max(timing.spread for timing in wide)
        yield (
            f"{len(wide)} of {len(measured.timings)} networks spread by more than {SPREAD_WARNING:.0%} "
            f"(5th to 95th percentile), the worst by {worst:.0%}; something else keeps the processor busy"
        )
    drift = median(timing.drift for timing in measured.timings)
    if abs(drift) > DRIFT_WARNING:
        yield f"the machine's speed changed while it measured: the last round took {drift:+.0%} against the first"
    shortest = min(timing.median_ms for timing in measured.timings) * 1e6
    if not 0 < measured.clock.resolution_ns <= CLOCK_SHARE * shortest:
        yield f"the clock's steps of {measured.clock.resolution_ns} ns are coarse for inferences of {shortest:.0f} ns"
