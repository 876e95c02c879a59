"""Where a sweep's results go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sweep.tracking_store import is_server


@dataclass(frozen=True)
class Site:
    """The results folder, the tracker's address, the run of the sweep there, and how long the tracker is waited for."""

    root: Path
    tracking_uri: str
    run_id: str
    patience_s: float

    @property
    def stages(self) -> Path:
        """Folder of the finished stages."""
        return self.root / "stages"

    @property
    def has_server(self) -> bool:
        """Whether machines that share no folder can hand files to each other through the tracker."""
        return is_server(self.tracking_uri)
