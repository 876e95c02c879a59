"""Writes the tables of docs/results.md from docs/results.json, which keeps what was measured.

    python -m docs.results_tables                                # the tables, from docs/results.json
    python -m docs.results_tables --root mlruns KEY SWEEP...     # first takes the sweeps' candidates over, under KEY

A table stands below a line `<!-- results: KEY -->`.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facerec_core.types import Evaluation, RunRecord

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
DATA = ROOT / "docs" / "results.json"
FARS = ("1e-2", "1e-3", "1e-4")
WITH_INTERVAL = ("tar_at_far_1e-2", "tar_at_far_1e-3", "tar_at_far_1e-4", "accuracy", "eer")
STAGES = {"float32": "float", "float32_control": "control", "ptq_int8": "ptq", "qat_int8": "qat"}
HEADINGS = {
    "candidate": "candidate",
    "variant": "variant",
    "size_bytes": "file, bytes",
    "validation_tar_at_far_1e-3": "TAR@1e-3, validation",
    "test_tar_at_far_1e-2": "TAR@1e-2",
    "test_tar_at_far_1e-3": "TAR@1e-3",
    "test_tar_at_far_1e-4": "TAR@1e-4",
    "test_accuracy": "accuracy",
    "test_eer": "EER",
    "stage_seconds": "seconds",
}
_PLACE = r"(?P<head><!-- results: {key} -->\n\n)(?P<table>(?:^\|.*\n)*)"
STARTS = {"slice": ", sliced", "grow": ", grown"}
Row = Mapping[str, Any]


def rows_of(record: RunRecord) -> Iterator[dict[str, Any]]:
    """One row a variant, rates rounded to four decimals."""
    from analysis.selection import candidate_names

    name = candidate_names([record])[record.key] + _start(record) + (f" seed {record.seed}" if record.seed else "")
    for variant in record.variants:
        yield {
            "candidate": name,
            "variant": variant.scheme,
            "size_bytes": variant.file.size_bytes,
            "arena_bytes_host": variant.file.arena.total_bytes if variant.file.arena else None,
            **_rates("validation", variant.validation),
            **_rates("test", variant.test),
            "stage_seconds": round(record.stage_seconds[STAGES[variant.scheme]]),
        }


def _start(record: RunRecord) -> str:
    """How the initial weights came about, where they are not those of the same width; never the file's name."""
    train = record.config.get("train")
    way = str(train.get("init")).partition(":")[0] if isinstance(train, Mapping) else ""
    return STARTS.get(way, "")


def _rates(split: str, found: Evaluation) -> dict[str, Any]:
    out: dict[str, Any] = {f"{split}_tar_at_far_{far}": _rounded(found.tar_at_far[far]) for far in FARS}
    out |= {f"{split}_{name}": _rounded(getattr(found, name)) for name in ("accuracy", "eer", "auc")}
    out |= {f"{split}_{name}": getattr(found, name) for name in ("realised_far", "realised_tar")}
    for name in WITH_INTERVAL:
        if interval := found.intervals.get(name):
            out[f"{split}_{name}_interval"] = [_rounded(interval.low), _rounded(interval.high)]
    return out


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown; a rate with an interval shows it."""
    shown = [key for key in HEADINGS if any(row.get(key) is not None for row in rows)]
    cells = [[HEADINGS[key] for key in shown], *([_cell(row, key) for key in shown] for row in rows)]
    heading, *body = (f"| {' | '.join(line)} |\n" for line in cells)
    return heading + "|---" * len(shown) + "|\n" + "".join(body)


def _cell(row: Row, key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    interval = row.get(f"{key}_interval")
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def rewritten(page: str, data: Mapping[str, Sequence[Row]]) -> str:
    """The page with every table as the data have it.

    Raises:
        ValueError: the data have rows that no table of the page shows.
    """
    for key, rows in data.items():
        match = re.search(_PLACE.format(key=re.escape(key)), page, re.MULTILINE)
        if match is None:
            raise ValueError(f"docs/results.md: needed: a line '<!-- results: {key} -->' and an empty one below it")
        page = page[: match.start("table")] + table(rows) + page[match.end("table") :]
    return page


def take_over(root: Path, key: str, sweeps: Sequence[str]) -> None:
    """Replace the rows of `key` by those of the sweeps in the tracker."""
    from sweep.tracking import Tracker

    tracker = Tracker.open(root, None, "facerec-sweep", create=False)
    records = [record for name in sweeps for record in tracker.load_records(tracker.find_sweeps(name)[0])]
    ordered = sorted(records, key=lambda each: (each.candidate.width, each.candidate.resolution, each.seed))
    data = json.loads(DATA.read_text(encoding="utf-8"))
    data[key] = [row for record in ordered for row in rows_of(record)]
    DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Parse the arguments, take over, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key", nargs="?", help="of the rows in docs/results.json")
    parser.add_argument("sweeps", nargs="*", help="names of sweeps in the tracker")
    parser.add_argument("--root", type=Path, default=Path("mlruns"), help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.key:
        take_over(arguments.root, arguments.key, arguments.sweeps)
    data = json.loads(DATA.read_text(encoding="utf-8"))
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), data), encoding="utf-8")


if __name__ == "__main__":
    main()
