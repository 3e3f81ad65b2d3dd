"""A molecule's conformers as arrays, its parts, and what it is called; and molecules as bytes that lose nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.complaints import short


def positions(mol: Mol) -> NDArray[np.float64]:
    """Positions of all conformers in their order, (K, N, 3) angstrom."""
    stacked = np.array([conformer.GetPositions() for conformer in mol.GetConformers()], np.float64)
    return stacked.reshape(-1, mol.GetNumAtoms(), 3)


def to_binary(mol: Mol) -> bytes:
    """The molecule for another process, for `Chem.Mol` to read: a plain pickle loses properties and digits."""
    exact = int(Chem.PropertyPickleOptions.AllProps) | int(Chem.PropertyPickleOptions.CoordsAsDouble)
    binary: bytes = mol.ToBinary(exact)
    return binary


def from_binary(binary: bytes) -> Mol:
    """The molecule that `to_binary` wrote."""
    mol: Mol = Chem.Mol(binary)  # type: ignore[call-overload] # RDKit's stubs know str only
    return mol


def reduced(value: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What `__reduce__` gives for a dataclass with a field `mol`, a molecule or None: see `to_binary`."""
    rest = {field.name: getattr(value, field.name) for field in fields(value)}
    mol = rest.pop("mol")
    return _rebuilt, (type(value), None if mol is None else to_binary(mol), rest)


def _rebuilt(kind: Callable[..., Any], binary: bytes | None, rest: dict[str, Any]) -> Any:
    return kind(mol=None if binary is None else from_binary(binary), **rest)


def with_positions(mol: Mol, pos: NDArray[np.float64]) -> Mol:
    """A copy whose conformers 0..K-1 are the given positions, (K, N, 3) angstrom."""
    copy = Chem.Mol(mol)
    copy.RemoveAllConformers()
    for conf_id, own in enumerate(pos):
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.Set3D(True)
        conformer.SetId(conf_id)
        conformer.SetPositions(np.ascontiguousarray(own, np.float64))
        copy.AddConformer(conformer)
    return copy


def label(mol: Mol) -> str:
    """Where a molecule came from, what it is called and which isomer it is, for messages: `mols.smi:7 'aspirin'`."""
    isomer = f" (stereoisomer {mol.GetProp('stereoisomer')})" if mol.HasProp("stereoisomer") else ""
    return where_of(origin_of(mol), title_of(mol)) + isomer


def fragments(mol: Mol) -> list[NDArray[np.int64]]:
    """Atom indices, ascending, of each connected component, in the order of their first atoms."""
    return [np.array(atoms, dtype=np.int64) for atoms in Chem.GetMolFrags(mol)]


def is_token(mol: Mol) -> NDArray[np.bool_]:
    """Which atoms the network sees, (N,): heavy atoms, and every atom of a fragment that has none (H2, a proton)."""
    token = np.array([atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()], dtype=bool)
    for atoms in fragments(mol):
        if not token[atoms].any():
            token[atoms] = True
    return token


def where_of(origin: str, name: str) -> str:
    """`label` of a molecule that came from there and is called that."""
    return " ".join(part for part in (origin, f"'{short(name)}'" if name else "") if part) or "molecule"


def title_of(mol: Mol) -> str:
    """Its name, "" if it has none."""
    return mol.GetProp("_Name").strip() if mol.HasProp("_Name") else ""


def origin_of(mol: Mol) -> str:
    """Where it came from, "" if it does not say."""
    return mol.GetProp("_confgen_origin") if mol.HasProp("_confgen_origin") else ""
