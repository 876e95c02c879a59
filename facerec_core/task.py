"""One candidate to be carried through, and the identities of what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from facerec_core.data.groups import groups_identity
from facerec_core.initial import init_identity
from facerec_core.options import WHOLE, Recipe
from facerec_core.stages import content_key
from facerec_core.teacher import teacher_identity
from facerec_core.types import SCHEMES, Candidate, Scheme

STAGE_VERSIONS = {"float": 2, "ptq": 4, "qat": 5, "control": 1, "eval": 4}
"""Goes into the hashes: raise a stage's number when its code changes what it produces."""

STAGE_OF: Mapping[Scheme, str] = {
    "float32": "float",
    "float32_control": "control",
    "ptq_int8": "ptq",
    "qat_int8": "qat",
}


OFF: Mapping[str, object] = {
    "progressive": 0.0,
    "ema": 0.0,
    "settle_batches": 0,
    "downscale": 0.0,
    "grey": 0.0,
    "percentile": 100.0,
    "keep": "last",
}
"""Options that came later, and the values with which stages are what they were before: such count as not given."""


def settled(options: object) -> dict[str, object]:
    """What of `train.*` decides the weights, by name; how often they are looked at does not."""
    plain = asdict(options)  # type: ignore[call-overload]
    plain.pop("validate_epochs", None)
    return _without_off(plain)


def _without_off(plain: Mapping[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in plain.items() if name not in OFF or value != OFF[name]}
    return {name: _without_off(value) if isinstance(value, dict) else value for name, value in kept.items()}


@dataclass(frozen=True)
class Task:
    """One candidate to be carried through.

    `threads` are the threads one operator may use. They are no part of the identity.
    """

    candidate: Candidate
    recipe: Recipe
    data_fingerprint: str
    stages_dir: str
    cache_dir: str
    threads: int = 0

    @cached_property
    def float_key(self) -> str:
        """Identity of the float weights; of initial weights and teacher the content counts, not where they lie.

        Raises:
            OptionError: the file of initial weights cannot be read.
        """
        own = self.recipe.train
        train = settled(replace(own, init=init_identity(own.init), teacher=teacher_identity(own.teacher)))
        version = STAGE_VERSIONS["float"]
        return content_key("float", version, self.candidate, self.data_fingerprint, train, self.recipe.seed)

    def stage_key(self, stage: str) -> str:
        """Identity of one stage of this task."""
        if stage == "float":
            return self.float_key
        version, quant = STAGE_VERSIONS[stage.split("-")[0]], self.recipe.quant
        if stage == "ptq":
            return content_key(stage, version, self.float_key, _without_off(asdict(quant.ptq)))
        if stage in {"qat", "control"}:
            prepared = not quant.qat.from_scratch and (quant.qat.equalize or quant.qat.rounding == "adaptive")
            sample = quant.ptq.calibration_images if prepared else None
            settings = replace(quant.qat, control=False)
            if stage == "control":  # it has no ranges, and one network to keep
                settings = replace(settings, percentile=WHOLE, keep="last")
            return content_key(stage, version, self.float_key, _without_off(asdict(settings)), sample)
        scheme = stage.removeprefix("eval-")
        source = self.stage_key(STAGE_OF[scheme])  # type: ignore[index]
        groups = self.recipe.data.groups
        named = [groups_identity(groups)] if groups is not None else []
        return content_key(stage, version, source, self.recipe.eval, self.recipe.target_far, *named)

    @cached_property
    def key(self) -> str:
        """Identity of the whole: equal keys mean equal results."""
        return content_key([self.stage_key(stage) for stage in self.stages])

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """The variants the recipe asks for."""
        return (*SCHEMES, "float32_control") if self.recipe.quant.qat.control else SCHEMES

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages in the order they are carried through."""
        return (*(STAGE_OF[scheme] for scheme in self.schemes), *(f"eval-{scheme}" for scheme in self.schemes))
