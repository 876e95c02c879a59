"""CelebA as it is published: layouts, the official partition, its use for training alone, damaged annotations."""

from dataclasses import replace

import numpy as np
import pytest

from facerec_core.data.celeba import CelebaSource
from facerec_core.data.loader import load_faces, open_source
from facerec_core.errors import DataError, OptionError
from tests.image_files import (
    celeba_files,
    celeba_images,
    crowd,
    lfw_files,
    options,
    people,
    write_folder,
    write_zip,
)

IMAGES = celeba_images()
FILES = celeba_files(IMAGES)
FACES = {path: data for path, data in FILES.items() if path.endswith(".jpg")}
IDENTITY, PARTITION = "identity_CelebA.txt", "list_eval_partition.txt"
ANNOTATIONS = {name: FILES[name] for name in (IDENTITY, PARTITION)}


def index(root, **changes):
    return CelebaSource(options(kind="celeba", root=str(root), **changes)).index()


def identities(refs):
    return {ref.identity for ref in refs}


def everything(found):
    return (*found.train, *found.validation, *found.test)


def moved(folder, files):
    return {folder + name: data for name, data in files.items()}


def test_the_partition_decides_the_splits(tmp_path):
    found = index(write_folder(tmp_path / "celeba", FILES))
    assert [len(refs) for refs in (found.train, found.validation, found.test)] == [12, 12, 12]
    assert identities(found.train) == {"100", "101", "102", "103"}
    assert identities(found.validation) == {"104", "105", "106", "107"}
    assert identities(found.test) == {"108", "109", "110", "111"}
    assert found.train[0].name == "100/000001.jpg"
    assert found.validation_pairs is found.test_pairs is None
    assert found.broken == found.left_out == ()


def as_published(tmp_path):
    write_folder(tmp_path, {f"Anno/{IDENTITY}": FILES[IDENTITY], f"Eval/{PARTITION}": FILES[PARTITION]})
    (tmp_path / "Img").mkdir()
    write_zip(tmp_path / "Img" / "img_align_celeba.zip", FACES)
    return tmp_path


def as_published_by_the_zip(tmp_path):
    return as_published(tmp_path) / "Img" / "img_align_celeba.zip"


def as_images_beside_annotations(tmp_path):
    return write_folder(tmp_path, FILES) / "img_align_celeba"


def as_kaggle(tmp_path):
    header = {IDENTITY: b"image_id,identity\r\n", PARTITION: b"image_id,partition\r\n"}
    tables = {
        name.replace(".txt", ".csv"): b"\xef\xbb\xbf" + header[name] + data.replace(b" ", b",").replace(b"\n", b"\r\n")
        for name, data in ANNOTATIONS.items()
    }
    return write_folder(tmp_path, moved("img_align_celeba/", FACES) | tables)


def as_one_zip(tmp_path):
    return write_zip(tmp_path / "archive.zip", moved("celeba/", FILES))


def as_flat_folder(tmp_path):
    return write_folder(tmp_path / "mine", celeba_files(IMAGES, top=""))


def with_headers_and_blanks(tmp_path):
    files = {name: b"img label\n\n" + data.replace(b" ", b"   ") for name, data in ANNOTATIONS.items()}
    return write_folder(tmp_path, FILES | files)


LAYOUTS = [
    as_published,
    as_published_by_the_zip,
    as_images_beside_annotations,
    as_kaggle,
    as_one_zip,
    as_flat_folder,
    with_headers_and_blanks,
]


@pytest.mark.parametrize("make", LAYOUTS)
def test_every_layout_gives_the_same(make, tmp_path):
    for folder in ("plain", "other"):
        (tmp_path / folder).mkdir()
    plain, other = write_folder(tmp_path / "plain", FILES), make(tmp_path / "other")
    assert index(other) == index(plain)
    sources = [CelebaSource(options(kind="celeba", root=str(root))) for root in (plain, other)]
    ref = sources[0].index().test[0]
    assert sources[1].index()
    assert np.array_equal(*(source.read(ref, 32) for source in sources))


def test_annotations_may_lie_elsewhere(tmp_path):
    root = write_folder(tmp_path / "images", FACES)
    elsewhere = write_folder(tmp_path / "annotations", moved("Anno/", ANNOTATIONS))
    assert len(everything(index(root, annotations=str(elsewhere)))) == 36
    with pytest.raises(DataError, match=r"data.annotations: identity_CelebA.txt is neither in .*images nor in Anno"):
        index(root, annotations=str(root))


def test_the_same_images_as_png_are_found_by_their_names(tmp_path):
    files = {path.replace(".jpg", ".png"): data for path, data in FACES.items()}
    assert len(everything(index(write_folder(tmp_path, files | ANNOTATIONS)))) == 36


def test_caps_keep_whole_identities(tmp_path):
    found = index(write_folder(tmp_path, FILES), max_validation_images=7, max_test_images=4)
    assert [len(refs) for refs in (found.train, found.validation, found.test, found.left_out)] == [12, 6, 3, 15]


def test_with_train_root_the_first_partition_is_not_used(tmp_path):
    train = write_folder(tmp_path / "t", crowd(5))
    found = index(write_folder(tmp_path / "celeba", FILES), train_root=str(train))
    assert identities(found.train) == {f"P{i:02d}" for i in range(5)}
    assert identities(found.left_out) == {"100", "101", "102", "103"}
    assert identities(found.test) == {"108", "109", "110", "111"}


LFW = lfw_files({f"A{i}": 3 for i in range(6)}, {f"B{i}": 2 for i in range(5)})
LFW_FACES = people({f"A{i}": 3 for i in range(6)} | {f"B{i}": 2 for i in range(5)})


@pytest.mark.parametrize("make", LAYOUTS)
def test_it_can_train_for_another_test_set_with_all_its_partitions(make, tmp_path):
    (tmp_path / "celeba").mkdir()
    train, root = make(tmp_path / "celeba"), write_folder(tmp_path / "lfw", LFW_FACES | LFW)
    annotations = str(train) if make is as_flat_folder else None
    chosen = options(kind="lfw", root=str(root), train_root=str(train), annotations=annotations)
    source = open_source(chosen)
    found = source.index()
    assert identities(found.train) == {str(100 + person) for person in range(12)}
    assert identities(found.validation) == {f"A{i}" for i in range(6)}
    assert source.read(found.train[0], 32).shape == (32, 32, 3)


def test_training_needs_no_partition(tmp_path):
    files = {path: data for path, data in FILES.items() if path != PARTITION}
    train, root = write_folder(tmp_path / "t", files), write_folder(tmp_path / "faces", crowd(10))
    found = open_source(options(root=str(root), train_root=str(train))).index()
    assert len(found.train) == 36


def test_somebody_in_both_is_refused(tmp_path):
    train, root = write_folder(tmp_path / "t", FILES), write_folder(tmp_path / "faces", people({"105": 2, "B": 2}))
    with pytest.raises(DataError, match=r"data.train_root: 1 identities .* such as 105; nobody may be both"):
        open_source(options(root=str(root), train_root=str(train))).index()


def test_identities_with_few_images_are_handled_as_elsewhere(tmp_path):
    images = IMAGES | {"000900.jpg": (900, 0)}
    chosen = options(kind="celeba", root=str(write_folder(tmp_path / "c", celeba_files(images))))
    with pytest.raises(DataError, match=r"1 training identity with fewer than 2 images: 900 \(1\)"):
        load_faces(chosen, 32, tmp_path / "cache", lambda done, total: None)
    data = load_faces(replace(chosen, skip_small=True), 32, tmp_path / "cache", lambda done, total: None)
    assert "900" not in data.train.identities


def test_images_without_a_line_and_lines_without_an_image_are_broken(tmp_path):
    files = {path: data for path, data in FILES.items() if not path.endswith("000036.jpg")}
    extra = {
        "img_align_celeba/999999.jpg": b"x",
        "img_align_celeba/b/000001.jpg": b"x",
        "img_align_celeba/000007.jpg": b"",
    }
    found = index(write_folder(tmp_path, files | extra))
    assert {(image.name, image.reason) for image in found.broken} == {
        ("999999.jpg", "not in identity_CelebA.txt"),
        ("b/000001.jpg", "another image is called 000001 too"),
        ("102/000007.jpg", "the file is empty"),
        ("111/000036.jpg", "absent, though identity_CelebA.txt names it"),
    }
    assert len(everything(found)) == 34


def with_line(name, number, line):
    """The annotation file with one line changed, None: without it."""
    lines = ANNOTATIONS[name].decode().splitlines()
    lines[number - 1 : number] = [] if line is None else [line]
    return {name: "\n".join(lines).encode()}


FAULTS = {
    "no person": (
        with_line(IDENTITY, 3, "000003.jpg"),
        f"{IDENTITY}, line 3, column identity: got '1 cells', allowed: 2",
    ),
    "a cell too many": (
        with_line(PARTITION, 4, "000004.jpg 0 1"),
        f"{PARTITION}, line 4, column partition: got '3 cells'",
    ),
    "a person in letters": (
        with_line(IDENTITY, 5, "000005.jpg Ada"),
        "line 5, column identity: got 'Ada', allowed: the",
    ),
    "a negative person": (with_line(IDENTITY, 5, "000005.jpg -4"), "line 5, column identity: got '-4'"),
    "a fourth partition": (
        with_line(PARTITION, 6, "000006.jpg 3"),
        "line 6, column partition: got '3', allowed: 0, 1 or",
    ),
    "a partition in letters": (with_line(PARTITION, 2, "000002.jpg a"), "line 2, column partition: got 'a'"),
    "no image": (with_line(IDENTITY, 2, "7 100"), "line 2, column image: got '7', allowed: an image's name"),
    "an image twice": (
        with_line(IDENTITY, 2, "000001.jpg 100"),
        "line 2, column image: got '000001.jpg', .* see line 1",
    ),
    "an empty file": ({PARTITION: b"\n"}, f"{PARTITION} is empty; needed: an image and its partition a line"),
    "a header alone": ({IDENTITY: b"image_id,identity\n"}, f"{IDENTITY} is empty"),
    "another encoding": ({IDENTITY: b"\xff\xfe0\x00"}, f"{IDENTITY} is not UTF-8 text"),
    "an image without partition": (
        with_line(PARTITION, 9, None),
        f"{PARTITION}: no line for 1 of 36 images, such as 000009",
    ),
    "a person in two splits": (
        with_line(PARTITION, 3, "000003.jpg 2"),
        f"{PARTITION}, line 3, column partition: 000003.jpg of identity 100 is in 2 and, by line 1, 000001.jpg in 0",
    ),
    "a split without people": (
        {PARTITION: ANNOTATIONS[PARTITION].replace(b" 1\n", b" 2\n")},
        f"{PARTITION}: no image of .* is in the validation split",
    ),
    "nobody known": ({IDENTITY: b"x.jpg 1\n"}, "data.root: none of the 36 images in .* as 000001.jpg: not in identity"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_annotation_file_is_refused_with_the_place(fault, tmp_path):
    changed, message = FAULTS[fault]
    with pytest.raises(DataError, match=message) as raised:
        index(write_folder(tmp_path, FILES | changed))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("missing", [IDENTITY, PARTITION])
@pytest.mark.parametrize("write", [write_folder, lambda path, files: write_zip(path.with_suffix(".zip"), files)])
def test_a_missing_annotation_file_is_named_with_the_remedy(missing, write, tmp_path):
    files = {path: data for path, data in FILES.items() if path != missing}
    with pytest.raises(DataError, match=rf"data.root: {missing} is not in .*; put it there, or set data.annotations="):
        index(write(tmp_path / "celeba", files))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "nowhere", r"data.root: .*nowhere does not exist; needed: the folder of CelebA"),
        (
            lambda path: write_folder(path / "c", ANNOTATIONS),
            r"data.root: no images in .*; needed: the folder of CelebA",
        ),
        (
            lambda path: write_folder(path, {"c.txt": b""}) / "c.txt",
            r"data.root: .*c.txt is a file; needed: the folder",
        ),
        (
            lambda path: write_zip(path / "c.zip", FILES | {"../x.jpg": b""}),
            r"c.zip holds '../x.jpg', a path that leads",
        ),
    ],
)
def test_a_root_of_another_kind_is_refused(make, message, tmp_path):
    with pytest.raises(DataError, match=message):
        index(make(tmp_path))


def test_a_zip_that_is_cut_is_refused(tmp_path):
    whole = as_published(tmp_path) / "Img" / "img_align_celeba.zip"
    whole.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"data.root: .*img_align_celeba.zip is not a readable archive"):
        index(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Anno", "Eval", "Img"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": None}, r"data.root: got None, allowed: the folder of CelebA"),
        ({"pairs": "pairs.txt"}, r"data.pairs: got 'pairs.txt', allowed: null with data=celeba"),
        ({"kind": "lfw", "annotations": "a"}, r"data.annotations: got 'a', allowed: null without data=celeba"),
        ({"kind": "folder", "pairs": "p", "max_test_images": 9}, r"data.max_test_images: got 9, allowed: null with"),
        ({"max_test_images": 3}, r"data.max_test_images: got 3"),
    ],
)
def test_choices_that_mean_nothing_here_are_refused(changes, message):
    with pytest.raises(OptionError, match=message):
        options(**({"kind": "celeba", "root": "celeba"} | changes))


def test_its_own_lists_of_landmarks_and_attributes_are_about_its_images(tmp_path):
    points = "30 40 60 40 45 58 32 74 58 74"
    header = " ".join(
        f"{part}_{axis}" for part in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
    )
    listed = [f"{len(IMAGES)}", header, *(f"{name} {points}" for name in IMAGES)]
    attributes = [f"{len(IMAGES)}", "Male Young", *(f"{name} {1 if i % 2 else -1} 1" for i, name in enumerate(IMAGES))]
    tables = {"list_landmarks_align_celeba.txt": listed, "list_attr_celeba.txt": attributes}
    root = write_folder(tmp_path, FILES | {name: "\n".join(lines).encode() for name, lines in tables.items()})
    chosen = options(
        kind="celeba",
        root=str(root),
        landmarks=str(root / "list_landmarks_align_celeba.txt"),
        groups=f"{root / 'list_attr_celeba.txt'}:Male",
    )
    data = load_faces(chosen, 32, tmp_path / "cache", lambda done, total: None)
    assert set(data.test.groups) == {"Male", "not Male"}
    assert data.broken == ()
    plain = load_faces(replace(chosen, landmarks=None), 32, tmp_path / "cache", lambda done, total: None)
    assert data.fingerprint != plain.fingerprint
