"""Writes a sweep's report: the page, report.json, the tables and the pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.records import ReportPaths, SweepInfo
from facerec_core.errors import StorageError
from facerec_core.types import RunRecord


def write_report(records: Sequence[RunRecord], info: SweepInfo, out_dir: Path) -> ReportPaths:
    """Write the report of one sweep into `out_dir`, made if absent; an older report there is replaced.

    Everything is computed before the first file is touched, and each file appears whole or not at all.

    Raises:
        StorageError: the folder cannot be made or written.
    """
    paths = ReportPaths.inside(out_dir)
    _write_all(_contents(records, info, paths), out_dir)
    return paths


def _contents(records: Sequence[RunRecord], info: SweepInfo, paths: ReportPaths) -> Mapping[Path, bytes]:
    # Here, so that importing this module costs no plotting library.
    from analysis import document, figure_data, figures, page, selection, tables

    chosen = selection.select(records, info)
    pareto = figures.draw_pareto(figure_data.pareto_points(chosen), chosen.metric)
    pareto_png = figures.image_bytes(pareto, "png")
    roc = figures.draw_roc(figure_data.roc_lines(chosen, "test"), "ROC on the test identities")
    text = json.dumps(document.report_json(chosen, info), indent=2, ensure_ascii=False, allow_nan=False)
    return {
        paths.pareto_png: pareto_png,
        paths.pareto_svg: figures.image_bytes(pareto, "svg"),
        paths.roc_png: figures.image_bytes(roc, "png"),
        paths.roc_svg: figures.image_bytes(roc, "svg"),
        paths.candidates_csv: tables.candidates_table(chosen).to_csv(index=False).encode(),
        paths.pareto_csv: tables.pareto_table(chosen).to_csv(index=False).encode(),
        paths.json: f"{text}\n".encode(),
        paths.html: page.render(chosen, records, info, pareto_png).encode(),
    }


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _write_all(contents: Mapping[Path, bytes], folder: Path) -> None:
    """All files under temporary names first, then all renamed; the temporary ones never stay behind."""
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
