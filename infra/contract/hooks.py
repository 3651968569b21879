"""What Schemathesis leaves out, and whom it asks about."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import schemathesis

# Ids of the default shop, so that not every question is about somebody unknown.
KNOWN = {"customer_id": ["1171", "519", "1"], "sku_id": ["1082185", "823704", "995242"]}


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Bodies of bytes that are no text: the stand-in for the gateway fails on them by itself, where the real one encodes them. That the
    functions refuse them is tested in `tests/storecast/api.rs`."""
    if not isinstance(case.body, bytes):
        return True
    try:
        case.body.decode()
    except UnicodeDecodeError:
        return False
    return True


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """Every other id of a call that keeps the document becomes a known one. What breaks it stays as it was drawn, or it might no longer.
    What is put back is judged anew, as it is sent, where an id has three characters for one: only what changes is put back."""
    if case.meta and case.meta.generation.mode == schemathesis.GenerationMode.POSITIVE:
        for part in ("path_parameters", "body"):
            drawn = getattr(case, part)
            known = with_known(drawn)
            if known != drawn:
                setattr(case, part, known)
    return case


def with_known(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {field: with_known(inner, field) for field, inner in value.items()}
    if isinstance(value, list):
        return [with_known(inner) for inner in value]
    if isinstance(value, str) and name in KNOWN:
        return [*KNOWN[name], value, value, value][crc32(value.encode(errors="replace")) % 6]
    return value
