from collections import Counter
from dataclasses import replace

import pytest

from facerec_core.data.lfw import LfwSource
from facerec_core.data.lfw_protocol import VIEW_1 as FILES
from facerec_core.data.selection import few_of_each
from facerec_core.errors import DataError
from tests.image_files import crowd, lfw_files, options, people, write_folder, write_tar, write_zip

TRAIN = {f"A{i:02d}": 1 + (i + 1) % 3 for i in range(24)} | {"A00": 3, "A01": 3}
TEST = {f"B{i:02d}": 1 + (i + 1) % 3 for i in range(8)} | {"B00": 3, "B01": 3}
IMAGES = people(TRAIN | TEST, ".jpg", "lfw/")
PROTOCOL = lfw_files(TRAIN, TEST)


def within(folder):
    return {folder + name: data for name, data in PROTOCOL.items()}


def index(root, **changes):
    return LfwSource(options(kind="lfw", root=str(root), **changes)).index()


def identities(refs):
    return {ref.identity for ref in refs}


@pytest.fixture
def pack(tmp_path):
    return write_zip(tmp_path / "lfw.zip", IMAGES | within("lfw-protocol/"))


def test_the_test_split_is_view_1s(pack):
    found = index(pack)
    assert identities(found.test) == set(TEST)
    assert len(found.test) == sum(TEST.values())
    assert [(p.first, p.second, p.same) for p in found.test_pairs or ()] == [
        ("B00/B00_0001.jpg", "B00/B00_0002.jpg", True),
        ("B01/B01_0001.jpg", "B01/B01_0002.jpg", True),
        ("B00/B00_0001.jpg", "B02/B02_0001.jpg", False),
        ("B01/B01_0002.jpg", "B03/B03_0001.jpg", False),
    ]


def test_without_train_root_its_training_people_are_split(pack):
    found = index(pack)
    assert identities(found.train) | identities(found.validation) == set(TRAIN)
    assert not identities(found.train) & identities(found.validation)
    assert len(identities(found.validation)) == 6
    assert found.validation_pairs is None


def test_with_train_root_its_training_people_validate_on_their_pairs(pack, tmp_path):
    found = index(pack, train_root=str(write_folder(tmp_path / "t", crowd(5))))
    assert identities(found.train) == {f"P{i:02d}" for i in range(5)}
    assert identities(found.validation) == set(TRAIN)
    assert [pair.first for pair in found.validation_pairs or ()] == [
        "A00/A00_0001.jpg", "A01/A01_0001.jpg", "A00/A00_0001.jpg", "A01/A01_0002.jpg",
    ]  # fmt: skip


def test_a_cap_keeps_people_with_several_images_and_draws_the_pairs_it_broke(pack, tmp_path):
    found = index(pack, train_root=str(write_folder(tmp_path / "t", crowd(5))), max_validation_images=10)
    assert len(found.validation) <= 10
    assert {TRAIN[name] for name in identities(found.validation)} <= {2, 3}
    assert found.validation_pairs is None


def test_nobody_validates_with_more_than_a_few_images_but_for_those_in_pairs(pack, tmp_path):
    chosen = options(
        kind="lfw", root=str(pack), train_root=str(write_folder(tmp_path / "t", crowd(5))), max_validation_images_each=2
    )
    whole = LfwSource(chosen).index()
    few = few_of_each(whole, chosen)
    kept = Counter(ref.identity for ref in few.validation)
    assert set(kept) == set(TRAIN)
    assert max(kept.values()) == 2
    paired = {name for pair in few.validation_pairs or () for name in (pair.first, pair.second)}
    assert paired <= {ref.name for ref in few.validation}
    assert {*few.validation, *few.left_out} >= set(whole.validation)
    assert few_of_each(whole, replace(chosen, max_validation_images_each=None)) == whole


def as_folder(tmp_path):
    return write_folder(tmp_path / "faces", IMAGES | PROTOCOL)


def as_tgz_beside(tmp_path):
    write_folder(tmp_path, PROTOCOL)
    return write_tar(tmp_path / "lfw.tgz", IMAGES)


def as_tar_beside_in_folder(tmp_path):
    write_folder(tmp_path / "lfw-protocol", PROTOCOL)
    return write_tar(tmp_path / "lfw.tar", IMAGES, "w")


@pytest.mark.parametrize("make", [as_folder, as_tgz_beside, as_tar_beside_in_folder])
def test_every_way_to_keep_the_files_gives_the_same(make, tmp_path, pack):
    (tmp_path / "other").mkdir()
    assert index(make(tmp_path / "other")) == index(pack)


def test_the_protocol_may_lie_in_the_folder_pairs(tmp_path, pack):
    (tmp_path / "faces").mkdir()
    root = write_zip(tmp_path / "faces" / "lfw.zip", IMAGES)
    assert index(root, pairs=str(write_folder(tmp_path / "view1", PROTOCOL))) == index(pack)
    with pytest.raises(DataError, match=r"data.pairs: cannot read .*peopleDevTrain.txt"):
        index(root, pairs=str(tmp_path))
    with pytest.raises(DataError, match=r"data.pairs: .*pairsDevTest.txt is not a folder; with data=lfw it is where"):
        index(root, pairs=str(tmp_path / "view1" / "pairsDevTest.txt"))


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_protocol_file_is_named_with_the_remedy(missing, tmp_path):
    files = IMAGES | {name: data for name, data in PROTOCOL.items() if name != missing}
    with pytest.raises(DataError, match=rf"data.root: {missing} is neither in .* set data.pairs=FOLDER"):
        index(write_zip(tmp_path / "lfw.zip", files))


def test_images_that_are_counted_but_absent_are_broken(tmp_path):
    files = {path: data for path, data in IMAGES.items() if "B01_0002" not in path}
    found = index(write_zip(tmp_path / "lfw.zip", files | PROTOCOL))
    assert [(image.name, image.reason) for image in found.broken] == [
        ("B01/B01_0002", "absent, though peopleDevTest.txt counts it")
    ]
    assert sum("B01/B01_0002" in (pair.first, pair.second) for pair in found.test_pairs or ()) == 2


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (lfw_files(TRAIN, TEST | {"A00": 3}), "A00 is in both peopleDevTrain.txt and peopleDevTest.txt"),
        (
            PROTOCOL | {"pairsDevTest.txt": b"1\nA00 1 2\nB00 1 B01 1"},
            "pairsDevTest.txt names A00, who is not in people",
        ),
        (PROTOCOL | {"pairsDevTest.txt": b"1\nB00 1 9\nB00 1 B01 1"}, "pairsDevTest.txt: line 2 names B00/B00_0009"),
        (PROTOCOL | {"peopleDevTest.txt": b"\xff\xff"}, "data.root: peopleDevTest.txt in .* cannot be read"),
        (lfw_files({f"X{i}": 2 for i in range(4)}, {f"Y{i}": 2 for i in range(4)}), "holds none of the people in"),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused(files, message, tmp_path):
    with pytest.raises(DataError, match=message):
        index(write_zip(tmp_path / "lfw.zip", IMAGES | files))


def test_someone_in_both_the_training_faces_and_lfw_is_refused(pack, tmp_path):
    train = write_folder(tmp_path / "t", crowd(5) | people({"B03": 2}))
    with pytest.raises(DataError, match=r"data.train_root: 1 identities .* such as B03"):
        index(pack, train_root=str(train))
