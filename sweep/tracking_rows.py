"""A candidate's runs written into the tables of MLflow's database, in one transaction.

Row for row what the client writes (tests/contract/test_tracking_rows.py compares them), which takes two dozen
transactions and several times as long, as it makes two objects of every metric (docs/benchmarks.md, overhead). And a
candidate is there whole or not at all, whenever the process is killed.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.tracking_family import Family, RunSheet
from sweep.tracking_runs import PARENT, MetricPoint, Runs, local_folder

Row = dict[str, Any]
RUN_NAME = "mlflow.runName"


def insert_family(runs: Runs, family: Family) -> str:
    """Write the artifacts, then all rows at once, and return the candidate's id; for `Runs.reached_directly`.

    Raises:
        OSError: the disk refuses.
        SQLAlchemyError: the database refuses.
        StorageError: a file that `fill` needs is missing.
    """
    from sqlalchemy import NullPool, create_engine

    own = _member(runs, family.above, family.candidate)
    members = (own, *(_member(runs, own.run_id, sheet) for sheet in family.variants))
    with create_engine(runs.uri, poolclass=NullPool).connect() as connection:
        try:
            for member in members:
                member.artifacts.mkdir(parents=True)
                member.sheet.fill(member.artifacts)
            for table, rows in _tables(runs, family, members):
                if rows:
                    connection.execute(table.insert(), rows)
        except BaseException:
            for member in members:
                shutil.rmtree(member.artifacts.parent, ignore_errors=True)
            raise
        connection.commit()  # not in the block above: interrupted here, the rows may be there and need their artifacts
    return own.run_id


@dataclass(frozen=True)
class _Member:
    """A run of the family with its id, and where its artifacts are by MLflow's naming."""

    run_id: str
    sheet: RunSheet
    tags: Mapping[str, str]
    artifact_uri: str
    artifacts: Path


def _member(runs: Runs, parent: str, sheet: RunSheet) -> _Member:
    from mlflow.utils.uri import append_to_uri_path

    run_id = uuid.uuid4().hex
    artifact_uri = append_to_uri_path(runs.location, run_id, "artifacts")
    artifacts = local_folder(artifact_uri)
    assert artifacts is not None, artifact_uri  # noqa: S101 - what `reached_directly` says
    return _Member(run_id, sheet, {**sheet.tags, PARENT: parent, RUN_NAME: sheet.name}, artifact_uri, artifacts)


def _tables(runs: Runs, family: Family, members: Sequence[_Member]) -> Iterator[tuple[Any, list[Row]]]:
    """The rows of each table, those first that others refer to."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag

    at_ms = round(1000 * family.ended_unix)
    yield SqlRun.__table__, [_run_row(runs, family, member) for member in members]
    yield SqlTag.__table__, [row for m in members for row in _text_rows(m, m.tags)]
    yield SqlParam.__table__, [row for m in members for row in _text_rows(m, _cut(m.sheet.params))]
    yield SqlMetric.__table__, [row for m in members for row in _metric_rows(m, m.sheet.points, at_ms)]
    yield SqlLatestMetric.__table__, [row for m in members for row in _metric_rows(m, latest(m.sheet.points), at_ms)]


def _run_row(runs: Runs, family: Family, member: _Member) -> Row:
    """As `MlflowClient.create_run` and `set_terminated` leave it."""
    return {
        "run_uuid": member.run_id,
        "name": member.sheet.name,
        "experiment_id": int(runs.experiment_id),
        "artifact_uri": member.artifact_uri,
        "status": family.status,
        "start_time": round(1000 * family.started_unix),
        "end_time": round(1000 * family.ended_unix),
        "lifecycle_stage": "active",
        "source_type": "UNKNOWN",
        "user_id": "unknown",
        "source_name": "",
        "entry_point_name": "",
        "source_version": "",
    }


def _cut(params: Mapping[str, str]) -> dict[str, str]:
    """Without the ends of what is longer than MLflow takes, as the client does."""
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

    return {key: value[:MAX_PARAM_VAL_LENGTH] for key, value in params.items()}


def _text_rows(member: _Member, texts: Mapping[str, str]) -> Iterator[Row]:
    return ({"run_uuid": member.run_id, "key": key, "value": text} for key, text in texts.items())


def _metric_rows(member: _Member, points: Sequence[MetricPoint], at_ms: int) -> Iterator[Row]:
    same = {"run_uuid": member.run_id, "timestamp": at_ms, "is_nan": False}
    return ({**same, "key": key, "value": value, "step": step} for key, value, step in dict.fromkeys(points))


def latest(points: Sequence[MetricPoint]) -> list[MetricPoint]:
    """Of each key the point of the last step, and of these the one with the largest value, as MLflow has it.

    The keys stay in their order: MLflow's pages begin with the first.
    """
    found: dict[str, MetricPoint] = {}
    for point in points:
        found[point[0]] = max(found.get(point[0], point), point, key=lambda point: (point[2], point[1]))
    return list(found.values())
