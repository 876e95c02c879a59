"""The study behind a search: what was proposed, by whom, and what came of it, in Optuna's storage."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from facerec_core.errors import OptionError, StorageError
from sweep.owner import Owner
from sweep.schema import SearchSettings, Settings
from sweep.search.front import NOTHING, Trained
from sweep.search.objectives import DIRECTIONS, TITLES, Judged
from sweep.search.samplers import distributions, make_pruner, make_sampler
from sweep.search.signs import Signs
from sweep.search.space import Space, Value
from sweep.search.storage import storage_errors

TERMS = "facerec:terms"
CANDIDATE, NAME, OWNER, STANDING = "candidate", "name", "owner", "standing"
TRAINED = ("trained", "pruned", "failed")
"""Standings that cost a training."""
HALF_MADE_S = 60.0
"""A trial without an owner is one whose maker was killed before it signed, unless it is as young as this."""
SIGN_SECONDS, POLL_SECONDS = 5.0, 0.05
IN_TIME_SECONDS = 0.8 * SIGN_SECONDS
"""Who signs later may not have been waited for; short of SIGN_SECONDS, since clocks are read at two places."""
_APART = ("sweep", "workers", "force", "grid", "search", "executor", "paths", "tracking")


@dataclass(frozen=True)
class Finding:
    """What a study knows of a candidate; `judged` is None where its training failed or was given up."""

    standing: str
    judged: Judged | None


class Study:
    """One Optuna study, with everything this project keeps in it; make one with `open_study`."""

    def __init__(self, study: Any, space: Space, where: str) -> None:
        self.optuna = study
        self.where = where
        self._space = space
        self._search: SearchSettings = space.base.search
        self._distributions = distributions(space)
        self._owner = Owner.here()
        self._signs = Signs(study)
        self._told: dict[int, tuple[str, Finding | None]] = {}  # by the number of a finished trial

    def trials(self) -> list[Any]:
        """Every trial as it is stored now; not to be changed."""
        with storage_errors(self.where):
            return list(self.optuna.get_trials(deepcopy=False))

    def propose(self, values: Mapping[str, Value] | None = None) -> Any:
        """A new trial with these values, or with what the sampler thinks of."""
        with storage_errors(self.where):
            if values is not None:
                self.optuna.enqueue_trial(dict(values))
            self.optuna.sampler = make_sampler(self._search, len(self.optuna.get_trials(deepcopy=False)))
            return self.optuna.ask(self._distributions)

    def sign(self, trial: Any, candidate: str, name: str) -> bool:
        """Note whose trial it is, and which candidate its values come to; whether that was before anybody went on."""
        with storage_errors(self.where):
            for key, value in ((CANDIDATE, candidate), (NAME, name), (OWNER, asdict(self._owner))):
                trial.set_user_attr(key, value)
            self._signs.begin(trial)
            return bool((datetime.now() - trial.datetime_start).total_seconds() < IN_TIME_SECONDS)

    def finish(self, trial: Any, finding: Finding) -> None:
        """End a trial with its values and violations; a trial that somebody else has ended meanwhile stays so."""
        from optuna.trial import TrialState

        self._signs.end(trial)
        with storage_errors(self.where):
            if self.optuna._storage.get_trial(trial._trial_id).state.is_finished():
                return
            trial.set_user_attr(STANDING, finding.standing)
            judged = finding.judged
            for name, value in (judged.violations if judged else {}).items():
                trial.set_constraint(name, value)
            ended = finding.standing in ("pruned", "failed") or judged is None
            values = None if ended or judged is None else judged.values
            untold = TrialState.PRUNED if finding.standing == "pruned" else TrialState.FAIL
            state = TrialState.COMPLETE if values else untold
            self.optuna.tell(trial, values, state, skip_if_finished=True)

    def add(self, values: Mapping[str, Value], candidate: str, name: str, judged: Judged) -> None:
        """Add a candidate that an earlier sweep trained, as a finished trial."""
        from optuna.trial import create_trial

        with storage_errors(self.where):
            attributes = {CANDIDATE: candidate, NAME: name, OWNER: asdict(self._owner), STANDING: "reused"}
            trial = create_trial(
                params=dict(values),
                distributions=self._distributions,
                values=list(judged.values),
                user_attrs=attributes,
                constraints=dict(judged.violations),
            )
            self.optuna.add_trial(trial)

    def give_up(self, trial: Any, epoch: int, value: float) -> bool:
        """Report a value after an epoch, and whether the pruner would end the training there."""
        with storage_errors(self.where):
            stored = self.optuna._storage.get_trial(trial._trial_id)
            if epoch not in stored.intermediate_values:  # a training that is repeated reports again
                trial.report(value, epoch)
            return bool(trial.should_prune())

    def findings(self, trials: Iterable[Any]) -> dict[str, Finding]:
        """What is known of each candidate by now; of several trials the one that was trained."""
        found: dict[str, Finding] = {}
        for trial in trials:
            if trial.state.is_finished():
                candidate, finding = self._told_of(trial)
                if finding and (candidate not in found or found[candidate].standing == "failed"):
                    found[candidate] = finding
        return found

    def trained(self, trials: Iterable[Any]) -> list[Trained]:
        """Every candidate that is or was trained, to its end or not, here or in an earlier sweep, once."""
        found: dict[str, Trained] = {}
        for trial in trials:
            candidate = trial.user_attrs.get(CANDIDATE)
            if candidate is None or (candidate in found and found[candidate].accuracy != NOTHING):
                continue
            told = self._trained_of(trial)
            if told is not None:
                found[candidate] = told
        return list(found.values())

    def _trained_of(self, trial: Any) -> Trained | None:
        from optuna.trial import TrialState

        if trial.state == TrialState.RUNNING:
            return Trained(trial.params, None)
        finding = self._told_of(trial)[1]
        if finding is None or finding.standing == "infeasible":
            return None
        if finding.judged is None or finding.standing in ("pruned", "failed"):
            return Trained(trial.params, NOTHING, fits=False)
        fits = all(value <= 0 for value in finding.judged.violations.values())
        return Trained(trial.params, finding.judged.values[0], fits)

    def _told_of(self, trial: Any) -> tuple[str, Finding | None]:
        """What a finished trial tells of a candidate; it is read once, since it does not change any more."""
        if trial.number not in self._told:
            candidate, standing = trial.user_attrs.get(CANDIDATE, ""), trial.user_attrs.get(STANDING)
            tells = bool(candidate) and standing not in (None, "repeat")
            self._told[trial.number] = candidate, _finding(trial, standing) if tells else None
        return self._told[trial.number]

    def orphans(self, trials: Iterable[Any]) -> list[Any]:
        """Running trials whose process or machine is gone, as trials that can be finished, oldest first."""
        from optuna.trial import Trial, TrialState

        abandoned = self._abandoned([t for t in trials if t.state == TrialState.RUNNING])
        with storage_errors(self.where):
            return [Trial(self.optuna, trial._trial_id) for trial in abandoned]

    def is_orphaned(self, trial: Any) -> bool:
        """Whether a trial still is one of `orphans`: another process may have taken it up since."""
        from optuna.trial import TrialState

        with storage_errors(self.where):
            now = self.optuna._storage.get_trial(trial._trial_id)
        return now.state == TrialState.RUNNING and bool(self._abandoned([now]))

    def elsewhere(self, trials: Iterable[Any]) -> set[str]:
        """Candidates that another living process is training."""
        from optuna.trial import TrialState

        mine = asdict(self._owner)
        running = [t for t in trials if t.state == TrialState.RUNNING and t.user_attrs.get(OWNER) not in (None, mine)]
        abandoned = {t.number for t in self._abandoned(running)}
        return {t.user_attrs[CANDIDATE] for t in running if t.number not in abandoned}

    def beating(self) -> AbstractContextManager[None]:
        """Let other machines know, for the length of a block, that this process trains what it signed."""
        return self._signs.beating()

    def settled(self, number: int) -> list[Any]:
        """The trials once all with lower numbers are signed, so that of two equal proposals the first is known.

        A process that was killed in the middle of proposing never signs; it is not waited for longer than
        `SIGN_SECONDS`.
        """
        deadline = time.monotonic() + SIGN_SECONDS
        while True:
            trials = self.trials()
            unsigned = any(_is_unsigned(trial) and trial.number < number for trial in trials)
            if not unsigned or time.monotonic() > deadline:
                return trials
            time.sleep(POLL_SECONDS)

    def whole(self, trial: Any) -> bool:
        """Whether all its values were drawn before its maker was killed."""
        return set(trial.params) == set(self._distributions)

    def _abandoned(self, running: Sequence[Any]) -> list[Any]:
        """Those whose process is gone, or whose machine is silent."""
        lives = {trial.number: _lives(trial) for trial in running}
        with storage_errors(self.where):
            silent = self._signs.silent() if None in lives.values() else set()
        return [t for t in running if lives[t.number] is False or (lives[t.number] is None and t._trial_id in silent)]


def _lives(trial: Any) -> bool | None:
    """Whether the process that has a trial does; None where another machine would have to be asked."""
    signed = trial.user_attrs.get(OWNER)
    if signed is None:
        started = trial.datetime_start or datetime.now()  # Optuna keeps local times
        return bool((datetime.now() - started).total_seconds() <= HALF_MADE_S)
    return Owner(**signed).lives()


def _is_unsigned(trial: Any) -> bool:
    from optuna.trial import TrialState

    young = trial.datetime_start and (datetime.now() - trial.datetime_start).total_seconds() < SIGN_SECONDS
    return trial.state == TrialState.RUNNING and OWNER not in trial.user_attrs and bool(young)


def open_study(storage: Any, where: str, name: str, space: Space, data_fingerprint: str) -> Study:
    """Open the study of that name, or begin it.

    Raises:
        OptionError: the study was begun with another space, other objectives, limits, recipe or data.
        StorageError: the storage cannot be read or written.
    """
    import optuna

    search = space.base.search
    terms = terms_of(space, data_fingerprint)
    with storage_errors(where):
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=list(DIRECTIONS[search.objective]),
            sampler=make_sampler(search, 0),
            pruner=make_pruner(search, space.base.train.epochs),
            load_if_exists=True,
        )
        stored = study.user_attrs.get(TERMS)
        if stored is None and study.get_trials(deepcopy=False):
            raise StorageError(f"{where}: study {name!r} was not made by this command; set sweep=NAME to another")
        if stored is None:
            study.set_metric_names(list(TITLES[search.objective]))
            study.set_user_attr(TERMS, terms)
    if stored is not None:
        _check_terms(name, stored, terms)
    return Study(study, space, where)


def terms_of(space: Space, data_fingerprint: str) -> dict[str, str]:
    """What may not change within a study, as text that can be shown."""
    base: Settings = space.base
    searched = {axis.key for axis in space.axes}
    shared = {key: value for key, value in _flat(base.config) if key not in searched}
    recipe = {k: v for k, v in shared.items() if k.split(".")[0] not in (*_APART, "board", "budget")}
    limits = {k: v for k, v in shared.items() if k.split(".")[0] in ("board", "budget")}
    return {
        "search.objective": base.search.objective,
        "search.space": json.dumps([asdict(axis) for axis in space.axes], sort_keys=True),
        "budget and board": json.dumps(limits, sort_keys=True),
        "recipe": json.dumps(recipe, sort_keys=True),
        "data": data_fingerprint,
    }


def _check_terms(name: str, stored: Mapping[str, str], terms: Mapping[str, str]) -> None:
    for what, now in terms.items():
        before = stored.get(what)
        if before != now:
            hint = "set sweep=NAME to begin another search, or give what it had"
            raise OptionError(what, _difference(now, before), f"what search {name!r} was begun with", hint)


def _difference(now: str, before: str | None) -> str:
    """The part of two texts in which they differ, when they are mappings."""
    try:
        here, there = json.loads(now), json.loads(before or "null")
    except ValueError:
        return f"{now[:80]} instead of {(before or 'nothing')[:80]}"
    if isinstance(here, list) and isinstance(there, list):
        here, there = ({axis["key"]: _stated(axis) for axis in axes} for axes in (here, there))
    if not isinstance(here, dict) or not isinstance(there, dict):
        return f"{now[:80]} instead of {(before or 'nothing')[:80]}"
    keys = [key for key in {**there, **here} if here.get(key) != there.get(key)]
    return ", ".join(f"{key} {here.get(key)} instead of {there.get(key)}" for key in keys[:3])


def _stated(axis: Mapping[str, Any]) -> object:
    return axis.get("values") or {k: v for k, v in axis.items() if k != "key" and v not in (None, False)}


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _finding(trial: Any, standing: str) -> Finding:
    values = tuple(trial.values) if trial.values and standing in ("trained", "infeasible", "reused") else None
    return Finding(standing, None if values is None else Judged(values, dict(trial.constraints)))
