"""Small image folders and archives, made on the spot, for the tests that read faces from disk."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
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
        "image_size": 32,
        "crop": 1.0,
        "skip_broken": False,
        "min_images": 2,
        "skip_small": False,
        "max_image_bytes": 1_000_000,
        "validation_fraction": 0.25,
        "test_fraction": 0.25,
        "max_validation_images": None,
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
