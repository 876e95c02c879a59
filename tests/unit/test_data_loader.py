import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

from facerec_core.data.folder import FolderSource
from facerec_core.data.images import decode_face, resize_face
from facerec_core.data.loader import load_faces, open_source
from facerec_core.errors import DataError, OptionError, StorageError
from facerec_core.options import DataOptions
from tests.image_files import crowd, options, people, picture, write_folder, write_zip


def silent(done, total):
    pass


class Counting(FolderSource):
    """Counts the images it decodes."""

    def __init__(self, opts):
        super().__init__(opts)
        self.reads = 0

    def read(self, ref, size):
        self.reads += 1
        return super().read(ref, size)


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "faces", crowd())


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def loaded(root, cache, resolution=24, **changes):
    source = Counting(options(root=str(root), **changes))
    data = load_faces(options(root=str(root), **changes), resolution, cache, silent, source=source)
    return data, source.reads


def test_images_labels_and_names_belong_together(root, cache):
    data, _ = loaded(root, cache)
    for split in (data.train, data.validation, data.test):
        assert split.images.shape == (len(split.names), 24, 24, 3)
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert set(split.labels.tolist()) == set(range(len(split.identities)))
        for image, label, name in zip(split.images, split.labels, split.names, strict=True):
            assert name.startswith(split.identities[label] + "/")
            assert np.array_equal(image, resize_face(decode_face((root / name).read_bytes(), 32, 1.0), 24))
    assert isinstance(data.train.images, np.memmap)
    assert data.summary.train_images == 24
    assert data.name == "faces"


def test_drawn_pairs_point_at_what_they_say(root, cache):
    data, _ = loaded(root, cache)
    for split, pairs in ((data.validation, data.validation_pairs), (data.test, data.test_pairs)):
        assert (split.labels[pairs.first] == split.labels[pairs.second]).tolist() == pairs.same.tolist()


def test_every_image_is_decoded_once_over_resolutions_splits_and_repeats(root, cache):
    assert loaded(root, cache)[1] == 48
    assert loaded(root, cache)[1] == 0
    assert loaded(root, cache, 16)[1] == 0
    assert loaded(root, cache, seed=5)[1] == 0
    assert loaded(root, cache, crop=0.5)[1] == 48


def test_the_fingerprint_tells_data_apart_and_not_resolutions(root, cache, tmp_path):
    first = loaded(root, cache)[0].fingerprint
    assert loaded(root, cache, 16)[0].fingerprint == first
    assert loaded(root, tmp_path / "elsewhere")[0].fingerprint == first
    others = [
        loaded(root, cache, **change)[0].fingerprint for change in ({"seed": 1}, {"crop": 0.9}, {"image_size": 48})
    ]
    (root / "P00" / "P00_0001.png").write_bytes(picture(999))
    others.append(loaded(root, cache)[0].fingerprint)
    assert len({first, *others}) == 5


def test_a_changed_image_is_seen_without_asking(root, cache):
    name = (before := loaded(root, cache)[0]).train.names[0]
    (root / name).write_bytes(picture(999))
    after = loaded(root, cache)[0]
    assert not np.array_equal(before.train.images[0], after.train.images[after.train.names.index(name)])


def test_progress_ends_at_the_total_and_never_goes_beyond(root, cache):
    for _ in range(2):
        calls: list[tuple[int, int]] = []
        load_faces(options(root=str(root)), 24, cache, lambda *call, calls=calls: calls.append(call))
        assert calls[-1] == (48, 48)
        assert all(0 <= done <= total == 48 for done, total in calls)


BROKEN = {
    "P03/cut.jpg": picture(1, kind="JPEG")[:-300],
    "P03/zero.png": b"",
    "P04/text.jpg": b"not an image",
    "P05/large.bmp": picture(1, 80, 80, "BMP"),
}


def test_broken_images_are_counted_and_named_in_one_line(root, cache):
    write_folder(root, BROKEN)
    for _ in range(2):
        with pytest.raises(DataError, match=r"^4 broken images: .* and 1 more; .* set data.skip_broken=true") as raised:
            loaded(root, cache, max_image_bytes=15_000)
        assert "\n" not in str(raised.value)
        assert sum(name in str(raised.value) for name in BROKEN) == 3


def test_broken_images_are_left_out_and_listed_when_they_may_be(root, cache):
    clean, _ = loaded(root, cache)
    write_folder(root, BROKEN)
    data, _ = loaded(root, cache, skip_broken=True, max_image_bytes=15_000)
    assert {image.name for image in data.broken} == set(BROKEN)
    assert all(image.reason for image in data.broken)
    assert data.train.names == clean.train.names
    assert data.test_pairs.first.tolist() == clean.test_pairs.first.tolist()


def test_a_name_with_a_line_break_stays_in_one_line(root, cache):
    write_folder(root, {"P03/a\nb.jpg": b"x"})
    with pytest.raises(DataError, match=r"1 broken image: P03/a\?b.jpg") as raised:
        loaded(root, cache)
    assert "\n" not in str(raised.value)


def test_pairs_of_broken_images_are_left_out_with_them(root, cache, tmp_path):
    (tmp_path / "pairs.txt").write_text("2\nP00 1 2\nP01 1 2\nP00 1 P02 1\nP01 1 P03 3\n")
    (root / "P03" / "P03_0003.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 broken image: P03/P03_0003.png"):
        loaded(root, cache, pairs=str(tmp_path / "pairs.txt"))
    data, _ = loaded(root, cache, pairs=str(tmp_path / "pairs.txt"), skip_broken=True)
    assert [data.test.names[i] for i in data.test_pairs.second] == [
        "P00/P00_0002.png", "P01/P01_0002.png", "P02/P02_0001.png",
    ]  # fmt: skip


def test_pairs_that_are_all_of_one_kind_are_refused(root, cache, tmp_path):
    (tmp_path / "pairs.txt").write_text("1\nP00 1 2\nP01 1 P02 3\n")
    (root / "P00" / "P00_0002.png").write_bytes(b"x")
    write_folder(root, people({"P03": 3}))
    with pytest.raises(DataError, match="needed: 4 and 2"):
        loaded(root, cache, pairs=str(tmp_path / "pairs.txt"), skip_broken=True)
    (tmp_path / "pairs.txt").write_text("2\nP00 1 2\nP00 2 3\nP01 1 P02 3\nP01 1 P03 3\n")
    with pytest.raises(DataError, match=r"data.pairs: 0 genuine and 2 impostor pairs can be used"):
        loaded(root, cache, pairs=str(tmp_path / "pairs.txt"), skip_broken=True)


def test_prescribed_folds_are_kept_and_others_dealt(root, cache, tmp_path):
    rows = "P00 1 2\nP01 1 2\nP00 1 P02 1\nP01 1 P03 3\n"
    (tmp_path / "two.txt").write_text("2 2\n" + rows + rows.replace("1 2", "2 3"))
    assert loaded(root, cache, pairs=str(tmp_path / "two.txt"))[0].test_pairs.fold.tolist() == [0] * 4 + [1] * 4
    (tmp_path / "one.txt").write_text("2\n" + rows)
    pairs = options(root=str(root), pairs=str(tmp_path / "one.txt"))
    assert sorted(load_faces(pairs, 24, cache, silent, folds=2).test_pairs.fold.tolist()) == [0, 0, 1, 1]


def test_identities_with_too_few_images_are_named_or_left_out(tmp_path, cache):
    train = write_folder(tmp_path / "t", crowd(4, prefix="T") | people({"Solo": 1, "Uno": 1}))
    root = write_folder(tmp_path / "faces", crowd(10))
    with pytest.raises(
        DataError, match=r"2 training identities with fewer than 2 images: Solo \(1\), Uno \(1\); .*true"
    ):
        loaded(root, cache, train_root=str(train))
    assert not cache.exists()
    data, _ = loaded(root, cache, train_root=str(train), skip_small=True)
    assert data.train.identities == ("T00", "T01", "T02", "T03")
    assert len(loaded(root, cache, train_root=str(train), min_images=1)[0].train.identities) == 6
    with pytest.raises(DataError, match=r"0 of 6 training identities have data.min_images=9 images or more"):
        loaded(root, cache, train_root=str(train), skip_small=True, min_images=9)


def test_an_identity_that_broken_images_made_small_is_treated_alike(tmp_path, cache):
    train = write_folder(tmp_path / "t", crowd(4, prefix="T") | {"Solo/1.png": picture(1), "Solo/2.png": b"x"})
    root = write_folder(tmp_path / "faces", crowd(10))
    with pytest.raises(DataError, match=r"1 training identity with fewer than 2 images: Solo \(1\)"):
        loaded(root, cache, train_root=str(train), skip_broken=True)
    data, _ = loaded(root, cache, train_root=str(train), skip_broken=True, skip_small=True)
    assert "Solo" not in data.train.identities


@pytest.mark.parametrize(
    ("files", "changes", "message"),
    [
        (crowd(9), {}, r"the validation split has 3 identities.*or raise data.validation_fraction"),
        (people({f"p{i}": 1 for i in range(30)}), {"min_images": 1}, r"validation split has 8 identities, 0 of them"),
        (crowd(40), {"max_validation_images": 7}, r"the validation split has 2 .*or raise data.max_validation_images"),
    ],
)
def test_splits_too_small_to_judge_on_are_refused_before_decoding(files, changes, message, tmp_path, cache):
    with pytest.raises(DataError, match=message):
        loaded(write_folder(tmp_path / "faces", files), cache, **changes)
    assert not cache.exists()


def test_damage_to_the_cache_is_mended(root, cache):
    before = loaded(root, cache)[0]
    images = np.array(before.test.images)
    for path in cache.glob("*/*.npy"):
        path.write_bytes(path.read_bytes()[:-1])
    after = loaded(root, cache)[0]
    assert np.array_equal(images, after.test.images)
    assert after.fingerprint == before.fingerprint


def _load(arguments: tuple[DataOptions, str]) -> str:
    from pathlib import Path

    data = load_faces(arguments[0], 24, Path(arguments[1]), silent)
    return f"{data.fingerprint} {int(data.train.images.sum(dtype=np.int64))}"


def test_two_processes_that_start_together_both_get_the_faces(root, cache):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_load, [(options(root=str(root)), str(cache))] * 2, chunksize=1)
    assert first == second
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 2


def test_a_cache_that_cannot_be_written_is_a_storage_error(root, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match=r"paths.root=PATH"):
        loaded(root, tmp_path / "file")


def test_folders_given_to_the_synthetic_source_are_refused():
    with pytest.raises(OptionError, match=r"data.pairs: got 'x', allowed: nothing with data=synthetic"):
        open_source(options(kind="synthetic", pairs="x"))


def test_a_zip_and_its_folder_give_the_same_faces(root, cache, tmp_path):
    zipped = write_zip(tmp_path / "faces.zip", crowd())
    assert np.array_equal(loaded(root, cache)[0].test.images, loaded(zipped, cache)[0].test.images)


def test_reading_faces_needs_no_tensorflow():
    code = "import sys, facerec_core.data.loader, facerec_core.data.lfw; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
