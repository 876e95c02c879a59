"""Small image folders and archives, made on the spot, for the tests that read faces from disk."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facerec_core.options import DataOptions, SyntheticOptions


def options(**changes) -> DataOptions:
    base = {
        "kind": "folder",
        "root": None,
        "train_root": None,
        "pairs": None,
        "annotations": None,
        "view": 1,
        "image_size": 32,
        "crop": 1.0,
        "skip_broken": False,
        "min_images": 2,
        "skip_small": False,
        "max_image_bytes": 1_000_000,
        "validation_fraction": 0.25,
        "test_fraction": 0.25,
        "max_validation_images": None,
        "max_validation_images_each": None,
        "max_test_images": None,
        "landmarks": None,
        "train_landmarks": None,
        "groups": None,
        "seed": 0,
        "synthetic": SyntheticOptions(4, 3, 4, 2, 1.0),
    }
    return DataOptions(**{**base, **changes})


def picture(seed: int, width: int = 40, height: int = 40, kind: str = "PNG", **save) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **save)
    return out.getvalue()


def people(counts: Mapping[str, int], suffix: str = ".png", top: str = "") -> dict[str, bytes]:
    """Paths and bytes, named as LFW names them; every image is another."""
    files = [f"{top}{name}/{name}_{i:04d}{suffix}" for name, count in counts.items() for i in range(1, count + 1)]
    return {path: picture(seed) for seed, path in enumerate(files)}


def crowd(identities: int = 16, images: int = 3, prefix: str = "P") -> dict[str, bytes]:
    return people({f"{prefix}{i:02d}": images for i in range(identities)})


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def lfw_files(train: Mapping[str, int], test: Mapping[str, int]) -> dict[str, bytes]:
    """The four protocol files of View 1, with two genuine and two impostor pairs each."""
    out = {}
    for part, counts in (("Train", train), ("Test", test)):
        lines = [f"{len(counts)}", *(f"{name}\t{count}" for name, count in counts.items())]
        out[f"peopleDev{part}.txt"] = "\n".join(lines).encode()
        a, b, c, d = list(counts)[:4]
        pairs = ["2", f"{a}\t1\t2", f"{b}\t1\t2", f"{a}\t1\t{c}\t1", f"{b}\t2\t{d}\t1"]
        out[f"pairsDev{part}.txt"] = "\n".join(pairs).encode()
    return out


def bin_file(path: Path, images: Sequence[bytes], same: Sequence[bool]) -> Path:
    """A file of pairs without names: two images a pair, and whether they show one person."""
    path.write_bytes(pickle.dumps((list(images), list(same)), 4))
    return path


def celeba_files(images: Mapping[str, tuple[int, int]], top: str = "img_align_celeba/") -> dict[str, bytes]:
    """Images without folders, and the two annotation files: of each image its identity and its partition."""
    files = {f"{top}{name}": picture(seed, 89, 109, "JPEG") for seed, name in enumerate(images)}
    for file, column in (("identity_CelebA.txt", 0), ("list_eval_partition.txt", 1)):
        files[file] = "".join(f"{name} {values[column]}\n" for name, values in images.items()).encode()
    return files


def celeba_images(train: int = 4, evaluated: int = 4, images: int = 3) -> dict[str, tuple[int, int]]:
    """Identity and partition of each image: so many identities in partition 0, and in 1 and in 2."""
    partitions = [0] * train + [1] * evaluated + [2] * evaluated
    shown = [(100 + person, partition) for person, partition in enumerate(partitions) for _ in range(images)]
    return {f"{number:06d}.jpg": values for number, values in enumerate(shown, start=1)}


def view_2_files(counts: Mapping[str, int], folds: int = 4) -> dict[str, bytes]:
    """pairs.txt and people.txt of View 2: a genuine and an impostor pair a fold, which needs two images a person."""
    names = list(counts)
    size = len(names) // folds
    dealt = [names[fold * size : (fold + 1) * size] for fold in range(folds)]
    pairs, listed = [f"{folds}\t1"], [f"{folds}"]
    for first, second, *others in dealt:
        pairs += [f"{first}\t1\t2", f"{first}\t1\t{second}\t1"]
        listed += [f"{size}", *(f"{name}\t{counts[name]}" for name in (first, second, *others))]
    return {"pairs.txt": "\n".join(pairs).encode(), "people.txt": "\n".join(listed).encode()}
