import os
import signal

import pytest

from sweep.interrupts import SIGNALS, Interrupts, shielded_children


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_interrupts_and_the_next_ones_do_not_disturb_the_tidying(number) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    tidied = False
    with Interrupts():
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            for again in SIGNALS:
                os.kill(os.getpid(), again)
            tidied = True
    assert tidied
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_held_interrupt_comes_at_the_end_of_the_block() -> None:
    reached = []

    def interrupted(interrupts: Interrupts) -> None:
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end")
        reached.append("after")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        interrupted(interrupts)
    assert reached == ["end"]


def test_without_a_signal_the_block_ends_and_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with Interrupts() as interrupts:
        inside = [signal.getsignal(each) for each in SIGNALS]
        with interrupts.held():
            reached = True
    assert reached
    assert [signal.getsignal(each) for each in SIGNALS] == before != inside


def test_children_are_started_with_ctrl_c_blocked() -> None:
    with shielded_children():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
