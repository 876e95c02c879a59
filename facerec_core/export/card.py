"""The model card as plain data: what the network is, how well it does, how that is known, and what it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from facerec_core.export.host_build import LibrarySize, SelfTest
from facerec_core.export.network import NetworkFacts
from facerec_core.export.verification import Agreement, EndToEnd
from facerec_core.latency.vela import VelaResult
from facerec_core.types import Evaluation, LimitCheck, RunRecord, VariantRecord

FORMAT = "facerec model card 1"
INTENDED_USE = (
    "Recognising people who have been enrolled, and have agreed to it, on a microcontroller: who of a small gallery a "
    "face belongs to, or nobody. One face an image, cut out as the training images were; there is no detector here."
)
NOT_INTENDED = (
    "Identifying people who have not agreed, watching public places, and any decision about people without a human; "
    "opening doors or unlocking anything with it alone: a photograph held before the camera is a face to it."
)
BIOMETRIC = (
    "A fingerprint of a face is biometric data. In the European Union it is among the special categories of Article 9 "
    "of the GDPR (https://eur-lex.europa.eu/eli/reg/2016/679/oj), whose processing is prohibited unless an exception "
    "such as explicit consent applies; other countries have laws of their own. Galleries are not encrypted, and "
    "images resembling a person can be reconstructed from fingerprints (https://arxiv.org/abs/1703.00832). This is no "
    "legal advice."
)
_SYNTHETIC_DATA = "Faces rendered by facerec-sweep; no photographs and no data of others went into training."
_CELEBA_DATA = (
    "CelebA is for non-commercial research (https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html); whether that binds "
    "networks trained on it is for you to find out."
)
_OTHER_DATA = "The terms of the training images are not known to facerec-sweep; ask whoever published them."
_SOFTWARE = "This software and the C library: Apache-2.0. TensorFlow Lite Micro, which is not included: Apache-2.0."


@dataclass(frozen=True)
class Checked:
    """What was checked before the export was handed over; None where it was not, and `not_checked` says why.

    `golden` and `end_to_end` compare TensorFlow Lite Micro with LiteRT's reference kernels; `interpreter` is the
    package, with its version, that ran it.
    """

    golden: Agreement | None
    end_to_end: EndToEnd | None
    self_test: SelfTest | None
    not_checked: tuple[str, ...]
    interpreter: str | None = None


@dataclass(frozen=True)
class Subject:
    """What a card is about: the variant and its candidate, the limits judged by its own file, and what was found.

    `vela` and `library` are empty where there is no such compiler or nobody asked.
    """

    name: str
    record: RunRecord
    variant: VariantRecord
    limits: tuple[LimitCheck, ...]
    facts: NetworkFacts
    checked: Checked
    golden_origin: str
    library: tuple[LibrarySize, ...]
    vela: VelaResult | None


def model_card(subject: Subject) -> dict[str, Any]:
    """The card, JSON-able; rates 0-1 and unrounded, None where a rate is not defined."""
    record, variant = subject.record, subject.variant
    return {
        "format": FORMAT,
        "name": subject.name,
        "candidate": asdict(record.candidate) | {"name": record.candidate.name, "key": record.key},
        "scheme": variant.scheme,
        "intended_use": INTENDED_USE,
        "not_intended": NOT_INTENDED,
        "biometric_data": BIOMETRIC,
        "network": asdict(subject.facts),
        "training": _training(record),
        "accuracy": {
            "kernels": variant.kernels,
            "validation": _evaluation(variant.validation),
            "test": _evaluation(variant.test),
        },
        "limits": [asdict(check) for check in subject.limits],
        "latency": asdict(record.latency),
        "memory": _fits(record, subject.facts) | {"library": [asdict(one) for one in subject.library]},
        "ethos_u": None if subject.vela is None else asdict(subject.vela),
        "verification": asdict(subject.checked),
        "golden_faces": subject.golden_origin,
        "licences": licences(record.config),
        "caveats": caveats(subject),
    }


def _training(record: RunRecord) -> dict[str, Any]:
    config = record.config
    parts = {name: config.get(name) for name in ("data", "train", "quant", "target_far")}
    return {
        "data": None if record.data is None else asdict(record.data),
        "config": parts,
        "seed": record.seed,
        "git_commit": record.git_commit,
        "versions": dict(record.versions),
        "warnings": list(record.warnings),
    }


def _evaluation(one: Evaluation) -> dict[str, Any]:
    """Everything but what only the report draws from."""
    plain = asdict(one)
    for heavy in ("roc", "replicates", "resampling"):
        del plain[heavy]
    return plain


def _fits(record: RunRecord, facts: NetworkFacts) -> dict[str, Any]:
    """The board's memories, and what TensorFlow Lite Micro takes of them."""
    board = section(record.config, "board")
    ram, flash = board.get("ram_bytes"), board.get("flash_bytes")
    return {
        "board": board.get("name"),
        "board_deployed_as": board.get("deployed_as"),
        "board_flash_bytes": flash,
        "board_ram_bytes": ram,
        "model_bytes": facts.size_bytes,
        "arena_device_bytes": facts.arena.device,
        "tflm_fits_ram": None if not isinstance(ram, int) else facts.arena.device <= ram,
        "tflm_fits_flash": None if not isinstance(flash, int) else facts.size_bytes <= flash,
    }


def section(config: Mapping[str, object], name: str) -> Mapping[str, Any]:
    """One group of a recorded configuration, empty where it is not there."""
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def licences(config: Mapping[str, object]) -> list[str]:
    """What is known of the terms of what went in."""
    data, train = section(config, "data"), section(config, "train")
    known = {"synthetic": _SYNTHETIC_DATA, "celeba": _CELEBA_DATA}
    notes = [_SOFTWARE, known.get(str(data.get("kind")), _OTHER_DATA)]
    if data.get("train_root") is not None:
        notes.append("Further training images (data.train_root) come with terms of their own.")
    if train.get("init", "none") != "none":
        notes.append("Training began from existing weights (train.init), whose terms apply.")
    if train.get("teacher") is not None:
        notes.append("It was trained after another network (train.teacher), whose terms apply.")
    return notes


def caveats(subject: Subject) -> list[str]:
    """What a reader has to know before believing a figure."""
    return [text for holds, text in _possible_caveats(subject) if holds]


def misfits(record: RunRecord, facts: NetworkFacts) -> tuple[str, ...]:
    """Which memories of the board the network exceeds with TensorFlow Lite Micro, whatever its own runtime takes."""
    memory, board = _fits(record, facts), record.latency.board
    taken = (
        ("tflm_fits_ram", "arena", facts.arena.device, "board_ram_bytes"),
        ("tflm_fits_flash", "file", facts.size_bytes, "board_flash_bytes"),
    )
    return tuple(
        f"With TensorFlow Lite Micro it does not fit {board}: the {what} takes {size:,} bytes of {memory[limit]:,}."
        for fits, what, size, limit in taken
        if memory[fits] is False
    )


def _possible_caveats(subject: Subject) -> tuple[tuple[bool, str], ...]:
    record, variant, facts = subject.record, subject.variant, subject.facts
    data = section(record.config, "data")
    floor = variant.validation.far_floor
    return (
        (
            data.get("kind") == "synthetic",
            "The faces were rendered. No figure here says anything about photographs of people.",
        ),
        (
            not facts.thresholds,
            f"There is no threshold: the validation pairs resolve no FAR below {floor:.2g}. The golden gallery's was "
            "set by hand and is not to be used.",
        ),
        (
            True,
            "A FAR is that of one pair. Whoever stands before a gallery of n people is compared n times: choose the "
            "FAR for the size of your gallery.",
        ),
        (True, "A threshold from one population and one camera is not that of another."),
        (
            variant.kernels == "fast",
            "Accuracies were computed with LiteRT's fast kernels, whose outputs differ a little from the device's.",
        ),
        (
            record.latency.runtime.split()[0] != "TFLM",
            f"The latency is one with {record.latency.runtime}; TensorFlow Lite Micro takes another time.",
        ),
        *((True, misfit) for misfit in misfits(record, facts)),
        (not facts.aligned, "It was trained on faces that facerec-sweep did not align; feed it faces framed alike."),
        *((True, f"Not checked: {why}.") for why in subject.checked.not_checked),
    )
