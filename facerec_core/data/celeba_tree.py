"""CelebA in its published layout: a flat folder or .zip of aligned faces, and annotation files somewhere near it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from facerec_core.data.celeba_files import IDENTITY, Column, Entry, read_column, stem
from facerec_core.data.images import SUFFIXES
from facerec_core.data.source import ImageRef
from facerec_core.data.store import Member, Store, UnreadableError, open_store
from facerec_core.data.tree import IdentityTree, visible_fault
from facerec_core.errors import DataError
from facerec_core.types import BrokenImage

IMAGES = "img_align_celeba"
ARCHIVES = (".zip",)

_NEEDED = f"the folder of CelebA, {IMAGES}/ or {IMAGES}.zip"
_PLACES = (IMAGES, f"Img/{IMAGES}", f"{IMAGES}.zip", f"Img/{IMAGES}.zip")
_ANNOTATIONS = ("", "Anno", "Eval")


def holds_celeba(root: Path, key: str, max_bytes: int) -> bool:
    """Whether a folder or .zip has CelebA's layout: images directly in `img_align_celeba`, or that as a .zip.

    Raises:
        DataError: a .zip that cannot be read.
    """
    if root.stem == IMAGES or _images_of(root) != root:
        return True
    if not (root.is_file() and root.name.lower().endswith(ARCHIVES)):
        return False
    return any(_lies_in_images(member) for member in open_store(root, key, ARCHIVES, max_bytes).members())


def _images_of(root: Path) -> Path:
    """Where the images lie: the first of the usual places that exists, else `root` itself."""
    return next((root / place for place in _PLACES if (root / place).exists()), root)


def _lies_in_images(member: Member) -> bool:
    return IMAGES in PurePosixPath(member.path).parts[:-1]


@dataclass(frozen=True)
class CelebaCopy:
    """One copy of CelebA.

    Args:
        root: the folder of it all, the folder of the images, or a .zip of either.
        key: the configuration key that named it, for messages.
        annotations: the folder of the annotation files; None: they lie in `root`, beside it, or in Anno and Eval there.
        max_bytes: `data.max_image_bytes`.
    """

    root: Path
    key: str
    annotations: Path | None
    max_bytes: int

    @cached_property
    def _store(self) -> Store:
        if not self.root.exists():
            raise DataError(f"{self.key}: {self.root} does not exist; needed: {_NEEDED}")
        if self.root.is_file() and not self.root.name.lower().endswith(ARCHIVES):
            raise DataError(f"{self.key}: {self.root} is a file; needed: {_NEEDED}")
        return open_store(_images_of(self.root), self.key, ARCHIVES, self.max_bytes)

    @cached_property
    def identities(self) -> Mapping[str, Entry]:
        """Whom each image shows, by its name without suffix; raises DataError."""
        return self.column(IDENTITY)[0]

    def column(self, column: Column) -> tuple[dict[str, Entry], str]:
        """An annotation file's values, by the image's name without suffix, and what messages call the file.

        Raises:
            DataError: it is not found, cannot be read or is of another form.
        """
        content, source = self._content(column.files)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{source} is not UTF-8 text") from error
        return read_column(text, column, source), source

    def _content(self, files: Iterable[str]) -> tuple[bytes, str]:
        key = self.key if self.annotations is None else "data.annotations"
        for path in (folder / file for folder in self._folders() for file in files):
            if path.is_file():
                try:
                    return path.read_bytes(), f"{key}: {path}"
                except OSError as error:
                    raise DataError(f"{key}: cannot read {path}: {error.strerror}") from error
        if self.annotations is None:
            for member in self._store.members():
                if PurePosixPath(member.path).name in files:
                    return self._member(member.path), f"{key}: {member.path} in {self.root}"
        name = next(iter(files))
        if self.annotations is not None:
            raise DataError(f"{key}: {name} is neither in {self.annotations} nor in Anno or Eval there")
        raise DataError(
            f"{key}: {name} is not in {self.root}, in Anno or Eval there, nor beside it; put it there, or set "
            "data.annotations=FOLDER to where it lies"
        )

    def _member(self, path: str) -> bytes:
        try:
            return self._store.read(path)
        except UnreadableError as error:
            raise DataError(f"{self.key}: {path} in {self.root} cannot be read: {error}") from error

    def _folders(self) -> Iterator[Path]:
        root = self.root.absolute()
        beside = [root.parent, *([root.parent.parent] if root.parent.name == "Img" else [])]
        bases = [root, *beside] if self.annotations is None else [self.annotations]
        return (base / folder for base in bases for folder in _ANNOTATIONS)

    def tree(self) -> IdentityTree:
        """The images as IDENTITY/FILE; raises DataError.

        Broken is what no line is about, and what a line is about and nobody finds.
        """
        images = [member for member in self._store.members() if member.path.lower().endswith(SUFFIXES)]
        images = [member for member in images if _lies_in_images(member)] or images
        if not images:
            raise DataError(f"{self.key}: no images in {self.root}; needed: {_NEEDED}")
        refs, paths, broken = self._sort(images)
        if not refs:
            first = broken[0]
            raise DataError(
                f"{self.key}: none of the {len(images)} images in {self.root} can be used, as {first.name}: "
                f"{first.reason}"
            )
        found = {stem(name.rpartition("/")[2]) for name in paths}
        absent = (
            BrokenImage(f"{entry.value}/{entry.image}", f"absent, though {IDENTITY.files[0]} names it")
            for name, entry in self.identities.items()
            if name not in found
        )
        refs.sort(key=lambda ref: ref.name)
        return IdentityTree(store=self._store, refs=tuple(refs), paths=paths, broken=(*broken, *absent))

    def _sort(self, images: Iterable[Member]) -> tuple[list[ImageRef], dict[str, str], list[BrokenImage]]:
        """Usable images, where each lies, and broken ones."""
        refs: list[ImageRef] = []
        paths: dict[str, str] = {}
        broken: list[BrokenImage] = []
        taken: set[str] = set()
        for member in images:
            file = PurePosixPath(member.path).name
            entry = self.identities.get(stem(file))
            if entry is None:
                broken.append(BrokenImage(member.path, f"not in {IDENTITY.files[0]}"))
                continue
            if stem(file) in taken:
                broken.append(BrokenImage(member.path, f"another image is called {stem(file)} too"))
                continue
            taken.add(stem(file))
            name = f"{entry.value}/{file}"
            paths[name] = member.path
            if fault := visible_fault(member.size_bytes, self.max_bytes):
                broken.append(BrokenImage(name, fault))
            else:
                refs.append(ImageRef(name, entry.value))
        return refs, paths, broken
