"""The verb `data` on real folders, through the command line."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from facerec_core.data.fetch import POLITE, RemoteFile
from facerec_core.data.synthetic import SyntheticSource
from facerec_core.options import SyntheticOptions
from sweep.cli import main
from sweep.data import fetch as fetch_action
from sweep.data.published import SETS, PublishedSet
from tests.cli import end, refused, start, sweep, wait_for
from tests.image_files import options

PEOPLE, IMAGES = 16, 3


@pytest.fixture(scope="session")
def rendered() -> dict[str, np.ndarray]:
    source = SyntheticSource(options(kind="synthetic", synthetic=SyntheticOptions(PEOPLE, IMAGES, 4, 2, 1.0)))
    return {ref.name.removeprefix("train/"): source.read(ref, 80) for ref in source.index().train}


@pytest.fixture
def faces(rendered, tmp_path, monkeypatch) -> Path:
    """16 people with 3 pictures each, and the working directory beside them."""
    folder = tmp_path / "faces"
    for name, image in rendered.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    monkeypatch.chdir(tmp_path)
    return folder


def data(*arguments: str) -> int:
    return main(["data", *arguments, "data=folder", "data.root=faces", "data.image_size=64", "res=96"])


def reported(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


class TestInfo:
    def test_counts_sizes_and_fingerprint(self, faces, capsys) -> None:
        (faces / "0000" / "0000.png").unlink()
        Image.new("RGB", (120, 90), "teal").save(faces / "0000" / "wide.jpg")
        assert data("info", "--json") == 0
        info = reported(capsys)
        assert sum(split["images"] for split in info["splits"]) == PEOPLE * IMAGES
        assert sum(split["identities"] for split in info["splits"]) == PEOPLE
        assert info["file_sizes"] == [
            {"width": 80, "height": 80, "images": PEOPLE * IMAGES - 1},
            {"width": 120, "height": 90, "images": 1},
        ]
        assert (info["data"], info["broken"], info["refusal"]) == ("faces", [], None)
        assert len(info["fingerprint"]) == 64

    def test_the_second_time_no_image_is_read(self, faces, capsys, monkeypatch) -> None:
        assert data("info") == 0
        first = capsys.readouterr()
        monkeypatch.setattr("facerec_core.data.tree.decode_face", None)
        monkeypatch.setattr("sweep.data.file_sizes.Image", None)
        assert data("info") == 0
        assert capsys.readouterr().out == first.out
        assert "48 of 80 × 80" in first.out

    def test_what_a_sweep_would_refuse_is_said_and_counted_all_the_same(self, faces, capsys) -> None:
        (faces / "0003" / "0001.png").write_bytes(b"")
        assert data("info") == 0
        out = capsys.readouterr().out
        assert "broken: 1, left out:\n  0003/0001.png: the file is empty\n" in out
        assert "a sweep would refuse this: 1 broken image" in out
        assert data("info", "data.skip_broken=true") == 0
        assert "refuse" not in capsys.readouterr().out

    def test_a_damaged_note_of_sizes_is_made_again(self, faces, capsys, tmp_path) -> None:
        assert data("info") == 0
        first = capsys.readouterr().out
        (note,) = (tmp_path / "mlruns" / "cache").glob("file-sizes-*.json")
        note.write_text("[[1, 2")
        assert data("info") == 0
        assert capsys.readouterr().out == first

    def test_rendered_faces_have_no_files(self, tmp_path, monkeypatch, capsys) -> None:
        monkeypatch.chdir(tmp_path)
        small = [f"data.synthetic.{kind}={n}" for kind, n in (("train_identities", 3), ("eval_identities", 4))]
        few = ["data.synthetic.train_images=2", "data.synthetic.eval_images=2"]
        assert main(["data", "info", "--json", "data.image_size=32", *small, *few]) == 0
        info = reported(capsys)
        assert [split["images"] for split in info["splits"]] == [6, 8, 8]
        assert info["file_sizes"] is None


class TestPrepare:
    def test_every_resolution_once(self, faces, capsys, tmp_path) -> None:
        command = ("data", "prepare", "--json", "data=folder", "data.root=faces", "data.image_size=64")
        assert main([*command, "res=96,128"]) == 0
        prepared = reported(capsys)
        assert [one["resolution"] for one in prepared] == [96, 128]
        assert len({one["fingerprint"] for one in prepared}) == 1
        for one in prepared:
            assert one["images"] == PEOPLE * IMAGES
            stored = sum(path.stat().st_size for path in Path(one["folder"]).glob("*.npy"))
            assert one["size_bytes"] == stored - 3 * 128  # the headers of three arrays
        assert len(list((tmp_path / "mlruns" / "cache").glob("decoded-*"))) == 1

    def test_again_nothing_is_built(self, faces, capsys, monkeypatch) -> None:
        assert data("prepare") == 0
        first = capsys.readouterr().out
        monkeypatch.setattr("facerec_core.data.cache._build", None)
        assert data("prepare") == 0
        assert capsys.readouterr().out == first

    @pytest.mark.parametrize("prepared", [(), ("res=96",)], ids=["everything missing", "decoded already"])
    def test_what_will_not_fit_is_refused_before_it_is_begun(
        self, faces, capsys, tmp_path, monkeypatch, prepared
    ) -> None:
        if prepared:
            assert data("prepare") == 0
        cache = tmp_path / "mlruns" / "cache"
        before = sorted(path.name for path in cache.glob("[!.]*"))
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1_000_000))
        capsys.readouterr()
        assert main(["data", "prepare", "data=folder", "data.root=faces", "data.image_size=64", "res=224"]) == 2
        captured = capsys.readouterr()
        sides = "224 px" if prepared else "64, 224 px"
        assert f"(48 images at {sides}) and 0.00 GB are free; free some space, or set paths.root=PATH" in captured.err
        assert sorted(path.name for path in cache.glob("[!.]*")) == before
        assert data("prepare") == (0 if prepared else 2), "what is there needs no room"

    def test_broken_images_are_refused_as_a_sweep_refuses_them(self, faces, capsys) -> None:
        (faces / "0003" / "0001.png").write_bytes(b"no picture")
        assert data("prepare") == 2
        assert capsys.readouterr().err.startswith("error: 1 broken image: 0003/0001.png")


class TestCheck:
    def test_a_clean_set(self, faces, capsys) -> None:
        assert data("check") == 0
        captured = capsys.readouterr()
        assert "0 errors, 0 warnings" in captured.out
        assert captured.out.startswith("faces: 48 images at 96 px")

    def test_copies_everywhere(self, faces, capsys) -> None:
        """A picture that every person has: in one split and across them, equal, and changed a little."""
        picture = Image.open(faces / "0000" / "0000.png")
        for person in range(1, PEOPLE):
            picture.save(faces / f"{person:04d}" / "copy.png")
        picture.save(faces / "0000" / "copy.jpg", quality=60)
        assert data("check", "--json") == 1
        checked = reported(capsys)
        kinds = {finding["kind"] for finding in checked["findings"]}
        assert kinds == {"duplicate across splits", "duplicate of two people", "duplicate of one person"}
        assert checked["errors"] + checked["warnings"] == PEOPLE == len(checked["findings"])
        severities = {finding["kind"]: finding["severity"] for finding in checked["findings"]}
        assert severities["duplicate across splits"] == "error"
        assert severities["duplicate of two people"] == "warning"
        assert [finding["severity"] for finding in checked["findings"]] == sorted(
            finding["severity"] for finding in checked["findings"]
        )

    def test_one_person_twice_in_one_identity_is_a_warning(self, faces, capsys) -> None:
        shutil.copy(faces / "0001" / "0000.png", faces / "0001" / "again.png")
        assert data("check") == 0
        assert "1 × duplicate of one person" in capsys.readouterr().out

    def test_broken_images_are_all_named_and_skipping_them_makes_them_warnings(self, faces, capsys) -> None:
        for person in range(5):
            (faces / f"{person:04d}" / "0001.png").write_bytes(b"no picture")
        assert data("check") == 1
        out = capsys.readouterr().out
        assert "error: 5 × broken" in out
        assert "0004/0001.png: not a JPEG" in out
        assert data("check", "data.skip_broken=true") == 0
        assert "warning: 5 × broken" in capsys.readouterr().out

    def test_a_name_in_two_splits(self, faces, capsys, tmp_path) -> None:
        more = tmp_path / "more"
        shutil.copytree(faces, more)
        for folder in list(more.iterdir()):
            folder.rename(folder.with_name(f"Other {folder.name}"))
        for path in more.rglob("*.png"):  # other pictures, so that only the name is shared
            Image.fromarray(np.asarray(Image.open(path))[::-1, :, ::-1]).save(path)
        (faces / "0002").rename(faces / "other_0002")
        assert data("check", "data.train_root=more") == 1
        out = capsys.readouterr().out
        assert "error: 1 × shared identity" in out
        assert "Other 0002 (train), other_0002 (" in out
        assert data("check", "data.train_root=more", "--allow-shared") == 0
        assert "warning: 1 × shared identity" in capsys.readouterr().out

    def test_the_contact_sheet(self, faces, capsys, tmp_path) -> None:
        shutil.copy(faces / "0001" / "0000.png", faces / "0001" / "again.png")
        assert data("check", "--out", "sheets/sheet.png") == 0
        assert "contact sheet: sheets/sheet.png" in capsys.readouterr().out
        sheet = Image.open(io.BytesIO((tmp_path / "sheets" / "sheet.png").read_bytes()), formats=["PNG"])
        assert sheet.width > 1000
        assert [path.name for path in (tmp_path / "sheets").iterdir()] == ["sheet.png"]

    def test_a_sheet_that_cannot_be_written(self, faces, capsys) -> None:
        assert data("check", "--out", "faces") == 2
        assert "cannot write faces: " in capsys.readouterr().err


class TestFetch:
    @pytest.fixture
    def served(self, tmp_path, monkeypatch):
        """A set whose file is there already: nothing is asked of any network."""
        content = b"an archive"
        remote = RemoteFile("own.tgz", "https://example.invalid/own.tgz", hashlib.sha256(content).hexdigest())
        own = PublishedSet("own", (remote,), "people.txt from elsewhere", "data=lfw data.root=FOLDER/own.tgz")
        monkeypatch.setitem(SETS, "own", own)
        folder = tmp_path / "mlruns" / "data" / "own"
        folder.mkdir(parents=True)
        folder.joinpath("own.tgz").write_bytes(content)
        monkeypatch.chdir(tmp_path)
        return folder

    def test_what_is_fetched_what_is_missing_and_what_to_type(self, served, capsys) -> None:
        assert main(["data", "fetch", "own"]) == 0
        out = capsys.readouterr().out
        assert f"in {served}: own.tgz" in out
        assert "by hand: people.txt from elsewhere" in out
        assert f"then: python -m sweep data info data=lfw data.root={served}/own.tgz" in out

    def test_out_names_another_folder(self, served, tmp_path, capsys) -> None:
        served.rename(tmp_path / "mine")
        assert main(["data", "fetch", "own", "--out", "mine"]) == 0
        assert "in mine: own.tgz" in capsys.readouterr().out

    def test_celeba_is_explained(self, tmp_path, monkeypatch, capsys) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["data", "fetch", "celeba"]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        for word in (
            "img_align_celeba.zip",
            "identity_CelebA.txt",
            "list_eval_partition.txt",
            "https://",
            "data=celeba",
        ):
            assert word in said.err
        assert list(tmp_path.iterdir()) == []

    def test_the_addresses_are_https_and_the_checksums_whole(self) -> None:
        remotes = [remote for one in SETS.values() for remote in one.files]
        assert len(remotes) >= 4
        assert all(remote.url.startswith("https://") and len(bytes.fromhex(remote.sha256)) == 32 for remote in remotes)
        assert POLITE.schemes == ("https://",)
        assert fetch_action.act.__defaults__ == (POLITE,)

    @pytest.mark.slow
    def test_the_addresses_and_checksums_are_those_of_scikit_learn(self) -> None:
        lfw = pytest.importorskip("sklearn.datasets._lfw")
        theirs = {(one.filename, one.url, one.checksum) for one in (lfw.ARCHIVE, lfw.FUNNELED_ARCHIVE, *lfw.TARGETS)}
        ours = {(one.name, one.url, one.sha256) for name in ("lfw", "lfw-funneled") for one in SETS[name].files}
        assert ours == theirs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data"], "data: got '', allowed: info, prepare, check, fetch"),
        (["data", "chekc"], "data: got 'chekc', allowed: info, prepare, check, fetch"),
        (["data", "info", "lfw"], "data info: got 'lfw', allowed: KEY=VALUE"),
        (["data", "info", "--out", "x"], "data info takes no --out"),
        (["data", "prepare", "--allow-shared"], "data prepare takes no --allow-shared"),
        (["data", "fetch"], "data fetch: got '', allowed: lfw, lfw-funneled, celeba"),
        (["data", "fetch", "lfw", "celeba"], "data fetch: got 'lfw celeba', allowed: lfw, "),
        (["data", "fetch", "lfw", "--json"], "data fetch takes no --json"),
        (["data", "check", "res=96,128"], "res: got '96,128', allowed: one value"),
        (["data", "info", "data=folder", "data.root=nowhere"], "data.root: nowhere does not exist"),
    ],
)
def test_refusals_are_one_line(arguments, message, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {message}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
class TestProcess:
    def test_an_interrupt_leaves_nothing_half_and_the_next_start_finishes(self, tmp_path) -> None:
        log = tmp_path / "log"
        arguments = ("data", "prepare", "res=96", "data.synthetic.train_identities=400")
        process = start(*arguments, cwd=tmp_path, log=log)
        cache = tmp_path / "mlruns" / "cache"
        try:
            wait_for(lambda: any(cache.glob(".decoded-*.tmp/images.npy")), "the first image", process)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 130
        finally:
            end(process)
        assert log.read_text().endswith("interrupted\n")
        assert list(cache.iterdir()) == []
        small = [*arguments[:3], "data.synthetic.train_identities=4", "data.synthetic.eval_identities=4"]
        done = sweep(*small, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert not list(cache.glob(".*.tmp"))

    def test_neither_tensorflow_nor_mlflow_is_imported(self, tmp_path) -> None:
        small = [f"data.synthetic.{split}_{what}=4" for split in ("train", "eval") for what in ("identities", "images")]
        done = sweep("data", "info", *small, cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
        assert done.returncode == 0
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
        assert {"PIL.Image", "hydra"} <= imported
        assert not {"tensorflow", "mlflow", "ai_edge_litert"} & imported

    def test_offline_is_one_line(self, tmp_path) -> None:
        nobody = {"https_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
        line = refused("data", "fetch", "lfw", cwd=tmp_path, **nobody)
        assert line.startswith("cannot fetch pairsDevTrain.txt: ")
        assert "SHA-256" in line
