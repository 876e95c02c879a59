"""Every command of docs/tutorial.md, in order, in an empty folder."""

from __future__ import annotations

import json
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


def commands() -> list[str]:
    blocks = (match["lines"] for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8")))
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def run(command: str, folder: Path) -> str:
    """What a line for the shell printed; `python` is this one."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "python").exists():
        (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (tools / "python").chmod(0o755)
    manifest = folder / "firmware" / "manifest.json"
    if "RUN_ID" in command:
        command = command.replace("RUN_ID", json.loads(manifest.read_text(encoding="utf-8"))["mlflow_run"])
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
    return done.stdout


def test_every_command_does_what_the_page_says(tmp_path) -> None:
    said: dict[str, str] = {}
    listed = commands()
    assert len(listed) == 10
    for command in listed:
        if command.startswith("cmake") and not shutil.which("cmake"):
            continue
        said[command] = run(command, tmp_path)
    (export,) = (text for command, text in said.items() if " export sweep=" in command)
    assert "golden faces: 5 of 5 fingerprints equal" in export
    assert "0 check(s) failed" in export
    (identified,) = (text for command, text in said.items() if " identify " in command)
    assert [line.partition(":")[0] for line in identified.splitlines()[:3]] == [
        "photos/ada_3.png",
        "photos/ben_3.png",
        "photos/stranger_1.png",
    ]
    assert (tmp_path / "firmware-people" / "facerec_people.c").is_file()
    card = (tmp_path / "firmware" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "80 validation images" in card
