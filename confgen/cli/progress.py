"""The progress bar of a command: on a terminal, unless the user says otherwise."""

from __future__ import annotations

from tqdm import tqdm


def molecules_bar(
    *, quiet: bool, wanted: bool | None, total: int | None = None, done: int = 0, doing: str | None = None
) -> tqdm:
    """A bar of molecules, gone when they are done. wanted: by --progress or --no-progress, None for neither."""
    hidden = quiet if wanted is None else not wanted
    disable = True if hidden else None if wanted is None else False  # None leaves it to the terminal
    return tqdm(desc=doing, total=total, initial=done, unit="mol", disable=disable, leave=False)
