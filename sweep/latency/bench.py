"""`python -m sweep latency bench`: a C++ project that times networks on the user's board."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.markup import escape

from facerec_core.arena import arena_trouble, measure_arena
from facerec_core.cost import cost
from facerec_core.errors import OptionError, UsageError
from facerec_core.latency.bench_project import MOST_RUNS, BenchModel, bench_files
from facerec_core.latency.reading import check_writable, user_path
from facerec_core.latency.recognise import Network
from facerec_core.latency.writing import publish
from sweep.latency import Request
from sweep.latency.networks import networks
from sweep.latency.printing import plain_table, print_report, refuse_flags
from sweep.steps import Steps

DEFAULT_RUNS = 10
PREDICTION_MARGIN = 1.05
_MEASURED = "those TensorFlow Lite Micro takes on a 64-bit computer; a Cortex-M takes 3 to 6 KiB less"
_PREDICTED = "predicted for a Cortex-M, with 5 % to spare"


def act(request: Request) -> int:
    """Write the benchmark of the networks of a request to the folder given with --out.

    Raises:
        UsageError: no folder, one that holds something else, too many runs, or a file that is no network of ours.
    """
    refuse_flags(request, "bench")
    folder, runs, trouble = _folder(request), _runs(request), arena_trouble()
    with Steps() as steps:
        models = tuple(_model(one, steps, measured=not trouble) for one in networks(request, steps))
        _refuse_same_identifiers(models)
        steps.doing(f"writing {folder}")
        files = bench_files(models, runs, _PREDICTED if trouble else _MEASURED)
        publish({folder / name: text.encode() for name, text in files.items()}, lambda _written: None)
    if trouble:
        sys.stderr.write(f"warning: the arenas are {_PREDICTED}, because {trouble}\n")
    _say(models, folder, runs)
    return 0


def _folder(request: Request) -> Path:
    """The folder to write to.

    Raises:
        OptionError: --out is missing, or names something that exists and is not an empty folder.
    """
    if request.out is None:
        raise OptionError(
            "--out", None, "a folder for the benchmark", "such as `python -m sweep latency bench --out bench`"
        )
    folder = user_path(request.out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError("--out", request.out, "a folder that is new or empty; nothing is overwritten")
    check_writable(folder / "README.md")
    return folder


def _runs(request: Request) -> int:
    runs = DEFAULT_RUNS if request.runs is None else request.runs
    if runs > MOST_RUNS:
        raise OptionError("--runs", runs, f"3 to {MOST_RUNS} on a board, whose memory holds every one of them")
    return runs


def _model(network: Network, steps: Steps, *, measured: bool) -> BenchModel:
    steps.doing(f"measuring the arena of {network.name}")
    one = network.candidate
    if measured:
        return BenchModel(network, measure_arena(network.content).total_bytes)
    predicted = cost(one.width, one.resolution, one.embedding).arena_bytes
    return BenchModel(network, int(predicted * PREDICTION_MARGIN))


def _refuse_same_identifiers(models: Sequence[BenchModel]) -> None:
    seen: dict[str, str] = {}
    for one in models:
        first = seen.setdefault(one.identifier.lower(), one.network.name)
        if first is not one.network.name:
            both = f"{first!r} and {one.network.name!r}"
            raise UsageError(f"{both} would both be called {one.identifier} in C++; rename one of the files")


def _say(models: Sequence[BenchModel], folder: Path, runs: int) -> None:
    table = plain_table(("width", "res", "embedding", "model KiB", "arena KiB"), ("name",))
    for one in models:
        shape = one.network.candidate
        sizes = (f"{size / 1024:,.0f}" for size in (len(one.network.content), one.arena_bytes))
        table.add_row(f"{shape.width:g}", str(shape.resolution), str(shape.embedding), *sizes, escape(one.name))
    print_report(table, _closing_lines(models, folder, runs))


def _closing_lines(models: Sequence[BenchModel], folder: Path, runs: int) -> Iterator[str]:
    total = sum(len(one.network.content) for one in models)
    yield ""
    arena = max(one.arena_bytes for one in models)
    yield f"together {total / 1024:,.0f} KiB of flash and {arena / 1024:,.0f} KiB of RAM"
    yield "what does not fit together is built one network a program: README.md there says how"
    yield f"written to {folder}, {runs} timed inferences a network"
    yield f"next: fill in {folder / 'port.h'}, build, flash, capture the UART, and"
    yield "      python -m sweep latency import UART.LOG --board NAME"
