"""Writes a sweep's report: the page, report.json, the tables and the pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

from analysis.records import ReportPaths, SweepInfo
from facerec_core.errors import StorageError
from facerec_core.record_json import dump_record
from facerec_core.types import RunRecord

Doing = Callable[[str], None]


def _silent(_text: str) -> None:
    """Says nothing."""


def write_report(
    records: Sequence[RunRecord], info: SweepInfo, out_dir: Path, doing: Doing = _silent, beside: Executor | None = None
) -> ReportPaths:
    """Write the report of one sweep into `out_dir`, made if absent; an older report there is replaced.

    Everything is computed before the first file is touched, and each file appears whole or not at all.

    Args:
        records: the sweep's candidates.
        info: the sweep.
        out_dir: the report's folder.
        doing: told what goes on.
        beside: `analysis.drawing.painter`, to draw the still pictures while page and tables are made; None draws here.

    Raises:
        StorageError: the folder cannot be made or written.
    """
    paths = ReportPaths.inside(out_dir)
    write_all(_contents(records, info, paths, doing, beside), out_dir)
    return paths


def _contents(
    records: Sequence[RunRecord], info: SweepInfo, paths: ReportPaths, doing: Doing, beside: Executor | None
) -> Mapping[Path, bytes]:
    doing("comparing the candidates")
    # Here, so that importing this module costs no plotting library.
    from analysis.drawing import drawn, shown
    from analysis.findings import find

    found = find(records, info)
    drawing = drawn(shown(found), beside)
    doing("making the page and the tables")
    from analysis import document, page, summary, tables

    contents = {
        paths.candidates_csv: tables.candidates_table(found).to_csv(index=False).encode(),
        paths.pareto_csv: tables.pareto_table(found).to_csv(index=False).encode(),
        paths.json: f"{dump_record(document.report_json(found))}\n".encode(),
        paths.summary_md: summary.markdown(found).encode(),
    }
    fragments = page.fragments_of(found)
    pictures: dict[Path, bytes] = {}
    doing("drawing pareto")
    for name, images in drawing:
        pictures |= dict(zip(paths.figures[name], images, strict=True))
        doing(f"{name} is drawn, {len(pictures) // 2} of {len(paths.figures)}")
    return {**pictures, **contents, paths.html: page.render(found, fragments, pictures, paths).encode()}


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_all(contents: Mapping[Path, bytes], folder: Path) -> None:
    """Write files: all under temporary names first, then all renamed; the temporary ones never stay behind.

    Raises:
        StorageError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            _temporary(path).write_bytes(content)
        for path in contents:
            _temporary(path).replace(path)
    except OSError as error:
        message = f"report: cannot write to {folder}: {error.strerror}; allowed: a writable folder with free space"
        raise StorageError(f"{message}; change paths.root") from error
    finally:
        if folder.is_dir():
            for path in contents:
                _temporary(path).unlink(missing_ok=True)
