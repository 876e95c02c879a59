"""Sweeps in a tracker, made up instead of trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from facerec_core.types import RunRecord
from sweep.tracking import Tracker
from tests.records import make_records
from tests.tiny_tflite import mean_colour_tflite

COMMAND = "python -m sweep multirun width=0.35,0.5 res=96,128"
INT8 = (0.0079, -3)


def write_files(records: Sequence[RunRecord], folder: Path) -> None:
    """A small .tflite for every variant, below `folder` where its record says."""
    for record in records:
        for variant in record.variants:
            path = folder / variant.file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            quantization = None if variant.scheme == "float32" else INT8
            path.write_bytes(mean_colour_tflite(record.candidate.resolution, quantization))


def write_sweep(tracker: Tracker, folder: Path, records: Sequence[RunRecord], name: str = "demo") -> str:
    """The run id of a finished sweep of these records; its files are written below `folder`."""
    write_files(records, folder)
    axes = {"width": "0.35,0.5", "res": "96,128"}
    limits = {"parameter_bytes": 1_000_000, "latency_ms": 500}
    with tracker.sweep(name, COMMAND, axes, 1e-3, limits) as run_id:
        for record in records:
            tracker.log_candidate(run_id, record, folder)
        tracker.mark_standings(run_id)
    return run_id


def records_of(tracker: Tracker, sweep_run_id: str) -> dict[str, RunRecord]:
    """The records the tracker has of a sweep, by their keys."""
    return {record.key: record for record in tracker._each_record(sweep_run_id)}


def with_a_large_ptq_file(record: RunRecord) -> RunRecord:
    """The same candidate, had its PTQ file become larger than that of QAT, which is better: it is dominated."""
    variants = tuple(
        replace(v, file=replace(v.file, size_bytes=v.file.size_bytes + 50_000)) if v.scheme == "ptq_int8" else v
        for v in record.variants
    )
    return replace(record, variants=variants)


def varied_records() -> tuple[RunRecord, ...]:
    """Four complete candidates, one of them with a dominated variant, and one that is infeasible."""
    records = make_records(7)
    return (records[0], with_a_large_ptq_file(records[1]), records[2], records[3], records[6])
