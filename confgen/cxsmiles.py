"""What a SMILES cannot say of the stereochemistry, as the extension of a CXSMILES: axes and relative groups.

Nothing else is written: no coordinates, no properties, no absolute groups, which say what the SMILES says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rdkit import Chem, rdBase
from rdkit.Chem import Mol, StereoGroupType

from confgen.axes import AXIAL, renumbered
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
    axes.sort(key=lambda axis: place[_ends(mol, axis, place)[0]])
    if not axes and not mol.GetStereoGroups():
        return ""
    ordered = renumbered(mol, atoms) if axes else mol
    wedges = {axis: _wedge(mol, ordered, smiles, axis, place, bonds) for axis in axes}
    fields = [wedge for wedge in wedges.values() if wedge]
    fields += _groups(mol, place, {axis for axis, wedge in wedges.items() if wedge})
    return f" |{','.join(fields)}|" if fields else ""


def _wedge(mol: Mol, ordered: Mol, smiles: str, axis: int, place: dict[int, int], bonds: Sequence[int]) -> str:
    """The wedge that has RDKit read the hand of an axis; "" if it reads none, as of one that it takes for no axis.

    Which of the two it is depends on the order of bonds in the SMILES, so it is tried. It is not drawn towards another
    axis, whose wedge RDKit would take it for.
    """
    first, other = _ends(mol, axis, place)
    around = [
        (start, bond.GetOtherAtomIdx(start), bond.GetIdx())
        for start in (first, other)
        for bond in mol.GetAtomWithIdx(start).GetBonds()
        if bond.GetIdx() != axis
    ]
    start, _, drawn = min(around, key=lambda way: (_has_axis(mol, way[1]), place[way[0]], place[way[1]]))
    wanted = ordered.GetBondBetweenAtoms(place[first], place[other]).GetStereo()
    for direction in ("wU", "wD"):
        wedge = f"{direction}:{place[start]}.{bonds.index(drawn)}"
        with rdBase.BlockLogs():
            read = Chem.MolFromSmiles(f"{smiles} |{wedge}|", HYDROGENS_KEPT)
        if read is not None and read.GetBondBetweenAtoms(place[first], place[other]).GetStereo() == wanted:
            return wedge
    return ""


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
