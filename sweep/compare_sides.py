"""What the two words of `compare` mean: a sweep, or a candidate of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.selection import candidate_names
from facerec_core.errors import OptionError
from facerec_core.types import SCHEMES, RunRecord, Scheme
from sweep.schema import Settings
from sweep.tracking import Tracker
from sweep.tracking_store import mlflow_errors, open_store
from sweep.tracking_sweep import SweepRun
from sweep.tracking_variant import RUN_ID

_SHORTEST_KEY = 4
_LISTED = 12
_ALLOWED = (
    "a sweep's name, latest, a candidate's name, SWEEP:CANDIDATE, the beginning of a candidate's key, "
    "or an MLflow run id"
)


@dataclass(frozen=True)
class Choice:
    """A sweep and its records."""

    sweep: SweepRun
    records: tuple[RunRecord, ...]


@dataclass(frozen=True)
class CandidateChoice(Choice):
    """A candidate of a sweep; `scheme` is set where the run of one variant was named."""

    record: RunRecord
    scheme: Scheme | None


def find(word: str, settings: Settings, tracker: Tracker) -> Choice:
    """What `word` means; a sweep goes before a candidate.

    Candidates are looked for by name in `sweep` (null: the latest), by key in `sweep` (null: every one, newest first).

    Raises:
        OptionError: nothing is called that, or several candidates are.
        StorageError: a record is damaged.
        TrackingError: there is no sweep or no such run, or the tracker cannot be read.
    """
    if RUN_ID.fullmatch(word):
        return _by_run(word, settings, tracker)
    sweeps = tracker.find_sweeps("all")
    named = {"latest": sweeps[0]} | {sweep.name: sweep for sweep in sweeps}
    if word in named:
        return _whole(named[word], tracker)
    prefix, colon, rest = word.rpartition(":")
    if colon:
        return _by_name(rest, _whole(tracker.find_sweeps(prefix)[0], tracker), list(named))
    found = _by_key(word, settings, tracker) if _may_be_key(word) else None
    return found or _by_name(word, _whole(tracker.find_sweeps(settings.sweep or "latest")[0], tracker), list(named))


def _whole(sweep: SweepRun, tracker: Tracker) -> Choice:
    return Choice(sweep, tuple(tracker.load_records(sweep)))


def _chosen(choice: Choice, record: RunRecord, scheme: Scheme | None = None) -> CandidateChoice:
    return CandidateChoice(choice.sweep, choice.records, record, scheme)


def _by_run(run_id: str, settings: Settings, tracker: Tracker) -> Choice:
    """The run of a sweep, of a candidate or of a variant."""
    tracking = settings.tracking
    client, _, address = open_store(settings.paths.folder, tracking.uri, tracking.experiment, create=False)
    with mlflow_errors(address):
        tags = client.get_run(run_id).data.tags
    if "sweep" not in tags:
        raise OptionError("compare", run_id, "the run of a sweep, a candidate or a variant")
    whole = _whole(tracker.find_sweeps(tags["sweep"])[0], tracker)
    if tags.get("level") == "sweep":
        return whole
    record = next((one for one in whole.records if one.key == tags.get("candidate_key")), None)
    if record is None:
        raise OptionError("compare", run_id, "the run of a candidate that is finished")
    scheme = next((one for one in (*SCHEMES, "float32_control") if one == tags.get("variant")), None)
    return _chosen(whole, record, scheme)


def _may_be_key(word: str) -> bool:
    return len(word) >= _SHORTEST_KEY and set(word) <= set("0123456789abcdef")


def _by_key(prefix: str, settings: Settings, tracker: Tracker) -> CandidateChoice | None:
    """The newest sweep that has a candidate of such a key; another one of the same sweep is ambiguous."""
    for sweep in tracker.find_sweeps(settings.sweep or "all"):
        choice = _whole(sweep, tracker)
        found = [record for record in choice.records if record.key.startswith(prefix)]
        if found:
            return _only(prefix, choice, found)
    return None


def _by_name(name: str, choice: Choice, sweeps: Sequence[str]) -> CandidateChoice:
    """The candidate of that architecture, of that label in the report, or whose key begins so."""
    labels = candidate_names(choice.records)
    found = [one for one in choice.records if name in (one.candidate.name, labels[one.key])]
    found = found or [one for one in choice.records if _may_be_key(name) and one.key.startswith(name)]
    if not found:
        known = f"sweeps {', '.join(sweeps)}; candidates of {choice.sweep.name}: {_listed(choice.records)}"
        raise OptionError("compare", name, f"{_ALLOWED}; known: {known}")
    return _only(name, choice, found)


def _only(word: str, choice: Choice, found: Sequence[RunRecord]) -> CandidateChoice:
    if len(found) > 1:
        raise OptionError("compare", word, f"one candidate of sweep {choice.sweep.name}: {_listed(found)}")
    return _chosen(choice, found[0])


def _listed(records: Sequence[RunRecord]) -> str:
    """Keys that can be typed, each with the candidate's name."""
    names = [f"{one.key[:8]} ({one.candidate.name}, seed {one.seed}, {one.status})" for one in records]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) or "none") + more
