"""Which version of confgen this is."""

from __future__ import annotations

import functools
from importlib import metadata


@functools.cache
def confgen_version() -> str:
    """The version installed; `unknown` in a checkout that was never installed."""
    try:
        return metadata.version("confgen-mol")
    except metadata.PackageNotFoundError:
        return "unknown"
