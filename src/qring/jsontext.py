"""JSON that every reader takes: NaN and infinity, which JSON does not have, become null."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["to_json"]


def to_json(value: Any, **layout: Any) -> str:  # noqa: ANN401 - whatever json.dumps takes
    """Write ``value`` as valid JSON; ``layout`` goes to :func:`json.dumps`."""
    return json.dumps(_finite(value), allow_nan=False, **layout)


def _finite(value: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
