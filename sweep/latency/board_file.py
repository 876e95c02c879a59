"""The board file an import writes, after those in `conf/board`; a later import keeps what the user filled in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from facerec_core.errors import DataError
from facerec_core.latency import BoardSpec, board_spec
from facerec_core.latency.board import Deployment
from facerec_core.latency.counts import RUNTIME, read_counts
from facerec_core.latency.table import SHIPPED
from facerec_core.latency.writing import Setup
from sweep.compose import open_composer

DEPLOYED_AS: Deployment = "interpreted"
"""TensorFlow Lite Micro keeps its whole arena in RAM."""


@dataclass(frozen=True)
class Known:
    """What a log does not tell of a board: its memories in bytes, the donor of its shape, and where that is from."""

    flash_bytes: int | None = None
    program_bytes: int = 0
    ram_bytes: int | None = None
    program_ram_bytes: int = 0
    donor: str | None = None
    source: str = "not stated"
    program_comment: str = "flash that the program and the runtime take beside the model"


@dataclass(frozen=True)
class Counts:
    """A shipped table of instruction counts for a board with too few rows, and the build in it."""

    table: str
    build: str


def known_before(path: Path, name: str) -> Known:
    """What is filled in in the board file of an earlier import, else the memories of the built-in board of that name.

    Raises:
        DataError: the file of an earlier import cannot be read.
        OptionError: it holds a key or a value that a board cannot have.
    """
    if path.exists():
        board = read_board_file(path)
        memories = (board.flash_bytes, board.program_bytes, board.ram_bytes, board.program_ram_bytes)
        return Known(*memories, board.donor, board.source)
    composer = open_composer()
    if name not in composer.hydra.config_loader.get_group_options("board"):
        return Known()
    board = composer.one([f"board={name}"]).board
    comment = f"of the built-in board, whose program has {board.runtime}; yours will differ"
    return Known(board.flash_bytes, board.program_bytes, board.ram_bytes, 0, None, board.source, comment)


def read_board_file(path: Path) -> BoardSpec:
    """The board in a file.

    Raises:
        DataError: the file cannot be read as a mapping.
        OptionError: it holds a key or a value that a board cannot have.
    """
    try:
        mapping = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a board file: {' '.join(str(error).split())}") from error
    if not isinstance(mapping, dict):
        raise DataError(f"{path}: cannot be read as a board file: it holds no keys and values")
    return board_spec({str(key): value for key, value in mapping.items()})


def shipped_counts(setup: Setup) -> Counts | None:
    """Instruction counts of the same core and kernels, of the measured build if it is among them."""
    name = f"tflm_{setup.core.lower().replace('-', '_')}.csv"
    if setup.runtime != RUNTIME or not (SHIPPED / name).is_file():
        return None
    counts = read_counts(SHIPPED / name)
    if setup.kernels.split(maxsplit=1)[0] != counts.rows[0].kernels:
        return None
    build = next((one for one in counts.builds if one.startswith(setup.runtime_version)), counts.builds[0])
    return Counts(name, build[:8])


def imported_board(setup: Setup, table: Path, known: Known, counts: Counts | None) -> BoardSpec:
    """The board of imported measurements; with counts, they turn the counts into time."""
    return BoardSpec(
        name=setup.board,
        core=setup.core,
        clock_mhz=setup.clock_mhz,
        runtime=setup.runtime,
        runtime_version=counts.build if counts else setup.runtime_version,
        table=str(table),
        deployed_as=DEPLOYED_AS,
        donor=None if counts else known.donor,
        counts=counts.table if counts else None,
        flash_bytes=known.flash_bytes,
        program_bytes=known.program_bytes,
        ram_bytes=known.ram_bytes,
        program_ram_bytes=known.program_ram_bytes,
        source=known.source,
    )


def board_text(board: BoardSpec, known: Known) -> str:
    """A board file with every key and a comment each."""
    version = "the emulated build whose instructions were counted" if board.counts else "that of the table"
    comments = {
        "name": "what tables and reports call it",
        "core": "must be the core of the table",
        "clock_mhz": "must be the clock of the table",
        "runtime": "runtimes are never mixed; another one is another board file",
        "runtime_version": version,
        "table": "what was measured; moved elsewhere, it needs its new path here",
        "deployed_as": "compiled: weights in flash, activations in RAM; interpreted: the file, and TFLM's arena",
        "donor": "table of the same runtime whose shape is borrowed while there are too few networks of one's own",
        "counts": "instruction counts of an emulated core, for the same purpose; null: none",
        "flash_bytes": "from the datasheet; null: no limit",
        "program_bytes": known.program_comment,
        "ram_bytes": "what the arena may have, in one piece; null: no limit",
        "program_ram_bytes": "RAM that the program takes of it, stack included",
        "source": "where memory sizes and clock are from",
    }
    lines = (f"{key}: {json.dumps(getattr(board, key))}  # {comment}\n" for key, comment in comments.items())
    return (
        f"# {board.name}, measured. Fill in flash_bytes, program_bytes, ram_bytes, program_ram_bytes and source:\n"
        "# every later import into this board writes the file anew and keeps these values, and donor.\n"
        + "".join(lines)
    )
