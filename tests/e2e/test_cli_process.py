"""The command as a process of its own: what it imports, what it leaves behind, and completion in a real shell."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SWEEP = [sys.executable, "-m", "sweep"]
SLOW = {"tensorflow", "tf_keras", "ai_edge_litert", "mlflow", "pandas", "matplotlib", "plotly", "optuna", "moocore"}


@pytest.fixture
def environment() -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    programs = [str(Path(sys.executable).parent), os.environ["PATH"]]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PATH": os.pathsep.join(programs)}


def imported(arguments: list[str], folder: Path, environment: dict[str, str]) -> set[str]:
    """Top-level packages a command imports, as the interpreter reports them."""
    command = [sys.executable, "-X", "importtime", "-m", "sweep", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in re.findall(r"\|\s+([\w.]+)$", done.stderr, re.MULTILINE)}


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["--version"], ["-sc", "install=bash"]])
def test_help_imports_nothing_to_wait_for(arguments, tmp_path, environment) -> None:
    packages = imported(arguments, tmp_path, environment)
    assert "sweep" in packages
    if "-sc" not in arguments:
        assert not packages & {*SLOW, "hydra", "omegaconf", "pydantic", "numpy", "rich"}
    assert not packages & SLOW


@pytest.mark.parametrize("arguments", [["plan"], ["plan", "--json"], ["run", "--cfg", "job"], ["run", "width=abc"]])
def test_plan_and_config_import_no_framework_and_write_nothing(arguments, tmp_path, environment) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "sweep", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    packages = {name.partition(".")[0] for name in re.findall(r"\|\s+([\w.]+)$", done.stderr, re.MULTILINE)}
    assert "hydra" in packages
    assert not packages & SLOW
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_traceback(tmp_path, environment) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*SWEEP, "plan"], cwd=tmp_path, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="completion is for bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python -m sweep mul", "multirun"),
        ("python -m sweep run train=th", "thorough"),
        ("python -m sweep run widt", "width="),
        ("python other.py run tra", ""),
        ("python -m http.server tra", ""),
    ],
)
def test_completion_in_bash(line, expected, tmp_path, environment) -> None:
    script = f"""
        set -o nounset -o errexit
        eval "$(python -m sweep --shell-completion install=bash)"
        complete -p python | grep -q _facerec_sweep_complete
        COMP_LINE="{line}" COMP_POINT={len(line)}
        _facerec_sweep_complete || true
        printf '%s\\n' "${{COMPREPLY[*]:-}}"
        eval "$(python -m sweep --shell-completion uninstall=bash)"
        ! complete -p python 2>/dev/null
    """
    bash = ["bash", "--noprofile", "--norc", "-c", script]
    done = subprocess.run(bash, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (expected, 0), done.stderr
