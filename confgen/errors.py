"""The errors a user can meet, each with the exit code of the command it ends."""

from __future__ import annotations


class ConfgenError(Exception):
    """Base of everything confgen raises on purpose; the message is one line that says where, what and what to do."""

    exit_code = 1


class CannotStart(ConfgenError):
    """The command cannot begin: nothing was computed and nothing was written."""

    exit_code = 2


class InputError(CannotStart):
    """A file or text given as input cannot be read at all."""


class WeightsError(CannotStart):
    """Weights are unknown, damaged, or made for another network."""


class DeviceError(CannotStart):
    """The device asked for is not there."""


class OutputError(CannotStart):
    """The output exists already, or cannot be written."""


class MoleculeError(ConfgenError):
    """One molecule cannot be done; a batch records it and goes on."""

    exit_code = 3


class NoStart(MoleculeError):
    """RDKit's distance geometry finds no coordinates of a molecule to start from; others may still be sampled."""


def first_line(error: Exception) -> str:
    """What an error of another library says, short enough for a message of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
