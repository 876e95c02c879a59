"""Every command of docs/tutorial.md, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facerec_core.arena import arena_is_measurable
from tests.cli import ROOT, environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not arena_is_measurable(), reason="no TensorFlow Lite Micro on this machine"),
]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```console\n(?P<lines>.*?)^```", re.MULTILINE | re.DOTALL)
PATIENCE_SECONDS = 1200.0


NUMBER = re.compile(r"[+-]?\d[\d,.:]*(?:e-?\d+)?%?")
VERDICT = re.compile(r"^photos/\w+\.png: ")


def commands() -> dict[str, list[str]]:
    """Every command of the page with the lines pasted below it."""
    found: dict[str, list[str]] = {}
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        for line in block["lines"].splitlines():
            if line.startswith("$ "):
                command = line.removeprefix("$ ")
                found[command] = []
            elif line:
                found[command].append(line)
    return found


def shape(line: str) -> str:
    """A line without what differs from machine to machine: numbers, dots that fill it up, and who is recognised."""
    verdict = VERDICT.match(line)
    return verdict[0] if verdict else " ".join(NUMBER.sub("#", line).replace(".", " ").split())


def run(command: str, folder: Path) -> str:
    """What a line for the shell printed; `python` is this one."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "python").exists():
        (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (tools / "python").chmod(0o755)
    paths = environment(PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=paths,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return f"{done.stdout}{done.stderr}".replace(f"{folder}/", "").replace("\r", "\n")


def test_every_command_does_what_the_page_says(tmp_path) -> None:
    said: dict[str, str] = {}
    listed = commands()
    assert len(listed) == 11
    for command, pasted in listed.items():
        if command.startswith("cmake") and not shutil.which("cmake"):
            continue
        said[command] = run(command, tmp_path)
        printed = {shape(line) for line in said[command].splitlines()}
        assert [line for line in pasted if shape(line) not in printed] == [], said[command]
    (export,) = (text for command, text in said.items() if " export sweep=" in command)
    assert "golden faces: 5 of 5 fingerprints equal" in export
    assert "0 check(s) failed" in export
    assert (tmp_path / "firmware-people" / "facerec_people.c").is_file()
    card = (tmp_path / "firmware" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "80 validation images" in card
