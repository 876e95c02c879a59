"""The sampler that knows file and latency beforehand: what it foretells, and which candidate it takes next."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from sweep.search.feasible import survey
from sweep.search.front import NOTHING, START, Ground, Trained, draw_pool, foretell, most_promising
from sweep.search.space import identity, read_space
from tests.searching import names, search, trained
from tests.settings import composer

LOOSE = ("board=stm32h747", "budget=none")


def surveyed(*lines):
    return survey(read_space(composer().searching(lines)))


def pool_of(found):
    return list(found.candidates.values())


def accuracy_of(values):
    return 0.2 + 0.5 * math.log(values["width"] * values["res"] / 30) / 3


def told(pool, accuracy=accuracy_of):
    return [Trained(values, accuracy(values)) for values in pool]


def test_a_process_foretells_what_it_was_told_and_is_less_sure_far_away():
    known = np.array([[0.0], [0.25], [0.5], [0.75]])
    mean, deviation = foretell(known, np.array([0.1, 0.2, 0.3, 0.4]), np.array([[0.25], [0.6], [3.0]]))
    assert mean[:2] == pytest.approx([0.2, 0.34], abs=0.04)
    assert max(deviation[:2]) < deviation[2]


def test_equal_figures_are_foretold_everywhere():
    mean, deviation = foretell(np.array([[0.0], [1.0]]), np.array([0.3, 0.3]), np.array([[0.5]]))
    assert mean == pytest.approx([0.3])
    assert np.isfinite(deviation).all()


def test_the_ends_come_first_and_then_what_is_farthest():
    found = surveyed(*LOOSE)
    taken = []
    while len(taken) < START:
        pool = [values for values in pool_of(found) if values not in [one.values for one in taken]]
        values = most_promising(Ground(found), pool, taken, "multi")
        taken.append(Trained(values, None))
    by_work = sorted(found.feasible, key=lambda one: one.cost.macs)
    assert [one.values for one in taken[:2]] == [by_work[-1].values, by_work[0].values]
    spread = Ground(found).features([one.values for one in taken])
    apart = np.linalg.norm(spread[:, None] - spread[None], axis=-1)
    assert apart[~np.eye(START, dtype=bool)].min() > 0.3
    assert most_promising(Ground(found), [], taken, "multi") is None


def test_what_is_far_cheaper_for_its_accuracy_is_taken():
    """A candidate that the model thinks dominated is left behind one that extends the front."""
    found = surveyed(*LOOSE, "width=0.35,0.5,0.75,1.0", "res=96,224")
    pool = pool_of(found)
    flat = [values for values in pool if values["res"] == 224 or values["width"] in (0.35, 1.0)]
    left = [values for values in pool if values not in flat]
    taken = most_promising(Ground(found), left, told(flat, lambda values: 0.4 + 0.5 * (values["res"] == 224)), "multi")
    assert taken == {"width": 0.5, "res": 96}


def test_with_one_objective_the_most_accurate_is_taken():
    found = surveyed(*LOOSE)
    pool = pool_of(found)
    known, left = told(pool[::2]), pool[1::2]
    best = most_promising(Ground(found), left, known, "single")
    assert best in sorted(left, key=accuracy_of)[-2:]


def test_what_is_under_way_counts_as_what_is_foretold_of_it():
    """Two drivers that ask one after the other are not sent to neighbours."""
    found = surveyed(*LOOSE)
    pool = pool_of(found)
    known, left = told(pool[::4]), [values for index, values in enumerate(pool) if index % 4]
    first = most_promising(Ground(found), left, known, "multi")
    rest = [values for values in left if values != first]
    second = most_promising(Ground(found), rest, [*known, Trained(first, None)], "multi")
    assert second not in (None, first)


def test_what_broke_a_limit_in_its_file_teaches_but_is_not_on_the_front():
    found = surveyed(*LOOSE)
    pool = pool_of(found)
    known = told(pool[::3])
    broken = [dataclasses.replace(one, fits=False) for one in known]
    left = [values for index, values in enumerate(pool) if index % 3]
    assert most_promising(Ground(found), left, broken, "multi") in left


def test_what_failed_counts_as_tried_and_as_the_worst():
    found = surveyed(*LOOSE)
    ground, pool = Ground(found), pool_of(found)
    failed = [Trained(values, NOTHING, fits=False) for values in pool[:START]]
    left = pool[START:]
    assert most_promising(ground, left, failed, "single") in left
    known = told(pool[::3])
    hoped = most_promising(ground, pool, known, "single")
    assert most_promising(ground, pool, [*known, Trained(hoped, NOTHING, fits=False)], "single") != hoped


@pytest.mark.parametrize("axis", ["train.margin=interval(0.1,0.5)", "train.learning_rate=tag(log,interval(5e-4,5e-3))"])
def test_ranges_without_steps_are_drawn_from(axis):
    found = surveyed(*LOOSE, axis)
    pool = draw_pool(found, set(), "0-1")
    key = axis.partition("=")[0]
    (low, high) = (found.space.recipe[0].low, found.space.recipe[0].high)
    assert all(low <= values[key] <= high for values in pool)
    assert len({values[key] for values in pool}) > 1000
    assert draw_pool(found, set(), "0-1") == pool != draw_pool(found, set(), "0-2")


def test_a_listed_space_is_drawn_from_without_what_is_taken():
    found = surveyed(*LOOSE, "train.loss=softmax,arcface")
    pool = draw_pool(found, set(list(found.candidates)[:3]), "0")
    assert len(pool) == len(found.candidates) - 3
    assert identity(found.space.settings(pool[0])) == list(found.candidates)[3]
    ground = Ground(found)
    apart = ground.features([pool[0]]) - ground.features([{**pool[0], "train.loss": "softmax"}])
    assert float(np.linalg.norm(apart)) in (0.0, pytest.approx(1.0))


def test_a_search_asks_it_and_goes_on_where_it_was(tmp_path):
    lines = (*LOOSE, "search.sampler=front", "search.trials=9")
    whole = names(search(tmp_path / "whole", *lines).carry_through())
    assert len(whole) == len(set(whole)) == 9
    begun = names(search(tmp_path / "halves", *lines).carry_through(most=4))
    assert begun + names(search(tmp_path / "halves", *lines).carry_through()) == whole


def test_a_search_with_a_range_that_another_sampler_began_goes_on(tmp_path):
    lines = (*LOOSE, "width=interval(0.35,1.4)", "res=96,128", "search.trials=8")
    begun = search(tmp_path, *lines, "search.sampler=random").carry_through(most=6)
    handed = [*begun, *search(tmp_path, *lines).carry_through()]
    assert len([point for point in handed if point.feasibility.feasible]) == 8


def test_several_at_once_are_different_and_all_fit(tmp_path):
    found = search(tmp_path, *LOOSE, "search.trials=8")
    points = [found.source.ask() for _ in range(8)]
    assert len({point.name for point in points}) == 8
    assert found.source.ask() is None
    for point in points:
        found.source.tell(point, trained(point))
