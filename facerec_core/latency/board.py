"""A board and the runtime on it: what `conf/board/*.yaml` states."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Literal, get_args

from facerec_core.errors import require

Deployment = Literal["compiled", "interpreted"]


@dataclass(frozen=True)
class BoardSpec:
    """A board and the runtime on it.

    `table`, `donor` and `counts` are file names of shipped tables, or paths. With a donor, the board's own rows only
    scale the donor's fit; with counts (instructions of one inference on an emulated core), they turn instructions
    into time. `core`, `runtime` and `runtime_version` must be those of the table, or None, which takes over what the
    table says; so must `clock_mhz`, where the table states one. With counts, `runtime` and `runtime_version` are those
    of the emulated build instead.

    `deployed_as` says what a network takes: compiled by a vendor's tool, its int8 weights and int32 biases in flash and
    its activations in RAM; interpreted by TensorFlow Lite Micro, the whole file in flash and the whole arena in RAM.
    `program_bytes` is the flash that the program and the runtime take beside the model, `program_ram_bytes` the RAM
    that the runtime takes beside the activations or the arena. `ram_spread` is the share by which the runtime's
    activations may exceed the rule they are predicted by; 0 where the prediction is exact.
    """

    name: str
    core: str | None
    clock_mhz: float | None
    runtime: str | None
    runtime_version: str | None
    table: str
    deployed_as: Deployment
    donor: str | None = None
    counts: str | None = None
    flash_bytes: int | None = None
    program_bytes: int = 0
    ram_bytes: int | None = None
    program_ram_bytes: int = 0
    ram_spread: float = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        for key in ("name", "table"):
            value = getattr(self, key)
            require(isinstance(value, str) and bool(value), f"board.{key}", value, "some text")
        for key in ("core", "runtime", "runtime_version"):
            value = getattr(self, key)
            stated = isinstance(value, str) and bool(value)
            require(value is None or stated, f"board.{key}", value, "some text, or null: as in the table")
        for key in ("clock_mhz", "flash_bytes", "ram_bytes"):
            value = getattr(self, key)
            positive = isinstance(value, int | float) and math.isfinite(value) and value > 0
            require(value is None or positive, f"board.{key}", value, "a finite number above 0, or null")
        for key in ("program_bytes", "program_ram_bytes"):
            value = getattr(self, key)
            require(isinstance(value, int) and value >= 0, f"board.{key}", value, "a whole number, 0 or more")
        known_share = isinstance(self.ram_spread, int | float) and 0 <= self.ram_spread <= 1
        require(known_share, "board.ram_spread", self.ram_spread, "a share from 0 to 1")
        fits = self.flash_bytes is None or self.program_bytes <= self.flash_bytes
        room = f"at most board.flash_bytes, {self.flash_bytes}; the program is in the same flash"
        require(fits, "board.program_bytes", self.program_bytes, room)
        rules = get_args(Deployment)
        require(self.deployed_as in rules, "board.deployed_as", self.deployed_as, " or ".join(rules))
        both = self.donor is not None and self.counts is not None
        require(not both, "board.donor", self.donor, "null where board.counts is set; a board has one or the other")


def board_spec(mapping: Mapping[str, object]) -> BoardSpec:
    """A board from the plain mapping of a composed `conf/board/NAME.yaml`.

    Raises:
        OptionError: an unknown or missing key, or a value out of range.
    """
    known = [field.name for field in fields(BoardSpec)]
    for key in mapping:
        near = difflib.get_close_matches(key, known, 1)
        require(key in known, f"board.{key}", mapping[key], ", ".join(known), f"nearest: {near[0]}" if near else "")
    for field in fields(BoardSpec):
        if field.default is MISSING:
            require(field.name in mapping, f"board.{field.name}", None, "a value; the board file must state it")
    return BoardSpec(**mapping)  # type: ignore[arg-type]  # BoardSpec checks its own values
