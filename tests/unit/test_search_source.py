"""What a search hands out, what it trains, and what it remembers."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

import sweep.search.study as studies
from facerec_core.errors import OptionError
from facerec_core.types import Failure
from sweep.owner import Owner
from sweep.search.objectives import judged_record
from sweep.search.space import Space
from tests.searching import names, search, trained

SAMPLERS = ("tpe", "nsga2", "nsga3", "random")
LOOSE = ("board=stm32h747", "budget=none")


def standings(study):
    return Counter(trial.user_attrs["standing"] for trial in study.trials())


def as_another_process(monkeypatch, pid: int = 2**22 + 1):
    """What is signed from here on is signed by a process that is not there."""
    ghost = Owner(Owner.here().host, pid, 1.0)
    monkeypatch.setattr(studies.Owner, "here", classmethod(lambda cls: ghost))


def test_few_candidates_are_listed_instead_of_searched(tmp_path):
    found = search(tmp_path)
    assert found.source.listed
    assert found.source.expected == 4
    assert names(found.carry_through()) == ["0.5@128-640", "0.35@128-448", "0.5@96-640", "0.35@96-448"]
    assert standings(found.study) == {"trained": 4}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_candidate_is_trained_once_and_no_more_than_asked(tmp_path, sampler):
    found = search(tmp_path, *LOOSE, f"search.sampler={sampler}", "search.trials=7")
    handed = found.carry_through()
    fits = [point.name for point in handed if point.feasibility.feasible]
    assert len(fits) == len(set(fits)) == 7
    assert len(set(names(handed))) == len(handed)
    assert found.source.expected == len(handed)


def test_every_trial_states_its_limits_and_what_does_not_fit_has_the_worst_accuracy(tmp_path):
    found = search(tmp_path, "search.sampler=tpe", "search.trials=3")
    handed = found.carry_through()
    for trial in found.study.trials():
        point = next(p for p in handed if p.name == trial.user_attrs["name"])
        assert set(trial.constraints) == {check.name for check in point.feasibility.checks}
        assert all(value <= 0 for value in trial.constraints.values()) == point.feasibility.feasible
        if not point.feasibility.feasible:
            assert trial.values == [0.0, point.cost.file_bytes, point.latency.ms]
    assert {t.user_attrs["name"] for t in found.study.optuna.best_trials} <= {
        p.name for p in handed if p.feasibility.feasible
    }
    assert any(not point.feasibility.feasible for point in handed)


def test_a_repeat_is_told_what_is_known(tmp_path):
    found = search(tmp_path, "search.sampler=tpe", "search.trials=3")
    found.carry_through()
    trials = found.study.trials()
    repeats = [trial for trial in trials if trial.user_attrs["standing"] == "repeat"]
    assert repeats
    for repeat in repeats:
        first = next(t for t in trials if t.user_attrs["candidate"] == repeat.user_attrs["candidate"])
        assert (repeat.values, repeat.constraints) == (first.values, first.constraints)


def test_proposals_in_vain_are_steered_to_what_fits(tmp_path):
    """Four of thirty fit: without steering a random search would propose in vain far more often."""
    found = search(tmp_path, "search.sampler=random", "search.trials=3")
    found.carry_through()
    in_vain = longest = 0
    for trial in found.study.trials():
        in_vain = 0 if trial.user_attrs["standing"] == "trained" else in_vain + 1
        longest = max(longest, in_vain)
    assert 0 < longest <= 3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_seed_one_search_even_when_it_is_interrupted(tmp_path, sampler, monkeypatch):
    lines = (*LOOSE, f"search.sampler={sampler}", "search.trials=6", "search.seed=5")
    whole = names(search(tmp_path / "whole", *lines).carry_through())
    assert names(search(tmp_path / "again", *lines).carry_through()) == whole
    begun = names(search(tmp_path / "halves", *lines).carry_through(most=4))
    assert begun + names(search(tmp_path / "halves", *lines).carry_through()) == whole
    other = names(search(tmp_path / "other", *lines[:-1], "search.seed=6").carry_through())
    assert other != whole


def test_a_killed_search_goes_on_with_its_trials(tmp_path, monkeypatch):
    lines = (*LOOSE, "search.trials=5")
    with monkeypatch.context() as patch:
        as_another_process(patch)
        killed = search(tmp_path, *lines)
        killed.carry_through(most=2)
        lost = [killed.source.ask(), killed.source.ask()]
    numbers = {t.user_attrs["name"]: t.number for t in killed.study.trials() if t.state.name == "RUNNING"}
    resumed = search(tmp_path, *lines)
    handed = resumed.carry_through()
    assert names(handed)[:2] == names(lost)
    finished = {trial.number: trial for trial in resumed.study.trials()}
    assert all(finished[number].user_attrs["name"] == name for name, number in numbers.items())
    assert all(trial.state.is_finished() for trial in finished.values())
    assert standings(resumed.study)["trained"] == 5
    assert len(resumed.said) == len(numbers)


def test_a_living_process_keeps_its_candidates(tmp_path):
    """Two processes on one study: neither takes up, or trains, what the other has begun."""
    lines = (*LOOSE, "search.trials=6")
    one, other = search(tmp_path, *lines), search(tmp_path, *lines)
    other.study._owner = Owner.here().__class__(Owner.here().host, 1, _born(1))
    handed = []
    for _ in range(3):
        handed += [(one, one.source.ask()), (other, other.source.ask())]
    for driver, point in handed:
        driver.source.tell(point, trained(point))
    rest = one.carry_through() + other.carry_through()
    fits = [p.name for p in [*(point for _, point in handed), *rest] if p.feasibility.feasible]
    assert len(fits) == len(set(fits)) == 6


def _born(pid: int) -> float:
    import psutil

    return psutil.Process(pid).create_time()


def test_candidates_that_run_side_by_side_are_distinct(tmp_path):
    found = search(tmp_path, *LOOSE, "search.trials=6")
    points = []
    while (point := found.source.ask()) is not None:
        points.append(point)
    fits = [point.name for point in points if point.feasibility.feasible]
    assert len(fits) == len(set(fits)) == 6
    for point in reversed(points):
        found.source.tell(point, trained(point))
    assert all(trial.state.is_finished() for trial in found.study.trials())


def test_a_failed_candidate_is_tried_again_at_the_next_start_only(tmp_path):
    def failing(point):
        failure = Failure("train", "the loss became nan", "Traceback …")
        return dataclasses.replace(trained(point), status="failed", variants=(), failure=failure)

    first = search(tmp_path, "width=0.35", "res=96,128")
    assert len(first.carry_through(failing)) == 2
    assert {trial.state.name for trial in first.study.trials()} == {"FAIL"}
    second = search(tmp_path, "width=0.35", "res=96,128")
    assert sorted(names(second.carry_through())) == ["0.35@128-448", "0.35@96-448"]
    assert search(tmp_path, "width=0.35", "res=96,128").carry_through() == []


def test_the_default_sampler_walks_away_from_what_fails(tmp_path):
    """Learning rates above 2e-3 diverge: they are not proposed one after the other."""
    lines = ("width=0.35", "res=96", "train.learning_rate=tag(log,interval(1e-4,1e-2))", "search.trials=8")

    def diverging(point):
        if point.settings.recipe.train.learning_rate < 2e-3:
            return trained(point)
        return dataclasses.replace(trained(point), status="failed", variants=(), failure=Failure("train", "nan", ""))

    found = search(tmp_path, *lines)
    found.carry_through(diverging)
    assert standings(found.study)["failed"] <= 4


def test_values_that_do_not_go_together_cost_no_training(tmp_path, monkeypatch):
    whole = Space.settings

    def settings(space, values):
        if values.get("train.learning_rate", 0) > 2e-3:
            raise OptionError("train.learning_rate", "large", "small beside the rest")
        return whole(space, values)

    rate = "train.learning_rate=tag(log,interval(5e-4,5e-3))"
    lines = ("width=0.35", "res=96", rate, "search.sampler=random", "search.trials=6")
    found = search(tmp_path, *lines)
    monkeypatch.setattr(Space, "settings", settings)
    assert len(found.carry_through()) == 6
    assert standings(found.study)["refused"] > 0
    assert any("is left out: train.learning_rate: got 'large'" in line for line in found.said)
    assert not [trial for trial in found.study.trials() if trial.state.name == "RUNNING"]


def test_values_that_come_to_the_same_files_are_told_together(tmp_path):
    found = search(tmp_path, "width=0.35", "res=96", "train.validate_epochs=1,2", "search.trials=2")
    one, other = found.source.ask(), found.source.ask()
    assert one.key == other.key
    for point in (one, other):
        found.source.tell(point, trained(point))
    assert all(trial.state.is_finished() for trial in found.study.trials())


def test_an_unfinished_trial_is_taken_up_by_one_driver(tmp_path, monkeypatch):
    lines = (*LOOSE, "search.trials=3")
    with monkeypatch.context() as patch:
        as_another_process(patch)
        killed = search(tmp_path, *lines)
        lost = [killed.source.ask(), killed.source.ask()]
    one, other = search(tmp_path, *lines), search(tmp_path, *lines)
    assert len(one.source._orphans) == len(other.source._orphans) == 2
    assert names(one.carry_through(most=2)) == names(lost)
    assert len(other.carry_through()) == 1
    assert standings(one.study)["trained"] == 3


def test_more_trials_go_on_with_the_same_study(tmp_path):
    first = names(search(tmp_path, *LOOSE, "search.trials=3").carry_through())
    more = names(search(tmp_path, *LOOSE, "search.trials=5").carry_through())
    assert not set(first) & set(more)


def test_the_best_file_within_the_limits_counts(tmp_path):
    (point,) = search(tmp_path, "width=0.35", "res=96,128").carry_through(most=1)
    record = trained(point)
    ptq, qat = record.variants[1:]
    assert judged_record(record, 1e-3, "multi").values[1] == qat.file.size_bytes
    limit = dataclasses.replace(
        record.feasibility.checks[0], name="file_bytes", figure="file_bytes", limit=ptq.file.size_bytes
    )
    tight = dataclasses.replace(record, feasibility=dataclasses.replace(record.feasibility, checks=(limit,)))
    assert judged_record(tight, 1e-3, "multi").values[1] == ptq.file.size_bytes
    assert judged_record(tight, 1e-3, "multi").violations == {"file_bytes": 0.0}


def test_weak_candidates_are_given_up_with_one_objective(tmp_path):
    found = search(tmp_path, *LOOSE, "search.objective=single", "search.pruner=median", "search.trials=9")
    given_up = 0
    while (point := found.source.ask()) is not None:
        strong = found.study.trials()[-1].number < 6
        pruned = [found.source.prunes(point, epoch, 0.5 if strong else 0.1) for epoch in (1, 2, 3)]
        record = trained(point)
        if any(pruned):
            given_up += 1
            record = dataclasses.replace(record, status="pruned", variants=())
        found.source.tell(point, record)
    assert given_up
    assert standings(found.study)["pruned"] == given_up
    assert found.study.optuna.best_trial.value > 0


def test_without_a_pruner_nothing_is_given_up(tmp_path):
    found = search(tmp_path)
    assert found.source.prunes(found.source.ask(), 1, 0.0) is False


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (("width=0.35,0.5,0.75",), "search.space"),
        (("search.objective=single",), "search.objective"),
        (("budget.latency.limit_ms=400",), "budget and board"),
        (("board=stm32h747",), "budget and board"),
        (("train.epochs=3",), "recipe"),
    ],
)
def test_a_study_is_not_continued_as_another(tmp_path, lines, key):
    search(tmp_path).carry_through(most=1)
    with pytest.raises(OptionError) as caught:
        search(tmp_path, *lines)
    assert str(caught.value).startswith(key)
    assert "sweep=NAME" in str(caught.value)
    with pytest.raises(OptionError, match=r"^data: "):
        search(tmp_path, fingerprint="0123")


def test_how_it_is_carried_through_may_change(tmp_path):
    search(tmp_path).carry_through(most=1)
    again = search(tmp_path, "workers=2", "search.sampler=nsga2", "tracking.experiment=other")
    assert len(again.carry_through()) == 3


def test_who_signs_so_late_that_others_went_on_without_it_keeps_to_the_budget(tmp_path, monkeypatch):
    slow, quick = (search(tmp_path, *LOOSE, "search.trials=3", "search.sampler=random") for _ in range(2))
    monkeypatch.setattr(studies, "SIGN_SECONDS", 0.0)
    monkeypatch.setattr(studies, "IN_TIME_SECONDS", 0.0)
    sign, handed, wanted = slow.study.sign, [], []

    def late(trial, candidate, name):
        wanted.append(name)
        handed.extend(quick.carry_through())
        return sign(trial, candidate, name)

    monkeypatch.setattr(slow.study, "sign", late)
    assert slow.source.ask() is None
    assert standings(slow.study)["trained"] == 3
    assert wanted[0] not in names(handed), "it is turned down for the budget, not as a repetition"
