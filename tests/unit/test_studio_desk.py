"""Whom the studio knows, and what it says of a photo, without a page and without the files of a network."""

from __future__ import annotations

import errno
import logging
import stat
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.errors import BrokenImageError, DataError, StorageError
from facerec_core.gallery import files
from facerec_core.gallery.files import read_gallery
from facerec_core.gallery.fixed_point import ONE
from facerec_core.gallery.match import Matcher
from facerec_core.gallery.records import FarThreshold, Gallery, GalleryModel, Preparation
from facerec_core.types import Candidate
from sweep.gallery.models import Network
from sweep.studio.answer import LISTED, answer_of, explanation, headline, share_of_scale, threshold_origin
from sweep.studio.board import Boards
from sweep.studio.desk import Desk, Person, Photo, Variant, photos_text
from sweep.studio.people import GalleryPeople, MemoryPeople, Scored
from tests.galleries import drawn, people
from tests.image_files import picture

SIDE = 8
PREPARATION = Preparation(16)
THRESHOLD = FarThreshold.of(0.9, 1e-3)
BOARDS = Boards(("one",), "one", lambda name: pytest.fail(f"nobody asked for the board {name}"))


@dataclass(frozen=True)
class MeanColour:
    """Stands in for an interpreter: the fingerprint of a face is its mean colour, less the middle."""

    dtype: type

    def raw(self, images):
        return (images.reshape(len(images), -1, 3).mean(1) - 128).astype(self.dtype)


def network(scheme: str) -> Network:
    dtype = np.float32 if scheme == "float32" else np.int8
    model = GalleryModel(f"{sum(scheme.encode()) % 256:02x}" * 32, scheme, 3, SIDE, 1.0, 0)
    return Network(MeanColour(dtype), model, (THRESHOLD,), PREPARATION, False, 1_000)


def gallery_people(folder, scheme: str) -> GalleryPeople:
    empty = Gallery(network(scheme).model, PREPARATION, "best", (THRESHOLD,))
    return GalleryPeople(folder / f"people-{scheme}.fpdb", empty)


@pytest.fixture
def desk(tmp_path) -> Desk:
    known = {"float32": MemoryPeople(PREPARATION, THRESHOLD, "best"), "qat_int8": gallery_people(tmp_path, "qat_int8")}
    variants = {scheme: Variant(scheme, network(scheme), 1_000, people) for scheme, people in known.items()}
    return Desk("a network", tmp_path, variants, "qat_int8", BOARDS, Candidate(0.35, 96, 448), 100_000)


def photo(*colour: int, seed: int = 0) -> Photo:
    """A file of one colour with a little noise."""
    from io import BytesIO

    from PIL import Image

    noise = np.random.default_rng(seed).integers(-9, 10, (20, 20, 3))
    out = BytesIO()
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(out, "PNG")
    return Photo(f"{colour}.png", out.getvalue())


def flat_picture(level: int) -> bytes:
    """A file of one grey, without noise."""
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (20, 20), (level,) * 3).save(out, "PNG")
    return out.getvalue()


RED, GREEN, GREY_BLUE = (220, 40, 40), (40, 220, 40), (60, 60, 220)


def test_an_enrolled_person_is_known_to_every_variant_and_a_stranger_to_none(desk) -> None:
    assert desk.enrol(" Ada ", [photo(*RED), photo(*RED, seed=1)]).added == 2
    desk.enrol("Bob", [photo(*GREEN)])
    for key in desk.variants:
        found = desk.identify(photo(*RED, seed=2), key)
        assert (found.name, found.people) == ("Ada", 2)
        assert [near.name for near in found.near] == ["Ada", "Bob"]
        assert found.near[0].similarity == found.match.cosine > 0.99
        assert found.near[0].margin == found.match.margin > 0
        stranger = desk.identify(photo(*GREY_BLUE), key)
        assert stranger.name is None
        assert headline(stranger) == "Unknown"
        assert stranger.match.margin < 0
    assert desk.people() == (
        Person("Ada", {"float32": 2, "qat_int8": 2}),
        Person("Bob", {"float32": 1, "qat_int8": 1}),
    )


def test_the_gallery_is_private_and_one_that_the_verbs_read(desk, tmp_path) -> None:
    desk.enrol("Ada", [photo(*RED)])
    path = tmp_path / "people-qat_int8.fpdb"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_gallery(path).names == ("Ada",)
    assert [one.name for one in tmp_path.iterdir()] == [path.name], "float32 is in no file, and no photo is"


def test_the_same_photo_is_kept_once(desk) -> None:
    desk.enrol("Ada", [photo(*RED)])
    again = desk.enrol("Ada", [photo(*RED), photo(*RED)])
    assert (again.added, again.already) == (0, 2)
    assert desk.people()[0].photos == {"float32": 1, "qat_int8": 1}


def test_whoever_is_removed_is_removed_everywhere(desk) -> None:
    desk.enrol("Ada", [photo(*RED)])
    desk.enrol("Bob", [photo(*GREEN)])
    assert desk.remove("Ada") == 1
    assert [one.name for one in desk.people()] == ["Bob"]
    assert desk.remove("Ada") == 0
    assert desk.identify(photo(*RED), "float32").name is None


def test_a_start_later_int8_still_knows_and_float_does_not(desk, tmp_path) -> None:
    desk.enrol("Ada", [photo(*RED)])
    assert gallery_people(tmp_path, "qat_int8").counts() == {"Ada": 1}
    assert MemoryPeople(PREPARATION, THRESHOLD, "best").counts() == {}


def test_a_gallery_of_another_variant_is_refused(desk, tmp_path) -> None:
    desk.enrol("Ada", [photo(*RED)])
    (tmp_path / "people-ptq.fpdb").write_bytes((tmp_path / "people-qat_int8.fpdb").read_bytes())
    with pytest.raises(DataError, match="was made with another network"):
        gallery_people(tmp_path, "ptq")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Photo("notes.txt", b"no picture"), "notes.txt: not a JPEG"),
        (Photo("empty.png", b""), "empty.png: the file is empty"),
        (Photo("large.png", picture(0, 200, 200)), "large.png: .* bytes are more than data.max_image_bytes=100000"),
        (Photo("a\x1bb.png", b"x"), r"a\\x1bb.png: not a JPEG"),
    ],
)
def test_a_broken_photo_is_named_and_nobody_is_enrolled(desk, bad, reason) -> None:
    with pytest.raises(BrokenImageError, match=reason):
        desk.identify(bad, "qat_int8")
    with pytest.raises(BrokenImageError, match=reason):
        desk.enrol("Ada", [photo(*RED), bad])
    assert desk.people() == ()


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 129])
def test_what_is_no_name_is_refused(desk, name) -> None:
    with pytest.raises(DataError, match=r"^name: got"):
        desk.enrol(name, [photo(*RED)])


def test_a_fingerprint_that_int8_cannot_compare_enrols_nobody_anywhere(desk) -> None:
    grey = Photo("grey.png", flat_picture(128))
    with pytest.raises(DataError):
        desk.enrol("Ada", [grey])
    assert desk.people() == ()


def test_whoever_is_removed_leaves_the_other_galleries_when_one_is_damaged(desk, tmp_path) -> None:
    desk.enrol("Ada", [photo(*RED)])
    (tmp_path / "people-qat_int8.fpdb").write_bytes(b"FPDB")
    with pytest.raises(DataError, match=r"^Ada was not removed from qat_int8, but from float32: .*damaged"):
        desk.remove("Ada")
    assert desk.variants["float32"].people.counts() == {}


@pytest.fixture
def three(tmp_path) -> Desk:
    """A desk with two galleries beside the memory; it knows Ada."""
    known = {
        "float32": MemoryPeople(PREPARATION, THRESHOLD, "best"),
        "ptq_int8": gallery_people(tmp_path, "ptq_int8"),
        "qat_int8": gallery_people(tmp_path, "qat_int8"),
    }
    variants = {scheme: Variant(scheme, network(scheme), 1_000, people) for scheme, people in known.items()}
    desk = Desk("a network", tmp_path, variants, "qat_int8", BOARDS, None, 100_000)
    desk.enrol("Ada", [photo(*RED)])
    return desk


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        (lambda desk: desk.enrol("Bob", [photo(*GREEN)]), "Bob was not enrolled: "),
        (lambda desk: desk.enrol("Ada", [photo(*RED, seed=1)]), "Ada was not enrolled: "),
        (lambda desk: desk.remove("Ada"), "Ada was not removed: "),
    ],
    ids=["enrol", "enrol more", "remove"],
)
@pytest.mark.parametrize("gallery", ["ptq_int8", "qat_int8"])
def test_a_disk_that_is_full_at_one_gallery_changes_nobody_anywhere(
    three, monkeypatch, gallery, change, begins
) -> None:
    before = {path: path.read_bytes() for path in three.folder.iterdir()}
    known, write = three.people(), files.write_file

    def full(temporary, content) -> None:
        if temporary.name.startswith(f".people-{gallery}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(temporary, content)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_file", full)
        with pytest.raises(StorageError) as caught:
            change(three)
    assert str(caught.value).startswith(begins)
    assert f"people-{gallery}.fpdb: No space left on device; free some space" in str(caught.value)
    assert {path: path.read_bytes() for path in three.folder.iterdir()} == before
    assert three.people() == known
    assert three.identify(photo(*GREEN), "float32").name is None
    change(three)
    assert three.people() != known, "with space it does"


def test_photos_that_are_known_already_write_nothing(three, monkeypatch) -> None:
    monkeypatch.setattr(files, "write_file", lambda *given: pytest.fail("wrote"))
    assert three.enrol("Ada", [photo(*RED)]).added == 0


def test_enrolling_takes_a_photo(desk) -> None:
    with pytest.raises(DataError, match="got no photo"):
        desk.enrol("Ada", [])


def test_neither_faces_nor_fingerprints_are_logged_or_shown(desk, caplog, capsys) -> None:
    caplog.set_level(logging.INFO)
    one = photo(*RED)
    desk.enrol("Ada", [one])
    answer = desk.identify(one, "qat_int8")
    assert caplog.text == ""
    assert capsys.readouterr() == ("", "")
    assert "PNG" not in repr(one)
    assert "array" not in repr(answer)


@given(seed=st.integers(0, 1_000), threshold=st.floats(-1, 1), size=st.integers(0, 8))
def test_the_verdict_is_the_gallerys(seed, threshold, size) -> None:
    gallery = people({f"P{i}": 2 for i in range(size)})
    (probe,) = drawn(seed, 1)
    matcher, least = Matcher(gallery), FarThreshold.of(threshold)
    answer = answer_of(Scored(gallery.names, gallery.counts, matcher.person_scores(probe), least))
    assert answer.match == matcher.match(probe, least.fixed)
    assert len(answer.near) == min(size, LISTED)
    if size:
        assert answer.near[0].name == gallery.names[answer.match.person]
        assert [near.similarity for near in answer.near] == sorted((n.similarity for n in answer.near), reverse=True)
    assert answer.name == (answer.near[0].name if answer.match.known else None)


@given(seed=st.integers(0, 1_000), method=st.sampled_from(["best", "mean"]))
def test_float_scores_are_cosines_of_the_best_or_the_mean(seed, method) -> None:
    vectors = np.random.default_rng(seed).normal(size=(6, 5)).astype(np.float32)
    known = MemoryPeople(PREPARATION, THRESHOLD, method)
    known.enrolling("B", vectors[3:5]).keep()
    known.enrolling("A", vectors[:3]).keep()
    probe = vectors[5]
    cosines = vectors @ probe / np.linalg.norm(vectors, axis=1) / np.linalg.norm(probe)
    pool = max if method == "best" else np.mean
    found = known.scored(probe)
    assert (found.names, found.counts) == (("A", "B"), (3, 2))
    assert found.scores / ONE == pytest.approx([pool(cosines[:3]), pool(cosines[3:5])], abs=1e-6)


def scored(*values: float, threshold: FarThreshold = THRESHOLD) -> Scored:
    names = tuple("ABCDEFGH"[: len(values)])
    scores = np.array([FarThreshold.of(value).fixed for value in values], np.int64)
    return Scored(names, (1,) * len(values), scores, threshold)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((), "Nobody is enrolled for this variant yet, so everybody is unknown."),
        ((0.95,), "0.0500 above the threshold."),
        ((0.91, 0.95), "0.0500 above the threshold, and 0.0400 ahead of A."),
        ((0.5, 0.25), "The nearest is A, 0.4000 below the threshold."),
    ],
)
def test_what_the_page_explains(values, words) -> None:
    assert explanation(answer_of(scored(*values))) == words


def test_a_score_that_equals_the_threshold_is_accepted() -> None:
    assert headline(answer_of(scored(0.9))) == "A"


def test_where_a_threshold_comes_from() -> None:
    assert threshold_origin(THRESHOLD) == "for FAR 0.001"
    assert threshold_origin(FarThreshold.of(0.5)) == "set by hand"


@pytest.mark.parametrize(("similarity", "share"), [(-0.3, 0.0), (0.42, 42.0), (1.0, 100.0)])
def test_the_scale_ends_at_zero_and_one(similarity, share) -> None:
    assert share_of_scale(similarity) == share


def test_one_photo_is_one_photo() -> None:
    assert [photos_text(count) for count in (0, 1, 2)] == ["0 photos", "1 photo", "2 photos"]
