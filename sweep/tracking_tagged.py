"""Runs with their tags and nothing else: out of a database by two of its tables, off a server as it gives them.

`MlflowClient.search_runs` makes an object of every metric, parameter and tag of each run it finds, hundreds of them:
for a sweep of thousands that takes longer than all the rest (docs/benchmarks.md, overhead).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweep.tracking_store import is_server


@dataclass(frozen=True)
class TaggedRun:
    """A run that is not in the bin; `status` is MLflow's, such as FINISHED."""

    run_id: str
    status: str
    artifact_uri: str
    tags: Mapping[str, str]


def found_tagged(client: Any, uri: str, experiment_id: str, tags: Mapping[str, str]) -> list[TaggedRun]:
    """The runs of an experiment that have all these tags, the one that began last first.

    Raises:
        MlflowException, SQLAlchemyError: the tracker cannot be read.
    """
    if is_server(uri):
        return _from_server(client, experiment_id, tags)
    return _from_database(uri, int(experiment_id), tags)


def _from_server(client: Any, experiment_id: str, tags: Mapping[str, str]) -> list[TaggedRun]:
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return [
        TaggedRun(run.info.run_id, run.info.status, run.info.artifact_uri, run.data.tags)
        for run in all_runs(client, experiment_id, query)
    ]


def all_runs(client: Any, experiment_id: str, query: str) -> list[Any]:
    """All runs that match, with everything, page by page."""
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], query, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _from_database(uri: str, experiment_id: int, tags: Mapping[str, str]) -> list[TaggedRun]:
    from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
    from sqlalchemy import NullPool, create_engine, select

    has_all = [
        SqlRun.run_uuid.in_(select(SqlTag.run_uuid).where(SqlTag.key == key, SqlTag.value == value))
        for key, value in tags.items()
    ]
    wanted = (SqlRun.experiment_id == experiment_id, SqlRun.lifecycle_stage == "active", *has_all)
    columns = select(SqlRun.run_uuid, SqlRun.status, SqlRun.artifact_uri).where(*wanted)
    own = select(SqlTag.run_uuid, SqlTag.key, SqlTag.value).where(
        SqlTag.run_uuid.in_(select(SqlRun.run_uuid).where(*wanted))
    )
    with create_engine(uri, poolclass=NullPool).connect() as connection:
        runs = connection.execute(columns.order_by(SqlRun.start_time.desc(), SqlRun.run_uuid)).all()
        tags_of: dict[str, dict[str, str]] = {run_id: {} for run_id, _, _ in runs}
        for run_id, key, value in connection.execute(own):
            if run_id in tags_of:  # another process may have made one meanwhile
                tags_of[run_id][key] = value
    return [TaggedRun(run_id, status, artifacts, tags_of[run_id]) for run_id, status, artifacts in runs]
