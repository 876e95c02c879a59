"""LFW's View 2: tested on its pairs, everybody in it kept out of training and validation; and Kaggle's CSV files."""

import pytest

from facerec_core.data.lfw import LfwSource
from facerec_core.data.loader import load_faces
from facerec_core.errors import DataError, OptionError
from tests.image_files import crowd, lfw_files, options, people, view_2_files, write_folder, write_tar, write_zip

COUNTS = {f"A{i:02d}": 3 for i in range(12)}
FACES = people(COUNTS, ".jpg")
PROTOCOL = view_2_files(COUNTS)


@pytest.fixture
def train(tmp_path):
    return str(write_zip(tmp_path / "train.zip", crowd(20, prefix="T")))


def index(root, train, **changes):
    return LfwSource(options(kind="lfw", view=2, root=str(root), train_root=train, **changes)).index()


def identities(refs):
    return {ref.identity for ref in refs}


def moved(folder, files):
    return {folder + name: data for name, data in files.items()}


def test_the_images_that_pairs_name_test_in_the_folds_of_the_file(tmp_path, train):
    found = index(write_folder(tmp_path / "lfw", FACES | PROTOCOL), train)
    assert [ref.name for ref in found.test][:4] == [
        "A00/A00_0001.jpg", "A00/A00_0002.jpg", "A01/A01_0001.jpg", "A03/A03_0001.jpg",
    ]  # fmt: skip
    assert [(pair.same, pair.fold) for pair in found.test_pairs] == [
        (k, fold) for fold in range(4) for k in (True, False)
    ]
    assert len(found.left_out) == len(FACES) - len(found.test)
    assert not found.test_pairs_only


def test_people_of_train_root_train_and_validate(tmp_path, train):
    root = write_folder(tmp_path / "lfw", FACES | PROTOCOL)
    found = index(root, train, max_validation_images=10)
    assert len(identities(found.validation)) == 3
    assert identities(found.train) | identities(found.validation) == {f"T{i:02d}" for i in range(20)}
    assert not identities(found.train) & identities(found.validation)
    assert found.validation_pairs is None


def test_the_folds_reach_the_loaded_pairs(tmp_path, train):
    chosen = options(
        kind="lfw", view=2, root=str(write_folder(tmp_path / "lfw", FACES | PROTOCOL)), train_root=train, image_size=32
    )
    data = load_faces(chosen, 32, tmp_path / "cache", lambda done, total: None)
    assert data.test_pairs.fold.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert not data.test_pairs.exclusive


@pytest.mark.parametrize("top", ["lfw/", "lfw_funneled/", "lfw-deepfunneled/", "lfw-deepfunneled/lfw-deepfunneled/"])
def test_the_published_archives(top, tmp_path, train):
    write_folder(tmp_path, PROTOCOL)
    root = write_tar(tmp_path / "lfw-funneled.tgz", moved(top, FACES) | {"lfw_funneled/pairs_01.txt": b"x"})
    assert index(root, train) == index(write_folder(tmp_path / "plain", FACES | PROTOCOL), train)


def as_csv(pairs):
    rows = [row + ("," if row.count("\t") == 2 else "") for row in pairs.decode().splitlines()[1:]]
    return "\r\n".join(["name,imagenum1,imagenum2,", *rows]).replace("\t", ",").encode()


def test_kaggles_csv_gives_the_same(tmp_path, train):
    csv = {"pairs.csv": as_csv(PROTOCOL["pairs.txt"])}
    plain = write_folder(tmp_path / "plain", FACES | PROTOCOL)
    assert index(write_folder(tmp_path / "kaggle", FACES | csv), train) == index(plain, train)
    people_csv = {"people.csv": b"name,images\r\n" + b"\r\n".join(f"{name},3".encode() for name in COUNTS)}
    assert index(write_folder(tmp_path / "both", FACES | csv | people_csv), train) == index(plain, train)


def test_kaggles_csv_of_view_1_gives_the_same(tmp_path, train):
    published = lfw_files(dict(list(COUNTS.items())[:6]), dict(list(COUNTS.items())[6:]))
    csv = {}
    for part in ("Train", "Test"):
        counted = published[f"peopleDev{part}.txt"].decode().splitlines()[1:]
        csv[f"peopleDev{part}.csv"] = "\n".join(["name,images", *counted]).replace("\t", ",").encode()
        rows = [row.replace("\t", ",") for row in published[f"pairsDev{part}.txt"].decode().splitlines()[1:]]
        csv[f"matchpairsDev{part}.csv"] = "\n".join(["name,imagenum1,imagenum2", *rows[:2]]).encode()
        csv[f"mismatchpairsDev{part}.csv"] = "\n".join(["name,imagenum1,name,imagenum2", *rows[2:]]).encode()
    roots = [write_folder(tmp_path / str(i), FACES | files) for i, files in enumerate((published, csv))]
    first, second = (LfwSource(options(kind="lfw", root=str(root), train_root=train)).index() for root in roots)
    assert first == second
    half = {name: data for name, data in csv.items() if name != "mismatchpairsDevTest.csv"}
    with pytest.raises(DataError, match=r"data.root: pairsDevTest.txt is neither in"):
        LfwSource(options(kind="lfw", root=str(write_folder(tmp_path / "half", FACES | half)))).index()


def test_people_txt_is_not_needed_but_counts_what_is_absent(tmp_path, train):
    pairs = {"pairs.txt": PROTOCOL["pairs.txt"]}
    assert index(write_folder(tmp_path / "a", FACES | pairs), train).broken == ()
    fewer = {path: data for path, data in FACES.items() if "A00_0002" not in path}
    found = index(write_folder(tmp_path / "b", fewer | PROTOCOL), train)
    assert [(image.name, image.reason) for image in found.broken] == [
        ("A00/A00_0002", "absent, though people.txt counts it")
    ]
    with pytest.raises(DataError, match=r"pairs.txt: line 2 names A00/A00_0002, of which there is no image"):
        index(write_folder(tmp_path / "c", fewer | pairs), train)


def replaced(file, old, new):
    return {file: PROTOCOL[file].replace(old, new)}


FAULTS = {
    "a person in two folds": (
        replaced("pairs.txt", b"A03\t1\t2", b"A00\t2\t3"),
        "pairs.txt: line 4 has A00 in fold 2, line 3 of people.txt in fold 1; nobody may be in two folds",
    ),
    "a person in two folds, without people.txt": (
        replaced("pairs.txt", b"A03\t1\t2", b"A00\t2\t3") | {"people.txt": b"name,images\nA00,3\n" + b"".join(
            f"{name},3\n".encode() for name in list(COUNTS)[1:]
        )},
        "pairs.txt: line 4 has A00 in fold 2, line 2 of pairs.txt in fold 1",
    ),
    "a stranger": (replaced("people.txt", b"A04", b"X04"), "pairs.txt names A04, who is not in people.txt"),
    "a fold too few": (replaced("people.txt", b"4\n", b"5\n"), "people.txt: .* announces 5 folds, 4 follow"),
    "a person too few": (replaced("people.txt", b"A05\t3\n", b""), "people.txt: line 6 announces 3 people, 2 follow"),
    "a person without count": (replaced("people.txt", b"A05\t3", b"A05"), "people.txt: line 9: got 'A05'; needed"),
    "a pair too few": (replaced("pairs.txt", b"\nA09\t1\t2", b""), "announces 8 pairs .* each of 4 folds.*, 7 follow"),
    "an image number in letters": (replaced("pairs.txt", b"A00\t1\t2", b"A00\t1\tb"), "line 2: got 'b' in column 3"),
    "an empty file": ({"pairs.txt": b""}, "pairs.txt: line 1 has to be"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_protocol_is_refused_with_the_place(fault, tmp_path, train):
    changed, message = FAULTS[fault]
    with pytest.raises(DataError, match=message):
        index(write_folder(tmp_path / "lfw", FACES | PROTOCOL | changed), train)


def test_a_missing_pairs_file_is_named_with_the_remedy(tmp_path, train):
    root = write_folder(tmp_path / "lfw", FACES)
    with pytest.raises(
        DataError, match=r"data.root: pairs.txt is neither in .*; put pairs.txt there, or set data.pairs"
    ):
        index(root, train)
    with pytest.raises(DataError, match=r"data.pairs: cannot read .*pairs.txt: No such file"):
        index(root, train, pairs=str(tmp_path))


def test_somebody_in_lfw_may_not_train(tmp_path):
    train = write_folder(tmp_path / "t", crowd(10) | people({"A11": 3}))
    with pytest.raises(DataError, match=r"data.train_root: 1 identities .* such as A11"):
        index(write_folder(tmp_path / "lfw", FACES | PROTOCOL), str(train))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_root": None},
            r"data.view: got 2, allowed: 1 without data.train_root: whoever View 2 tests may neither",
        ),
        ({"view": 3}, r"data.view: got 3, allowed: 1 or 2"),
        ({"max_test_images": 9}, r"data.max_test_images: got 9, allowed: null with data=lfw"),
    ],
)
def test_choices_without_an_honest_answer_are_refused(changes, message):
    with pytest.raises(OptionError, match=message):
        options(**({"kind": "lfw", "view": 2, "root": "lfw", "train_root": "faces"} | changes))
