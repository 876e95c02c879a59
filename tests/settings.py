"""Settings composed from conf/, as the command line does."""

from __future__ import annotations

from functools import cache

from facerec_core.types import DataSummary
from sweep.compose import Composer, open_composer
from sweep.schema import Settings


@cache
def composer() -> Composer:
    return open_composer()


def settings(*overrides: str) -> tuple[Settings, ...]:
    return composer().many(["debug=fast", *overrides])


SUMMARY = DataSummary("synthetic", "5f1c0ffee", 16, 4, 36, 12, 36, 12)
