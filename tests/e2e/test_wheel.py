"""The wheel: everything the command needs is inside, and it runs from any folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built offline and unpacked where nothing of the checkout is."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("facerec_sweep-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed, cwd, *arguments):
    env = {name: value for name, value in os.environ.items() if name != "SWEEP_ROOT"}
    command = [sys.executable, "-m", "sweep", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=env | {"PYTHONPATH": str(installed), "COLUMNS": "200"}
    )


def test_configuration_tables_and_templates_are_inside(installed):
    for folder, pattern in (
        ("conf", "*.yaml"),
        ("facerec_core", "*.csv"),
        ("facerec_core", "*.c"),
        ("analysis", "*.j2"),
    ):
        ours = {path.relative_to(CHECKOUT) for path in (CHECKOUT / folder).rglob(pattern)}
        assert ours
        assert ours == {path.relative_to(installed) for path in (installed / folder).rglob(pattern)}


def test_it_plans_from_an_empty_folder_and_leaves_it_empty(installed, tmp_path):
    done = run(installed, tmp_path, "plan", "--json", "width=0.5", "res=128")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["parameters_without_head"], row["feasible"]) == (601_264, True)
    assert list(tmp_path.iterdir()) == []


def test_results_lie_where_the_user_stands(installed, tmp_path):
    tiny = ["debug=fast", "data.synthetic.train_identities=4", "data.synthetic.eval_images=2"]
    done = run(installed, tmp_path, "run", *tiny, "width=0.75", "res=96")
    assert done.returncode == 0, done.stderr
    assert "not trained: parameter_bytes" in done.stderr
    assert (tmp_path / "mlruns" / "mlflow.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]
