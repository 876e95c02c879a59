"""`python -m sweep`, and the installed program."""

from __future__ import annotations

from sweep.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
