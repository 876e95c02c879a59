"""What a variant takes on a board, as the page says it."""

from __future__ import annotations

import pytest

from facerec_core.errors import OptionError
from facerec_core.types import Candidate, Latency
from sweep.studio.board import FLOAT, NO_ARCHITECTURE, Boards, figure_of, with_first
from tests.settings import composer

CANDIDATE = Candidate(0.35, 96, 448)


def find(name: str):
    if name == "nowhere":
        raise OptionError("board.table", "nowhere.csv", "a table")
    return composer().one([f"board={name}"]).board


BOARDS = Boards(("nowhere", "stm32f746", "stm32h747"), "stm32f746", find)


def test_a_latency_comes_with_its_interval_and_how_it_is_known() -> None:
    latency = Latency(86.2, 80.0, 1204.4, "fitted", "stm32f746", "X-CUBE-AI 8.0.0", "made up")
    figure = figure_of(latency)
    assert (figure.figure, figure.interval, figure.source) == ("86.2 ms", "80 to 1,204 ms", "made up")
    assert figure.known == "fitted: estimated by a fit to timings of this board and runtime; stm32f746, X-CUBE-AI 8.0.0"


def test_boards_differ() -> None:
    one, other = (BOARDS.figure(name, CANDIDATE, "qat_int8") for name in ("stm32f746", "stm32h747"))
    assert one.figure != other.figure
    assert "stm32f746" in one.known
    assert one == BOARDS.figure("stm32f746", CANDIDATE, "ptq_int8"), "both int8 files are the same network"


@pytest.mark.parametrize(
    ("name", "candidate", "scheme", "why"),
    [
        ("stm32f746", None, "qat_int8", NO_ARCHITECTURE),
        ("stm32f746", CANDIDATE, "float32", FLOAT),
        ("nowhere", CANDIDATE, "qat_int8", "board.table: got 'nowhere.csv', allowed: a table"),
    ],
)
def test_where_there_is_no_latency_the_reason_is_said(name, candidate, scheme, why) -> None:
    figure = BOARDS.figure(name, candidate, scheme)
    assert (figure.figure, figure.interval, figure.known) == ("–", "", why)


def test_a_board_of_ones_own_is_offered_too() -> None:
    assert with_first(["b", "a"], "mine") == ("a", "b", "mine")
    assert with_first(["b", "a"], "a") == ("a", "b")
