"""Latency of a candidate on a board: which model a board asks for, and that its file agrees with its tables."""

from __future__ import annotations

from functools import lru_cache

from facerec_core.arch import layers
from facerec_core.errors import require
from facerec_core.latency.board import BoardSpec
from facerec_core.latency.borrowed import borrowed_model
from facerec_core.latency.counts import read_counts
from facerec_core.latency.emulated import emulated_model
from facerec_core.latency.fitted import fitted_model
from facerec_core.latency.model import LatencyModel
from facerec_core.latency.table import LatencyTable, read_table, table_path
from facerec_core.types import Latency


def estimate(board: BoardSpec, width: float, resolution: int, embedding: int, last: int | None = None) -> Latency:
    """Latency of one inference of the headless network.

    Raises:
        OptionError: no such network, no such table, or a board that contradicts its table.
        DataError: a table that cannot be used.
    """
    return latency_model(board).predict(layers(width, resolution, embedding, last=last))


@lru_cache(maxsize=32)
def latency_model(board: BoardSpec) -> LatencyModel:
    """The model of a board, made once a process; a table changed on disk afterwards is not read again.

    Raises:
        OptionError: no such table, or a board that contradicts its table.
        DataError: a table that cannot be used, or with too few rows.
    """
    table = read_table(table_path(board.table))
    if board.counts is not None:
        _check_agreement(board, table, "core", "clock_mhz")
        return emulated_model(board, table, read_counts(table_path(board.counts, "board.counts")))
    _check_agreement(board, table, "core", "clock_mhz", "runtime", "runtime_version")
    if board.donor is not None:
        return borrowed_model(board, table, read_table(table_path(board.donor, "board.donor")))
    return fitted_model(board, table)


def _check_agreement(board: BoardSpec, table: LatencyTable, *keys: str) -> None:
    for key in keys:
        stated, in_table = getattr(board, key), getattr(table.rows[0], key)
        allowed = f"null: {table.name} states none" if in_table is None else f"{in_table}, as measured, or null"
        require(stated in (None, in_table), f"board.{key}", stated, allowed, "or name another table in board.table")
