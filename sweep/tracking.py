"""Sweeps in MLflow: one parent run a sweep, a child a candidate, a grandchild a numeric variant.

Everything goes through explicit run ids; MLflow's notion of an active run is never used. A candidate is written once,
after it is done, with its true times, by MlflowClient or into the tables of a database (`sweep/tracking_write.py`); no
run of it stays RUNNING. An infeasible or pruned candidate is FINISHED with its tag `status`; a failed one is FAILED.

What can pass, such as a locked database, is waited for (`sweep/patience.py`); a record is on disk before it is sent
(`sweep/unsent.py`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from facerec_core.errors import StorageError, TrackingError
from facerec_core.record_json import dump_record, parse_record
from facerec_core.types import RunRecord
from sweep.beat import Pulse
from sweep.collector import uncollected
from sweep.owner import Owner, owner_of
from sweep.patience import Patience, will_pass
from sweep.records import lean
from sweep.tracking_registry import register
from sweep.tracking_runs import Runs, check_alone, check_same_measure
from sweep.tracking_store import impatient, is_server, mlflow_errors, open_store
from sweep.tracking_sweep import SweepRun, SweepStatus, chosen, earlier_commands, sweep_of
from sweep.tracking_tagged import TaggedRun
from sweep.tracking_verdict import judged, mark, verdicts
from sweep.tracking_views import REPORT, Views, views_of
from sweep.tracking_write import DONE, Earlier, Held, Sheet, look_up, replace_earlier, write_candidate
from sweep.unsent import Outbox, Unsent

if TYPE_CHECKING:
    from analysis.selection import Selection

T = TypeVar("T")
COMPARED_CANDIDATES = 4


class Tracker:
    """Writes sweeps to an MLflow store and reads them back; make one with `Tracker.open`."""

    def __init__(self, client: Any, experiment_id: str, uri: str, root: Path, patience: Patience) -> None:
        self.experiment_id = experiment_id
        self.uri = uri
        self._client = client
        self._runs = Runs(client, experiment_id, uri)
        self._pulse = Pulse(client, uri)
        self._patience = patience
        self._outbox = Outbox(root, uri, experiment_id)
        self._held: dict[str, Held] = {}
        self._marked: dict[str, bool] = {}  # whether the standings of a sweep were right and nothing came since

    @classmethod
    def open(
        cls, root: Path, uri: str | None, experiment: str, *, create: bool = True, patience: Patience | None = None
    ) -> Tracker:
        """Open the store, and make it and its experiment unless `create` is false.

        Args:
            root: folder of `mlflow.db` and `artifacts/`, and of `unsent/`.
            uri: MLflow's tracking URI, None for SQLite in `root`.
            experiment: name of the MLflow experiment.
            create: false where only reading makes sense; a missing store is then an error.
            patience: how long what can pass is waited for, and who is told; None: not at all. Opening never waits.

        Raises:
            StorageError: `root` cannot be made or written, or the disk is full.
            TrackingError: an old MLflow file store in `root`, a server that does not answer, or no store to read.
        """
        client, experiment_id, address = open_store(root, uri, experiment, create=create)
        return cls(client, experiment_id, address, root, patience or Patience())

    @contextmanager
    def sweep(
        self,
        name: str,
        command: str,
        params: Mapping[str, str],
        target_far: float,
        limits: Mapping[str, float | str | None],
        joins: bool = False,
    ) -> Iterator[str]:
        """Run id of the sweep for the length of a block: KILLED by Ctrl-C, FAILED by an error, else FINISHED.

        First, sweeps whose process is gone are closed, and records that could not be sent earlier are sent. One that
        another process carries through is refused, unless this one `joins` it.
        """
        self.close_stale()
        self.send_unsent()
        run_id = self.start_sweep(name, command, params, target_far, limits, joins)
        try:
            with self._pulse.beating(run_id):
                yield run_id
        except (KeyboardInterrupt, SystemExit):
            self._give_up(run_id, name, "KILLED")
            raise
        except BaseException:
            self._give_up(run_id, name, "FAILED")
            raise
        self.finish_sweep(run_id, "FINISHED")

    def start_sweep(
        self,
        name: str,
        command: str,
        params: Mapping[str, str],
        target_far: float,
        limits: Mapping[str, float | str | None],
        joins: bool = False,
    ) -> str:
        """Run id of a new sweep, or of the one of that name, which is continued.

        MLflow never changes a parameter once logged: a continued sweep keeps the `params` of its first start,
        while the command (a tag) follows the last one; those before are in the tag `earlier_commands`.

        Raises:
            OptionError: the sweep of that name was judged by other limits or another target FAR.
            TrackingError: the tracker refuses, or another process carries it through.
        """
        tags = {
            "level": "sweep",
            "sweep": name,
            "command": command,
            "earlier_commands": "[]",
            "target_far": repr(target_far),
            "limits": json.dumps(dict(limits)),
            "last_started": repr(time.time()),
            "mlflow.note.content": f"`{command}`",
            "mlflow.source.name": "python -m sweep",
        } | Owner.here().tags()
        return self._patiently(lambda: self._start(name, tags, params, joins))

    def _start(self, name: str, tags: Mapping[str, str], params: Mapping[str, str], joins: bool) -> str:
        for run in self._runs.search("tags.level = 'sweep'"):
            if run.data.tags["sweep"] == name:
                check_same_measure(run.data.tags, tags)
                if not joins:
                    check_alone(run, self._patience.say, self._pulse)
                self._runs.kill_below(run.info.run_id)
                self._marked.setdefault(run.info.run_id, run.info.status == "FINISHED" and not joins)
                self._client.update_run(run.info.run_id, status="RUNNING")
                unless_known = {} if run.data.params else params  # an earlier attempt may have come no further
                before = {"earlier_commands": earlier_commands(run.data.tags, tags["command"])}
                self._runs.log(run.info.run_id, unless_known, tags={**tags, **before})
                return str(run.info.run_id)
        run = self._runs.create(name, tags)
        self._runs.log(run.info.run_id, params)
        return str(run.info.run_id)

    def finish_sweep(self, run_id: str, status: SweepStatus) -> None:
        """Terminate the sweep's run, and as KILLED whatever below it is still running."""
        self._patiently(lambda: self._finish(run_id, status))

    def _finish(self, run_id: str, status: SweepStatus) -> None:
        self._runs.kill_below(run_id)
        self._client.set_terminated(run_id, status)

    def _give_up(self, run_id: str, name: str, status: SweepStatus) -> None:
        """End a sweep that something else has ended already: not waited for, and no error of its own."""
        try:
            with self._errors():
                self._finish(run_id, status)
        except (StorageError, TrackingError) as error:
            self._patience.say(f"sweep {name} stays RUNNING in the tracker until a sweep is started again: {error}")

    def close_stale(self) -> int:
        """Close RUNNING sweeps whose process is gone as KILLED, with what is below them; says and returns how many.

        Only those of this machine, whose processes can be looked at; one of another is closed when it is started again.
        """
        stale = self._patiently(self._stale)
        for run in stale:
            run_id, name = run.info.run_id, run.data.tags["sweep"]
            self._patiently(lambda run_id=run_id: self._finish(run_id, "KILLED"))  # type: ignore[misc]
            self._patience.say(f"sweep {name} was left RUNNING by a process that is gone; it is closed as KILLED")
        return len(stale)

    def _stale(self) -> list[Any]:
        running = self._runs.search("tags.level = 'sweep' and attributes.status = 'RUNNING'")
        owners = ((run, owner_of(run.data.tags)) for run in running)
        return [run for run, owner in owners if owner is not None and owner.lives() is False]

    def log_candidate(
        self,
        sweep_run_id: str,
        record: RunRecord,
        model_dir: Path,
        pictures: Mapping[str, bytes] | None = None,
    ) -> str:
        """Write one candidate and its variants, and return the run id of the candidate.

        The same record twice is one run; another record of the same key (a second attempt) replaces the first. The
        record is kept on disk until it has arrived.

        Args:
            sweep_run_id: from `start_sweep`.
            record: what to write; the whole of it becomes the artifact `record.json`.
            model_dir: what the paths of the variants' files are relative to.
            pictures: further artifacts of the candidate, by file name.

        Raises:
            StorageError: a variant's file is missing, or the artifacts cannot be written.
            TrackingError: the tracker refuses.
        """
        sweep = self._patiently(lambda: self._holding(sweep_run_id).sweep)
        kept = self._patiently(lambda: self._outbox.put(sweep, sweep_run_id, record, model_dir))
        try:
            run_id = self._deliver(sweep_run_id, record, model_dir, pictures or {})
        except (StorageError, TrackingError) as error:
            if will_pass(error):
                raise type(error)(f"{error}; {kept} is sent when a sweep is started again") from error
            self._outbox.remove(kept)  # a second sending would not mend it
            raise
        self._outbox.remove(kept)
        return run_id

    def _deliver(self, sweep_run_id: str, record: RunRecord, model_dir: Path, pictures: Mapping[str, bytes]) -> str:
        # Read back once, so that a record and its copy out of the tracker (1000000 and 1000000.0) are one text.
        text = dump_record(parse_record(RunRecord, dump_record(record), "record"))
        sheet = Sheet(record, text, hashlib.sha256(text.encode()).hexdigest(), model_dir, pictures)
        return self._patiently(lambda: self._write(sweep_run_id, sheet))

    def _holding(self, sweep_run_id: str) -> Held:
        """What the tracker holds of a sweep, looked up once: on this machine only this process writes to it."""
        if sweep_run_id not in self._held:
            self._held[sweep_run_id] = look_up(self._runs, sweep_run_id)
        return self._held[sweep_run_id]

    def _write(self, sweep_run_id: str, sheet: Sheet) -> str:
        self._marked[sweep_run_id] = False
        held, key = self._holding(sweep_run_id), sheet.record.key
        if is_server(self.uri):  # another machine may have written it meanwhile
            held.runs[key] = look_up(self._runs, sweep_run_id, key).runs.get(key, [])
        try:
            with uncollected():
                run_id = replace_earlier(self._runs, held.runs.get(key, ()), sheet.digest)
                run_id = run_id or write_candidate(self._runs, held, sweep_run_id, sheet)
        except BaseException:
            del self._held[sweep_run_id]  # what the failed attempt left is looked up by the next one
            raise
        held.runs[key] = [Earlier(run_id, sheet.digest, done=True)]
        return run_id

    def send_unsent(self) -> int:
        """Send the records that an earlier process could not send; says and returns how many arrived.

        One that is refused stays where it is, and so do those of a sweep that another process carries through.
        """
        sent = 0
        for path, unsent in self._outbox.waiting(self._patience.say):
            try:
                sent += self._send_again(path, unsent)
            except (StorageError, TrackingError) as error:
                if will_pass(error):
                    raise
                self._patience.say(f"{path} could not be sent and stays there: {error}")
        if sent:
            self._patience.say(f"sent {sent} record(s) that the tracker could not take earlier")
        return sent

    def _send_again(self, path: Path, unsent: Unsent) -> bool:
        tags = self._patiently(lambda: self._client.get_run(unsent.sweep_run_id).data.tags)
        owner = owner_of(tags)
        if owner is not None and owner != Owner.here() and owner.lives():
            return False
        self._deliver(unsent.sweep_run_id, unsent.record, self._outbox.model_dir(unsent), {})
        self._outbox.remove(path)
        return True

    def mark_standings(self, sweep_run_id: str) -> int:
        """Tag what became of the sweep's candidates and variants, and return how many runs had other tags before.

        A sweep that was finished, and into which nothing came since, is not looked at.

        Raises:
            StorageError: a record is damaged.
            TrackingError: the tracker cannot be read or written.
        """
        if self._marked.get(sweep_run_id):
            return 0
        _, chosen = self._judged(sweep_run_id)
        return self._patiently(lambda: mark(self._runs, sweep_run_id, verdicts(chosen)))

    def _judged(self, sweep_run_id: str) -> tuple[SweepRun, Selection]:
        sweep = sweep_of(self._patiently(lambda: self._client.get_run(sweep_run_id)))
        return sweep, judged(list(self.lean_records(sweep_run_id).values()), sweep.target_far)

    def attach_report(self, sweep: SweepRun, files: Sequence[Path]) -> None:
        """Copy the files of a report to the artifacts of the sweep's run, where those of an earlier one are replaced.

        Raises:
            StorageError: the artifacts cannot be written.
            TrackingError: the tracker refuses.
        """
        with self._errors():
            self._runs.put(self._client.get_run(sweep.run_id), REPORT, files)

    def register_best(self, sweep_run_id: str, name: str | None) -> str | None:
        """Register the model of the sweep's recommended variant as `name`, and return its version.

        None, and nothing happens, without a `name` or a recommendation; which of them it was is said.

        Raises:
            StorageError: a record is damaged.
            TrackingError: the registry refuses the name, or the tracker cannot be written.
        """
        if name is None:
            return None
        sweep, chosen = self._judged(sweep_run_id)
        best = chosen.recommended
        if best is None:
            self._patience.say(f"nothing is registered as {name}: no variant of sweep {sweep.name} is recommended")
            return None
        version = self._patiently(lambda: register(self._runs, sweep_run_id, name, best, chosen.metric))
        self._patience.say(f"registered {best.label} as models:/{name}@recommended (version {version})")
        return version

    # ----------------------------------------------------------------------------------------- reading

    def load_sweeps(self) -> tuple[SweepRun, ...]:
        """Every sweep, the one started last first."""
        with self._errors():
            sweeps = [sweep_of(run) for run in self._runs.search("tags.level = 'sweep'")]
        return tuple(sorted(sweeps, key=lambda sweep: sweep.started_unix, reverse=True))

    def find_sweeps(self, selector: str) -> tuple[SweepRun, ...]:
        """The sweeps meant by `latest`, `all` or a name.

        Raises:
            TrackingError: there is no sweep yet.
            OptionError: there is none of that name.
        """
        return chosen(self.load_sweeps(), selector, self.uri)

    def load_records(self, sweep: SweepRun) -> list[RunRecord]:
        """The records of a sweep, out of the tracker alone, by width, resolution, fingerprint and seed.

        Raises:
            StorageError: a record is missing or damaged.
            TrackingError: the tracker does not answer.
        """
        found = self._each_record(sweep.run_id)
        return sorted(found, key=lambda r: (*(figure or 0 for figure in astuple(r.candidate)), r.seed))

    def lean_records(self, sweep_run_id: str) -> dict[str, RunRecord]:
        """The records under their keys, without what only a report needs; errors as for `load_records`."""
        return {record.key: lean(record) for record in self._each_record(sweep_run_id)}

    def _each_record(self, sweep_run_id: str) -> Iterator[RunRecord]:
        with self._errors(), uncollected():
            for run in self._runs.tagged(sweep_run_id=sweep_run_id, level="candidate"):
                if run.status in DONE:
                    yield self._load_record(run)

    def count_candidates(self, sweep: SweepRun) -> dict[str, int]:
        """How many candidates of a sweep have each status."""
        with self._errors():
            found = self._runs.tagged(sweep_run_id=sweep.run_id, level="candidate")
        return dict(Counter(run.tags.get("status", "unknown") for run in found))

    def _load_record(self, run: TaggedRun) -> RunRecord:
        return parse_record(RunRecord, self._runs.read(run, "record.json"), f"record.json of run {run.run_id}")

    def views(self, sweep: SweepRun, candidates: int = COMPARED_CANDIDATES) -> Views:
        """What there is to open of a sweep in MLflow's interface."""
        with self._errors():
            return views_of(self._runs, sweep.run_id, sweep.target_far, candidates)

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """The attempt's result; errors are in this project's words, those that can pass are waited for."""

        def once() -> T:
            with self._errors():
                return attempt()

        return self._patience.call(once)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with impatient(self.uri), mlflow_errors(self.uri):
            yield

    @property
    def is_server(self) -> bool:
        """Whether a server keeps the runs, rather than a database that this process opened itself."""
        return is_server(self.uri)
