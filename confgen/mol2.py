"""The molecule of a Tripos MOL2 record, with the formal charges that the format has no place for.

Open Babel and Sybyl write them as `@<TRIPOS>UNITY_ATOM_ATTR`, which RDKit passes over; other programs leave them to
the atom types. MOL2 names every hydrogen, so an atom that lacks a bond is charged or lacks a hydrogen, and is refused:
a radical cannot be told from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from rdkit import Chem
from rdkit.Chem import BondType, Mol, RWMol

ATTRIBUTES = "@<TRIPOS>UNITY_ATOM_ATTR"
# Charge of an atom with these many bonds (bond orders added) and every hydrogen; it can have no other.
ONIUM = {(5, 4): -1, (7, 4): 1, (8, 3): 1}


def read_mol2(block: str) -> Mol | None:
    """The sanitised molecule of a record, None if RDKit cannot read it; with radicals where charges are not known.

    Charges are those written down. If none are, they follow from valence, with aromatic rings taken as neutral; if
    that cannot be or leaves radicals, they are what RDKit makes of atom types (O.co2, C.cat, N.ar).
    Raises: ValueError of RDKit if it breaks the rules of valence.
    """
    told = _charges(block)
    if not told:  # the section makes RDKit pass over what it knows of charges, even if it is empty
        block = re.sub(rf"^{ATTRIBUTES}\n([^@].*\n|\n)*", "", block, flags=re.MULTILINE)
    raw: Mol | None = Chem.MolFromMol2Block(block, sanitize=False, removeHs=False, cleanupSubstructures=False)
    if raw is None:
        return None
    try:
        mol, refused = _with_charges(raw, told), None
    except ValueError as error:
        mol, refused = None, error
    if not told and (mol is None or unsaturated(mol) is not None):
        typed: Mol | None = Chem.MolFromMol2Block(block, removeHs=False)
        if typed is not None and not _doubtful(typed) and (mol is None or unsaturated(typed) is None):
            return typed
    if refused is not None:
        raise refused
    return mol


def unsaturated(mol: Mol) -> Chem.Atom | None:
    """The first atom that lacks bonds for its charge."""
    return next((atom for atom in mol.GetAtoms() if atom.GetNumRadicalElectrons()), None)


def _with_charges(raw: Mol, told: dict[int, int]) -> Mol:
    """The sanitised molecule with charges by atom index or, if there are none, those that valence asks for."""
    mol = RWMol(raw)
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(True)
        if told:
            atom.SetFormalCharge(told.get(atom.GetIdx(), 0))
    if not told:
        _correct_guesses(mol)
    _spell_out_resonance(mol)
    for atom in mol.GetAtoms() if not told else ():
        if atom.GetProp("_TriposAtomType") == "O.co2" and [str(b.GetBondType()) for b in atom.GetBonds()] == ["SINGLE"]:
            atom.SetFormalCharge(-1)
    Chem.SanitizeMol(mol)
    return mol.GetMol()


def _correct_guesses(mol: RWMol) -> None:
    """Takes back, in place, charges that RDKit has guessed from missing bonds and that may as well be something else.

    It has N in pyrrole as 1, O without bonds as -2, Cl in perchlorate as 6, and anions where no hydrogens are given.
    """
    doubtful = {atom.GetIdx() for atom in _doubtful(mol)}
    for atom in mol.GetAtoms():
        charge = atom.GetFormalCharge()
        bonds = [bond.GetBondTypeAsDouble() for bond in atom.GetBonds()]
        if charge == 0 and 1.5 not in bonds:
            atom.SetFormalCharge(ONIUM.get((atom.GetAtomicNum(), int(sum(bonds))), 0))
        elif 1.5 in bonds or (bonds and charge > 1) or atom.GetIdx() in doubtful:
            atom.SetFormalCharge(0)


def _doubtful(mol: Mol) -> list[Chem.Atom]:
    """Anions that may as well lack hydrogens: of more than one charge, or where no hydrogen is given at all."""
    bare = all(atom.GetAtomicNum() > 1 for atom in mol.GetAtoms())
    return [
        atom for atom in mol.GetAtoms() if atom.GetFormalCharge() < (0 if bare and _could_lack_hydrogen(atom) else -1)
    ]


def _could_lack_hydrogen(atom: Chem.Atom) -> bool:
    """Whether there is another reason for a missing bond than a charge; not in carboxylates and nitro groups."""
    by_cation = any(other.GetFormalCharge() > 0 for other in atom.GetNeighbors())
    return 0 < atom.GetDegree() < 4 and not by_cation and atom.GetProp("_TriposAtomType") != "O.co2"


def _spell_out_resonance(mol: RWMol) -> None:
    """Makes aromatic bonds outside rings (of carboxylates, nitro groups, guanidinium) single and double ones, in place.

    An anionic oxygen and a neutral nitrogen have the single bond; of the rest as many as there can be have double ones.
    """
    Chem.FastFindRings(mol)
    loose = [bond for bond in mol.GetBonds() if bond.GetBondType() == BondType.AROMATIC and not bond.IsInRing()]
    doubles: Counter[int] = Counter()
    for bond in sorted(loose, key=_single_last):
        middle = max(bond.GetBeginAtom(), bond.GetEndAtom(), key=lambda atom: atom.GetDegree())
        most = 2 if middle.GetAtomicNum() == 16 and middle.GetDegree() == 4 else 1
        double = not _single_last(bond) and doubles[middle.GetIdx()] < most
        bond.SetBondType(BondType.DOUBLE if double else BondType.SINGLE)
        bond.SetIsAromatic(False)
        doubles[middle.GetIdx()] += double
    for atom in mol.GetAtoms():
        atom.SetIsAromatic(any(bond.GetIsAromatic() for bond in atom.GetBonds()))


def _single_last(bond: Chem.Bond) -> bool:
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    return any(
        atom.GetFormalCharge() < 0 or (atom.GetAtomicNum() == 7 and atom.GetDegree() > 2 and not atom.GetFormalCharge())
        for atom in ends
        if atom.GetAtomicNum() != 6
    )


def _charges(block: str) -> dict[int, int]:
    """Formal charges that are written down, by index of the atom; atoms of a charge of 0 are left out."""
    ids = [line.split()[0] for line in _section(block, "@<TRIPOS>ATOM") if line.split()]
    index = {atom_id: place for place, atom_id in enumerate(ids)}
    charges: dict[int, int] = {}
    atom_id = ""
    for words in (line.split() for line in _section(block, ATTRIBUTES)):
        if len(words) == 2 and words[0].lower() == "charge" and re.fullmatch(r"[+-]?\d+", words[1]):
            if atom_id in index and int(words[1]) != 0:
                charges[index[atom_id]] = int(words[1])
        elif len(words) == 2 and words[0].isdigit():  # the number of an atom, and how many lines are on it
            atom_id = words[0]
    return charges


def _section(block: str, name: str) -> Iterator[str]:
    inside = False
    for line in block.splitlines():
        if line.startswith("@<TRIPOS>"):
            inside = line.strip() == name
        elif inside and not line.startswith("#"):
            yield line
