"""A search through the command line: what fits is trained once, the rest recorded, and the same command goes on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli import TINY, refused, sweep

pytestmark = pytest.mark.slow

BASE = [arg for arg in TINY if not arg.startswith(("res=", "width="))]
SEARCH = ("search", *BASE, "width=0.35,0.75", "res=96,128", "search.trials=1", "sweep=found")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where a search with one training was made."""
    where = tmp_path_factory.mktemp("search")
    ended = sweep(*SEARCH, cwd=where)
    assert ended.returncode == 0, ended.stderr
    return where


def reported(folder: Path) -> dict:
    ended = sweep("report", "sweep=found", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return json.loads((folder / "mlruns" / "reports" / "found" / "report.json").read_text(encoding="utf-8"))


def stages(folder: Path) -> set[str]:
    return {path.name for path in (folder / "mlruns" / "stages").iterdir()}


def test_one_candidate_is_trained_and_the_report_knows_it(folder):
    assert len([name for name in stages(folder) if name.startswith("float-")]) == 1
    assert "0.35@" in json.dumps(reported(folder)["recommended"])


def test_the_same_command_trains_nothing_again_and_more_trials_go_on(folder):
    before = stages(folder)
    again = sweep(*SEARCH, cwd=folder)
    assert again.returncode == 0, again.stderr
    assert stages(folder) == before
    more = sweep(*SEARCH, "search.trials=2", cwd=folder)
    assert more.returncode == 0, more.stderr
    assert re.search(r"all 2 candidates are listed", more.stdout + more.stderr)
    assert len([name for name in stages(folder) if name.startswith("float-")]) == 2
    assert before < stages(folder)


def test_another_space_under_the_same_name_is_refused(folder):
    line = refused(*SEARCH, "width=0.35,0.5", cwd=folder)
    assert "search.space: got 'width [0.35, 0.5] instead of [0.35, 0.75]'" in line
