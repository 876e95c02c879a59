"""Rates and times left out of what has been finished."""

import pytest

from sweep.pace import Pace, about, clock_text


def test_nothing_is_promised_before_anything_tells() -> None:
    pace = Pace()
    pace.heard("a", 10.0)
    assert pace.seconds_left(20.0, waiting=3) is None
    assert pace.a_minute() is None


def test_time_left_follows_the_mean_of_what_is_finished() -> None:
    pace = Pace()
    pace.heard("a", 0.0)
    pace.ended("a", 100.0)
    assert pace.a_minute() == pytest.approx(0.6)
    assert pace.seconds_left(100.0, waiting=3) == pytest.approx(300.0)
    pace.heard("b", 100.0)
    assert pace.seconds_left(140.0, waiting=2) == pytest.approx(60 + 200)


def test_side_by_side_halves_the_time_but_not_that_of_the_last_one() -> None:
    pace = Pace()
    for key in "ab":
        pace.heard(key, 0.0)
    pace.ended("a", 100.0)
    pace.heard("c", 100.0)
    assert pace.a_minute() == pytest.approx(1.2)
    pace.ended("b", 100.0)
    assert pace.seconds_left(100.0, waiting=3) == pytest.approx((100 + 300) / 2)
    assert pace.seconds_left(100.0, waiting=0) == pytest.approx(100)


def test_larger_candidates_take_longer() -> None:
    pace = Pace()
    pace.foresee({"small": 10.0, "large": 40.0, "middle": 20.0})
    pace.heard("small", 0.0)
    pace.ended("small", 5.0)
    pace.heard("large", 5.0)
    assert pace.seconds_left(5.0, waiting=1) == pytest.approx((40 + 20) / 2)


def test_what_earlier_sweeps_took_tells_before_the_first_is_finished() -> None:
    pace = Pace()
    pace.foresee({"a": 10.0, "b": 30.0}, seconds_a_weight=2.0)
    assert pace.seconds_left(0.0, waiting=2) == pytest.approx(80)


def test_what_was_not_carried_through_tells_nothing() -> None:
    pace = Pace()
    pace.ended("infeasible", 3.0)
    assert pace.a_minute() is None
    assert pace.seconds_left(3.0, waiting=5) is None


def test_one_that_takes_longer_than_thought_is_never_past_its_end() -> None:
    pace = Pace()
    pace.heard("a", 0.0)
    pace.ended("a", 10.0)
    pace.heard("b", 10.0)
    assert pace.seconds_left(1000.0, waiting=0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("seconds", "clock", "left"),
    [(0, "0:00", "5 s"), (63, "1:03", "65 s"), (754, "12:34", "13 min"), (12_000, "3:20:00", "3 h 20 min")],
)
def test_times_in_words(seconds, clock, left) -> None:
    assert (clock_text(seconds), about(seconds)) == (clock, left)
