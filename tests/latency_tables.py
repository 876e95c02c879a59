"""Shipped boards, and copies of shipped tables with something changed."""

import csv
from functools import cache
from pathlib import Path

import yaml

from facerec_core.arch import layers
from facerec_core.latency import board_spec, table_path

BOARD_FILES = sorted((Path(__file__).parents[1] / "conf" / "board").glob("*.yaml"))
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
RESOLUTIONS = (96, 128, 160, 192, 224)
H747_TABLE = "stm32h747_x-cube-ai_10.0.0.csv"


def shipped(name):
    file = next(file for file in BOARD_FILES if file.stem == name)
    return board_spec(yaml.safe_load(file.read_text(encoding="utf-8")))


# A board whose table is below paths.root has none until something was measured.
BOARDS = [file.stem for file in BOARD_FILES if "${" not in shipped(file.stem).table]


def rows_of(name):
    """The cells of a shipped table, a mapping a row."""
    with table_path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path, rows, columns=None):
    """Write rows as a table; `columns` are those of the first row unless given, unknown ones filled with x."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore", restval="x", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def changed_table(tmp_path, name=H747_TABLE, keep=6, **cells):
    """The path of a copy of a shipped table with some cells changed in every row that is kept."""
    return str(write_rows(tmp_path / "mine.csv", [{**row, **cells} for row in rows_of(name)[:keep]]))


@cache
def distinct_widths():
    """The least width of every distinct network from 0.35 to 1.4, to a thousandth."""
    first = {}
    for thousandth in range(350, 1401):
        first.setdefault(layers(thousandth / 1000, 96, 1280), thousandth / 1000)
    return tuple(first.values())
