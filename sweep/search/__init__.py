"""The search verb: candidates proposed by Optuna within the limits, each distinct one trained once.

Only this package imports Optuna.
"""

from __future__ import annotations

from pathlib import Path

from facerec_core.stages import content_key
from sweep.console import Display
from sweep.points import Point, Points, check_initial_weights
from sweep.runner import Prepared, carry_sweep
from sweep.schema import Invocation, Settings
from sweep.search.feasible import Survey, survey
from sweep.search.samplers import check_sampler
from sweep.search.source import SearchSource
from sweep.search.space import Value, read_space
from sweep.search.storage import open_storage
from sweep.search.study import Study, open_study, terms_of
from sweep.search.warm import reuse_records


def run(settings: Settings, invocation: Invocation) -> int:
    """Search as `settings.search` says, and track what is tried; 0 when no candidate failed, else 1.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same command goes on.
        UsageError: space, limits, study, storage, data or tracker cannot be used.
    """
    space = read_space(settings)
    check_sampler(settings.search, space)
    found = survey(space)

    def prepare(root: Path, display: Display) -> Prepared:
        return _prepared(settings, found, root, display)

    return carry_sweep(settings, invocation, prepare)


def _prepared(settings: Settings, found: Survey, root: Path, display: Display) -> Prepared:
    space = found.space
    base = space.settings({**_first_values(found), **found.feasible[0].values})
    check_initial_weights([space.settings({**_first_values(found), **one.values}) for one in found.feasible])
    points = Points(root, display)
    data = points.open_data(base)

    def make_point(name: str, wanted: Settings) -> Point:
        return points.make(name, wanted, otherwise=base)

    name = settings.sweep or f"search-{content_key(terms_of(space, data.fingerprint))[:8]}"
    display.doing("opening the study")
    storage, where, dropped = open_storage(root, settings.search.storage)
    if dropped:
        display.say(f"{where}: a killed process left {dropped} bytes of an unfinished line, which are dropped")
    study = open_study(storage, where, name, space, data.fingerprint)
    if settings.search.reuse:
        display.say(f"{reuse_records(study, space, settings, root, make_point)} candidate(s) known from earlier sweeps")
    source = SearchSource(study, found, make_point, display.say)
    _announce(display, name, found, source, where)
    parameters = _parameters(found, study, data.name, data.fingerprint)
    return Prepared(name, parameters, source, joins="://" in where, beating=study.beating)


def _first_values(found: Survey) -> dict[str, Value]:
    return {axis.key: axis.lattice[0] for axis in found.space.recipe}


def _announce(display: Display, name: str, found: Survey, source: SearchSource, where: str) -> None:
    fit = f"{len(found.feasible)} of {len(found.architectures)} architectures keep the limits"
    search = found.space.base.search
    how = f"{search.sampler} proposes, at most {search.trials} are trained"
    if source.listed:
        how = f"all {len(found.candidates)} candidates are listed, no more than search.trials={search.trials}"
        if len(found.candidates) > search.trials:
            how = f"the grid is listed up to search.trials={search.trials}"
    display.say(f"search {name}: {fit}; {how}; study in {where}")


def _parameters(found: Survey, study: Study, data: str, fingerprint: str) -> dict[str, str]:
    search = found.space.base.search
    return {
        "axes": ", ".join(axis.key for axis in found.space.axes),
        "sampler": search.sampler,
        "objective": search.objective,
        "trials": str(search.trials),
        "feasible_architectures": f"{len(found.feasible)} of {len(found.architectures)}",
        "storage": study.where,
        "data": data,
        "data_fingerprint": fingerprint,
        "board": found.space.base.board.name,
    }
