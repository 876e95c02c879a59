"""Who draws which picture, where another process draws, too."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from analysis import drawing

NAMES = ("pareto", "limits", "roc", "det")


class Beside:
    """Stands for the other process: what it was given, and what became of it."""

    def __init__(self):
        self.futures = {}

    def submit(self, draw, name, what):
        self.futures[name] = Future()
        return self.futures[name]

    def begins(self, name):
        self.futures[name].set_running_or_notify_cancel()

    def draws(self, name):
        if self.futures[name].set_running_or_notify_cancel():
            self.futures[name].set_result((b"there", name.encode()))


@pytest.fixture
def beside():
    return Beside()


@pytest.fixture
def here(monkeypatch):
    """What this process drew, in turn."""
    names = []

    def draw(name, what):
        names.append(name)
        return b"here", name.encode()

    monkeypatch.setattr(drawing, "draw", draw)
    return names


def shown():
    return dict.fromkeys(NAMES, ())


def test_without_another_process_each_is_drawn_when_it_is_asked_for(here):
    pictures = drawing.drawn(shown(), None)
    assert next(pictures) == ("pareto", (b"here", b"pareto"))
    assert here == ["pareto"]
    assert [name for name, _ in pictures] == list(NAMES[1:])


def test_what_the_other_process_has_drawn_by_then_is_taken_from_it(here, beside):
    pictures = drawing.drawn(shown(), beside)
    for name in NAMES:
        beside.draws(name)
    assert list(pictures) == [(name, (b"there", name.encode())) for name in NAMES]
    assert here == []


def test_while_it_draws_the_first_this_one_draws_the_last_and_the_order_stays(here, beside, monkeypatch):
    pictures = drawing.drawn(shown(), beside)
    beside.draws("pareto")
    beside.begins("limits")
    own = drawing.draw

    def draw(name, what):
        if name == "det":  # while this is drawn here, the other process goes on to its next one
            beside.futures["limits"].set_result((b"there", b"limits"))
            beside.draws("roc")
        return own(name, what)

    monkeypatch.setattr(drawing, "draw", draw)
    sources = [(name, png) for name, (png, _) in pictures]
    assert sources == [("pareto", b"there"), ("limits", b"there"), ("roc", b"there"), ("det", b"here")]
    assert here == ["det"]


def test_what_a_process_that_died_did_not_draw_is_drawn_here():
    died = Future()
    died.set_exception(BrokenProcessPool("it was killed"))
    ((name, (png, svg)),) = drawing._gathered({"limits": died}, {"limits": ((),)})
    assert name == "limits"
    assert png.startswith(b"\x89PNG")
    assert b"<svg" in svg
