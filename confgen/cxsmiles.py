"""What a SMILES cannot say of the stereochemistry, as the extension of a CXSMILES: axes and relative groups.

Nothing else is written: no coordinates, no properties, no absolute groups, which say what the SMILES says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rdkit import Chem
from rdkit.Chem import BondStereo, Mol, StereoGroupType

from confgen.axes import AXIAL, renumbered
from confgen.complaints import quiet
from confgen.stereo import HANDED

GROUPS = {StereoGroupType.STEREO_AND: "&", StereoGroupType.STEREO_OR: "o"}
HYDROGENS_KEPT = Chem.SmilesParserParams()
HYDROGENS_KEPT.removeHs = False  # type: ignore[assignment] # RDKit's stubs have the wrong type


def extension(mol: Mol, smiles: str, atoms: Sequence[int], bonds: Sequence[int]) -> str:
    """The extension to a SMILES of `mol`, with the space before it: ` |wU:7.6,&1:7|`; "" if there is nothing to say.

    atoms, bonds: of `mol`, in the order in which they stand in the SMILES.
    """
    place = {atom: number for number, atom in enumerate(atoms)}
    axes = [bond.GetIdx() for bond in mol.GetBonds() if bond.GetStereo() in AXIAL]
    axes.sort(key=lambda axis: [place[end] for end in _ends(mol, axis, place)])
    if not axes and not mol.GetStereoGroups():
        return ""
    wedges = _wedges(mol, smiles, axes, atoms, bonds) if axes else {}
    fields = [*wedges.values(), *_groups(mol, place, set(wedges))]
    return f" |{','.join(fields)}|" if fields else ""


def _wedges(mol: Mol, smiles: str, axes: Sequence[int], atoms: Sequence[int], bonds: Sequence[int]) -> dict[int, str]:
    """The wedges that have RDKit read the hands of axes, of these and no others; an axis that cannot be read has none.

    A wedge may be read as another axis too, that of the next bond at its start or at its end, and which hand it stands
    for depends on the order of bonds in the SMILES. So both hands of each wedge are tried, alone and with those found
    before.
    """
    place = {atom: number for number, atom in enumerate(atoms)}
    ordered = renumbered(mol, atoms)
    found: dict[int, str] = {}
    hands: dict[frozenset[int], BondStereo] = {}
    for axis in axes:
        ends = _ends(mol, axis, place)
        own = frozenset(place[end] for end in ends)
        alone = {own: ordered.GetBondBetweenAtoms(*own).GetStereo()}
        for start, drawn in _ways(mol, axis, ends, place):
            tried = [f"{direction}:{place[start]}.{bonds.index(drawn)}" for direction in ("wU", "wD")]
            right = next((wedge for wedge in tried if _read(smiles, [wedge]) == alone), None)
            if right is not None and _read(smiles, [*found.values(), right]) == hands | alone:
                found[axis], hands = right, hands | alone
                break
    return found


def _ways(mol: Mol, axis: int, ends: Sequence[int], place: dict[int, int]) -> list[tuple[int, int]]:
    """Atoms where a wedge can start, and bonds that it can be drawn along, those first that are least like an axis."""
    around = [
        (start, bond.GetOtherAtomIdx(start), bond)
        for start in ends
        for bond in mol.GetAtomWithIdx(start).GetBonds()
        if bond.GetIdx() != axis and bond.GetBondType() != Chem.BondType.DOUBLE
    ]
    around.sort(key=lambda way: (_has_axis(mol, way[1]), place[way[0]], place[way[1]]))
    return [(start, bond.GetIdx()) for start, _, bond in around]


def _read(smiles: str, wedges: Sequence[str]) -> dict[frozenset[int], BondStereo]:
    """The axes, by their atoms, that RDKit reads from a SMILES with these wedges."""
    with quiet():
        read = Chem.MolFromSmiles(f"{smiles} |{','.join(wedges)}|", HYDROGENS_KEPT)
    bonds = () if read is None else read.GetBonds()
    return {
        frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())): bond.GetStereo()
        for bond in bonds
        if bond.GetStereo() in AXIAL
    }


def _groups(mol: Mol, place: dict[int, int], axes: set[int]) -> Iterator[str]:
    """The relative groups, each with the atoms that have a hand and the first ends of those axes that are written."""
    number = dict.fromkeys(GROUPS, 0)
    for group in mol.GetStereoGroups():
        kind = group.GetGroupType()
        members = [place[atom.GetIdx()] for atom in group.GetAtoms() if atom.GetChiralTag() in HANDED]
        members += [place[_ends(mol, b.GetIdx(), place)[0]] for b in group.GetBonds() if b.GetIdx() in axes]
        if kind in GROUPS and members:
            number[kind] += 1
            yield f"{GROUPS[kind]}{number[kind]}:{','.join(str(member) for member in sorted(members))}"


def _has_axis(mol: Mol, atom: int) -> bool:
    return any(bond.GetStereo() in AXIAL for bond in mol.GetAtomWithIdx(atom).GetBonds())


def _ends(mol: Mol, axis: int, place: dict[int, int]) -> list[int]:
    """The two atoms of an axis, the one that stands first in the SMILES first."""
    bond = mol.GetBondWithIdx(axis)
    return sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()), key=place.__getitem__)
