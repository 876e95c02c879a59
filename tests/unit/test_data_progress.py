"""What `data` prints while it works, with a clock that the test moves."""

import io

import pytest
from rich.console import Console

from sweep.console import HEARTBEAT_SECONDS
from sweep.data.progress import Bar


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("unit", "total", "line"),
    [
        ("images", 20_000, "[0:04] hashing: 1,024 of 20,000"),
        ("images", 0, "[0:04] hashing: 1,024"),
        ("bytes", 180_566_744, "[0:04] hashing: 0.0 of 180.6 MB"),
        ("bytes", 0, "[0:04] hashing: 0.0 MB"),
    ],
)
def test_off_a_terminal_a_line_now_and_then(unit, total, line) -> None:
    out, clock = io.StringIO(), Clock()
    with Bar(unit, clock, Console(file=out, soft_wrap=True)) as bar:
        bar.show("hashing", 512, total)
        clock.now += HEARTBEAT_SECONDS
        bar.show("hashing", 1024, total)
        bar.show("hashing", 1536, total)
    assert out.getvalue() == f"{line}\n"


def test_on_a_terminal_a_bar_that_goes_away() -> None:
    out = io.StringIO()
    with Bar(console=Console(file=out, force_terminal=True, force_interactive=True, width=100)) as bar:
        bar.show("[odd] name", 512, 1024)
    shown = out.getvalue()
    assert "[odd] name" in shown
    assert "512/1024" in shown
    assert shown.endswith("\x1b[2K"), "nothing of it stays"
