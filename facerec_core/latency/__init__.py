"""Latency of a candidate on a board, from published measurements, with the way the figure is known.

`estimate` is what the rest of the project calls. A board is data: a `BoardSpec` (from `conf/board/*.yaml`) that
names a table of measurements (`tables/*.csv`, or the user's own file) and, when that table is too small for a fit
of its own, a donor table.
"""

from facerec_core.latency.estimate import BoardSpec, LatencyModel, board_spec, estimate, latency_model
from facerec_core.latency.fit import Fit, fit
from facerec_core.latency.table import LatencyTable, TimedRow, read_table, table_path

__all__ = [
    "BoardSpec",
    "Fit",
    "LatencyModel",
    "LatencyTable",
    "TimedRow",
    "board_spec",
    "estimate",
    "fit",
    "latency_model",
    "read_table",
    "table_path",
]
