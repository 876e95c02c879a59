"""Records as JSON text and back, exactly: the form in which they are kept on disk and in the tracker."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from facerec_core.errors import StorageError

T = TypeVar("T")


def dump_record(record: object) -> str:
    """Strict JSON; a number that is not finite becomes a string such as "NaN", which JSON cannot say otherwise."""
    return to_json(record, inf_nan_mode="strings", indent=1).decode()


def parse_record(kind: type[T], text: str, source: str) -> T:
    """Read back what `dump_record` wrote as a `kind`; `source` names where `text` is from.

    Raises:
        StorageError: the text is damaged or was written by another version.
    """
    try:
        parsed: T = _adapter(kind).validate_json(text)  # type: ignore[arg-type] # classes are hashable
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise StorageError(
            f"{source}: got a record that cannot be read ({where}: {first['msg']}), allowed: one written by this "
            "version; run the sweep again with force=true"
        ) from None
    return parsed


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
