"""The search as a source of points: what is proposed, what of it is trained, and what is told without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from facerec_core.errors import OptionError
from facerec_core.types import RunRecord
from sweep.points import Point
from sweep.schema import Settings
from sweep.search.feasible import Survey, Values
from sweep.search.front import Ground, draw_pool, most_promising
from sweep.search.objectives import Judged, judged_cost, judged_record
from sweep.search.space import Space, identity
from sweep.search.study import CANDIDATE, TRAINED, Finding, Study

REFUSED_AT_MOST = 20
"""So many proposals in a row of values that do not go together end a search."""
STEER_AFTER = 3
"""Proposals in a row that cannot be trained before the nearest candidate that can takes their place."""
MakePoint = Callable[[str, Settings], Point]


class SearchSource:
    """Asks a study for candidates and tells it what came of them; each distinct candidate is trained once.

    A proposal that does not fit is handed out once, so that it is recorded, and told with its known size and latency;
    one that is known already is told what is known. After `STEER_AFTER` of these in a row, the feasible candidate
    nearest to the last of them that nobody has trained is proposed instead. Where no more distinct candidates fit
    than may be trained, all of them are listed and no sampler is asked. Values that do not go together are told as
    failed and cost no training.
    """

    def __init__(self, study: Study, survey: Survey, make_point: MakePoint, say: Callable[[str], None]) -> None:
        self._study = study
        self._survey = survey
        self._space: Space = survey.space
        self._search = survey.space.base.search
        self._make_point = make_point
        self._say = say
        self._open: dict[str, list[Any]] = {}  # by point: its trial, and those that proposed it meanwhile
        self._points: dict[str, str] = {}  # by candidate, the point that is out
        self._training: set[str] = set()  # those of them that fit
        self._vain = self._refused = 0
        self._last: Values = {}
        trials = study.trials()
        self._untrained = 0  # handed out although they do not fit
        self._retry = self._failures(trials)
        self._forgiven = {identity(self._space.settings(values)) for values in self._retry}
        self._orphans = study.orphans(trials)
        self._trained_before = len(self._trained(trials) - self._forgiven)
        self.listed = self._lists_all()

    @property
    def expected(self) -> int:
        """How many will be handed out in all, as far as is known: trainings, and what did not fit so far."""
        countable = self._survey.countable
        most = min(self._search.trials, len(self._survey.candidates)) if countable else self._search.trials
        return max(most - self._trained_before, 0) + self._untrained

    @property
    def repeats(self) -> bool:
        """A sampler may propose anything again."""
        return True

    def ask(self) -> Point | None:
        """The next candidate; those that a process left unfinished come first, under their old numbers."""
        self._orphans = self._orphans or self._study.orphans(self._study.trials())  # a driver may have died since
        while self._orphans:
            point = self._taken_up(self._orphans.pop(0))
            if point is not None:
                return point
        while self._may_train() and (proposal := self._proposal()) is not None:
            point = self._weighed(proposal)
            if point is not None:
                return point
        return None

    def tell(self, point: Point, record: RunRecord) -> None:
        """Finish every trial that proposed this point."""
        finding = self._finding(record)
        candidate = identity(point.settings)
        self._points.pop(candidate, None)
        self._training.discard(candidate)
        proposed = self._open.pop(point.key, [])  # empty: told with another one that comes to the same files
        for trial in proposed[:1]:
            self._study.finish(trial, finding)
        for trial in proposed[1:]:
            self._study.finish(trial, Finding("repeat", finding.judged) if finding.judged else finding)

    def prunes(self, point: Point, epoch: int, value: float) -> bool:
        """Whether the pruner gives the point up after this epoch; never with several objectives."""
        if self._search.pruner == "none" or point.key not in self._open:
            return False
        return self._study.give_up(self._open[point.key][0], epoch, value)

    def _may_train(self) -> bool:
        """Whether the budget of trainings allows one more, counting those under way here and in other processes."""
        return bool(self._retry) or not self._is_spent(self._study.trials())

    def _is_spent(self, trials: Sequence[Any]) -> bool:
        under_way = self._training | self._study.elsewhere(trials)
        return len(self._trained(trials) | under_way) >= self._search.trials

    def _trained(self, trials: Sequence[Any]) -> set[str]:
        found = self._study.findings(trials)
        return {candidate for candidate, finding in found.items() if finding.standing in TRAINED}

    def _lists_all(self) -> bool:
        if not self._survey.countable:
            return False
        return self._search.sampler == "grid" or len(self._survey.candidates) <= self._search.trials

    def _failures(self, trials: Sequence[Any]) -> list[Values]:
        """Candidates that failed in earlier starts, worth another try now."""
        failed = {key for key, finding in self._study.findings(trials).items() if finding.standing == "failed"}
        values = {t.user_attrs[CANDIDATE]: t.params for t in trials if CANDIDATE in t.user_attrs}
        return [dict(values[candidate]) for candidate in failed if candidate in values]

    def _proposal(self) -> Any | None:
        """A new trial: failed ones again, then the list, or the sampler's or a steered one; None: nothing is left."""
        if self._retry:
            return self._study.propose(self._retry.pop())
        trials = self._study.trials()
        taken = self._taken(trials)
        if self.listed:
            left = [values for key, values in self._survey.candidates.items() if key not in taken]
            return self._study.propose(left[0]) if left else None
        if self._survey.countable and not set(self._survey.candidates) - taken:
            return None
        if self._search.sampler == "front":
            pool = draw_pool(self._survey, taken, f"{self._search.seed}-{len(trials)}")
            best = most_promising(self._ground, pool, self._study.trained(trials), self._search.objective)
            return None if best is None else self._study.propose(best)
        if self._vain < STEER_AFTER:
            return self._study.propose()
        values = self._survey.nearest(self._last, taken)
        return None if values is None else self._study.propose(values)

    @cached_property
    def _ground(self) -> Ground:
        return Ground(self._survey)

    def _taken(self, trials: Sequence[Any]) -> set[str]:
        """Candidates not to be trained (again): known, under way here, or under way in another process."""
        known = {key for key, finding in self._study.findings(trials).items() if not self._tries_again(key, finding)}
        return known | set(self._points) | self._study.elsewhere(trials)

    def _tries_again(self, candidate: str, finding: Finding) -> bool:
        """Whether it failed in an earlier start, and nobody has trained it since."""
        return candidate in self._forgiven and finding.standing == "failed"

    def _taken_up(self, trial: Any) -> Point | None:
        """A trial whose process died: its candidate again, or None when it can be finished without training."""
        if not self._study.is_orphaned(trial):
            return None  # another driver was quicker
        if not self._study.whole(trial):
            self._study.finish(trial, Finding("failed", None))  # killed while it was proposed: nothing was begun
            return None
        self._say(f"trial {trial.number} goes on where an interrupted search left it")
        return self._weighed(trial, taken_up=True)

    def _weighed(self, trial: Any, *, taken_up: bool = False) -> Point | None:
        """The point to hand out for a trial, or None when the trial could be told at once."""
        values = self._last = dict(trial.params)
        settings = self._settings_of(trial)
        if settings is None:
            return None
        candidate, name = identity(settings), self._space.name(settings, values)
        in_time = self._study.sign(trial, candidate, name)
        trials = self._study.settled(trial.number)
        known = self._study.findings(trials).get(candidate)
        heard = in_time and not taken_up  # else those with higher numbers may have gone on without it
        earlier = [other for other in trials if other.number < trial.number] if heard else trials
        self._vain += 1
        if known is not None and not self._tries_again(candidate, known):
            self._study.finish(trial, Finding("repeat", known.judged))
            return None
        if candidate in self._points:  # it is told with the one that is under way
            self._open[self._points[candidate]].append(trial)
            return None
        late = not taken_up and known is None and self._is_spent(earlier)  # other drivers asked at the same moment
        if late or candidate in self._study.elsewhere(earlier):
            self._study.finish(trial, Finding("repeat", None))
            return None
        self._forgiven.discard(candidate)
        return self._handed_out(trial, candidate, self._make_point(name, settings))

    def _settings_of(self, trial: Any) -> Settings | None:
        """The settings of its values; None, and the trial is over, where these do not go together.

        Raises:
            OptionError: that was so many times in a row.
        """
        try:
            settings = self._space.settings(dict(trial.params))
        except OptionError as error:
            self._study.finish(trial, Finding("refused", None))
            self._refused, self._vain = self._refused + 1, self._vain + 1
            if self._refused >= REFUSED_AT_MOST:
                raise
            self._say(f"trial {trial.number} is left out: {error}")
            return None
        self._refused = 0
        return settings

    def _handed_out(self, trial: Any, candidate: str, point: Point) -> Point:
        self._open.setdefault(point.key, []).append(trial)
        self._points[candidate] = point.key
        if point.feasibility.feasible:
            self._vain = 0
            self._training.add(candidate)
        else:
            self._untrained += 1
        return point

    def _finding(self, record: RunRecord) -> Finding:
        if record.status == "complete":
            return Finding("trained", judged_record(record, self._space.base.target_far, self._search.objective))
        judged = self._judged_untrained(record)
        return Finding(record.status, judged)

    def _judged_untrained(self, record: RunRecord) -> Judged:
        return judged_cost(record.cost, record.latency, record.feasibility.checks, self._search.objective)
