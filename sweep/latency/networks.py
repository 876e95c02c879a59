"""The networks an action works on: files that were named, and untrained files of the widths and resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from facerec_core.errors import UsageError, require
from facerec_core.latency.reading import read_limited
from facerec_core.latency.recognise import Network, read_network
from facerec_core.types import Candidate
from facerec_core.untrained import untrained_files
from sweep.latency import Request
from sweep.steps import Told


def networks(request: Request, steps: Told) -> tuple[Network, ...]:
    """Files first, then what width, res and embedding name; a file stands for the untrained network of its shape.

    With files alone, the default grid that comes with every request is left out.

    Raises:
        UsageError: two files of the same network, a file that is none of this project's int8 networks, or `last`.
        QuantizationError: a conversion failed.
    """
    given = tuple(_read(name, steps) for name in request.files)
    _refuse_twins(request.files, given)
    have = {network.candidate for network in given}
    wanted = [candidate for candidate in _named(request) if candidate not in have]
    return (*given, *_untrained(wanted, models_folder(request), steps))


def models_folder(request: Request) -> Path:
    """Where untrained files are kept between calls."""
    return request.points[0].paths.folder / "latency" / "models"


def _read(name: str, steps: Told) -> Network:
    steps.doing(f"reading {name}")
    return read_network(Path(name))


def _refuse_twins(files: Sequence[str], given: Sequence[Network]) -> None:
    seen: dict[Candidate, str] = {}
    for file, network in zip(files, given, strict=True):
        if network.candidate in seen:
            shape = network_name(network.candidate)
            first = seen[network.candidate]
            raise UsageError(f"{first} and {file} are both {shape}, which a table has once; leave one out")
        seen[network.candidate] = file


def _named(request: Request) -> tuple[Candidate, ...]:
    if request.files and _is_default_grid(request):
        return ()
    candidates = tuple(dict.fromkeys(point.candidate for point in request.points))
    for candidate in candidates:
        allowed = "null; a table holds networks whose fingerprint is the mean, and the fit prices the linear layer"
        require(candidate.last is None, "last", candidate.last, allowed)
    return candidates


def _is_default_grid(request: Request) -> bool:
    grid = request.points[0].grid
    return {(point.width, point.res) for point in request.points} == set(product(grid.width, grid.res))


def _untrained(candidates: Sequence[Candidate], folder: Path, steps: Told) -> tuple[Network, ...]:
    def report(done: int, total: int, candidate: Candidate) -> None:
        steps.doing(f"converting {network_name(candidate)}, untrained ({done + 1} of {total})")

    files = untrained_files(candidates, folder, report)
    return tuple(Network(network_name(one), one, read_limited(path)) for one, path in files.items())


def network_name(candidate: Candidate) -> str:
    """What a network is called in logs, tables and generated files, such as mobilenetv2_0.35_96_448."""
    return f"mobilenetv2_{candidate.width:g}_{candidate.resolution}_{candidate.embedding}"
