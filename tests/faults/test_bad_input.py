"""What a user can get wrong: status 2, one line that says what to change, and nothing written."""

import os

import numpy as np
import pytest

from sweep.cli import main
from tests.image_files import crowd, people, picture, write_folder

SMALL = ["data=folder", "data.root=faces", "data.image_size=32", "debug=fast", "data.max_image_bytes=100000"]


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Runs a command that has to be refused, and returns its line; `faces` are the files below faces/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWEEP_ROOT", raising=False)

    def refused(*arguments: str, faces=None) -> str:
        write_folder(tmp_path / "faces", faces or {})
        before = sorted(tmp_path.rglob("*"))
        status = main(list(arguments))
        out, err = capsys.readouterr()
        assert (status, out) == (2, ""), err
        assert err.startswith("error: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1, err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return refused


@pytest.mark.parametrize("verb", ["run", "multirun", "plan", "report"])
@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("width=0", ["width", "0", "0.35 to 1.4"]),
        ("width=-1", ["width", "-1", "0.35 to 1.4"]),
        ("width=3", ["width", "3", "0.35 to 1.4"]),
        ("width=nan", ["width", "nan", "0.35 to 1.4"]),
        ("width=abc", ["width", "'abc'", "0.35 to 1.4"]),
        ("res=100", ["res", "100", "96, 128, 160, 192, 224"]),
        ("widht=0.5", ["unknown key 'widht'", "width"]),
        ("train.epoch=3", ["unknown key 'train.epoch'", "train.epochs"]),
        ("train.epochs=many", ["train.epochs", "'many'", "a whole number"]),
        ("data=faces", ["data", "faces", "folder", "lfw", "synthetic"]),
        ("tracking.uri=bogus", ["tracking.uri", "'bogus'", "http://HOST:PORT"]),
        ("workers=0", ["workers", "0", "at least 1"]),
        ("width=", ["width"]),
    ],
)
def test_a_value_that_is_not_allowed(refused, verb, override, parts) -> None:
    line = refused(verb, override)
    for part in parts:
        assert part in line


@pytest.mark.parametrize("bad", ["0", "-1", "3", "nan", "abc"])
def test_one_bad_value_in_a_sweep_refuses_all_of_it(refused, bad) -> None:
    assert bad in refused("multirun", f"width=0.35,{bad}", "res=96,128")


def test_no_folder_given(refused) -> None:
    assert "data.root=PATH" in refused("run", "data=folder")


def test_a_missing_and_an_empty_folder(refused, tmp_path) -> None:
    assert "data.root: nowhere does not exist" in refused("run", "data=folder", "data.root=nowhere")
    (tmp_path / "faces").mkdir()
    assert "data.root: no images in faces" in refused("run", *SMALL)


def test_images_without_a_folder_for_each_identity(refused) -> None:
    assert "one folder an identity" in refused("run", *SMALL, faces={"a.png": picture(0), "b.png": picture(1)})


def test_identities_with_one_image(refused) -> None:
    line = refused("run", *SMALL, faces=people({f"P{i:02d}": 1 for i in range(16)}))
    assert "identity" in line or "identities" in line
    assert "images" in line


def test_a_training_identity_with_one_image(refused) -> None:
    faces = crowd() | {f"Q{i:02d}/only.png": picture(900 + i) for i in range(24)}
    line = refused("run", *SMALL, faces=faces)
    assert "data.min_images" in line
    assert "data.skip_small=true" in line


def test_a_pairs_file_that_is_absent_or_names_absent_images(refused, tmp_path) -> None:
    assert "data.pairs" in refused("run", *SMALL, "data.pairs=nowhere.txt", faces=crowd())
    tmp_path.joinpath("pairs.txt").write_text("1\nP00\t1\t9\nP01\t1\tNobody\t1\n")
    line = refused("run", *SMALL, "data.pairs=pairs.txt")
    assert "data.pairs=pairs.txt" in line
    assert "P00_0009" in line


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (picture(1)[:200], "truncated"),
        (b"", "empty"),
        (b"not an image", "not an image"),
        (os.urandom(100_001), "100,001 bytes are more than data.max_image_bytes=100000"),
    ],
    ids=["truncated", "zero-byte", "text", "oversized"],
)
def test_broken_images_are_named_and_nothing_is_kept(refused, content, reason) -> None:
    line = refused("run", *SMALL, faces=crowd() | {"P03/P03_0002.png": content})
    assert "1 broken image: P03/P03_0002.png" in line
    assert "data.skip_broken=true" in line


def test_many_broken_images_are_counted(refused) -> None:
    broken = {f"P{i:02d}/P{i:02d}_0001.png": b"" for i in range(5)}
    assert "5 broken images: " in refused("run", *SMALL, faces=crowd() | broken)


def test_a_board_that_contradicts_its_table_is_refused_before_the_data(refused) -> None:
    assert "board.clock_mhz" in refused("run", *SMALL, "board.clock_mhz=200", faces=crowd())


def test_initial_weights_that_are_absent(refused) -> None:
    line = refused("run", *SMALL, "train.init=nowhere.npz", faces=crowd())
    assert "train.init" in line
    assert "nowhere.npz" in line


@pytest.mark.parametrize("prefix", ["", "slice:"])
def test_initial_weights_that_do_not_fit(refused, tmp_path, prefix) -> None:
    np.savez(tmp_path / "narrow.npz", stem__kernel=np.zeros((3, 3, 3, 8), np.float32))
    line = refused("multirun", *SMALL, f"train.init={prefix}narrow.npz", "width=0.35,0.5", faces=crowd())
    assert "train.init" in line
    assert "stem" in line


def test_initial_weights_that_cannot_be_read(refused, tmp_path) -> None:
    tmp_path.joinpath("text.npz").write_text("no archive")
    line = refused("run", *SMALL, "train.init=text.npz", faces=crowd())
    assert "text.npz: not a readable .npz of weights" in line


def test_a_results_folder_that_cannot_be_made(refused, tmp_path) -> None:
    tmp_path.joinpath("file").touch()
    assert "paths.root" in refused("run", *SMALL, "paths.root=file/results", faces=crowd())
    assert "paths.root" in refused("run", *SMALL, "paths.root=file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_results_folder_that_may_not_be_written(refused, tmp_path) -> None:
    tmp_path.joinpath("shut").mkdir(mode=0o500)
    assert "paths.root" in refused("run", *SMALL, "paths.root=shut", faces=crowd())


def test_a_leftover_file_store(refused, tmp_path) -> None:
    tmp_path.joinpath("mlruns", "0").mkdir(parents=True)
    tmp_path.joinpath("mlruns", "0", "meta.yaml").write_text("name: Default\n")
    line = refused("run", *SMALL, faces=crowd())
    assert "old MLflow file store" in line
    assert "paths.root=FOLDER" in line


def test_reporting_on_nothing(refused) -> None:
    assert "run `python -m sweep multirun` first" in refused("report")
