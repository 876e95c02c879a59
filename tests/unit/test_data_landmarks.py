"""Files of landmarks: their forms, their faults, and faces that are read through them."""

import json

import numpy as np
import pytest

from facerec_core.data.alignment import TEMPLATE
from facerec_core.data.images import decode_aligned
from facerec_core.data.landmarks import CELEBA_COLUMNS, COLUMNS, read_landmarks
from facerec_core.data.loader import load_faces, open_source
from facerec_core.errors import DataError, OptionError
from tests.image_files import (
    celeba_files,
    celeba_images,
    crowd,
    options,
    people,
    picture,
    write_folder,
    write_zip,
)

HEADER = "name," + ",".join(COLUMNS)
POINTS = np.round(TEMPLATE / 4 + 6, 2)


def numbers(points=POINTS, separator=","):
    return separator.join(f"{value:g}" for value in np.ravel(points))


def as_csv(names, header=HEADER):
    return "\n".join([header, *(f"{name},{numbers(POINTS + i % 3)}" for i, name in enumerate(names))]) + "\n"


def as_celeba(names, announced=None):
    rows = [f"{name}  {numbers(POINTS + i % 3, '  ')}" for i, name in enumerate(names)]
    return "\n".join([str(len(rows) if announced is None else announced), " ".join(CELEBA_COLUMNS), *rows]) + "\n"


def as_json(names):
    return json.dumps({name: (POINTS + i % 3).tolist() for i, name in enumerate(names)})


def written(tmp_path, text, name="landmarks.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


NAMES = ["A/1.jpg", "A/2.jpg", "B/7.png"]
CELEBA_CSV = "image_id," + ",".join(CELEBA_COLUMNS)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("l.csv", as_csv(NAMES)),
        ("l.csv", "\ufeff" + as_csv(NAMES).replace("\n", "\r\n")),
        ("l.csv", as_csv(NAMES).replace("\n", "\n\n")),
        ("l.csv", as_csv(NAMES, CELEBA_CSV)),
        ("l.txt", as_celeba(NAMES)),
        ("l.json", as_json(NAMES)),
    ],
)
def test_every_form_says_the_same(tmp_path, file, text):
    found = read_landmarks(written(tmp_path, text, file), "data.landmarks").of(NAMES)
    assert list(found) == NAMES
    for i, name in enumerate(NAMES):
        assert np.array_equal(found[name], POINTS + i)


@pytest.mark.parametrize("spelling", ["A/1.jpg", "A/1", "1.jpg", "1"])
def test_an_image_is_found_by_any_spelling_of_its_name(tmp_path, spelling):
    landmarks = read_landmarks(written(tmp_path, as_csv([spelling, "A/absent.jpg"])), "data.landmarks")
    assert list(landmarks.of(["A/1.jpg", "B/2.jpg"])) == ["A/1.jpg"]


def test_a_name_that_fits_two_images_or_an_image_named_twice_is_refused(tmp_path):
    landmarks = read_landmarks(written(tmp_path, as_csv(["A/9.jpg", "1.jpg"])), "data.landmarks")
    with pytest.raises(DataError, match=r"line 3: '1.jpg' may be A/1.jpg or B/1.jpg; needed: .* IDENTITY/FILE"):
        landmarks.of(["A/1.jpg", "B/1.jpg"])
    twice = read_landmarks(written(tmp_path, as_json(["A/1.jpg", "A/1"]), "l.json"), "data.landmarks")
    with pytest.raises(DataError, match=r"entry 2: 'A/1' names A/1.jpg, which entry 1 names too"):
        twice.of(["A/1.jpg"])


FIVE = "[[1,2],[3,4],[5,6],[7,8],[9,10]]"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("l.csv", "", "is empty"),
        ("l.csv", "name,lx,ly\na,1,2\n", r"got the columns name,lx,ly, allowed: a CSV with the columns name,lx,ly,rx"),
        ("l.csv", as_csv(["a"]) + "b,1,2\n", "line 3: got 3 cells, allowed: 11"),
        ("l.csv", as_csv(["a"]) + "b,1,2,x,4,5,6,7,8,9,10\n", "line 3, column rx: got 'x', allowed: a number of pix"),
        ("l.csv", as_csv(["a", "b", "a"]), "line 4: a was named before, in line 2"),
        ("l.csv", as_csv(["a"]).encode() + b"\xff\xfe", "is not UTF-8 text"),
        ("l.csv", HEADER + '\n"a,1', "is not CSV"),
        ("l.txt", as_celeba(["a", "b"], announced=3), "the first line announces 3 rows, 2 follow"),
        ("l.txt", "7\n", "got the columns name, allowed"),
        ("l.json", "{", "is not JSON"),
        ("l.json", "[" * 100_000, "is not JSON"),
        ("l.json", "[1]", "got list, allowed"),
        ("l.json", f'{{"a": {FIVE}, "a": {FIVE}}}', "entry 2: a was named before, in entry 1"),
        ("l.json", '{"a": [[1, 2], [3, 4]]}', "entry 1, a: got something else than five points"),
        ("l.json", '{"a": {"x": 1}}', "entry 1, a: got something else than five points"),
        ("l.json", f'{{"a": {FIVE}, "b": {FIVE.replace("3", "[3]")}}}', "entry 2, b: got something else"),
        ("l.json", f'{{"a": {FIVE.replace("10", "1" + 400 * "0")}}}', "got something else than five points"),
    ],
)
def test_damage_is_named_in_one_line(tmp_path, file, text, message):
    with pytest.raises(DataError, match=message) as raised:
        read_landmarks(written(tmp_path, text, file), "data.landmarks")
    assert str(raised.value).startswith("data.landmarks: ")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    for name in ("absent.csv", "absent.json"):
        with pytest.raises(DataError, match=rf"data.landmarks: .*{name} cannot be read: No such file"):
            read_landmarks(str(tmp_path / name), "data.landmarks")


def silent(done, total):
    pass


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "faces", crowd())


def test_faces_are_delivered_aligned(tmp_path, root):
    names = list(crowd())
    chosen = options(root=str(root), landmarks=written(tmp_path, as_csv(names)))
    faces = load_faces(chosen, 32, tmp_path / "cache", silent)
    for split in (faces.train, faces.test):
        for name, image in zip(split.names, split.images, strict=True):
            points = POINTS + names.index(name) % 3
            assert np.array_equal(image, decode_aligned((root / name).read_bytes(), 32, points))


def test_the_landmarks_content_is_part_of_the_fingerprint_and_the_cache(tmp_path, root):
    plain = open_source(options(root=str(root))).fingerprint()
    first = options(root=str(root), landmarks=written(tmp_path, as_csv(crowd()), "a.csv"))
    copy = options(root=str(root), landmarks=written(tmp_path, as_csv(crowd()), "b.csv"))
    other = options(root=str(root), landmarks=written(tmp_path, as_csv(reversed(crowd())), "c.csv"))
    assert open_source(first).fingerprint() == open_source(copy).fingerprint()
    assert len({plain, *(open_source(chosen).fingerprint() for chosen in (first, other))}) == 3
    loaded = [load_faces(chosen, 32, tmp_path / "cache", silent).test.images for chosen in (first, other)]
    assert not np.array_equal(*loaded)


def test_images_without_landmarks_are_broken_and_may_be_skipped(tmp_path, root):
    file = written(tmp_path, as_csv(name for name in crowd() if not name.startswith("P03/P03_0001")))
    with pytest.raises(DataError, match=r"1 broken image: P03/P03_0001.png \(no landmarks\); .*data.skip_broken=true"):
        load_faces(options(root=str(root), landmarks=file), 32, tmp_path / "cache", silent)
    faces = load_faces(options(root=str(root), landmarks=file, skip_broken=True), 32, tmp_path / "cache", silent)
    assert [(image.name, image.reason) for image in faces.broken] == [("P03/P03_0001.png", "no landmarks")]


def test_landmarks_no_face_can_be_aligned_by_make_an_image_broken(tmp_path, root):
    text = as_csv(crowd()).replace(f"P05_0002.png,{numbers(POINTS + 16 % 3)}", f"P05_0002.png,{numbers(0 * POINTS)}")
    with pytest.raises(DataError, match=r"1 broken image: P05/P05_0002.png \(landmarks that lie all but on one point"):
        load_faces(options(root=str(root), landmarks=written(tmp_path, text)), 32, tmp_path / "cache", silent)


def test_landmarks_of_other_images_are_refused(tmp_path, root):
    with pytest.raises(DataError, match=r"names none of the 48 images, such as P00/P00_0001.png; needed"):
        open_source(options(root=str(root), landmarks=written(tmp_path, as_csv(NAMES)))).index()


def test_faces_to_train_on_have_landmarks_of_their_own_or_share_a_file(tmp_path, root):
    more = people({f"T{i}": 3 for i in range(4)})
    train = str(write_zip(tmp_path / "train.zip", more))
    own = written(tmp_path, as_celeba(more), "list.txt")
    mine, both = written(tmp_path, as_csv(crowd())), written(tmp_path, as_csv([*crowd(), *more]), "both.csv")
    for changes in ({"landmarks": mine, "train_landmarks": own}, {"landmarks": both}):
        chosen = options(root=str(root), train_root=train, **changes)
        assert len(load_faces(chosen, 32, tmp_path / "cache", silent).train.names) == len(more)
    with pytest.raises(DataError, match=r"data.landmarks: .* names none of the 12 images, such as T0/T0_0001.png"):
        open_source(options(root=str(root), train_root=train, landmarks=mine)).index()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "synthetic", "landmarks": "x"}, r"data.landmarks: got 'x', allowed: null with data=synthetic"),
        ({"root": "r", "train_landmarks": "x"}, r"data.train_landmarks: got 'x', allowed: null without data.landmarks"),
        ({"root": "r", "landmarks": "y", "train_landmarks": "x"}, r"null without data.landmarks and data.train_root"),
    ],
)
def test_landmarks_that_would_be_ignored_are_refused(changes, message):
    with pytest.raises(OptionError, match=message):
        options(**changes)


def test_a_broken_image_stays_broken(tmp_path, root):
    (root / "P02" / "P02_0001.png").write_bytes(picture(0)[:-500])
    with pytest.raises(DataError, match=r"1 broken image: P02/P02_0001.png \("):
        load_faces(
            options(root=str(root), landmarks=written(tmp_path, as_csv(crowd()))), 32, tmp_path / "cache", silent
        )


def test_celeba_is_aligned_and_grouped_by_its_own_lists(tmp_path):
    images = celeba_images()
    root = write_folder(tmp_path / "celeba", celeba_files(images))
    marks = written(tmp_path, as_celeba(images), "list_landmarks_align_celeba.txt")
    rows = "".join(f"{name} {1 if i % 2 else -1}\n" for i, name in enumerate(images))
    attributes = written(tmp_path, f"{len(images)}\nMale\n{rows}", "list_attr_celeba.txt")
    chosen = options(kind="celeba", root=str(root), landmarks=marks, groups=f"{attributes}:Male")
    test = load_faces(chosen, 32, tmp_path / "cache", silent).test
    for name, group, image in zip(test.names, test.groups, test.images, strict=True):
        file = name.split("/")[1]
        place = list(images).index(file)
        assert group == ("Male" if place % 2 else "not Male")
        data = (root / "img_align_celeba" / file).read_bytes()
        assert np.array_equal(image, decode_aligned(data, 32, POINTS + place % 3))
