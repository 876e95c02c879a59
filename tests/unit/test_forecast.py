"""Training times estimated from those of earlier candidates."""

import json

import pytest
from settings import composer

from facerec_core.cost import cost
from facerec_core.errors import StorageError
from sweep.forecast import FILE, forecaster, remember


def points(tmp_path, *overrides):
    return composer().many([f"paths.root={tmp_path}", *overrides])


def price(point):
    return cost(point.width, point.res, point.candidate.embedding)


def known(point, seconds, name="task"):
    remember(point, name, price(point), {"float": seconds * 0.75, "qat": seconds * 0.25})


def test_nothing_is_forecast_without_earlier_runs(tmp_path) -> None:
    (point,) = points(tmp_path)
    assert forecaster([point])(point, price(point)) is None
    assert forecaster([])(point, price(point)) is None


def test_one_earlier_size_gives_a_time_in_proportion_to_the_macs(tmp_path) -> None:
    small, large = points(tmp_path, "res=96,224")
    known(small, 100.0)
    forecast = forecaster([small, large])
    assert forecast(small, price(small)) == pytest.approx(100.0)
    assert forecast(large, price(large)) == pytest.approx(100.0 * price(large).macs / price(small).macs)


def test_several_sizes_also_give_the_fixed_part(tmp_path) -> None:
    grid = points(tmp_path, "res=96,128,224")
    for number, point in enumerate(grid[:2]):
        known(point, 30 + 2e-6 * price(point).macs, f"task{number}")
    assert forecaster(grid)(grid[2], price(grid[2])) == pytest.approx(30 + 2e-6 * price(grid[2]).macs)


def test_another_recipe_or_other_data_say_nothing(tmp_path) -> None:
    (point,) = points(tmp_path)
    known(point, 100.0)
    for override in ("train.epochs=99", "data.seed=5", "quant.qat.epochs=9"):
        (other,) = points(tmp_path, override)
        assert forecaster([other])(other, price(other)) is None
    (same,) = points(tmp_path, "seed=7")
    assert forecaster([same])(same, price(same)) == pytest.approx(100.0)


def test_the_latest_time_of_a_task_counts_and_damaged_lines_do_not(tmp_path) -> None:
    (point,) = points(tmp_path)
    known(point, 500.0)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"task": "x", "recipe"\n[]\n{"task": 1}\n')
    known(point, 100.0)
    assert forecaster([point])(point, price(point)) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seconds", "y"), ("seconds", True), ("seconds", float("nan")), ("seconds", float("inf")), ("seconds", 1e300),
        ("seconds", -1), ("macs", 1.5), ("macs", 10**30), ("macs", None), ("task", ["x"]), ("recipe", {}),
    ],
)  # fmt: skip
def test_a_line_that_is_no_timing_is_passed_over(tmp_path, field, value) -> None:
    (point,) = points(tmp_path)
    known(point, 100.0)
    damaged = json.loads((tmp_path / FILE).read_text()) | {"task": "another", field: value}
    with (tmp_path / FILE).open("a") as file:
        file.write(f"{json.dumps(damaged)}\n")
    assert forecaster([point])(point, price(point)) == pytest.approx(100.0)


def test_bytes_that_are_no_text_cost_their_line_only(tmp_path) -> None:
    (point,) = points(tmp_path)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"\xff\xfe\n" + b"[" * 100_000 + b"\n")
    known(point, 100.0)
    assert forecaster([point])(point, price(point)) == pytest.approx(100.0)


def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    (point,) = points(tmp_path / "absent")
    with pytest.raises(StorageError, match=r"cannot write .*timings\.jsonl: No such file"):
        known(point, 1.0)
