"""Data sets and where their publishers, or those who mirror them, have put them.

Addresses and checksums of LFW are those of scikit-learn 1.9.1, sklearn/datasets/_lfw.py
(https://github.com/scikit-learn/scikit-learn). It has none of the people files, and no others are known to work.
CelebA's files are those that torchvision lists: https://github.com/pytorch/vision, torchvision/datasets/celeba.py at
05486281a17e6b91b37834a4513650924fb5642a.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facerec_core.data.fetch import RemoteFile

_FIGSHARE = "https://ndownloader.figshare.com/files/"

_LFW_PAIRS = (
    RemoteFile(
        "pairsDevTrain.txt", f"{_FIGSHARE}5976012", "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa"
    ),
    RemoteFile(
        "pairsDevTest.txt", f"{_FIGSHARE}5976009", "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c"
    ),
    RemoteFile("pairs.txt", f"{_FIGSHARE}5976006", "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592"),
)
_LFW_BY_HAND = (
    "peopleDevTrain.txt and peopleDevTest.txt, without which View 1 has no splits; they were published at "
    "http://vis-www.cs.umass.edu/lfw/, which has been unreachable at times"
)


@dataclass(frozen=True)
class PublishedSet:
    """A data set by the name `data fetch` takes.

    `files` can be fetched; `by_hand` says what else is needed and cannot be; `usage` is the beginning of a command,
    with FOLDER for where the files lie.
    """

    name: str
    files: tuple[RemoteFile, ...]
    by_hand: str
    usage: str


SETS: Mapping[str, PublishedSet] = {
    one.name: one
    for one in (
        PublishedSet(
            "lfw",
            (
                *_LFW_PAIRS,
                RemoteFile(
                    "lfw.tgz",
                    f"{_FIGSHARE}5976018",
                    "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
                ),
            ),
            _LFW_BY_HAND,
            "data=lfw data.root=FOLDER/lfw.tgz",
        ),
        PublishedSet(
            "lfw-funneled",
            (
                *_LFW_PAIRS,
                RemoteFile(
                    "lfw-funneled.tgz",
                    f"{_FIGSHARE}5976015",
                    "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
                ),
            ),
            _LFW_BY_HAND,
            "data=lfw data.root=FOLDER/lfw-funneled.tgz",
        ),
        PublishedSet(
            "celeba",
            (),
            "its publishers hand it out through Google Drive and Baidu to those who accept their terms "
            "(non-commercial research), at https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html; download "
            "img_align_celeba.zip, identity_CelebA.txt and list_eval_partition.txt",
            "data=celeba data.root=FOLDER",
        ),
    )
}
