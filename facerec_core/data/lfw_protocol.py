"""The protocol files of Labeled Faces in the Wild: finding them near the images, and reading both views."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facerec_core.data.folder import read_text
from facerec_core.data.pairs_file import PairLine, PeopleLine, parse_pairs, parse_people
from facerec_core.data.store import Store, UnreadableError
from facerec_core.errors import DataError

VIEW_1 = ("peopleDevTrain.txt", "peopleDevTest.txt", "pairsDevTrain.txt", "pairsDevTest.txt")
VIEW_2 = ("pairs.txt",)

BESIDE = ("", "lfw-protocol")
"""Folders looked into beside the images."""

_PEOPLE_2 = "people.txt"


@dataclass(frozen=True)
class People:
    """The lines of one people file, and its name."""

    file: str
    lines: tuple[PeopleLine, ...]

    @property
    def names(self) -> set[str]:
        """Everyone in it."""
        return {line.name for line in self.lines}


@dataclass(frozen=True)
class PairList:
    """The lines of one pairs file, and its name."""

    file: str
    lines: tuple[PairLine, ...]


@dataclass(frozen=True)
class View1:
    """The files for choosing among networks; training and test people are different ones."""

    train_people: People
    test_people: People
    train_pairs: tuple[PairList, ...]
    test_pairs: tuple[PairList, ...]


@dataclass(frozen=True)
class View2:
    """The files for reporting the chosen network: pairs in folds that share nobody; `people` may be left out."""

    people: People | None
    pairs: tuple[PairList, ...]


@dataclass(frozen=True)
class ProtocolFiles:
    """Where the files lie.

    Args:
        root: the folder or archive of the images.
        store: its content.
        folder: `data.pairs`, which is looked into alone; None: among the images, then beside them.
        needed: the files of the view, for messages.
    """

    root: Path
    store: Store
    folder: Path | None
    needed: tuple[str, ...]

    def people(self, file: str) -> People:
        """A people file, or its CSV; raises DataError."""
        ((name, text),) = self._texts(file)
        return People(name, parse_people(text, name))

    def pairs(self, file: str) -> tuple[PairList, ...]:
        """A pairs file, or its CSV, or the two CSV into which Kaggle divides it; raises DataError."""
        return tuple(PairList(name, parse_pairs(text, name)) for name, text in self._texts(file))

    def holds(self, file: str) -> bool:
        """Whether that file or its CSV is there."""
        return any(self._text(name) is not None for (name,) in _single(file))

    def _texts(self, file: str) -> tuple[tuple[str, str], ...]:
        """Name and content of the file, or of those that stand for it."""
        for names in (*_single(file), _divided(file)):
            texts = [(name, text) for name in names if (text := self._text(name)) is not None]
            if len(texts) == len(names):
                return tuple(texts)
        if self.folder is not None:
            return ((file, read_text(self.folder / file, "data.pairs")),)
        raise DataError(
            f"data.root: {file} is neither in {self.root} nor beside it; "
            f"put {', '.join(self.needed)} there, or set data.pairs=FOLDER to where they lie"
        )

    def _text(self, name: str) -> str | None:
        if self.folder is not None:
            if not self.folder.is_dir():
                listed = ", ".join(self.needed)
                raise DataError(f"data.pairs: {self.folder} is not a folder; with data=lfw it is where {listed} lie")
            return read_text(self.folder / name, "data.pairs") if (self.folder / name).is_file() else None
        inside = [member.path for member in self.store.members() if PurePosixPath(member.path).name == name]
        if inside:
            try:
                return self.store.read(min(inside, key=len)).decode("utf-8")
            except (UnreadableError, UnicodeDecodeError) as error:
                raise DataError(f"data.root: {name} in {self.root} cannot be read: {error}") from error
        beside = (self.root.absolute().parent / folder / name for folder in BESIDE)
        found = next((path for path in beside if path.is_file()), None)
        return read_text(found, "data.root") if found else None


def _single(file: str) -> Iterator[tuple[str]]:
    yield (file,)
    yield (file.replace(".txt", ".csv"),)


def _divided(file: str) -> tuple[str, ...]:
    csv = file.replace(".txt", ".csv")
    return (f"match{csv}", f"mismatch{csv}")


def read_view_1(files: ProtocolFiles) -> View1:
    """Read the four files of View 1.

    Raises:
        DataError: one is missing or malformed, or somebody is in both people files.
    """
    train, test = files.people(VIEW_1[0]), files.people(VIEW_1[1])
    view = View1(train, test, files.pairs(VIEW_1[2]), files.pairs(VIEW_1[3]))
    if shared := sorted(train.names & test.names):
        raise DataError(f"{shared[0]} is in both {train.file} and {test.file}; nobody may be trained and tested on")
    return view


def read_view_2(files: ProtocolFiles) -> View2:
    """Read the pairs of View 2, and its people where that file is there.

    Raises:
        DataError: pairs are missing or malformed, or somebody is in two folds.
    """
    people = files.people(_PEOPLE_2) if files.holds(_PEOPLE_2) else None
    pairs = files.pairs(VIEW_2[0])
    known = {} if people is None else {line.name: (line.fold, line.line, people.file) for line in people.lines}
    for part in pairs:
        _check_folds(part, {name: known[name] for name in known if known[name][0] is not None})
    return View2(people, pairs)


def _check_folds(part: PairList, known: dict[str, tuple[int | None, int, str]]) -> None:
    for line, person in _people_of(part.lines):
        fold, where, file = known.setdefault(person, (line.fold, line.line, part.file))
        if fold != line.fold and line.fold is not None:
            raise DataError(
                f"{part.file}: line {line.line} has {person} in fold {line.fold + 1}, line {where} of {file} in fold "
                f"{(fold or 0) + 1}; nobody may be in two folds, or the threshold of one would be chosen on them"
            )


def _people_of(lines: Iterable[PairLine]) -> Iterator[tuple[PairLine, str]]:
    for line in lines:
        for image in (line.first, line.second):
            yield line, image.split("/")[0]
