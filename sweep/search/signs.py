"""Signs of life of trials in a database that several machines share, whose processes cannot be asked: Optuna's.

The database stamps and compares them, so no machine's clock counts. `Study.optimize` would send them; whoever asks and
tells has to do so himself, for all trials under way.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sweep.beat import beating

GRACE_SECONDS = 60
"""Six beats (`sweep.beat.BEAT_SECONDS`): a machine that is busy or a network that falters is waited for."""


class Signs:
    """The signs of life of one study's trials; none where Optuna's storage keeps none."""

    def __init__(self, study: Any) -> None:
        from optuna.storages._heartbeat import is_heartbeat_enabled

        self._storage = study._storage
        self._study_id = study._study_id
        self._kept = is_heartbeat_enabled(self._storage)
        self._under_way: set[int] = set()

    def begin(self, trial: Any) -> None:
        """Leave the first sign of a trial; the others follow while `beating`."""
        if self._kept:
            self._storage.record_heartbeat(trial._trial_id)
            self._under_way.add(trial._trial_id)

    def end(self, trial: Any) -> None:
        """Leave no more signs of a trial."""
        self._under_way.discard(trial._trial_id)

    def beating(self) -> AbstractContextManager[None]:
        """Leave signs of all trials under way, for the length of a block."""
        return beating(lambda _text: self._beat()) if self._kept else nullcontext()

    def _beat(self) -> None:
        for trial_id in tuple(self._under_way):
            self._storage.record_heartbeat(trial_id)

    def silent(self) -> set[int]:
        """The ids of running trials that left signs once, and none for GRACE_SECONDS."""
        return set(self._storage._get_stale_trial_ids(self._study_id)) if self._kept else set()
