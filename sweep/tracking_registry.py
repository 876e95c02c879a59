"""The recommended variant of a sweep in MLflow's model registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sweep.tracking_runs import Runs
from sweep.tracking_tagged import TaggedRun

if TYPE_CHECKING:
    from analysis.selection import Entry, Metric

ALIAS = "recommended"


def register(runs: Runs, sweep_run_id: str, name: str, entry: Entry, metric: Metric) -> str:
    """Make the entry's model a version of the registered model `name`, alias `recommended`, and return the version.

    The same variant twice is one version. A version's tags say what it was recommended by and how far within each
    limit it is.

    Raises:
        MlflowException: the registry refuses.
    """
    run = _run_of(runs, sweep_run_id, entry)
    _make_sure_of(runs.client, name)
    version = _version_of(runs.client, name, run.run_id)
    tags = version_tags(run.tags["sweep"], entry, metric)
    if version is None:
        source = f"{run.artifact_uri}/model"
        made = runs.client.create_model_version(name, source, run.run_id, tags=tags)
        version = str(made.version)
    else:
        for key, value in tags.items():
            runs.client.set_model_version_tag(name, version, key, value)
    runs.client.set_registered_model_alias(name, ALIAS, version)
    return version


def version_tags(sweep: str, entry: Entry, metric: Metric) -> dict[str, str]:
    """What a version says of itself: candidate, scheme, the figure it was chosen by, and each limit."""
    record, variant = entry.record, entry.variant
    limits = {f"limit.{c.name}": f"{c.limit:g} {c.unit}; {c.figure} {c.value:g}" for c in entry.checks}
    named = {
        "sweep": sweep,
        "candidate": record.candidate.name,
        "candidate_key": record.key,
        "seed": str(record.seed),
        "board": record.latency.board,
        "latency_ms": f"{record.latency.ms:g} ({record.latency.low_ms:g} to {record.latency.high_ms:g})",
        "latency_provenance": record.latency.provenance,
        f"validation.{metric.name}": "" if entry.value is None else f"{entry.value:.6g}",
    }
    if variant is not None:
        named |= {"variant": variant.scheme, "size_bytes": str(variant.file.size_bytes), "sha256": variant.file.sha256}
    return {key: value for key, value in (named | limits).items() if value}


def _run_of(runs: Runs, sweep_run_id: str, entry: Entry) -> TaggedRun:
    scheme = entry.variant.scheme if entry.variant else ""
    return runs.tagged(sweep_run_id=sweep_run_id, candidate_key=entry.record.key, level="variant", variant=scheme)[0]


def _make_sure_of(client: Any, name: str) -> None:
    """The registered model, made if it is not there; another process may make it at the same time."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description="Fingerprint networks that sweeps recommended.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version_of(client: Any, name: str, run_id: str) -> str | None:
    """The version that was made of a run before."""
    versions = client.search_model_versions(f"name = '{name}'")
    return next((str(one.version) for one in versions if one.run_id == run_id), None)
