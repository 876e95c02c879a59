"""The verbs as a process, on a real network nobody has trained and on rendered faces."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerec_core.data.synthetic import SyntheticSource
from facerec_core.gallery.files import read_gallery
from facerec_core.gallery.fixed_point import ONE
from facerec_core.metrics import unit_length
from facerec_core.options import SyntheticOptions
from facerec_core.tflite import Interpreter
from facerec_core.types import Candidate
from facerec_core.untrained import untrained_files
from tests.cli import refused, sweep
from tests.image_files import options

pytestmark = pytest.mark.slow
PEOPLE, IMAGES = 4, 3


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """net.tflite, other.tflite, and PERSON_IMAGE.png of four people."""
    folder = tmp_path_factory.mktemp("desk")
    candidates = [Candidate(0.35, 96, 64), Candidate(0.35, 96, 128)]
    paths = untrained_files(candidates, folder / "models", lambda *_event: None)
    for candidate, name in zip(candidates, ("net.tflite", "other.tflite"), strict=True):
        (folder / name).write_bytes(paths[candidate].read_bytes())
    source = SyntheticSource(options(kind="synthetic", synthetic=SyntheticOptions(PEOPLE, IMAGES, 4, 2, 1.0)))
    for ref in source.index().train:
        name = ref.name.removeprefix("train/").replace("/", "_")
        Image.fromarray(source.read(ref, 128)).save(folder / f"{name}.png")
    return folder


def answer(desk: Path, *arguments: str) -> dict:
    done = sweep(*arguments, "--json", cwd=desk)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def images(desk: Path) -> dict[str, list[str]]:
    """The files of each person."""
    found: dict[str, list[str]] = {}
    for path in sorted(desk.glob("*.png")):
        found.setdefault(path.stem.partition("_")[0], []).append(path.name)
    assert [len(names) for names in found.values()] == [IMAGES] * PEOPLE
    return found


def test_from_enrolment_to_removal(desk) -> None:
    shared = ("--gallery", "people.fpdb", "--model", "net.tflite")
    by_person = images(desk)
    for person, (first, second, _) in by_person.items():
        answer(desk, "enroll", *shared, "--threshold", "0.5", "--name", f"Person {person}", first, second)
    path = desk / "people.fpdb"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size <= 140 + 2 * PEOPLE * (64 + 32)

    enrolled = [names[0] for names in by_person.values()]
    found = answer(desk, "identify", *shared, *enrolled)["images"]
    assert [one["person"] for one in found] == [f"Person {person}" for person in by_person]
    assert all(one["score"] > 0.9999 for one in found)

    person, (first, _, third) = next(iter(by_person.items()))
    verdict = answer(desk, "verify", "--model", "net.tflite", "--threshold", "0.5", first, third)
    pixels = np.stack(
        [np.asarray(Image.open(desk / name).resize((96, 96), Image.Resampling.LANCZOS)) for name in (first, third)]
    )
    one, other = unit_length(Interpreter(desk / "net.tflite", kernels="reference", batch_size=2).embed(pixels))
    assert verdict["score"] == pytest.approx(float(one @ other), abs=1e-5)
    assert verdict["score"] == verdict["score_q30"] / ONE

    answer(desk, "gallery", "remove", "--gallery", "people.fpdb", "--name", f"Person {person}")
    listed = answer(desk, "gallery", "list", "--gallery", "people.fpdb")["people"]
    assert [one["name"] for one in listed] == [f"Person {other}" for other in by_person if other != person]
    assert len(read_gallery(path).vectors) == 2 * (PEOPLE - 1)


def test_another_network_is_refused_in_one_line(desk) -> None:
    (first, *_), *_ = images(desk).values()
    answer(desk, "enroll", "--gallery", "one.fpdb", "--model", "net.tflite", "--threshold", "0", "--name", "A", first)
    message = refused("identify", "--gallery", "one.fpdb", "--model", "other.tflite", first, cwd=desk)
    assert "was made with another network" in message
    assert "128-d" in message
