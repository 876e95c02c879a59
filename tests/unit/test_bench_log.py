"""The log of a board's benchmark: what is read out of it, and everything that refuses it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.errors import DataError, StorageError
from facerec_core.latency.bench_log import BenchLog, parse_log, read_log
from facerec_core.latency.bench_result import CYCLES, MOST_MACS_A_CYCLE
from facerec_core.types import Candidate

RESULT = {
    "facerec_bench": 1,
    "model": "mobilenetv2_0.35_96_448",
    "width": 0.35,
    "resolution": 96,
    "embedding": 448,
    "channels": 3,
    "core": "Cortex-M7",
    "clock_hz": 216_000_000,
    "runtime": "TFLM",
    "runtime_version": "90b983c2b3f1",
    "kernels": "CMSIS-NN",
    "n": 10,
    "cycles_median": 30_240_000,
    "cycles_min": 30_200_000,
    "cycles_p5": 30_210_000,
    "cycles_p95": 30_290_000,
    "cycles_max": 30_300_000,
    "arena_used_bytes": 197_748,
}
ERROR = {"facerec_bench": 1, "model": "mobilenetv2_1_224_1280", "error": "arena too small", "arena_bytes": 1_656_944}


def result(**changes) -> str:
    return json.dumps({**RESULT, **changes}, separators=(",", ":"))


def run(*lines: str, begin: int | None = None, end: int | None = None) -> str:
    count = len(lines)
    first = f'{{"facerec_bench":1,"begin":{count if begin is None else begin}}}'
    last = f'{{"facerec_bench":1,"end":{count if end is None else end}}}'
    return "".join(f"{line}\n" for line in (first, *lines, last))


def parsed(text: str) -> BenchLog:
    return parse_log(text.encode("utf-8", "surrogatepass"), "uart.log")


def refusal(text: str) -> str:
    with pytest.raises(DataError) as caught:
        parsed(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


TWO = run(result(), result(model="b", width=0.5, embedding=640, cycles_p95=40_500_000, cycles_max=41_000_000))


class TestReading:
    def test_cycles_become_milliseconds(self):
        (one,) = parsed(run(result())).results
        assert one.candidate == Candidate(0.35, 96, 448)
        assert one.median_ms == pytest.approx(140.0)
        assert one.times_ms == pytest.approx((139.8611, 140.0, 140.2315), abs=1e-4)
        assert (one.n, one.arena_used_bytes, one.line) == (10, 197_748, 2)

    def test_what_a_uart_adds_is_passed_over(self):
        noisy = run(result()).replace("\n", "\r\n")
        noisy = f"\x1b[2J\x1b[1;32mboot\x1b[0m v1.2 {{ok}}\r\n\x00\xff> {noisy}Didn't find op for builtin\r\n"
        assert parsed(noisy).results[0].figures == parsed(run(result())).results[0].figures

    def test_errors_are_told_beside_results(self):
        log = parsed(run(result(), json.dumps(ERROR)))
        assert [one.candidate.width for one in log.results] == [0.35]
        assert [(one.model, one.error) for one in log.errors] == [("mobilenetv2_1_224_1280", "arena too small")]

    def test_programs_of_one_network_each_may_follow_one_another(self):
        log = parsed(run(result()) + "reset\n" + run(result(resolution=128, cycles_min=20_000_000)))
        assert [one.candidate.resolution for one in log.results] == [96, 128]

    def test_the_same_figures_twice_count_once(self):
        assert len(parsed(run(result()) + run(result())).results) == 1

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r{"), max_size=30)))
    def test_garbage_between_lines_changes_nothing(self, garbage):
        lines = TWO.splitlines()
        mixed = "\n".join(part for pair in zip(lines, [*garbage, *"abcd"], strict=False) for part in pair)
        assert [r.figures for r in parsed(mixed).results] == [r.figures for r in parsed(TWO).results]

    @given(st.integers(0, len(TWO) - 3))
    def test_a_log_cut_anywhere_is_refused(self, length):
        with pytest.raises(DataError, match=r"^uart\.log"):
            parsed(TWO[:length])

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_refused(self, text):
        for content in (text, run(f'{{"facerec_bench"{text}')):
            with pytest.raises(DataError, match=r"^uart\.log"):
                parsed(content)

    def test_a_file(self, tmp_path):
        path = tmp_path / "uart.log"
        path.write_bytes(b"\xfe\xff noise\r\n" + TWO.encode())
        assert len(read_log(path).results) == 2
        with pytest.raises(StorageError, match="cannot read"):
            read_log(tmp_path / "none.log")


class TestWholeness:
    def test_a_log_without_a_run(self):
        assert refusal("").startswith("uart.log, line 1: the log is empty: no run of the benchmark")
        assert refusal("boot\nhello\n").startswith("uart.log, lines 1 to 2: no run of the benchmark")

    def test_a_line_cut_in_the_middle_is_named_by_line_and_column(self):
        message = refusal(run(result()[:60]))
        assert message.startswith("uart.log, line 2, column 6")
        assert "cut or damaged" in message

    def test_text_inside_a_line_is_damage(self):
        inside = result().replace('"resolution"', 'overrun"resolution"')
        assert f"line 2, column {inside.index('overrun') + 1}: the line is cut or damaged" in refusal(run(inside))
        assert "follows the object" in refusal(run(result() + "tail"))

    def test_no_end(self):
        message = refusal("\n x" + "\n".join(TWO.splitlines()[:3]))
        assert message.startswith("uart.log, line 2, column 3: this run was cut: 2 of 2 networks and no line with end")

    def test_a_board_that_was_reset_in_the_middle(self):
        assert "line 1, column 1: this run was cut" in refusal("\n".join(TWO.splitlines()[:2]) + "\n" + TWO)

    def test_capture_begun_too_late(self):
        assert "no line with begin before" in refusal("\n".join(TWO.splitlines()[1:]))

    @pytest.mark.parametrize(("begin", "end"), [(3, 3), (2, 3), (3, 2), (1, 2)])
    def test_fewer_or_more_networks_than_begun(self, begin, end):
        assert "lines are missing" in refusal(run(result(), result(width=0.5), begin=begin, end=end))

    @pytest.mark.parametrize("count", ["true", "-1", "0", '"two"', "1.5"])
    def test_a_count_that_is_none(self, count):
        assert "begin is" in refusal(f'{{"facerec_bench":1,"begin":{count}}}\n')

    def test_another_version_of_the_benchmark(self):
        assert "facerec_bench is 2, allowed: 1" in refusal(run(result(facerec_bench=2)))

    @pytest.mark.parametrize("damage", ["[" * 100_000, '"n":1,"n":2}', "9" * 5000 + "}", "NaN}"])
    def test_json_that_is_none(self, damage):
        assert "damaged" in refusal(
            run(f'{{"facerec_bench":1,"x":1,{damage}' if ":" in damage else f'{{"facerec_bench":{damage}')
        )


class TestFigures:
    @pytest.mark.parametrize("key", [key for key in RESULT if key != "facerec_bench"])
    def test_every_key_is_needed(self, key):
        without = {name: value for name, value in RESULT.items() if name != key}
        assert f"no {key} in this line" in refusal(run(json.dumps(without)))

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("clock_hz", 216),
            ("clock_hz", 216e6),
            ("clock_hz", "216 MHz"),
            ("clock_hz", 3_000_000_000),
            ("cycles_median", 30.5),
            ("cycles_median", "30240000"),
            ("cycles_min", -1),
            ("cycles_max", True),
            ("n", 0),
            ("width", 0.0),
            ("width", "0.35"),
            ("width", float("inf")),
            ("resolution", 10_000),
            ("embedding", 4),
            ("channels", 1),
            ("core", ""),
            ("kernels", "CMSIS\u0007NN"),
            ("model", None),
            ("core", "Cortex-A53"),
        ],
    )
    def test_a_value_out_of_range_is_named(self, key, value):
        message = refusal(run(result(**{key: value})))
        assert message.startswith("uart.log, line 2, column")
        assert key in message or "Infinity" in message

    @pytest.mark.parametrize(
        "wrong",
        [{"cycles_min": 30_250_000}, {"cycles_max": 30_230_000}, {"cycles_p5": 30_241_000}, {"cycles_p95": 30_239_999}],
    )
    def test_order_of_the_cycles(self, wrong):
        assert "allowed: in this order" in refusal(run(result(**wrong)))

    @pytest.mark.parametrize("changes", [{"clock_hz": 1_000_000}, {}])
    def test_slower_than_any_core(self, changes):
        slow = dict.fromkeys(("cycles_median", "cycles_p95", "cycles_max"), 10**9 if changes else 10**10)
        message = refusal(run(result(**slow, **changes)))
        assert message.startswith("uart.log, line 2, column 1: mobilenetv2_0.35_96_448: a median of 1000000000")
        assert "at most 4907736000 cycles and 600000 ms" in message

    @pytest.mark.parametrize(("core", "rate"), MOST_MACS_A_CYCLE.items())
    def test_faster_than_the_core_can_be(self, core, rate):
        macs = 9_815_472  # of 0.35@96 with 448 numbers
        possible = {"core": core, "cycles_min": -(-macs // rate), **dict.fromkeys(CYCLES[1:], macs)}
        assert parsed(run(result(**possible))).results[0].core == core
        message = refusal(run(result(**{**possible, "cycles_min": -(-macs // rate) - 1})))
        assert f"{core} does at most {rate} a cycle" in message

    def test_two_results_for_one_network(self):
        message = refusal(run(result()) + run(result(cycles_median=30_250_000)))
        assert "line 5" in message
        assert "140 ms in line 2 and 140.046 ms here" in message

    @pytest.mark.parametrize(
        ("key", "value"),
        [("core", "Cortex-M4"), ("clock_hz", 200_000_000), ("runtime_version", "x"), ("kernels", "reference")],
    )
    def test_two_boards_or_runtimes_in_one_log(self, key, value):
        message = refusal(run(result(), result(width=0.5, **{key: value})))
        assert f"{key} is {value!r}, but {RESULT[key]!r} in line 2" in message
