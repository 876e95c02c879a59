from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.arch import resolve_embedding
from facerec_core.budget import check, for_file, ram_needed
from facerec_core.cost import cost
from facerec_core.errors import OptionError
from facerec_core.latency import BoardSpec, board_spec, estimate
from facerec_core.options import Budget, LatencyBudget
from facerec_core.types import Latency

F746 = Path(__file__).parents[2] / "conf" / "board" / "stm32f746.yaml"
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
RESOLUTIONS = (96, 128, 160, 192, 224)
COST = cost(0.5, 128, 640)
BARE = BoardSpec("bare", "core", 100, "runtime", "1", "table.csv", "compiled")


def budget(judge="upper", limit_ms=500.0, **limits):
    empty = {"parameter_bytes": None, "file_bytes": None, "activation_bytes": None}
    return Budget(**(empty | limits), latency=LatencyBudget(limit_ms, judge))


def latency(ms, low_ms=None, high_ms=None, provenance="fitted"):
    return Latency(ms, low_ms or ms, high_ms or ms, provenance, "board", "runtime", "source")


def verdicts(feasibility):
    return {item.name: item.verdict for item in feasibility.checks}


class TestTheGuidesChoice:
    @pytest.fixture
    def board(self):
        return board_spec(yaml.safe_load(F746.read_text(encoding="utf-8")))

    def judged(self, board, width, resolution, embedding, judge="upper"):
        length = resolve_embedding(embedding, width)
        limits = budget(judge, parameter_bytes=1_000_000)
        predicted = estimate(board, width, resolution, length)
        return check(cost(width, resolution, length), predicted, limits, board)

    @pytest.mark.parametrize("judge", ["upper", "central"])
    @pytest.mark.parametrize("embedding", ["scaled", 1280])
    def test_half_width_at_128_is_the_largest_feasible(self, board, embedding, judge):
        feasible = [
            (width, resolution)
            for width in WIDTHS
            for resolution in RESOLUTIONS
            if self.judged(board, width, resolution, embedding, judge).feasible
        ]
        assert max(feasible) == (0.5, 128)
        assert feasible == [(0.35, 96), (0.35, 128), (0.5, 96), (0.5, 128)]

    def test_160_pixels_fall_by_latency_and_ram(self, board):
        for embedding in ("scaled", 1280):
            central = self.judged(board, 0.5, 160, embedding, "central")
            assert central.violated == ("ram_bytes", "latency_ms")
            cautious = self.judged(board, 0.5, 160, embedding)
            assert cautious.violated == ("ram_bytes",)
            assert cautious.undecided == ("latency_ms",)

    def test_width_075_falls_by_size_alone(self, board):
        assert self.judged(board, 0.75, 96, "scaled").violated == ("parameter_bytes", "flash_bytes")


@pytest.mark.parametrize(
    ("judge", "predicted", "verdict", "value"),
    [
        ("upper", latency(300, 250, 400), "ok", 400),
        ("upper", latency(490, 450, 500), "ok", 500),
        ("upper", latency(490, 450, 501), "undecided", 501),
        ("upper", latency(510, 450, 600), "undecided", 600),
        ("upper", latency(600, 501, 700), "exceeded", 700),
        ("upper", latency(501, provenance="measured"), "exceeded", 501),
        ("central", latency(490, 450, 600), "ok", 490),
        ("central", latency(510, 450, 600), "exceeded", 510),
        ("measured_only", latency(100, 90, 110), "undecided", 100),
        ("measured_only", latency(900, 800, 990), "undecided", 900),
        ("measured_only", latency(500, provenance="measured"), "ok", 500),
        ("measured_only", latency(501, provenance="measured"), "exceeded", 501),
    ],
)
def test_how_an_uncertain_latency_is_judged(judge, predicted, verdict, value):
    (only,) = check(COST, predicted, budget(judge), BARE).checks
    assert (only.name, only.verdict, only.value, only.unit) == ("latency_ms", verdict, value, "ms")
    assert only.excess == value - 500


def test_an_undecided_candidate_is_not_feasible():
    feasibility = check(COST, latency(510, 450, 600), budget(), BARE)
    assert not feasibility.feasible
    assert feasibility.violated == ()
    assert feasibility.undecided == ("latency_ms",)


def test_limits_that_are_off_are_not_checked():
    feasibility = check(COST, latency(9e9), budget(limit_ms=None), BARE)
    assert feasibility.checks == ()
    assert feasibility.feasible


def test_a_figure_equal_to_its_limit_keeps_it():
    exact = budget(
        parameter_bytes=COST.parameter_bytes, file_bytes=900, activation_bytes=COST.peak_activation_bytes, limit_ms=7.0
    )
    feasibility = check(COST, latency(7.0), exact, BARE, file_bytes=900)
    assert verdicts(feasibility) == dict.fromkeys(
        ("parameter_bytes", "file_bytes", "activation_bytes", "latency_ms"), "ok"
    )
    assert {item.excess for item in feasibility.checks} == {0}


def test_the_predicted_file_counts_until_there_is_one():
    limits = budget(file_bytes=900_000)
    (predicted, _) = check(COST, latency(1), limits, BARE).checks
    assert (predicted.figure, predicted.value, predicted.verdict) == ("file_bytes", COST.file_bytes, "ok")
    (file, _) = check(COST, latency(1), limits, BARE, file_bytes=935_032).checks
    assert (file.name, file.value, file.limit, file.unit, file.excess) == (
        "file_bytes", 935_032, 900_000, "bytes", 35_032,
    )  # fmt: skip
    assert file.verdict == "exceeded"


@pytest.mark.parametrize(
    ("rule", "flash", "ram"),
    [
        ("compiled", ("parameter_bytes", COST.parameter_bytes), ("peak_activation_bytes", 245_760)),
        ("interpreted", ("file_bytes", COST.file_bytes), ("arena_bytes", COST.arena_bytes)),
    ],
)
def test_a_boards_memories_are_limits_on_what_its_runtime_keeps_there(rule, flash, ram):
    board = replace(BARE, deployed_as=rule, flash_bytes=700_000, program_bytes=100_000, ram_bytes=300_000)
    found = {c.name: c for c in check(COST, latency(1), budget(activation_bytes=1_000_000), board).checks}
    assert (found["flash_bytes"].figure, found["flash_bytes"].value) == flash
    assert (found["ram_bytes"].figure, found["ram_bytes"].value) == ram
    assert found["flash_bytes"].limit == 600_000
    assert found["flash_bytes"].verdict == "exceeded"
    assert found["ram_bytes"].verdict == ("ok" if rule == "compiled" else "exceeded")
    assert found["activation_bytes"].verdict == "ok"


@pytest.mark.parametrize(
    ("ram_bytes", "verdict"), [(270_335, "exceeded"), (270_336, "undecided"), (294_911, "undecided"), (294_912, "ok")]
)
def test_ram_is_judged_by_the_most_it_may_take_and_is_undecided_where_only_the_spread_decides(ram_bytes, verdict):
    board = replace(BARE, ram_bytes=ram_bytes, program_ram_bytes=24_576, ram_spread=0.1)
    (ram, _) = check(COST, latency(1), budget(), board).checks
    assert COST.peak_activation_bytes == 245_760
    assert ram_needed(COST, board) == (270_336, 294_912)
    assert (ram.name, ram.value, ram.excess, ram.verdict) == ("ram_bytes", 294_912, 294_912 - ram_bytes, verdict)


def test_an_arena_is_judged_as_it_is_predicted():
    board = replace(BARE, deployed_as="interpreted", ram_bytes=COST.arena_bytes)
    assert ram_needed(COST, board) == (COST.arena_bytes, COST.arena_bytes)
    assert verdicts(check(COST, latency(1), budget(), board))["ram_bytes"] == "ok"
    assert verdicts(check(COST, latency(1), budget(), replace(board, ram_bytes=COST.arena_bytes - 1)))["ram_bytes"] == (
        "exceeded"
    )


PUBLISHED_RAM = {  # activations and total in KiB; the board, the networks
    "stm32h747": {
        (0.35, 128): (237.32, 267.46),
        (0.35, 224): (832.64, 862.83),
        (1.0, 224): (1727.02, 1757.21),
        (1.4, 224): (2332.2, 2362.39),
    },
    "stm32h747_st_edge_ai": {
        (0.35, 128): (237.32, 241.09),
        (0.35, 224): (699.32, 703.09),
        (1.0, 224): (1433.13, 1436.49),
        (1.4, 224): (2143.27, 2146.63),
    },
    "stm32f746": {(0.35, 128): (225.17, 258.0), (0.35, 224): (686.5, 719.38)},
    "stm32h743": {(0.35, 128): (224.5, 261.92), (0.35, 224): (686.5, 723.92)},
}


@pytest.mark.parametrize("name", PUBLISHED_RAM)
def test_the_published_ram_of_a_runtime_lies_below_what_is_judged(name):
    """docs/cost_model.md has the sources; the last two boards' figures were printed for an STM32H747."""
    board = board_spec(yaml.safe_load(F746.with_name(f"{name}.yaml").read_text(encoding="utf-8")))
    beside = [total - activations for activations, total in PUBLISHED_RAM[name].values()]
    assert board.program_ram_bytes / 1024 == pytest.approx(max(beside), abs=0.01)
    for (width, resolution), (_, total) in PUBLISHED_RAM[name].items():
        most = ram_needed(cost(width, resolution, resolve_embedding("scaled", width)), board)[1]
        assert total * 1024 <= most + 12  # printed to 0.01 KiB


def test_the_spread_is_the_largest_that_was_published():
    whole = cost(1.0, 224, 1280).peak_activation_bytes
    boards = [board_spec(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in F746.parent.glob("*.yaml")]
    (x_cube_ai,) = {board.ram_spread for board in boards if board.runtime == "X-CUBE-AI"}
    assert x_cube_ai == pytest.approx(1727.02 * 1024 / whole - 1, abs=0.001)
    # 1.0 at 256 x 128, 398.25 KiB of it internal and 804.38 external: twice the activations of 128 x 128
    tall = 2 * cost(1.0, 128, 1280).peak_activation_bytes
    (split,) = (board.ram_spread for board in boards if board.runtime == "ST Edge AI Core")
    assert split == pytest.approx(1202.63 * 1024 / tall - 1, abs=0.001)
    assert {board.ram_spread for board in boards if board.deployed_as == "interpreted"} == {0}


@pytest.mark.parametrize(
    ("key", "value"),
    [("program_ram_bytes", -1), ("program_ram_bytes", 0.5), ("ram_spread", -0.1), ("ram_spread", 17.5)],
)
def test_a_board_states_its_own_ram_in_bytes_and_shares(key, value):
    with pytest.raises(OptionError, match=rf"^board\.{key}: got "):
        replace(BARE, **{key: value})


def test_a_board_without_stated_memories_limits_nothing():
    assert set(verdicts(check(COST, latency(1), budget(), BARE))) == {"latency_ms"}


def test_another_file_is_judged_by_its_own_size_and_nothing_else_changes():
    board = replace(BARE, deployed_as="interpreted", flash_bytes=800_000, ram_bytes=400_000)
    checks = check(COST, latency(1), budget(file_bytes=750_000), board, file_bytes=700_000).checks
    judged = {c.name: c for c in for_file(checks, 760_000)}
    assert (judged["file_bytes"].excess, judged["file_bytes"].verdict) == (10_000, "exceeded")
    assert (judged["flash_bytes"].excess, judged["flash_bytes"].verdict) == (-40_000, "ok")
    assert judged["ram_bytes"] in checks
    assert judged["latency_ms"] in checks


@pytest.mark.parametrize(
    ("width", "resolution", "classes", "published_kib"),
    [(0.35, 128, 5, 406.86), (0.35, 224, 1000, 1654.5), (1.0, 224, 1000, 3458.97), (1.4, 224, 1000, 6015.34)],
)
def test_compiled_weights_are_one_byte_a_parameter_as_published(width, resolution, classes, published_kib):
    """The weights X-CUBE-AI 10.0.0 prints for its MobileNetV2 models: int8 weights and int32 biases.

    github.com/STMicroelectronics/stm32ai-modelzoo, image_classification/mobilenetv2/README.md
    @ 6f10965e6a40e2a28abd9c181f43cac4de4111c5.
    """
    embedding = resolve_embedding("scaled", width) if width > 1 else 1280
    head = classes * embedding + 4 * classes
    ours = cost(width, resolution, embedding).parameter_bytes + head
    assert ours / 1024 == pytest.approx(published_kib, abs=0.01)


@settings(deadline=None)
@given(st.integers(1, 2_000_000), st.integers(1, 2_000_000), st.floats(1, 2000), st.floats(0, 1))
def test_raising_a_limit_never_loses_a_candidate(parameters, activations, limit_ms, spread):
    predicted = latency(300, 300 * (1 - spread / 2), 300 * (1 + spread))
    tight = budget(parameter_bytes=parameters, activation_bytes=activations, limit_ms=limit_ms)
    wide = replace(
        tight,
        parameter_bytes=parameters + 1000,
        activation_bytes=activations + 1000,
        latency=LatencyBudget(limit_ms + 10, "upper"),
    )
    if check(COST, predicted, tight, BARE).feasible:
        assert check(COST, predicted, wide, BARE).feasible
