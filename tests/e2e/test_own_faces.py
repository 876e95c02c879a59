"""A user's own folder of faces, some of them broken, from the refusal to the report."""

from pathlib import Path

import pytest
from PIL import Image

from facerec_core.data.synthetic import SyntheticSource
from facerec_core.options import SyntheticOptions
from sweep.tracking import Tracker
from tests.cli import TINY, refused, sweep
from tests.image_files import options

pytestmark = pytest.mark.slow


@pytest.fixture
def own_faces(tmp_path) -> Path:
    """A user's folder: 12 people with 4 pictures each, two of them broken."""
    source = SyntheticSource(options(kind="synthetic", synthetic=SyntheticOptions(12, 4, 4, 2, 0.5)))
    for ref in source.index().train:
        _, person, image = ref.name.split("/")
        path = tmp_path / "my faces" / f"Person {person}" / f"{image}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.read(ref, 112)).save(path)
    folder = tmp_path / "my faces"
    folder.joinpath("Person 0003", "0001.jpg").write_bytes(b"")
    whole = folder.joinpath("Person 0005", "0002.jpg")
    whole.write_bytes(whole.read_bytes()[:700])
    return folder


def test_a_folder_of_ones_own_faces_with_broken_images(own_faces, tmp_path) -> None:
    command = ("run", *TINY, "data=folder", f"data.root={own_faces}", "data.validation_fraction=0.35")
    command += ("data.test_fraction=0.35", "sweep=mine")
    line = refused(*command, cwd=tmp_path)
    assert line.startswith("2 broken images: Person 0003/0001.jpg")
    assert "Person 0005/0002.jpg" in line
    assert not (tmp_path / "mlruns").exists()
    done = sweep(*command, "data.skip_broken=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tracker = Tracker.open(tmp_path / "mlruns", None, "facerec-sweep", create=False)
    (record,) = tracker.load_records(tracker.find_sweeps("mine")[0])
    assert {image.name for image in record.data.broken} == {"Person 0003/0001.jpg", "Person 0005/0002.jpg"}
    assert record.data.train_images + record.data.validation_images + record.data.test_images == 46
    assert record.data.name == "my faces"
    assert sweep("report", cwd=tmp_path).returncode == 0
    assert "Person 0003/0001.jpg" in (tmp_path / "mlruns" / "reports" / "mine" / "report.html").read_text()
