"""The line that says what goes on."""

import io

from rich.console import Console

from sweep.steps import Steps


def test_a_pipe_gets_a_line_only_when_it_was_quiet_for_some_seconds():
    now, out = [0.0], io.StringIO()
    with Steps(lambda: now[0], Console(file=out, force_terminal=False, soft_wrap=True)) as steps:
        for now[0], text in ((1.0, "soon"), (5.0, "reading [a].tflite"), (6.0, "soon again"), (65.0, "timing")):
            steps.doing(text)
    assert out.getvalue() == "[0:05] reading [a].tflite\n[1:05] timing\n"


def test_a_terminal_gets_a_status_line_that_goes_away():
    out = io.StringIO()
    with Steps(console=Console(file=out, force_terminal=True, width=80, color_system=None)) as steps:
        steps.doing("reading [a].tflite")
    assert "reading [a].tflite" in out.getvalue()
    assert out.getvalue().endswith(("\x1b[2K", "\x1b[?25h", "\x1b[1A\x1b[2K"))
