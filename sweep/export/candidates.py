"""Which result is meant by `candidate=` and `variant=`, out of the tracker alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facerec_core.errors import OptionError, StorageError
from facerec_core.record_json import parse_record
from facerec_core.types import DEPLOYABLE, LimitCheck, RunRecord, VariantRecord
from sweep.export import Request
from sweep.export.flags import BEST
from sweep.schema import Settings
from sweep.tracking import Tracker
from sweep.tracking_runs import Runs
from sweep.tracking_store import mlflow_errors, open_store
from sweep.tracking_sweep import SweepRun
from sweep.tracking_variant import RUN_ID, load_variant
from sweep.tracking_verdict import judged

if TYPE_CHECKING:
    from analysis.selection import Entry

_LISTED = 12
_ALLOWED = "BEST, the beginning of a candidate's key, or an MLflow run id"


@dataclass(frozen=True)
class Chosen:
    """A variant to export.

    `limits` are those of its sweep, judged by its own file; `same_file` are all evaluations of that file in the
    tracker, its own first.
    """

    run_id: str
    sweep: str
    label: str
    content: bytes
    record: RunRecord
    variant: VariantRecord
    limits: tuple[LimitCheck, ...]
    same_file: tuple[VariantRecord, ...]


def choose(request: Request) -> Chosen:
    """Find what `candidate=` and `variant=` name.

    Raises:
        OptionError: no such candidate, several, one without int8 variants, or none is recommended.
        StorageError: a record is damaged, or the file is not the one that was evaluated.
        TrackingError: there is no sweep, or the tracker cannot be read.
    """
    settings = request.settings
    tracker = _tracker(settings)
    client, experiment_id, address = open_store(settings.paths.folder, *_store(settings), create=False)
    runs = Runs(client, experiment_id, address)
    with mlflow_errors(address):
        sweep, entry = _entry(request, tracker, runs)
        scheme = _variant(entry).scheme
        run_id = _variant_run(runs, sweep, entry.record.key, scheme)
        content = load_variant(settings.paths.folder, *_store(settings), run_id).content
        others = tuple(_same_file(runs, entry.record, _variant(entry)))
    variant = _variant(entry)
    if hashlib.sha256(content).hexdigest() != variant.file.sha256:
        raise StorageError(f"run {run_id}: its .tflite is another than the one that was evaluated; run the sweep again")
    same = (variant, *(one for one in others if one.validation != variant.validation))
    return Chosen(run_id, sweep.name, entry.label, content, entry.record, variant, entry.checks, same)


def _store(settings: Settings) -> tuple[str | None, str]:
    return settings.tracking.uri, settings.tracking.experiment


def _tracker(settings: Settings) -> Tracker:
    return Tracker.open(settings.paths.folder, *_store(settings), create=False)


def _variant(entry: Entry) -> VariantRecord:
    if entry.variant is None:
        raise OptionError("candidate", entry.record.key, "a candidate with an int8 variant", f"it is {entry.standing}")
    return entry.variant


def _entry(request: Request, tracker: Tracker, runs: Runs) -> tuple[SweepRun, Entry]:
    if request.candidate == BEST:
        return _recommended(request, tracker)
    if RUN_ID.fullmatch(request.candidate):
        return _by_run(request, tracker, runs)
    return _by_key(request, tracker)


def _recommended(request: Request, tracker: Tracker) -> tuple[SweepRun, Entry]:
    sweep = tracker.find_sweeps(request.settings.sweep or "latest")[0]
    records = tracker.load_records(sweep)
    best = judged(records, sweep.target_far).recommended
    if best is None:
        hint = "`export --allow-over-limit` takes one of them that keeps no limit"
        known = f"a key of sweep {sweep.name}, of which nothing is recommended: {_listed(records)}"
        raise OptionError("candidate", BEST, known, hint)
    if request.variant in (None, _variant(best).scheme):
        return sweep, best
    return sweep, _of_candidate(records, sweep, best.record.key, request.variant)


def _by_key(request: Request, tracker: Tracker) -> tuple[SweepRun, Entry]:
    """The newest sweep that has a candidate of such a key; another one of the same sweep is ambiguous."""
    known: list[RunRecord] = []
    for sweep in tracker.find_sweeps(request.settings.sweep or "all"):
        records = tracker.load_records(sweep)
        known.extend(records)
        found = [record for record in records if record.key.startswith(request.candidate)]
        if len(found) > 1:
            raise OptionError("candidate", request.candidate, f"more of a key, one of {_listed(found)}")
        if found:
            return sweep, _of_candidate(records, sweep, found[0].key, request.variant)
    raise OptionError("candidate", request.candidate, f"{_ALLOWED}; known: {_listed(known)}")


def _by_run(request: Request, tracker: Tracker, runs: Runs) -> tuple[SweepRun, Entry]:
    """The run of a variant or of a candidate."""
    tags = runs.client.get_run(request.candidate).data.tags
    if tags.get("level") not in ("variant", "candidate"):
        raise OptionError("candidate", request.candidate, "the run of a candidate or of one of its variants")
    sweep = tracker.find_sweeps(tags["sweep"])[0]
    scheme = tags.get("variant")
    if scheme is not None and scheme not in DEPLOYABLE:
        raise OptionError("candidate", request.candidate, f"the run of {' or '.join(DEPLOYABLE)}", f"it is of {scheme}")
    if None not in (scheme, request.variant) and scheme != request.variant:
        raise OptionError("variant", request.variant, f"{scheme}, of which run {request.candidate} is")
    return sweep, _of_candidate(tracker.load_records(sweep), sweep, tags["candidate_key"], scheme or request.variant)


def _of_candidate(records: Sequence[RunRecord], sweep: SweepRun, key: str, scheme: str | None) -> Entry:
    """The candidate's variant of that scheme, or its better one."""
    own = [entry for entry in judged(records, sweep.target_far).entries if entry.record.key == key]
    for entry in own:
        if entry.variant is not None and entry.variant.scheme in DEPLOYABLE and scheme in (None, entry.variant.scheme):
            return entry
    standing = own[0].standing if own else "unknown"
    raise OptionError("candidate", key, f"one with {scheme or 'an int8 variant'}", f"it is {standing} and has none")


def _listed(records: Sequence[RunRecord]) -> str:
    """Keys that can be typed, each with the candidate's name."""
    unique = {record.key: record for record in records}
    names = [f"{key[:8]} ({record.candidate.name}, {record.status})" for key, record in unique.items()]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) or "none") + more


def _variant_run(runs: Runs, sweep: SweepRun, key: str, scheme: str) -> str:
    found = runs.tagged(sweep_run_id=sweep.run_id, candidate_key=key, level="variant", variant=scheme)
    if not found:
        raise StorageError(f"sweep {sweep.name}: the run of {scheme} of candidate {key} is gone; run the sweep again")
    return found[0].run_id


def _same_file(runs: Runs, record: RunRecord, variant: VariantRecord) -> Iterator[VariantRecord]:
    """Evaluations of the very same file, as of a sweep that was run again for another target FAR."""
    data = record.data.fingerprint if record.data else ""
    for run in runs.tagged(level="candidate", data_fingerprint=data, status="complete"):
        if run.tags["mlflow.runName"] == record.candidate.name:
            text = runs.read(run, "record.json")
            other = parse_record(RunRecord, text, f"record.json of run {run.run_id}")
            yield from (one for one in other.variants if one.file.sha256 == variant.file.sha256)
