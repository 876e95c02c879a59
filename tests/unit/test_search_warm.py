"""A warm start: which records of earlier sweeps a new search takes over."""

from __future__ import annotations

import dataclasses

import pytest

import sweep.search.warm as warm
from sweep.search.warm import reuse_records, values_of
from tests.searching import make_point, names, search, trained
from tests.settings import composer


@pytest.fixture
def earlier(monkeypatch):
    """Records that the tracker is made to hold."""
    records = []
    monkeypatch.setattr(warm, "_complete_records", lambda settings, root: list(records))
    return records


def record_of(*lines: str):
    settings = composer().one(lines)
    return trained(make_point(settings.candidate.name, settings))


def reused(found, root) -> int:
    space = found.source._space
    return reuse_records(found.study, space, space.base, root, make_point)


def test_what_the_same_recipe_found_is_known_and_not_trained_again(tmp_path, earlier):
    earlier += [record_of("width=0.5", "res=96", "workers=2", "paths.root=elsewhere", "tracking.experiment=old")] * 2
    found = search(tmp_path)
    assert reused(found, tmp_path) == 1
    assert reused(found, tmp_path) == 0
    (trial,) = found.study.trials()
    assert trial.params == {"width": 0.5, "res": 96}
    assert trial.constraints
    assert sorted(names(found.carry_through())) == ["0.35@128-448", "0.35@96-448", "0.5@128-640"]


@pytest.mark.parametrize(
    "line",
    ["train.epochs=3", "seed=1", "board=stm32h747", "budget.latency.limit_ms=450", "embedding=128", "data.seed=9"],
)
def test_another_recipe_data_or_limit_is_another_thing(tmp_path, earlier, line):
    earlier.append(record_of("width=0.5", "res=96", line))
    found = search(tmp_path)
    assert reused(found, tmp_path) == 0


def test_other_content_of_the_data_is_another_thing(tmp_path, earlier):
    earlier.append(dataclasses.replace(record_of("width=0.5", "res=96"), key="of other images"))
    assert reused(search(tmp_path), tmp_path) == 0


def test_searched_values_of_the_recipe_are_read_out_of_the_record(tmp_path):
    lines = ("width=0.35,0.5", "res=96", "train.margin=interval(0.1,0.4)", "quant.qat.scope=all,2")
    space = search(tmp_path, *lines).source._space
    inside = record_of("width=0.5", "train.margin=0.3", "quant.qat.scope=2")
    assert values_of(inside, space) == {"width": 0.5, "train.margin": 0.3, "quant.qat.scope": 2}
    for outside in ("train.margin=0.5", "quant.qat.scope=3", "width=0.75"):
        line = [outside] if outside.startswith("width") else ["width=0.5", outside]
        assert values_of(record_of("train.margin=0.3", *line), space) is None
