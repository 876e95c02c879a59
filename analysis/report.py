"""Writes a sweep's report: the page, report.json, the tables and the pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.records import ReportPaths, SweepInfo
from facerec_core.errors import StorageError
from facerec_core.record_json import dump_record
from facerec_core.types import RunRecord

if TYPE_CHECKING:
    from analysis.findings import Findings


def write_report(records: Sequence[RunRecord], info: SweepInfo, out_dir: Path) -> ReportPaths:
    """Write the report of one sweep into `out_dir`, made if absent; an older report there is replaced.

    Everything is computed before the first file is touched, and each file appears whole or not at all.

    Raises:
        StorageError: the folder cannot be made or written.
    """
    paths = ReportPaths.inside(out_dir)
    write_all(_contents(records, info, paths), out_dir)
    return paths


def _contents(records: Sequence[RunRecord], info: SweepInfo, paths: ReportPaths) -> Mapping[Path, bytes]:
    # Here, so that importing this module costs no plotting library.
    from analysis import document, page, summary, tables
    from analysis.findings import find

    found = find(records, info)
    pictures = _pictures(found, paths)
    return {
        **pictures,
        paths.candidates_csv: tables.candidates_table(found).to_csv(index=False).encode(),
        paths.pareto_csv: tables.pareto_table(found).to_csv(index=False).encode(),
        paths.json: f"{dump_record(document.report_json(found))}\n".encode(),
        paths.summary_md: summary.markdown(found).encode(),
        paths.html: page.render(found, pictures, paths).encode(),
    }


def _pictures(found: Findings, paths: ReportPaths) -> dict[Path, bytes]:
    """PNG and SVG of every figure."""
    from analysis import figures, figures_curves, figures_health, figures_learning, figures_roc, figures_search
    from analysis.curve_data import slopes
    from analysis.figure_data import pareto_points
    from analysis.health_data import health_panels
    from analysis.learning_data import learning_curves
    from analysis.limit_data import limit_marks
    from analysis.roc_data import roc_lines
    from analysis.search_data import search_figure

    chosen, lines = found.selection, roc_lines(found.selection, "test")
    title = f"{chosen.metric.title} (validation)"
    drawn = {
        "pareto": figures.draw_pareto(pareto_points(chosen, found.compared), title),
        "limits": figures_curves.draw_limits(limit_marks(chosen)),
        "roc": figures_roc.draw_roc(lines, "ROC on the test pairs"),
        "det": figures_roc.draw_det(lines, "DET on the test pairs"),
        "quantisation": figures_curves.draw_slopes(slopes(chosen), title),
        "health": figures_health.draw_health(health_panels(chosen)),
        "search": figures_search.draw_search(search_figure(chosen)),
        "learning": figures_learning.draw_learning(learning_curves(chosen)),
    }
    places = {name: zip(paths.figures[name], ("png", "svg"), strict=True) for name in drawn}
    return {path: figures.image_bytes(drawn[name], kind) for name in drawn for path, kind in places[name]}


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
