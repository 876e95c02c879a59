"""What is printed while a sweep runs, with a clock that the test moves."""

import io
import time

import pytest
from rich.console import Console

from facerec_core.types import Progress
from sweep import console
from sweep.console import HEARTBEAT_SECONDS, Display


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def display(clock, out):
    shown = Display(clock, Console(file=out, soft_wrap=True, highlight=False, emoji=False))
    shown.expect(4)
    shown.name("k", "0.5@96-640")
    return shown


def test_a_stage_is_announced_once_and_then_every_few_seconds(display, clock, out) -> None:
    for step in range(72):
        display.progress(Progress("k", "float", step, 90, f"loss {step}"))
        clock.now += 0.125
    display.progress(Progress("k", "ptq", 0, 0, "calibrating"))
    assert out.getvalue().splitlines() == [
        "[0:00 0/4] 0.5@96-640 float 0/90 loss 0",
        "[0:04 0/4] 0.5@96-640 float 32/90 loss 32",
        "[0:08 0/4] 0.5@96-640 float 64/90 loss 64",
        "[0:09 0/4] 0.5@96-640 ptq calibrating",
    ]


def test_what_stays_is_printed_however_soon_other_signs_of_life_come(display, out) -> None:
    display.progress(Progress("k", "float", 5, 9, "loss 1.5"))
    display.progress(Progress("k", "float", 0, 0, "its worker process died", stays=True))
    display.progress(Progress("k", "float", 0, 0, "loading TensorFlow"))
    assert out.getvalue().splitlines() == [
        "[0:00 0/4] 0.5@96-640 float 5/9 loss 1.5",
        "[0:00 0/4] 0.5@96-640 float its worker process died",
    ]


def test_silence_is_broken_with_what_is_known(display, clock, out) -> None:
    display.doing("opening the tracker")
    display.beat()
    assert out.getvalue() == "", "nothing took long so far"
    clock.now += HEARTBEAT_SECONDS
    display.beat()
    display.beat()
    display.progress(Progress("k", "float", 0, 0, "loading TensorFlow"))
    clock.now += HEARTBEAT_SECONDS
    display.beat()
    display.finished("k", "validation accuracy 0.9")
    clock.now += HEARTBEAT_SECONDS
    display.beat()
    assert out.getvalue().splitlines() == [
        "[0:04 0/4] opening the tracker",
        "[0:04 0/4] 0.5@96-640 float loading TensorFlow",
        "[0:08 0/4] 0.5@96-640 float loading TensorFlow",
        "[0:08 1/4, about 10 s left] 0.5@96-640: validation accuracy 0.9",
        "[0:12 1/4, about 10 s left] opening the tracker",
    ]


def test_the_heart_beats_by_itself_inside_the_block(monkeypatch) -> None:
    monkeypatch.setattr(console, "HEARTBEAT_SECONDS", 0.02)
    out = io.StringIO()
    with Display(console=Console(file=out)) as display:
        while out.getvalue().count("reading faces") < 2:
            display.doing("reading faces")
            time.sleep(0.01)
    assert not display._heart.is_alive()


def test_names_are_printed_as_they_are(display, out) -> None:
    display.say("[bold]people[/bold] :smile: " + "x" * 200)
    assert out.getvalue() == "[bold]people[/bold] :smile: " + "x" * 200 + "\n"


def test_without_a_terminal_there_are_no_control_characters(display, out) -> None:
    with display:
        display.progress(Progress("k", "float", 1, 2))
        display.finished("k", "done")
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()


def test_on_a_terminal_finished_lines_stay_above_the_bars(clock) -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, force_interactive=True, width=100, color_system=None)
    with Display(clock, terminal) as display:
        display.expect(2)
        display.doing("reading faces")
        display.name("k", "0.5@96-640")
        display.progress(Progress("k", "float", 3, 9, "loss 1.5"))
        display.progress(Progress("other", "ptq", 0, 0))
        display.progress(Progress("other", "ptq", 0, 0, "its worker process died", stays=True))
        display._live.refresh()
        running = out.getvalue()
        display.finished("k", "validation accuracy 0.9")
        assert [task.description for task in display._live.tasks] == ["candidates", "other ptq"]
        assert (display._live.tasks[0].completed, display._live.tasks[0].total) == (1, 2)
    assert "[0:00 0/2] other ptq its worker process died" in running
    for text in ("candidates", "0/2", "reading faces", "0.5@96-640 float", "3/9", "loss 1.5"):
        assert text in running
    assert "[0:00 1/2] 0.5@96-640: validation accuracy 0.9" in out.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert Display(console=Console(file=io.StringIO(), force_terminal=True))._live is None


def test_a_sign_of_life_that_comes_after_the_end_shows_nothing(display, clock, out) -> None:
    display.finished("k", "done")
    display.progress(Progress("k", "eval-qat_int8", 1, 1, "finished"))
    clock.now += 2 * HEARTBEAT_SECONDS
    display.beat()
    assert "eval-qat_int8" not in out.getvalue()
