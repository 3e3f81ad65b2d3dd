"""Whether a geometry has the stereochemistry that its molecule specifies.

Checked are tetrahedral centres (also with a lone pair: sulfoxides, phosphines; also spiro and bridgehead ones), double
bonds, and the axes of atropisomers where the input marks them (RDKit does not find an axis by itself, nor in 3D
coordinates). RDKit has no tag for allenes and longer cumulenes, helices, telluroxides, and square-planar, octahedral
and other metal centres have none here: what the input says of them is lost in reading, so they are neither checked nor
enumerated. Messages count atoms from 1, in input order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Atom, Bond, BondStereo, ChiralType, Mol, StereoGroupType

from confgen.axes import AXIAL, forget_wedges, lowest_neighbour
from confgen.relabelling import relabelling, symmetries

# A score is 1 for an ideal element that is right, -1 for one that is wrong, 0 for a flat centre or a bond twisted
# by 90 degrees. Flat counts as wrong.
FLAT = 0.2
SMALL_RING = 4  # members at most
VOLUME_FOUR = 16 / (3 * np.sqrt(3))  # of the parallelepiped spanned by four unit vectors at tetrahedral angles
VOLUME_THREE = 4 / (3 * np.sqrt(3))  # by three of them and the centre
CISTRANS = {BondStereo.STEREOZ: 1, BondStereo.STEREOCIS: 1, BondStereo.STEREOE: -1, BondStereo.STEREOTRANS: -1}
HANDED = {ChiralType.CHI_TETRAHEDRAL_CW: -1, ChiralType.CHI_TETRAHEDRAL_CCW: 1}


@dataclass(frozen=True)
class StereoElements:
    """The stereo elements a molecule specifies: C centres, then T bonds; S = C + T. Good for any number of geometries.

    names:     S names for messages, `centre 3 (C)`.
    centres:   (C, 5) the centre and its neighbours in the order of its chiral tag; a lone pair is the centre again.
    volume:    (C,) signed volume of the ideal centre of that handedness.
    exposed:   (C,) True where small rings meet: such a centre may lie outside its neighbours.
    torsions:  (T, 4) atoms of the torsion that tells.
    sign:      (T,) +1 for cis, or for a positive torsion of an axis; -1 for the other.
    axial:     (T,) True for an axis (sine of the torsion tells), False for a double bond (cosine).
    """

    names: list[str]
    centres: NDArray[np.int64]
    volume: NDArray[np.float64]
    exposed: NDArray[np.bool_]
    torsions: NDArray[np.int64]
    sign: NDArray[np.float64]
    axial: NDArray[np.bool_]

    def unsure(self) -> NDArray[np.bool_]:
        """Which elements are exposed centres, (S,)."""
        return np.concatenate((self.exposed, np.zeros(len(self.sign), dtype=bool)))

    def labels(self) -> NDArray[np.int64]:
        """The hand or side of each element, (S,) +1 or -1."""
        return np.sign(np.concatenate((self.volume, self.sign))).astype(np.int64)


def elements(mol: Mol) -> StereoElements:
    """The stereo elements `mol` specifies, read from its chiral tags and bond stereo."""
    centre_names, centres, volume = [], [], []
    for atom in mol.GetAtoms():
        around = [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]
        if atom.GetChiralTag() in HANDED and len(around) in (3, 4):
            centre_names.append(centre_name(atom))
            centres.append([atom.GetIdx(), *around, atom.GetIdx()][:5])
            volume.append(HANDED[atom.GetChiralTag()] * (VOLUME_FOUR if len(around) == 4 else VOLUME_THREE))
    bond_names, torsions, sign, axial = [], [], [], []
    for bond in mol.GetBonds():
        stereo = bond.GetStereo()
        if stereo in CISTRANS and len(bond.GetStereoAtoms()) == 2:
            first, last = bond.GetStereoAtoms()
        elif stereo in AXIAL:
            first, last = lowest_neighbour(bond, bond.GetBeginAtom()), lowest_neighbour(bond, bond.GetEndAtom())
        else:
            continue
        bond_names.append(bond_name(bond))
        torsions.append([first, bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), last])
        sign.append(CISTRANS.get(stereo) or AXIAL[stereo])
        axial.append(stereo in AXIAL)
    at = np.array(centres, dtype=np.int64).reshape(-1, 5)
    meeting = where_small_rings_meet(mol) if len(at) else at[:0, 0]
    return StereoElements(
        names=centre_names + bond_names,
        centres=at,
        volume=np.array(volume, dtype=np.float64),
        exposed=np.isin(at[:, 0], meeting) & (at[:, 4] != at[:, 0]),
        torsions=np.array(torsions, dtype=np.int64).reshape(-1, 4),
        sign=np.array(sign, dtype=np.float64),
        axial=np.array(axial, dtype=bool),
    )


def where_small_rings_meet(mol: Mol) -> NDArray[np.int64]:
    """Atoms of two rings and more, of which one has at most SMALL_RING members."""
    sizes: list[list[int]] = [[] for _ in range(mol.GetNumAtoms())]
    for ring in Chem.GetSymmSSSR(Chem.Mol(mol, True)):  # of a copy: the molecule may have been told nothing of rings
        for atom in ring:
            sizes[atom].append(len(ring))
    return np.array([k for k, own in enumerate(sizes) if len(own) > 1 and min(own) <= SMALL_RING], dtype=np.int64)


def scores(wanted: StereoElements, pos: NDArray[np.float64]) -> NDArray[np.float64]:
    """How right each element is in each geometry, (K, S): 1 ideal, 0 flat, -1 inverted. pos: (K, N, 3) of all atoms.

    The hand of a centre is that of the tetrahedron of its neighbours. Propellanes and the like have centres outside of
    theirs; RDKit reads these by how the first three lie about the centre, others do not, so both are right.
    """
    spokes = _unit(pos[:, wanted.centres[:, 1:]] - pos[:, wanted.centres[:, :1]])  # (K, C, 4, 3), a lone pair is 0
    a, b, c = np.moveaxis(spokes[:, :, :3] - spokes[:, :, 3:], 2, 0)
    of_centres = (a * np.cross(b, c)).sum(-1) / wanted.volume
    first, second, third = np.moveaxis(spokes[:, :, :3], 2, 0)
    about = (first * np.cross(second, third)).sum(-1) / (np.sign(wanted.volume) * VOLUME_THREE)
    outside = wanted.exposed & (about * of_centres < 0) & (np.abs(about) >= FLAT)
    of_centres = np.where(outside, np.maximum(about, of_centres), of_centres)
    before, axis, after = np.moveaxis(np.diff(pos[:, wanted.torsions], axis=2), 2, 0)
    m, n = _unit(np.cross(before, axis)), _unit(np.cross(axis, after))
    cosine, sine = (m * n).sum(-1), (np.cross(m, n) * _unit(axis)).sum(-1)
    of_torsions = wanted.sign * np.where(wanted.axial, sine, cosine)
    score: NDArray[np.float64] = np.concatenate((of_centres, of_torsions), axis=1)
    return np.where(np.isnan(score), 0.0, score)


def mismatches_all(mol: Mol) -> list[list[str]]:
    """For every conformer the names of the stereo elements that it has wrong or flat; [] for the isomer asked for."""
    if not mol.GetNumConformers():
        return []
    return mismatches_at(mol, np.stack([conformer.GetPositions() for conformer in mol.GetConformers()]))


def mismatches_at(mol: Mol, pos: NDArray[np.float64]) -> list[list[str]]:
    """`mismatches_all` at positions (K, N, 3) that need not be conformers.

    A racemic or relative group stands for two isomers, so its elements are right as well if all are inverted.
    """
    wanted = elements(mol)
    score = _with_groups_turned(mol, wanted, scores(wanted, pos))
    wrong = score < FLAT
    inverted = wrong & (score <= -FLAT)
    names = [[wanted.names[s] for s in np.flatnonzero(row)] for row in wrong]
    several = list(np.flatnonzero((wrong.sum(axis=1) > 1) & (wrong == inverted).all(axis=1)))
    if several:
        may_swap = _may_swap(mol, wanted)
        several = [k for k in several if (inverted[k] <= may_swap).all()]
    if several:
        carried = relabelling(symmetries(mol), wanted.centres, wanted.torsions)
        own = wanted.labels()
        for k in several:  # a meso form seen from its other end, both centres of a 1,4-disubstituted cyclohexane
            names[k] = [] if carried.same(own, np.where(inverted[k], -own, own)) else names[k]
    return names


def _with_groups_turned(mol: Mol, wanted: StereoElements, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores (K, S) with those of a relative group negated where more of it is inverted than right."""
    for group in mol.GetStereoGroups():
        if group.GetGroupType() == StereoGroupType.STEREO_ABSOLUTE:
            continue
        axes = [{bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} for bond in group.GetBonds()]
        own = np.isin(wanted.centres[:, 0], [atom.GetIdx() for atom in group.GetAtoms()]).tolist()
        own += [{int(begin), int(end)} in axes for _, begin, end, _ in wanted.torsions]
        inverted = score[:, own].sum(axis=1, keepdims=True) < 0
        score[:, own] = np.where(inverted, -score[:, own], score[:, own])
    return score


def _may_swap(mol: Mol, wanted: StereoElements) -> NDArray[np.bool_]:
    """Which elements a symmetry of the bond graph could map onto another or onto their own inverse, (S,).

    Only for these is it worth working out the symmetries.
    """
    bare = Chem.Mol(mol, True)  # ranking wipes the rings of a molecule with stereo groups or elements
    rank = np.array(Chem.CanonicalRankAtoms(bare, breakTies=False, includeChirality=False, includeAtomMaps=False))
    shared = np.bincount(rank)[rank] > 1
    around = np.sort(rank[wanted.centres], axis=1)  # a lone pair is the centre again, and no tie
    twins = (np.diff(around, axis=1) == 0).sum(axis=1) > (wanted.centres[:, 4] == wanted.centres[:, 0])
    return np.concatenate((shared[wanted.centres[:, 0]] | twins, shared[wanted.torsions].any(axis=1)))


def reassign(mol: Mol) -> None:
    """Has RDKit work out anew, in place, which chiral tags and bond stereo mean something.

    Axes stay as they are: RDKit would read them off wedges, which may say something else by now.
    """
    axes = {bond.GetIdx(): bond.GetStereo() for bond in mol.GetBonds() if bond.GetStereo() in AXIAL}
    forget_wedges(mol)
    for bond in mol.GetBonds():
        if bond.GetBondType() == Chem.BondType.SINGLE:
            bond.SetBondDir(Chem.BondDir.NONE)
    Chem.SetDoubleBondNeighborDirections(mol)
    mol.ClearComputedProps(includeRings=False)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    for index, stereo in axes.items():
        mol.GetBondWithIdx(index).SetStereo(stereo)


def centre_name(atom: Atom) -> str:
    """`centre 3 (C)`."""
    return f"centre {atom.GetIdx() + 1} ({atom.GetSymbol()})"


def bond_name(bond: Bond) -> str:
    """`double bond 2=3 (C=C)`, or `axis ...`."""
    begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
    kind, mark = ("axis", "-") if bond.GetStereo() in AXIAL else ("double bond", "=")
    numbers = f"{begin.GetIdx() + 1}{mark}{end.GetIdx() + 1}"
    return f"{kind} {numbers} ({begin.GetSymbol()}{mark}{end.GetSymbol()})"


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return unit
