"""Many drivers on one study in a real PostgreSQL: candidates are trained once, a killed driver's are taken up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.postgresql import needs_postgresql, server

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, needs_postgresql]
DRIVER = """
import socket, sys, time
from pathlib import Path
from sweep import beat
from sweep.search import storage
from tests.searching import search, trained
beat.BEAT_SECONDS = 1.0
storage.SIGNS = {"heartbeat_interval": 1, "grace_period": int(sys.argv[4])}
if len(sys.argv) > 5:
    socket.gethostname = lambda: sys.argv[5]
found = search(Path(sys.argv[1]), "board=stm32h747", "budget=none", "search.trials=9", "search.storage=" + sys.argv[2])
with found.study.beating():
    while (point := found.source.ask()) is not None:
        print(point.name, point.feasibility.feasible, flush=True)
        time.sleep(float(sys.argv[3]))
        found.source.tell(point, trained(point))
"""


def start(folder, address, seconds, *host, grace=6):
    command = [sys.executable, "-c", DRIVER, str(folder), address, str(seconds), str(grace), *host]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def handed_out(drivers):
    lines = []
    ended = [(*driver.communicate(timeout=240), driver.returncode) for driver in drivers]
    for out, err, status in ended:
        assert status == 0, err
        lines += out.splitlines()
    return [line.split()[0] for line in lines if line.endswith("True")]


def test_many_drivers_train_every_candidate_once(tmp_path):
    with server() as address:
        fits = handed_out([start(tmp_path, address, 0.3) for _ in range(4)])
    assert len(fits) == len(set(fits)) == 9


def test_what_a_killed_driver_left_is_taken_up_by_the_next(tmp_path):
    with server() as address:
        killed = start(tmp_path, address, 3600)
        lost = killed.stdout.readline().split()[0]
        os.kill(killed.pid, signal.SIGKILL)
        killed.communicate()
        after = start(tmp_path, address, 0)
        out, err = after.communicate(timeout=240)
        assert after.returncode == 0, err
    assert out.split()[0] == lost


def test_what_a_vanished_machine_left_is_taken_up_elsewhere_and_what_a_busy_one_has_is_not(tmp_path):
    grace = 30  # the third driver is to be done before, also on a busy machine
    with server() as address:
        busy, vanishing = (start(tmp_path, address, 3600, host, grace=grace) for host in ("busy", "vanishing"))
        kept, lost = (driver.stdout.readline().split()[0] for driver in (busy, vanishing))
        vanishing.kill()
        vanishing.communicate()
        others = handed_out([start(tmp_path, address, 0, "third", grace=grace)])
        assert not {kept, lost} & set(others), "it has only just fallen silent"
        time.sleep(grace + 1)
        assert handed_out([start(tmp_path, address, 0, "fourth", grace=grace)]) == [lost]
        busy.kill()
        busy.communicate()
    assert len({kept, lost, *others}) == 9


def test_a_driver_that_works_on_takes_up_what_another_one_leaves_meanwhile(tmp_path):
    with server() as address:
        vanishing = start(tmp_path, address, 3600, "vanishing")
        lost = vanishing.stdout.readline().split()[0]
        staying = start(tmp_path, address, 1.5, "staying")
        staying.stdout.readline()
        vanishing.kill()
        vanishing.communicate()
        assert lost in handed_out([staying])
