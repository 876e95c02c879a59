"""Files of groups: who belongs where, what is refused, and what reaches the splits."""

import os

import pytest

from facerec_core.data.groups import groups_identity, read_groups
from facerec_core.data.loader import load_faces
from facerec_core.data.source import ImageRef, SourceIndex
from facerec_core.errors import DataError
from facerec_core.types import BrokenImage
from tests.image_files import crowd, lfw_files, options, people, write_folder

ATTRIBUTES = "3\nBald Male Young\n000001.jpg -1  1  1\n000002.jpg  1 -1 -1\n000003.jpg -1 -1  1\n"
INDEX = SourceIndex(
    train=(ImageRef("Ada/Ada_0001.jpg", "Ada"),),
    validation=(ImageRef("Bo/Bo_0001.jpg", "Bo"), ImageRef("Bo/Bo_0002.jpg", "Bo")),
    test=(ImageRef("Cy/Cy_0001.jpg", "Cy"),),
    broken=(BrokenImage("Di/Di_0001.jpg", "empty"),),
    left_out=(ImageRef("Ed/Ed_0001.jpg", "Ed"),),
)


def written(tmp_path, text, name="groups.csv"):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_images_are_named_in_any_spelling(tmp_path):
    text = "name,group\nBo/Bo_0001.jpg,x\nBo_0002,y\nCy/Cy_0001,x\nAda_0001.jpg,y\n"
    assert read_groups(written(tmp_path, text)).of(INDEX) == {
        "Bo/Bo_0001.jpg": "x", "Bo/Bo_0002.jpg": "y", "Cy/Cy_0001.jpg": "x", "Ada/Ada_0001.jpg": "y",
    }  # fmt: skip


def test_a_person_stands_for_all_their_images(tmp_path):
    groups = read_groups(written(tmp_path, 'identity,group\nBo,"x, or so"\nCy,y\n')).of(INDEX)
    assert groups == {"Bo/Bo_0001.jpg": "x, or so", "Bo/Bo_0002.jpg": "x, or so", "Cy/Cy_0001.jpg": "y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,group\nBo_0001,x\nXi_0001,y\n", r"line 3, column name: got 'Xi_0001', allowed: an image of the data"),
        ("identity,group\nBo,x\nbo,y\n", r"line 3, column identity: got 'bo', allowed: an identity .* such as Ada"),
    ],
)
def test_somebody_who_is_not_in_the_data_is_an_error_with_its_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as raised:
        read_groups(written(tmp_path, text)).of(INDEX)
    assert "1 of 2 lines name none" in str(raised.value)


@pytest.mark.parametrize("text", ["name,group\nDi_0001,x\nEd/Ed_0001.jpg,y\n", "identity,group\nDi,x\nEd,y\n"])
def test_broken_and_left_out_images_are_known(tmp_path, text):
    assert set(read_groups(written(tmp_path, text)).of(INDEX).values()) == {"x", "y"}


def test_an_attribute_of_celeba_makes_two_groups_and_may_cover_more_images(tmp_path):
    index = SourceIndex((), (ImageRef("7/000002.jpg", "7"),), (ImageRef("9/000003.jpg", "9"),))
    file = written(tmp_path, ATTRIBUTES, "list_attr_celeba.txt")
    assert read_groups(f"{file}:Male").of(index) == {"7/000002.jpg": "not Male", "9/000003.jpg": "not Male"}
    table = "image_id,Bald,Male,Young\n000002.jpg,1,-1,-1\n000003.jpg,-1,1,1\n"
    groups = read_groups(written(tmp_path, table, "list.csv") + ":Young").of(index)
    assert groups == {"7/000002.jpg": "not Young", "9/000003.jpg": "Young"}
    with pytest.raises(DataError, match=r"got '000001.jpg', allowed: an image of the data set, such as Ada"):
        read_groups(f"{file}:Male").of(INDEX)


@pytest.mark.parametrize(
    ("text", "attribute", "message"),
    [
        ("", "", "is empty"),
        ("name;group\na;b\n", "", r"got the columns name;group, allowed: a CSV with the columns name,group or"),
        (ATTRIBUTES, "", r"got the columns name,Bald,Male,Young, allowed: .*; name the attribute: FILE:Male"),
        (ATTRIBUTES, ":male", r"data.groups: got the attribute 'male', allowed: one of Bald,Male,Young"),
        (ATTRIBUTES.replace(" 1 -1 -1", " 1 2 -1"), ":Male", r"line 4, column Male: got '2', allowed: 1 or -1"),
        (ATTRIBUTES.replace("3\n", "4\n", 1), ":Male", "announces 4 rows, 3 follow"),
        ("name,group\na,x\nb\n", "", "line 3: got 1 cells, allowed: 2"),
        ("name,group\na,x\nb,\n", "", "line 3, column group: got '', allowed: a group's name"),
        ("name,group\na,(none)\n", "", r"line 2, column group: got '\(none\)', allowed: a group's name"),
        ("name,group\na,x\nb,y\na,z\n", "", "line 4: a was named before, in line 2"),
        ("name,group\n" + "".join(f"a{i},{i}\n" for i in range(101)), "", "got 101 groups, allowed: at most 100"),
    ],
)
def test_damage_is_named_in_one_line(tmp_path, text, attribute, message):
    with pytest.raises(DataError, match=message) as raised:
        read_groups(written(tmp_path, text) + attribute)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    for value in (str(tmp_path / "absent.csv"), f"{tmp_path / 'absent.txt'}:Male"):
        for ask in (read_groups, groups_identity):
            with pytest.raises(DataError, match=r"data.groups: .*absent.* cannot be read: No such file"):
                ask(value)


def test_a_path_with_a_colon_is_a_path(tmp_path):
    assert read_groups(written(tmp_path, "identity,group\nBo,x\n", "a:b.csv")).of(INDEX).keys() >= {"Bo/Bo_0001.jpg"}


def test_the_identity_of_groups_is_their_content_and_attribute(tmp_path):
    first, copy = written(tmp_path, ATTRIBUTES, "a.txt"), written(tmp_path, ATTRIBUTES, "b.txt")
    assert groups_identity(f"{first}:Male") == groups_identity(f"{copy}:Male") != groups_identity(f"{first}:Young")
    before = groups_identity(first)
    written(tmp_path, ATTRIBUTES.replace("000003.jpg -1", "000003.jpg  1"), "a.txt")
    os.utime(first, ns=(1, 1))
    assert groups_identity(first) != before


def silent(done, total):
    pass


def test_groups_reach_validation_and_test_and_leave_the_data_what_it_was(tmp_path):
    root = str(write_folder(tmp_path / "faces", crowd()))
    rows = "".join(f"P{i:02d},{'even' if i % 2 == 0 else 'odd'}\n" for i in range(12))
    file = written(tmp_path, "identity,group\n" + rows)
    faces = load_faces(options(root=root, groups=file), 32, tmp_path / "cache", silent)
    plain = load_faces(options(root=root), 32, tmp_path / "cache", silent)
    seen = set()
    for split in (faces.validation, faces.test):
        for name, group in zip(split.names, split.groups, strict=True):
            person = int(name[1:3])
            assert group == ("(none)" if person >= 12 else "even" if person % 2 == 0 else "odd")
            seen.add(group)
    assert seen == {"(none)", "even", "odd"}
    assert plain.test.groups == ()
    assert faces.fingerprint == plain.fingerprint


def test_people_that_a_cap_leaves_out_may_have_groups(tmp_path):
    train, test = {f"A{i}": 3 for i in range(9)}, {f"B{i}": 2 for i in range(5)}
    write_folder(tmp_path, lfw_files(train, test))
    root = str(write_folder(tmp_path / "lfw", people(train | test | {"Extra": 1})))
    file = written(tmp_path, "identity,group\n" + "".join(f"{name},x\n" for name in train | test | {"Extra": 1}))
    caps = {"validation_fraction": 0.6, "max_validation_images": 12, "groups": file}
    faces = load_faces(options(kind="lfw", root=root, **caps), 32, tmp_path / "cache", silent)
    assert set(faces.validation.groups) == {"x"}
    plain = str(write_folder(tmp_path / "faces", people(train | test)))
    file = written(tmp_path, "identity,group\n" + "".join(f"{name},x\n" for name in train | test))
    folder = options(root=plain, validation_fraction=0.5, max_validation_images=12, groups=file)
    assert set(load_faces(folder, 32, tmp_path / "cache", silent).test.groups) == {"x"}
