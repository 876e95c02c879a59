"""Measures flash and RAM of the whole grid, and writes the tables of docs/cost_model.md anew from what was measured.

    python -m docs.footprint_table             # the tables, from tests/golden/footprint.csv
    python -m docs.footprint_table FOLDER      # first converts 55 untrained networks into FOLDER (3 minutes), strips
                                               # them, runs the micro interpreter, and writes tests/golden/footprint.csv

The device's arenas are those of the emulated Cortex-M7 in facerec_core/latency/tables/tflm_cortex_m7.csv.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from facerec_core.arch import layers, resolve_embedding
from facerec_core.arena import measure_arena
from facerec_core.cost import cost
from facerec_core.footprint import predict_arena, predict_file_bytes
from facerec_core.strip import strip
from facerec_core.types import Candidate
from facerec_core.untrained import untrained_files

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cost_model.md"
GOLDEN = ROOT / "tests" / "golden" / "footprint.csv"
EMULATED = ROOT / "facerec_core" / "latency" / "tables" / "tflm_cortex_m7.csv"
EMULATED_COMMIT = "90b983c2b3f1480642e040bbd2ddb37b998f3424"
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
RESOLUTIONS = (96, 128, 160, 192, 224)
GRID = tuple(
    Candidate(width, resolution, embedding)
    for width in WIDTHS
    for embedding in sorted({resolve_embedding("scaled", width), 1280})
    for resolution in RESOLUTIONS
)
Row = Mapping[str, str]

_SECTION = r"(?P<head>^### {title}\n(?:(?!##).*\n)*?)(?P<table>(?:^\|.*\n)+)"


def read_golden() -> list[dict[str, str]]:
    """The measured rows: width, resolution, embedding, bytes of file and arenas, source of the device's."""
    with GOLDEN.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def candidate_of(row: Row) -> Candidate:
    """The architecture a row is about."""
    return Candidate(float(row["width"]), int(row["resolution"]), int(row["embedding"]))


def measured(folder: Path) -> Iterator[dict[str, object]]:
    """One row a candidate of the grid, in the columns of the golden file."""
    paths = untrained_files(GRID, folder, lambda done, total, _: sys.stderr.write(f"{done} of {total} converted\n"))
    devices = _emulated()
    for candidate, path in paths.items():
        content = strip(path.read_bytes())
        host = measure_arena(content)
        device, source = devices.get(candidate, ("", ""))
        yield {
            "width": f"{candidate.width:g}",
            "resolution": candidate.resolution,
            "embedding": candidate.embedding,
            "file_bytes": len(content),
            "host_total_bytes": host.total_bytes,
            "host_persistent_bytes": host.persistent_bytes,
            "host_activation_bytes": host.activation_bytes,
            "device_total_bytes": device,
            "device_source": source,
        }


def _emulated() -> dict[Candidate, tuple[str, str]]:
    """(bytes, where from) of the arenas of networks without a head, in one build of the interpreter."""
    with EMULATED.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["tflm_commit"] == EMULATED_COMMIT]
    fitting = (row for row in rows if row["model"] == "MobileNetV2" and row["kernels"] == "CMSIS-NN")
    return {
        candidate_of(row): (
            row["arena_bytes"],
            f"{row['emulator']}; TFLM {row['tflm_commit'][:8]}; CMSIS-NN {row['cmsis_commit'][:8]}",
        )
        for row in fitting
        if not row["classes"]
    }


def tables() -> dict[str, str]:
    """A Markdown table for each heading of the page."""
    rows = read_golden()
    return {"Flash": _table(_FLASH, _flash(rows)), "RAM": _table(_RAM, _ram(rows))}


_FLASH = ("width", "embedding", "parameters", "file", "predicted", "error")
_RAM = ("width", "embedding", "kept, host", "predicted", "kept, device", "predicted")


def _flash(rows: list[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    for shape, group in _shapes(rows):
        real = [int(row["file_bytes"]) for row in group]
        predicted = predict_file_bytes(layers(shape[0], 96, shape[1]))
        worst = max((predicted / size - 1 for size in real), key=abs)
        parameters = cost(shape[0], 96, shape[1]).parameters_without_head
        yield *_named(shape), f"{parameters:,}", _span(real), f"{predicted:,}", f"{100 * worst:+.2f} %"


def _ram(rows: list[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    for shape, group in _shapes(rows):
        predicted = {bits: predict_arena(layers(shape[0], 96, shape[1]), bits).persistent_bytes for bits in (8, 4)}
        host = [int(row["host_persistent_bytes"]) for row in group]
        device = [
            int(row["device_total_bytes"]) - int(row["host_activation_bytes"])
            for row in group
            if row["device_total_bytes"]
        ]
        yield *_named(shape), _span(host), f"{predicted[8]:,}", _span(device), f"{predicted[4]:,}"


def _shapes(rows: list[dict[str, str]]) -> Iterator[tuple[tuple[float, int], list[dict[str, str]]]]:
    """The rows by width and embedding."""
    shapes = dict.fromkeys((candidate_of(row).width, candidate_of(row).embedding) for row in rows)
    for shape in shapes:
        yield shape, [row for row in rows if (candidate_of(row).width, candidate_of(row).embedding) == shape]


def _named(shape: tuple[float, int]) -> tuple[str, str]:
    return f"{shape[0]:g}", str(shape[1])


def _span(values: list[int]) -> str:
    """The value, or the range of values that differ between resolutions; empty where nothing was measured."""
    if not values:
        return ""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _table(headings: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace(" --- ", "---").replace("|  |", "| |")


def rewritten(page: str) -> str:
    """The page with both tables as the golden file has them now.

    Raises:
        ValueError: a table without its heading on the page.
    """
    for title, table in tables().items():
        match = re.search(_SECTION.format(title=re.escape(title)), page, re.MULTILINE)
        if match is None:
            raise ValueError(f"docs/cost_model.md: needed: a heading '### {title}' with a table below it")
        page = page[: match.start("table")] + table + page[match.end("table") :]
    return page


def _write_golden(rows: list[dict[str, object]]) -> None:
    with GOLDEN.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _write_golden(list(measured(Path(sys.argv[1]))))
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
