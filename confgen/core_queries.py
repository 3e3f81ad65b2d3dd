"""What to search a molecule for to find the core that it shares with a template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdFMCS

FEWEST_ATOMS = 3  # two atoms leave the molecule free to turn about them
MCS_TIMEOUT_S = 10


def heavy_atoms(mol: Mol) -> tuple[Mol, np.ndarray]:
    """The heavy atoms as a molecule, and their indices."""
    bare = Chem.RemoveAllHs(mol, sanitize=False)
    bare.UpdatePropertyCache(strict=False)
    Chem.GetSymmSSSR(bare)
    return bare, np.array([atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1], dtype=np.int64)


def core_queries(bare: Mol, whole: Mol, smarts: str | None) -> Iterator[tuple[Mol, Sequence[Sequence[int]], Mol]]:
    """Queries for the core, the first that matches is it, with their matches in the template and what to search."""
    if smarts is not None:
        query = Chem.MolFromSmarts(smarts)
        yield query, whole.GetSubstructMatches(query), bare
        return
    plain = Chem.RWMol(whole)  # charges and isotopes of a query must be met, and an amine's may differ
    for atom in plain.GetAtoms():
        atom.SetFormalCharge(0)
        atom.SetIsotope(0)
    yield plain.GetMol(), [range(whole.GetNumAtoms())], bare
    of_template, own = _told_apart(whole), _told_apart(bare)
    common = rdFMCS.FindMCS(
        [of_template, own],
        atomCompare=rdFMCS.AtomCompare.CompareIsotopes,
        bondCompare=rdFMCS.BondCompare.CompareOrderExact,
        ringMatchesRingOnly=True,
        completeRingsOnly=True,
        timeout=MCS_TIMEOUT_S,
    )
    if common.numAtoms >= FEWEST_ATOMS:
        query = Chem.MolFromSmarts(common.smartsString)
        yield query, of_template.GetSubstructMatches(query), own


def rings_agree(query: Mol, bare: Mol, own: Sequence[int]) -> bool:
    """Whether bonds that are in no ring of the query are in none of the molecule: a chain is no part of a ring."""
    for bond in query.GetBonds():
        matched = bare.GetBondBetweenAtoms(own[bond.GetBeginAtomIdx()], own[bond.GetEndAtomIdx()])
        if matched.IsInRing() and not bond.IsInRing():
            return False
    return True


def _told_apart(mol: Mol) -> Mol:
    """A copy whose isotopes stand for the elements, with one of their own for aromatic atoms.

    FindMCS would lay a flat ring on a saturated one, where it cannot be.
    """
    marked = Chem.Mol(mol)
    for atom in marked.GetAtoms():
        atom.SetIsotope(2 * atom.GetAtomicNum() + int(atom.GetIsAromatic()))
    return marked
