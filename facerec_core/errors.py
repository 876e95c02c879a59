"""One tree of errors, each a single line a user can act on.

FacerecError
├── OptionError       a configuration value is not allowed           (exit status 2)
├── DataError         images, folders, pairs files                   (exit status 2)
│   └── BrokenImageError  one image, by name and reason
├── StorageError      a path cannot be read or written, disk full    (exit status 2)
├── TrackingError     the experiment tracker cannot be used          (exit status 2)
├── QuantizationError a converted file is not what it has to be      (fails one candidate)
└── TrainingError     training went non-finite                       (fails one candidate)
"""

from __future__ import annotations


class FacerecError(Exception):
    """Base of every error this project raises on purpose."""


class UsageError(FacerecError):
    """An error the user mends by changing what was asked for."""


class OptionError(UsageError):
    """A configuration value outside what is allowed.

    Args:
        key: the dotted configuration key, as typed on the command line.
        received: the value as received.
        allowed: what would have been accepted, in words.
        hint: an example or a next step.
    """

    def __init__(self, key: str, received: object, allowed: str, hint: str = "") -> None:
        self.key = key
        self.received = received
        self.allowed = allowed
        self.hint = hint
        tail = f"; {hint}" if hint else ""
        super().__init__(f"{key}: got {received!r}, allowed: {allowed}{tail}")


class DataError(UsageError):
    """Images, folders or pairs files that cannot be used."""


class BrokenImageError(DataError):
    """One image that cannot be used; `name` and `reason` go into the record when broken images are skipped."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


class StorageError(UsageError):
    """A folder or file that cannot be read or written."""


class TrackingError(UsageError):
    """The experiment tracker cannot be reached or holds an unusable store."""


class QuantizationError(FacerecError):
    """A converted file that is not fully int8, or whose conversion failed."""


class TrainingError(FacerecError):
    """Training that cannot go on, such as a loss that is no longer finite."""


def require(condition: bool, key: str, received: object, allowed: str, hint: str = "") -> None:
    """Raise OptionError unless `condition` holds."""
    if not condition:
        raise OptionError(key, received, allowed, hint)
