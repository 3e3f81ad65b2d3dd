"""SMILES that keep the stereochemistry which RDKit's own perception overlooks, and that of axes and relative groups.

RDKit clears a tag before it writes if it sees no unlike neighbours: that of a spiro atom between rings that are alike,
of a ring atom across from a double bond, of the nitrogens of Troeger's base. Axes and relative groups stand
in an extension (see `confgen.cxsmiles`). `confgen.molecule.from_smiles` reads all of them back.
"""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.cxsmiles import extension
from confgen.relabelling import symmetries
from confgen.stereo import elements, reassign
from confgen.stereo_tags import restore_overlooked

# Not canonical, for with tags that RDKit thinks meaningless its canonical order can write the wrong hand.
_AS_TAGGED = Chem.SmilesWriteParams()
_AS_TAGGED.canonical = False  # type: ignore[assignment] # RDKit's stubs have the wrong type
_AS_TAGGED.cleanStereo = False  # type: ignore[assignment]


def written_smiles(mol: Mol) -> str:
    """Isomeric SMILES of all atoms of `mol`, canonical unless that would lose stereochemistry.

    It is a CXSMILES, with a space in it, if there are axes or relative groups, which no SMILES has.
    """
    return written_with_order(mol)[0]


def written_with_order(mol: Mol) -> tuple[str, list[int]]:
    """`written_smiles`, and the atoms in the order in which they stand there."""
    return _written(mol, as_tagged=_overlooked(mol))


def without_hydrogens(mol: Mol) -> str:
    """`written_smiles` with those hydrogens only that carry stereochemistry."""
    return written_smiles(Chem.RemoveHs(mol, sanitize=False))


def mapped_smiles(mol: Mol) -> str:
    """`written_smiles` with every atom's number, from 1, as its map number."""
    numbered = Chem.Mol(mol, True)  # without conformers
    for atom in numbered.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    return _written(numbered, as_tagged=_overlooked(mol))[0]


def forget_map_numbers(mol: Mol) -> None:
    """Takes the map numbers of atoms away, in place: they would make equal atoms differ."""
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)


def stereo_smiles(mol: Mol) -> str:
    """One SMILES for each stereoisomer, whatever the order of atoms, without hydrogens that it does not need.

    Bridgeheads and ring fusions that RDKit overlooks are left out, for not every source of molecules has their tags,
    and so are axes, which nobody finds in coordinates.
    """
    bare = Chem.RWMol(Chem.RemoveHs(mol, sanitize=False))
    forget_map_numbers(bare)
    cleaned = Chem.Mol(bare)
    reassign(cleaned)
    smiles = Chem.MolToSmiles(cleaned)
    restore_overlooked(cleaned, bare, only_open=True)
    return _first_of_symmetric(cleaned) if _overlooked(cleaned) else smiles


def _written(mol: Mol, *, as_tagged: bool) -> tuple[str, list[int]]:
    smiles = str(Chem.MolToSmiles(mol, _AS_TAGGED) if as_tagged else Chem.MolToSmiles(mol))
    atoms, bonds = (_numbers(mol, f"_smiles{what}OutputOrder") for what in ("Atom", "Bond"))
    return smiles + extension(mol, smiles, atoms, bonds), atoms


def _numbers(mol: Mol, prop: str) -> list[int]:
    return [int(number) for number in mol.GetProp(prop).strip("[,]").split(",") if number]


def _overlooked(mol: Mol) -> bool:
    """Whether RDKit would clear tags in writing."""
    cleaned = Chem.Mol(mol, True)  # without conformers
    reassign(cleaned)
    return elements(cleaned).names != elements(mol).names


def _first_of_symmetric(mol: Mol) -> str:
    """The first, by the alphabet, of the SMILES that the symmetries of the bond graph give its one canonical order."""
    flat = Chem.Mol(mol)
    Chem.RemoveStereochemistry(flat)
    order = np.argsort(list(Chem.CanonicalRankAtoms(flat)))
    ordered = Chem.RenumberAtoms(mol, order.tolist())
    return min(Chem.MolToSmiles(Chem.RenumberAtoms(ordered, to.tolist()), _AS_TAGGED) for to in symmetries(ordered))
