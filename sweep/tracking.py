"""Sweeps in MLflow: one parent run a sweep, a child a candidate, a grandchild a numeric variant.

Everything goes through MlflowClient and explicit run ids; MLflow's notion of an active run is never used. A
candidate is written once, after it is done, with its true times, and every run is terminated as soon as it is
written. An infeasible candidate is FINISHED with the tag `status = infeasible`; a failed one is FAILED.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal

from facerec_core.errors import OptionError, TrackingError
from facerec_core.record_json import dump_record, parse_record
from facerec_core.roc import far_label
from facerec_core.types import RunRecord, Scheme, VariantRecord
from sweep import tracking_keys as keys
from sweep.tracking_model import save_model
from sweep.tracking_store import is_server, mlflow_errors, open_store

SweepStatus = Literal["FINISHED", "FAILED", "KILLED"]
Point = tuple[str, float, int]
DONE = ("FINISHED", "FAILED")
MOST_METRICS, MOST_PARAMS = 1000, 100
COMPARED_CANDIDATES = 4


@dataclass(frozen=True)
class SweepRun:
    """A sweep as the tracker knows it; `status` is MLflow's RUNNING, FINISHED, FAILED or KILLED.

    `started_unix` is when it was started for the last time, `command` what was typed then.
    """

    run_id: str
    name: str
    status: str
    started_unix: float
    command: str
    target_far: float
    limits: Mapping[str, float | str | None]


class Tracker:
    """Writes sweeps to an MLflow store and reads them back; make one with `Tracker.open`."""

    def __init__(self, client: Any, experiment_id: str, uri: str) -> None:
        self._client = client
        self.experiment_id = experiment_id
        self.uri = uri

    @classmethod
    def open(cls, root: Path, uri: str | None, experiment: str, *, create: bool = True) -> Tracker:
        """Open the store, and make it and its experiment unless `create` is false.

        Args:
            root: folder of `mlflow.db` and `artifacts/`; with a `uri` that is a server it is not touched.
            uri: MLflow's tracking URI, None for SQLite in `root`.
            experiment: name of the MLflow experiment.
            create: false where only reading makes sense; a missing store is then an error.

        Raises:
            StorageError: `root` cannot be made or written, or the disk is full.
            TrackingError: an old MLflow file store lies in `root`, the server does not answer, or, with
                `create` false, there is no store yet.
        """
        client, experiment_id, address = open_store(root, uri, experiment, create=create)
        return cls(client, experiment_id, address)

    # ----------------------------------------------------------------------------------------- writing

    @contextmanager
    def sweep(
        self,
        name: str,
        command: str,
        params: Mapping[str, str],
        target_far: float,
        limits: Mapping[str, float | str | None],
    ) -> Iterator[str]:
        """Run id of the sweep for the length of a block: KILLED by Ctrl-C, FAILED by an error, else FINISHED."""
        run_id = self.start_sweep(name, command, params, target_far, limits)
        try:
            yield run_id
        except (KeyboardInterrupt, SystemExit):
            self.finish_sweep(run_id, "KILLED")
            raise
        except BaseException:
            self.finish_sweep(run_id, "FAILED")
            raise
        self.finish_sweep(run_id, "FINISHED")

    def start_sweep(
        self,
        name: str,
        command: str,
        params: Mapping[str, str],
        target_far: float,
        limits: Mapping[str, float | str | None],
    ) -> str:
        """Run id of a new sweep, or of the one of that name, which is continued.

        MLflow never changes a parameter once logged: a continued sweep keeps the `params` of its first start,
        while the command (a tag) follows the last one.

        Raises:
            OptionError: the sweep of that name was judged by other limits or another target FAR.
            TrackingError: the tracker refuses.
        """
        tags = {
            "level": "sweep",
            "sweep": name,
            "command": command,
            "target_far": repr(target_far),
            "limits": json.dumps(dict(limits)),
            "last_started": repr(time.time()),
            "mlflow.note.content": f"`{command}`",
            "mlflow.source.name": "python -m sweep",
        }
        with self._errors():
            for run in self._search("tags.level = 'sweep'"):
                if run.data.tags["sweep"] == name:
                    _check_same_measure(run.data.tags, tags)
                    self._kill_running(run.info.run_id)
                    self._client.update_run(run.info.run_id, status="RUNNING")
                    self._log(run.info.run_id, tags=tags)
                    return str(run.info.run_id)
            run = self._client.create_run(self.experiment_id, run_name=name, tags=tags)
            self._log(run.info.run_id, params=params)
            return str(run.info.run_id)

    def finish_sweep(self, run_id: str, status: SweepStatus) -> None:
        """Terminate the sweep's run, and as KILLED whatever below it is still running."""
        with self._errors():
            self._kill_running(run_id)
            self._client.set_terminated(run_id, status)

    def log_candidate(
        self,
        sweep_run_id: str,
        record: RunRecord,
        model_dir: Path,
        roc_png: Mapping[Scheme, bytes] | None = None,
    ) -> str:
        """Write one candidate and its variants, and return the run id of the candidate.

        The same record twice is one run; another record of the same key (a second attempt) replaces the first.

        Args:
            sweep_run_id: from `start_sweep`.
            record: what to write; the whole of it becomes the artifact `record.json`.
            model_dir: what the paths of the variants' files are relative to.
            roc_png: for each variant the picture of its ROC, if there is one.

        Raises:
            StorageError: a variant's file is missing, or the artifacts cannot be written.
            TrackingError: the tracker refuses.
        """
        # Read back once, so that a record and its copy out of the tracker (1000000 and 1000000.0) are one text.
        text = dump_record(parse_record(RunRecord, dump_record(record), "record"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        with self._errors():
            for run in self._search(f"{_candidates_of(sweep_run_id)} and tags.candidate_key = '{record.key}'"):
                if run.info.status in DONE and run.data.tags["record_sha256"] == digest:
                    return str(run.info.run_id)
                self._delete(run.info.run_id)
            sweep = self._client.get_run(sweep_run_id).data.tags["sweep"]
            common = {"sweep": sweep, "sweep_run_id": sweep_run_id, "record_sha256": digest} | keys.record_tags(record)
            return self._write_candidate(common, record, text, model_dir, roc_png or {})

    def _write_candidate(
        self,
        common: Mapping[str, str],
        record: RunRecord,
        text: str,
        model_dir: Path,
        roc_png: Mapping[Scheme, bytes],
    ) -> str:
        tags = {**common, "level": "candidate"}
        figures = [(key, value, 0) for key, value in keys.candidate_metrics(record).items()]
        name = record.candidate.name
        with self._run(name, common["sweep_run_id"], tags, record) as run_id, _staging() as stage:
            self._log(run_id, keys.candidate_params(record), [*figures, *keys.curve_points(record)], record.ended_unix)
            (stage / "record.json").write_text(text, encoding="utf-8")
            self._client.log_artifacts(run_id, str(stage))
            self._client.log_dict(run_id, json.loads(text)["config"], "config.yaml")
            for variant in record.variants:
                self._write_variant(run_id, common, record, variant, model_dir, roc_png.get(variant.scheme))
        return run_id

    def _write_variant(
        self,
        parent: str,
        common: Mapping[str, str],
        record: RunRecord,
        variant: VariantRecord,
        model_dir: Path,
        roc_png: bytes | None,
    ) -> None:
        tags = {**common, "level": "variant", "variant": variant.scheme}
        figures = [(key, value, 0) for key, value in keys.variant_metrics(record, variant).items()]
        params = keys.variant_params(record, variant)
        name = keys.variant_name(record.candidate, variant.scheme)
        with self._run(name, parent, tags, record) as run_id, _staging() as stage:
            self._log(run_id, params, [*figures, *keys.roc_points(variant.validation.roc)], record.ended_unix)
            save_model(stage / "model", model_dir / variant.file.path, record.candidate.resolution, variant)
            (stage / "roc.json").write_text(json.dumps(_roc_of(variant), indent=1), encoding="utf-8")
            if roc_png is not None:
                (stage / "roc.png").write_bytes(roc_png)
            self._client.log_artifacts(run_id, str(stage))

    @contextmanager
    def _run(self, name: str, parent: str, tags: Mapping[str, str], record: RunRecord) -> Iterator[str]:
        """A run below `parent` for the length of a block; what was written is deleted when the block fails."""
        started = round(1000 * record.started_unix)
        all_tags = {**tags, "mlflow.parentRunId": parent}
        run = self._client.create_run(self.experiment_id, start_time=started, run_name=name, tags=all_tags)
        run_id = str(run.info.run_id)
        try:
            yield run_id
        except BaseException:
            self._delete(run_id)
            raise
        status = "FAILED" if record.status == "failed" else "FINISHED"
        self._client.set_terminated(run_id, status, end_time=round(1000 * record.ended_unix))

    def _log(
        self,
        run_id: str,
        params: Mapping[str, str] | None = None,
        points: Iterable[Point] = (),
        at_unix: float = 0.0,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Everything at once, in as few calls as MLflow's limits allow."""
        from mlflow.entities import Metric, Param, RunTag

        at_ms = round(1000 * at_unix)
        metrics = [Metric(key, value, at_ms, step) for key, value, step in points]
        some_params = [Param(key, value) for key, value in (params or {}).items()]
        some_tags = [RunTag(key, value) for key, value in (tags or {}).items()]
        calls = max(-(-len(metrics) // MOST_METRICS), -(-len(some_params) // MOST_PARAMS), 1)
        for call in range(calls):
            self._client.log_batch(
                run_id,
                metrics[call * MOST_METRICS : (call + 1) * MOST_METRICS],
                some_params[call * MOST_PARAMS : (call + 1) * MOST_PARAMS],
                some_tags if call == 0 else (),
            )

    def _kill_running(self, sweep_run_id: str) -> None:
        """Nothing below a sweep may stay RUNNING, whatever ended the process that wrote it."""
        for run in self._search(f"tags.sweep_run_id = '{sweep_run_id}' and attributes.status = 'RUNNING'"):
            self._client.set_terminated(run.info.run_id, "KILLED")

    def _delete(self, run_id: str) -> None:
        """Move a run and those below it to MLflow's bin."""
        for child in self._search(f"tags.mlflow.parentRunId = '{run_id}'"):
            self._delete(child.info.run_id)
        if self._client.get_run(run_id).info.status == "RUNNING":
            self._client.set_terminated(run_id, "KILLED")
        self._client.delete_run(run_id)

    # ----------------------------------------------------------------------------------------- reading

    def load_sweeps(self) -> tuple[SweepRun, ...]:
        """Every sweep, the one started last first."""
        with self._errors():
            sweeps = [_sweep_of(run) for run in self._search("tags.level = 'sweep'")]
        return tuple(sorted(sweeps, key=lambda sweep: sweep.started_unix, reverse=True))

    def find_sweeps(self, selector: str) -> tuple[SweepRun, ...]:
        """The sweeps meant by `latest`, `all` or a name.

        Raises:
            TrackingError: there is no sweep yet.
            OptionError: there is none of that name.
        """
        sweeps = self.load_sweeps()
        if not sweeps:
            raise TrackingError(f"{self.uri}: holds no sweep yet; run `python -m sweep multirun` first")
        if selector in ("latest", "all"):
            return sweeps[:1] if selector == "latest" else sweeps
        names = [sweep.name for sweep in sweeps]
        if selector not in names:
            raise OptionError("sweep", selector, "latest, all, " + ", ".join(names))
        return (sweeps[names.index(selector)],)

    def load_records(self, sweep: SweepRun) -> list[RunRecord]:
        """The records of a sweep, out of the tracker alone, by width, resolution, fingerprint and seed.

        Raises:
            StorageError: a record is missing or damaged.
            TrackingError: the tracker does not answer.
        """
        records = self.known_records(sweep.run_id).values()
        return sorted(records, key=lambda r: (*(figure or 0 for figure in astuple(r.candidate)), r.seed))

    def known_records(self, sweep_run_id: str) -> dict[str, RunRecord]:
        """The records of a sweep under their keys; errors as for `load_records`."""
        with self._errors(), _staging() as stage:
            found = self._search(_candidates_of(sweep_run_id))
            done = [run.info.run_id for run in found if run.info.status in DONE]
            records = [self._load_record(run_id, stage) for run_id in done]
        return {record.key: record for record in records}

    def _load_record(self, run_id: str, stage: Path) -> RunRecord:
        folder = stage / run_id
        folder.mkdir()
        path = Path(self._client.download_artifacts(run_id, "record.json", str(folder)))
        return parse_record(RunRecord, path.read_text(encoding="utf-8"), f"record.json of run {run_id}")

    def best_variant_runs(self, sweep: SweepRun, candidates: int = COMPARED_CANDIDATES) -> tuple[str, ...]:
        """Run ids of all variants of the best feasible candidates, by validation TAR at the target FAR."""
        query = f"tags.sweep_run_id = '{sweep.run_id}' and tags.level = 'variant' and params.feasible = 'true'"
        wanted = f"tar_at_far_{far_label(sweep.target_far)}"
        by_candidate: dict[str, list[Any]] = {}
        with self._errors():
            for run in self._search(query):
                by_candidate.setdefault(run.data.tags["mlflow.parentRunId"], []).append(run)

        def quality(runs: Sequence[Any]) -> tuple[float, float]:
            figures = [run.data.metrics for run in runs]
            return max((f.get(wanted, -1.0), f.get("accuracy", 0.0)) for f in figures)

        best = sorted(by_candidate.values(), key=quality, reverse=True)[:candidates]
        return tuple(str(run.info.run_id) for runs in best for run in sorted(runs, key=lambda r: str(r.info.run_name)))

    def _search(self, query: str) -> list[Any]:
        """All runs that match, page by page."""
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs([self.experiment_id], query, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _errors(self) -> Any:
        return mlflow_errors(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether a server keeps the runs, rather than a database that this process opened itself."""
        return is_server(self.uri)


def _candidates_of(sweep_run_id: str) -> str:
    return f"tags.sweep_run_id = '{sweep_run_id}' and tags.level = 'candidate'"


def _check_same_measure(begun: Mapping[str, str], now: Mapping[str, str]) -> None:
    """One sweep is judged by one set of limits and one target FAR, or its report would contradict itself."""
    for tag in ("limits", "target_far"):
        if begun[tag] != now[tag]:
            allowed = f"another name; this sweep was begun with {tag} {begun[tag]}, not {now[tag]}"
            raise OptionError("sweep", now["sweep"], allowed)


def _sweep_of(run: Any) -> SweepRun:
    tags = run.data.tags
    return SweepRun(
        run_id=run.info.run_id,
        name=tags["sweep"],
        status=run.info.status,
        started_unix=float(tags["last_started"]),
        command=tags["command"],
        target_far=float(tags["target_far"]),
        limits=json.loads(tags["limits"]),
    )


@contextmanager
def _staging() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        yield Path(folder)


def _roc_of(variant: VariantRecord) -> dict[str, Any]:
    """Both ROC grids; a TAR below the FAR floor is null."""
    splits = (variant.validation, variant.test)
    return {
        split.split: {"log10_far": split.roc.log10_far, "tar": split.roc.tar, "far_floor": split.far_floor}
        for split in splits
    }
