"""CelebA with its official partition.

Source: Liu, Luo, Wang, Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015. Its 202,599 images show 10,177
identities; the partition deals whole identities: 8,192, 985 and 1,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.celeba_files import PARTITION, check_partition, stem
from facerec_core.data.celeba_tree import ARCHIVES
from facerec_core.data.folder import Trees, counts_of, images_of, open_trees
from facerec_core.data.forms import celeba_copy
from facerec_core.data.source import ImageRef, SourceIndex
from facerec_core.errors import DataError
from facerec_core.options import DataOptions
from facerec_core.protocol import cap_identities

_SPLITS = ("train", "validation", "test")


class CelebaSource:
    """`data=celeba`: trained on partition 0, validated on 1 and tested on 2, whole identities of each.

    With `data.train_root` all of that trains, and partition 0 is not used.
    """

    name = "celeba"

    def __init__(self, options: DataOptions) -> None:
        self._options = options

    @cached_property
    def _trees(self) -> Trees:
        return open_trees(self._options, ARCHIVES)

    @cached_property
    def _people(self) -> Mapping[str, set[str]]:
        """The identities of each split."""
        copy = celeba_copy(self._options, "data.root")
        partition, source = copy.column(PARTITION)
        shown = {stem(file): identity for identity, file in (name.split("/") for name in self._trees.root.paths)}
        check_partition(shown, partition, source)
        out: dict[str, set[str]] = {split: set() for split in _SPLITS}
        for image, identity in shown.items():
            out[_SPLITS[int(partition[image].value)]].add(identity)
        for split, people in out.items():
            if not people and not (split == "train" and self._trees.train):
                raise DataError(f"{source}: no image of {self._options.root} is in the {split} split")
        return out

    def index(self) -> SourceIndex:
        """List the images by partition; raises DataError."""
        options, root, train = self._options, self._trees.root, self._trees.train
        trained = train.by_identity if train else self._people["train"]
        validation = self._kept("validation", options.max_validation_images)
        test = self._kept("test", options.max_test_images)
        used = {*validation, *test, *(() if train else trained)}
        return SourceIndex(
            train=images_of(trained, train or root),
            validation=images_of(validation, root),
            test=images_of(test, root),
            broken=(*root.broken, *(train.broken if train else ())),
            left_out=images_of(root.by_identity.keys() - used, root),
        )

    def _kept(self, split: str, most_images: int | None) -> tuple[str, ...]:
        counts = counts_of(self._trees.root)
        people = {identity: counts[identity] for identity in self._people[split] if identity in counts}
        each = self._options.max_validation_images_each if split == "validation" else None
        return cap_identities(people, most_images, self._options.seed, each)

    def fingerprint(self) -> str:
        """Hash of the images' names and bytes and of the crop."""
        return self._trees.fingerprint()

    def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
        """Decode one image to uint8 RGB [size, size, 3]; raises BrokenImageError."""
        return self._trees.read(ref, size)
