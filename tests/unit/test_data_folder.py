import unicodedata

import pytest

from facerec_core.data.folder import FolderSource
from facerec_core.errors import BrokenImageError, DataError
from tests.image_files import crowd, options, people, picture, write_folder, write_zip


def index(root, **changes):
    return FolderSource(options(root=str(root), **changes)).index()


def everything(found):
    return (*found.train, *found.validation, *found.test)


def identities(refs):
    return {ref.identity for ref in refs}


def test_a_folder_is_split_by_identity_in_the_given_parts(tmp_path):
    found = index(write_folder(tmp_path / "mine", crowd(20)))
    parts = [identities(refs) for refs in (found.train, found.validation, found.test)]
    assert [len(part) for part in parts] == [10, 5, 5]
    assert len(set().union(*parts)) == 20
    assert len(found.train) == 30
    assert found.train[0].name.count("/") == 1


def test_the_seed_decides_the_split_and_nothing_else(tmp_path):
    root = write_folder(tmp_path / "mine", crowd(20))
    assert index(root) == index(root)
    assert identities(index(root).test) != identities(index(root, seed=1).test)
    assert (
        FolderSource(options(root=str(root))).fingerprint()
        == FolderSource(options(root=str(root), seed=1)).fingerprint()
    )
    assert FolderSource(options(root=str(root))).name == "mine"


@pytest.mark.parametrize("top", ["", "celeba/", "a/b/"])
def test_a_zip_is_read_like_the_folder_it_holds_at_whatever_level(top, tmp_path):
    files = {top + path: data for path, data in crowd().items()}
    zipped = index(write_zip(tmp_path / "faces.zip", {**files, "about.json": b"{}"}))
    assert zipped == index(write_folder(tmp_path / "faces", crowd()))


def test_suffixes_count_in_any_case_and_other_files_are_left_alone(tmp_path):
    root = write_folder(tmp_path / "mine", crowd(16))
    write_folder(root, {"P00/extra.JPEG": picture(0, kind="JPEG"), "P00/notes.txt": b"x", "P00/.x.jpg": b"x"})
    found = index(root)
    names = {ref.name for ref in everything(found)}
    assert "P00/extra.JPEG" in names
    assert len(names) == 16 * 3 + 1
    assert found.broken == ()


def test_accents_are_one_identity_however_they_are_written(tmp_path):
    name = "José"
    found = index(write_folder(tmp_path / "mine", crowd(8) | people({unicodedata.normalize("NFD", name): 3})))
    assert name in identities(everything(found))


def test_train_root_trains_whole_and_root_is_only_evaluated_on(tmp_path):
    root, train = write_folder(tmp_path / "mine", crowd(10)), write_zip(tmp_path / "t.zip", crowd(6, prefix="T"))
    source = FolderSource(options(root=str(root), train_root=str(train)))
    found = source.index()
    assert identities(found.train) == {f"T{i:02d}" for i in range(6)}
    assert len(identities(found.validation)) == len(identities(found.test)) == 5
    for ref in (found.train[0], found.test[0]):
        assert source.read(ref, 16).shape == (16, 16, 3)


def test_an_identity_in_both_roots_is_refused(tmp_path):
    root, train = write_folder(tmp_path / "mine", crowd(10)), write_folder(tmp_path / "t", crowd(3))
    with pytest.raises(DataError, match=r"data.train_root: 3 identities of .* such as P00; nobody may be both"):
        index(root, train_root=str(train))


def test_max_validation_images_caps_whole_identities(tmp_path):
    found = index(write_folder(tmp_path / "mine", crowd(40)), max_validation_images=14)
    assert len(found.validation) == 12
    assert len(identities(found.test)) == 10


PAIRS = "2\nP00 1 2\nP01 1 2\nP00 1 P02 1\nP01 1 P03 3\n"


def test_the_people_of_a_pairs_file_are_the_test_split(tmp_path):
    root = write_folder(tmp_path / "mine", crowd())
    (tmp_path / "pairs.txt").write_text(PAIRS)
    found = index(root, pairs=str(tmp_path / "pairs.txt"))
    assert identities(found.test) == {"P00", "P01", "P02", "P03"}
    assert len(found.test) == 12
    assert not identities(found.test) & identities((*found.train, *found.validation))
    assert [(p.first, p.same) for p in found.test_pairs or ()][:2] == [
        ("P00/P00_0001.png", True),
        ("P01/P01_0001.png", True),
    ]
    assert found.validation_pairs is None


def test_a_pairs_file_with_train_root_leaves_the_others_to_validation(tmp_path):
    root, train = write_folder(tmp_path / "mine", crowd(10)), write_folder(tmp_path / "t", crowd(6, prefix="T"))
    (tmp_path / "pairs.txt").write_text(PAIRS)
    found = index(root, train_root=str(train), pairs=str(tmp_path / "pairs.txt"))
    assert identities(found.validation) == {f"P{i:02d}" for i in range(4, 10)}
    assert identities(found.test) == {f"P{i:02d}" for i in range(4)}


def test_a_pair_naming_an_absent_image_is_refused_with_file_line_and_image(tmp_path):
    (tmp_path / "pairs.txt").write_text(PAIRS.replace("P03 3", "P03 4"))
    with pytest.raises(DataError, match=r"data.pairs=.*pairs.txt: line 5 names P03/P03_0004"):
        index(write_folder(tmp_path / "mine", crowd()), pairs=str(tmp_path / "pairs.txt"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "data.pairs: cannot read .*: No such file or directory"),
        (lambda path: path.mkdir(), "data.pairs: cannot read .*: Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "data.pairs: .* is not UTF-8 text"),
        (lambda path: path.write_text("hello"), "data.pairs=.*: line 1: got 'hello'"),
    ],
)
def test_an_unreadable_pairs_file_is_refused(make, message, tmp_path):
    make(tmp_path / "pairs.txt")
    with pytest.raises(DataError, match=message):
        index(write_folder(tmp_path / "mine", crowd()), pairs=str(tmp_path / "pairs.txt"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"data.root: no images in .*; needed: one folder an identity"),
        ({"Ada/1.txt": b"x"}, r"data.root: no images in"),
        ({"1.jpg": b"x", "2.jpg": b"x"}, r"data.root: the 2 images in .* do not lie in one folder an identity"),
        ({"train/Ada/1.jpg": b"x", "val/Bob/1.jpg": b"x"}, r"needed: IDENTITY/FILE, such as Ada_Lovelace/0001.jpg"),
        (
            {"Ada/1.jpg": b"", "Bob/1.jpg": b""},
            r"none of the 2 images in .* can be used, as Ada/1.jpg: the file is empty",
        ),
    ],
)
def test_folders_of_another_shape_are_refused(files, message, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match=message) as raised:
        index(write_folder(tmp_path / "mine", files))
    assert "\n" not in str(raised.value)


def test_a_missing_folder_and_a_stray_file_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"data.root: .*nowhere does not exist"):
        index(tmp_path / "nowhere")
    (tmp_path / "me.jpg").write_bytes(picture(0, kind="JPEG"))
    with pytest.raises(DataError, match=r"data.root: .*me.jpg is a file; needed: a folder or a .zip"):
        index(tmp_path / "me.jpg")


def test_faults_that_show_without_decoding_are_listed(tmp_path):
    files = crowd() | {"P00/zero.jpg": b"", "P00/large.jpg": b"x" * 20_001, "stray.jpg": b"x", "P00/old/1.jpg": b"x"}
    found = index(write_folder(tmp_path / "mine", files), max_image_bytes=20_000)
    assert {image.name: image.reason for image in found.broken} == {
        "P00/zero.jpg": "the file is empty",
        "P00/large.jpg": "20,001 bytes are more than data.max_image_bytes=20000",
        "stray.jpg": "not directly in an identity's folder",
        "P00/old/1.jpg": "not directly in an identity's folder",
    }
    assert not {image.name for image in found.broken} & {ref.name for ref in everything(found)}


def test_a_broken_image_is_named_when_read(tmp_path):
    source = FolderSource(options(root=str(write_folder(tmp_path / "mine", crowd() | {"P00/bad.jpg": b"no image"}))))
    refs = {ref.name: ref for ref in everything(source.index())}
    with pytest.raises(BrokenImageError, match=r"P00/bad.jpg: not a JPEG, PNG, BMP or WEBP image"):
        source.read(refs["P00/bad.jpg"], 32)
