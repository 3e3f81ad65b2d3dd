"""Conformers out of pickles, without letting a pickle run anything.

A pickle can call whatever it names. Here it may name RDKit molecules, plain containers and numpy numbers and arrays,
and gets for each a function of ours that makes nothing else; any other name is refused before it is looked up. (What
the bytes of a molecule say is read by RDKit, as is any file of molecules.)
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.errors import InputError

Maker = Callable[..., object]
DAMAGE = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, MemoryError, OSError, OverflowError,
    RecursionError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


class RefusedPickle(InputError):
    """A pickle that asks for something which no file of molecules needs."""


@dataclass(frozen=True)
class PickledEnsemble:
    """One molecule of a pickle: a `Mol` with one conformer or more for each of its conformers.

    name:     its SMILES as the pickle has it, or "".
    energies: kcal/mol, relative.     weights: Boltzmann.     Of each, None for a value that is no number; None where
              nothing is said of them.
    """

    name: str
    mols: list[Mol]
    energies: list[float | None] | None = None
    weights: list[float | None] | None = None


def read_pickle(path: Path) -> list[PickledEnsemble]:
    """The molecules of a pickle: of GEOM's `rdkit_folder`, or a dictionary from SMILES to molecules or to those.

    Raises: RefusedPickle if it names anything but molecules and plain data, InputError if it is damaged or has
            another form.
    """
    try:
        content = _Unpickler(io.BytesIO(path.read_bytes()), path).load()
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as a pickle ({reason[:120]}); get it again") from None
    found = list(_ensembles(content, ""))
    if not found:
        forms = "`conformers` with `rd_mol`, as in GEOM's rdkit_folder, or a dictionary from SMILES to molecules"
        raise InputError(f"{path}: holds no molecules in a known form; known is a dictionary with {forms}")
    return found


def _ensembles(content: object, name: str) -> Iterator[PickledEnsemble]:
    """What of `content` has a known form."""
    if isinstance(content, dict) and isinstance(content.get("conformers"), list):
        rows = [row for row in content["conformers"] if isinstance(row, dict) and isinstance(row.get("rd_mol"), Mol)]
        if len(rows) == len(content["conformers"]):
            smiles = content.get("smiles")
            energies, weights = _numbers(rows, "relativeenergy"), _numbers(rows, "boltzmannweight")
            mols = [row["rd_mol"] for row in rows]
            yield PickledEnsemble(smiles if isinstance(smiles, str) else name, mols, energies, weights)
    elif isinstance(content, list) and content and all(isinstance(mol, Mol) for mol in content):
        yield PickledEnsemble(name, content)
    elif isinstance(content, dict) and not name:
        for key, value in content.items():
            if isinstance(key, str) and key:
                yield from _ensembles(value, key)


def _numbers(rows: list[dict[str, Any]], key: str) -> list[float | None] | None:
    if not any(key in row for row in rows):
        return None
    values = [row.get(key) for row in rows]
    return [float(value) if isinstance(value, (int, float, np.number)) else None for value in values]


class _Unpickler(pickle.Unpickler):
    """Makes what `_makers` lists and nothing else. The makers are new for each file: a pickle can write to them."""

    def __init__(self, stream: io.BytesIO, path: Path) -> None:
        super().__init__(stream)
        self._path = path
        self._makers = _makers()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._makers:
            what = f"{module}.{name}"[:80]
            what = "".join(character if character.isprintable() else "?" for character in what)
            advice = "it was not loaded, since that could run code; give molecules as SDF or Parquet"
            raise RefusedPickle(
                f"{self._path}: the pickle asks for {what}, which is no molecule or plain data; {advice}"
            )
        return self._makers[module, name]

    def persistent_load(self, pid: object) -> Any:
        raise RefusedPickle(f"{self._path}: the pickle refers to data outside of it ({pid!s:.40}); give SDF or Parquet")


def _makers() -> dict[tuple[str, str], Maker]:
    """What a pickle may name, and the function it gets for it."""
    makers: dict[tuple[str, str], Maker] = {
        ("rdkit.Chem.rdchem", "Mol"): lambda data: Chem.Mol(_as_bytes(data)),  # type: ignore[call-overload] # stubs know str
        ("_codecs", "encode"): lambda text, encoding: _latin1(text, encoding),
        ("collections", "OrderedDict"): lambda *items: dict(*items),
        ("collections", "defaultdict"): lambda *_: {},
        ("numpy", "dtype"): lambda code, *_: np.dtype(_plain_code(code)),
        ("numpy", "ndarray"): lambda *_: None,
    }
    for home in ("builtins", "__builtin__"):
        makers[home, "set"] = lambda *items: set(*items)
        makers[home, "frozenset"] = lambda *items: frozenset(*items)
        makers[home, "list"] = lambda *items: list(*items)
        makers[home, "dict"] = lambda *items: dict(*items)
        makers[home, "bytes"] = lambda *items: _as_bytes(*items or (b"",))
    for home in ("numpy.core.multiarray", "numpy._core.multiarray"):
        makers[home, "scalar"] = lambda dtype, data: np.frombuffer(_as_bytes(data), dtype)[0]
        makers[home, "_reconstruct"] = lambda *_: np.empty(0, np.int8).view(np.ndarray)
    for home in ("numpy.core.numeric", "numpy._core.numeric"):
        makers[home, "_frombuffer"] = lambda data, dtype, shape, _: np.frombuffer(_as_bytes(data), dtype).reshape(shape)
    return makers


def _as_bytes(data: object) -> bytes:
    if not isinstance(data, (bytes, bytearray)):
        raise TypeError("bytes were expected")
    return bytes(data)


def _latin1(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise TypeError("text of an unknown encoding")
    return text.encode("latin-1")


def _plain_code(code: object) -> str:
    """The code of a dtype of numbers."""
    if not isinstance(code, str) or code.lstrip("<>=|")[:1] not in tuple("biuf"):
        raise TypeError("an array of something that is no number")
    return code
