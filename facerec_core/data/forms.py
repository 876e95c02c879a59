"""Which form the faces of a configuration key have: one folder an identity, or a published data set's own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from facerec_core.data.celeba_tree import CelebaCopy, holds_celeba
from facerec_core.data.tree import IdentityTree, open_tree
from facerec_core.options import DataOptions

RootKey = Literal["data.root", "data.train_root"]


def open_faces(options: DataOptions, key: RootKey, suffixes: tuple[str, ...]) -> IdentityTree:
    """List the images of `data.root` or `data.train_root`.

    `data=celeba` says what `data.root` is; `data.train_root` is CelebA where it looks like it, or where
    `data.annotations` can be about nothing else.

    Args:
        options: name the folder or archive.
        key: which of the two.
        suffixes: which archives of one folder an identity are welcome, such as (".zip",).

    Raises:
        DataError: absent, no images, or images of neither form.
    """
    root = str(options.root if key == "data.root" else options.train_root)
    if _is_celeba(options, key, Path(root).expanduser()):
        return celeba_copy(options, key).tree()
    return open_tree(root, key, suffixes, options.max_image_bytes)


def _is_celeba(options: DataOptions, key: RootKey, root: Path) -> bool:
    if key == "data.root":
        return options.kind == "celeba"
    about_training = options.annotations is not None and options.kind != "celeba"
    return about_training or holds_celeba(root, key, options.max_image_bytes)


def celeba_copy(options: DataOptions, key: RootKey) -> CelebaCopy:
    """The copy of CelebA that a key names; nothing is read yet."""
    root = str(options.root if key == "data.root" else options.train_root)
    annotations = Path(options.annotations).expanduser() if options.annotations is not None else None
    return CelebaCopy(Path(root).expanduser(), key, annotations, options.max_image_bytes)
