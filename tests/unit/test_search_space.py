"""What is searched, read from the configuration and the command line, and what of it fits the limits."""

from __future__ import annotations

import pytest

from facerec_core.errors import OptionError, UsageError
from sweep.search.feasible import survey
from sweep.search.space import Choices, Range, identity, read_space
from tests.settings import composer


def space_of(*lines: str):
    return read_space(composer().searching(lines))


def test_the_default_space_is_the_published_widths_and_resolutions():
    width, res = space_of().axes
    assert (width.key, width.values) == ("width", (0.35, 0.5, 0.75, 1.0, 1.3, 1.4))
    assert (res.key, res.values) == ("res", (96, 128, 160, 192, 224))


def test_a_single_objective_is_one_word():
    asked = composer().searching(["search=single", "search.pruner=median"]).search
    assert (asked.objective, asked.pruner) == ("single", "median")
    assert asked.space == composer().searching([]).search.space


def test_the_same_values_make_the_same_settings_and_true_is_not_one():
    space = read_space(composer().searching(["width=1,1.0,0.5"]))
    assert space.settings({"width": 0.5}) is space.settings({"width": 0.5})
    assert identity(space.settings({"width": 1})) == identity(space.settings({"width": 1.0}))
    with pytest.raises(OptionError):
        space.settings({"width": True})


def test_the_grammar_of_a_sweep_says_what_is_searched():
    axes = {
        axis.key: axis
        for axis in space_of(
            "width=0.35,0.5",
            "res=128",
            "quant.qat.scope=all,2",
            "train.margin=interval(0.1,0.5)",
            "train.learning_rate=tag(log,interval(1e-5,1e-3))",
            "train.weight_decay=1e-5,1e-4",
        ).axes
    }
    assert axes["width"] == Choices("width", (0.35, 0.5))
    assert "res" not in axes
    assert axes["quant.qat.scope"].values == ("all", 2)
    assert axes["train.margin"] == Range("train.margin", 0.1, 0.5, None, log=False)
    assert axes["train.learning_rate"] == Range("train.learning_rate", 1e-5, 1e-3, None, log=True)
    assert axes["train.weight_decay"].values == (1e-5, 1e-4)


def test_a_range_replaces_a_list_and_steps_stay_exact():
    (width, _) = space_of("search.space.width={low:0.35,high:0.7,step:0.05}").axes
    assert width.lattice == (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
    assert (width.position(0.35), width.position(0.7)) == (0.0, 1.0)


def test_values_become_settings_as_if_typed():
    space = space_of("width=0.35,0.5", "res=96,128", "train.margin=interval(0.1,0.5)")
    settings = space.settings({"width": 0.5, "res": 128, "train.margin": 0.25})
    typed = composer().one(["width=0.5", "res=128", "train.margin=0.25"])
    assert (settings.candidate, settings.recipe) == (typed.candidate, typed.recipe)
    values = {"width": 0.5, "res": 128, "train.margin": 0.25}
    assert space.name(settings, values) == "0.5@128-640 train.margin=0.25"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["width=0.35,3"], "width: got 3.0, allowed: 0.35 to 1.4"),
        (["search.space.res={low:96,high:224}"], "res: got 97, allowed: 96, 128"),
        (["search.space.train.margn=[0.1]"], "unknown key 'train.margn', nearest: train.margin"),
        (["data.crop=0.5,1.0"], "search.space: got 'data.crop', allowed: width, res, embedding, last"),
        (["seed=1,2"], "search.space: got 'seed'"),
        (["search.space.width=[]"], "search.space.width: got [], allowed: a list of values"),
        (["train.margin=interval(0.5,0.1)"], "low no larger than high"),
        (["search.space.train.margin={low:0.1,high:0.5,step:0}"], "a step above 0"),
        (["search.space.train.margin={low:0.1,high:0.5,stop:0}"], "search.space.train.margin"),
        (["search.space.train.margin={low:0,high:0.5,log:true}"], "low above 0 with log"),
        (["width=0.5", "res=96"], "search.space: got {}, allowed: at least one key"),
        (["search.trials=0"], "search.trials: got 0, allowed: a whole number of at least 1"),
        (["search.sampler=tpee"], "search.sampler: got 'tpee', allowed: front, tpe, nsga2, nsga3, gp, grid or random"),
        (["search.pruner=hyperband"], "search.pruner: got 'hyperband', allowed: none with search.objective=multi"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(lines, complaint):
    with pytest.raises(UsageError) as caught:
        space_of(*lines)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_fits_is_known_before_anything_is_opened():
    found = survey(space_of())
    fits = {found.space.settings(one.values).candidate.name for one in found.feasible}
    assert fits == {"0.35@96-448", "0.35@128-448", "0.5@96-640", "0.5@128-640"}
    assert len(found.architectures) == 30


def test_two_spellings_of_a_candidate_are_one():
    found = survey(space_of("width=0.35,0.5", "res=96", "embedding=scaled,448,640"))
    assert len(found.feasible) == 6
    assert len(found.candidates) == 4
    assert next(iter(found.candidates.values()))["width"] == 0.5  # the largest network comes first


def test_limits_that_nobody_keeps_name_the_limit_and_the_nearest():
    with pytest.raises(OptionError) as caught:
        survey(space_of("budget.latency.limit_ms=50"))
    assert "latency_ms 50 ms excludes every one" in str(caught.value)
    assert "nearest: 0.35@96-448: latency_ms" in str(caught.value)
    assert "of 50 ms (+" in str(caught.value)


def test_a_proposal_is_steered_to_the_nearest_that_fits_and_is_free():
    found = survey(space_of("train.margin=0.1,0.2"))
    wish = {"width": 0.5, "res": 224, "train.margin": 0.2}
    first = found.nearest(wish, ())
    assert first == {"width": 0.5, "res": 128, "train.margin": 0.2}
    second = found.nearest(wish, {identity(found.space.settings(first))})
    assert second == {"width": 0.35, "res": 128, "train.margin": 0.2}
    assert found.nearest(wish, set(found.candidates)) is None


def test_with_a_range_only_the_architecture_is_moved():
    found = survey(space_of("train.margin=interval(0.1,0.5)"))
    assert not found.countable
    moved = found.nearest({"width": 1.4, "res": 128, "train.margin": 0.1234}, ())
    assert moved == {"width": 0.5, "res": 128, "train.margin": 0.1234}
