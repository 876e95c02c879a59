"""Latency of a candidate on a board, from published measurements, with the way the figure is known.

`estimate` is what the rest of the project calls. A board is data: a `BoardSpec` (from `conf/board/*.yaml`) that
names a table of measurements (`tables/*.csv`, or the user's own file) and, when that table is too small for a fit
of its own, a donor table or a table of instruction counts.
"""

from facerec_core.latency.board import BoardSpec, board_spec
from facerec_core.latency.counts import CountRow, CountTable, read_counts
from facerec_core.latency.estimate import estimate, latency_model
from facerec_core.latency.fit import Fit, fit
from facerec_core.latency.model import LatencyModel
from facerec_core.latency.summary import ModelSummary, RowSummary, row_label, summary
from facerec_core.latency.table import LatencyTable, TimedRow, read_table, table_path

__all__ = [
    "BoardSpec",
    "CountRow",
    "CountTable",
    "Fit",
    "LatencyModel",
    "LatencyTable",
    "ModelSummary",
    "RowSummary",
    "TimedRow",
    "board_spec",
    "estimate",
    "fit",
    "latency_model",
    "read_counts",
    "read_table",
    "row_label",
    "summary",
    "table_path",
]
