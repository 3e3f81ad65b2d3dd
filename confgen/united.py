"""Distance geometry of united atoms: a carbon and its hydrogens are one, and the hydrogens are added to what it finds.

The time grows with the square of the atoms and more: three conformers take 40 ms with all atoms and 23 ms without most
hydrogens of carbons (164 molecules of OpenFF). What these decide a force field decides afterwards, and its minima are
as good. It is a start for one only: hydrogens may clash.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.complaints import quiet
from confgen.conformers import positions, with_positions
from confgen.embed import embed
from confgen.hypervalent import centres
from confgen.stereo import mismatches_at
from confgen.ways import WAYS

FEWEST = 8  # hydrogens of carbons that are worth it
USUAL = WAYS[:2]  # of embedding; what these do not find is embedded with all atoms
# As RDKit scales radii four and five bonds apart; beyond, they are what they are.
CLOSER = {4: 0.7, 5: 0.85}
ROOM = 0.3  # angstrom by which a carbon is larger for its hydrogens
FREEDOM = 0.3  # angstrom that is left between bounds
UNTAGGED = Chem.ChiralType.CHI_UNSPECIFIED
PLACE = "_confgen_place"
MARK = 99  # in the place of the isotope, on hydrogens that are to stay


@dataclass(frozen=True)
class United:
    """A molecule without the hydrogens of its carbons, but for those that decide something.

    atoms:  the places that its atoms have in the whole, (M,).
    within: bounds of its distances, (M, M).
    added:  the places of the hydrogens left out, by the number that the carbon has in `mol`.
    """

    mol: Chem.Mol
    atoms: np.ndarray
    within: np.ndarray
    added: dict[int, list[int]]


def embed_united(mol: Chem.Mol, seeds: Sequence[int], deadline: float | None = None) -> list[np.ndarray | None]:
    """As `embed.embed`; by united atoms where that does, else with all atoms."""
    small = united(mol)
    if small is None:
        return embed(mol, seeds, deadline=deadline)
    found = embed(small.mol, seeds, deadline=deadline, within=small.within, ways=USUAL)
    known = [k for k, pos in enumerate(found) if pos is not None]
    if known:
        whole = completed(mol, small, np.array([found[k] for k in known]))
        right = np.isfinite(whole).all(axis=(1, 2)) & [not wrong for wrong in mismatches_at(mol, whole)]
        for k, pos, sound in zip(known, whole, right, strict=True):
            found[k] = pos if sound else None
    missing = [k for k, pos in enumerate(found) if pos is None]
    for k, pos in zip(missing, embed(mol, [seeds[k] for k in missing], deadline=deadline), strict=True):
        found[k] = pos
    return found


def united(mol: Chem.Mol) -> United | None:
    """The molecule of united atoms; None if it would hardly be smaller, or RDKit cannot do without the hydrogens."""
    if centres(mol):
        return None
    marked = Chem.Mol(mol)
    marked.RemoveAllConformers()
    left_out = 0
    for atom in marked.GetAtoms():
        atom.SetIntProp(PLACE, atom.GetIdx())
        if atom.GetAtomicNum() == 1 and atom.GetIsotope() == 0:
            if _may_go(atom):
                left_out += 1
            else:
                atom.SetIsotope(MARK)
    if left_out < FEWEST:
        return None
    with quiet():
        try:
            small = Chem.RemoveHs(marked)
            within = _bounds(small)
        except (ValueError, RuntimeError):  # it cannot be sanitised without them, or has no bounds
            return None
    for atom in small.GetAtoms():
        if atom.GetIsotope() == MARK:
            atom.SetIsotope(0)
    places = [atom.GetIntProp(PLACE) for atom in small.GetAtoms()]
    number = {place: k for k, place in enumerate(places)}
    added = defaultdict(list)
    for atom in mol.GetAtoms():
        if atom.GetIdx() not in number:
            added[number[atom.GetNeighbors()[0].GetIdx()]].append(atom.GetIdx())
    if any(small.GetAtomWithIdx(k).GetTotalNumHs() != len(own) for k, own in added.items()):
        return None
    return United(small, np.array(places), within, dict(added))


def _bounds(mol: Chem.Mol) -> np.ndarray:
    """RDKit's bounds, with carbons as large as their hydrogens make them.

    Without that, conformers are as much tighter (their radius of gyration by 1.5%) as it takes to find fewer shapes.
    """
    matrix = np.array(rdDistGeom.GetMoleculeBoundsMatrix(mol, useMacrocycle14config=True))
    hops = Chem.GetDistanceMatrix(mol)
    larger = np.array([ROOM * (atom.GetAtomicNum() == 6 and atom.GetTotalNumHs() > 0) for atom in mol.GetAtoms()])
    share = np.select([hops == bonds for bonds in CLOSER], list(CLOSER.values()), 1.0)
    lower = matrix + share * (larger[:, None] + larger)
    raised = np.tril(hops >= min(CLOSER), -1) & (lower < matrix.T - FREEDOM)
    matrix[raised] = lower[raised]
    return matrix


def completed(mol: Chem.Mol, small: United, pos: np.ndarray) -> np.ndarray:
    """Positions (K, N, 3) of all atoms of `mol` to those of united ones, (K, M, 3); hydrogens as RDKit adds them."""
    full = Chem.AddHs(with_positions(small.mol, pos), addCoords=True, onlyOnAtoms=list(small.added))
    grown, count = positions(full), len(small.atoms)
    around = defaultdict(list)
    for k in range(count, full.GetNumAtoms()):
        around[full.GetAtomWithIdx(k).GetNeighbors()[0].GetIdx()].append(k)
    whole = np.empty((len(pos), mol.GetNumAtoms(), 3))
    whole[:, small.atoms] = grown[:, :count]
    for carbon, own in small.added.items():
        whole[:, own] = grown[:, around[carbon]]
    return whole


def _may_go(hydrogen: Chem.Atom) -> bool:
    """Whether it is bonded to one carbon, which is no centre, has no double bond with a stereochemistry, and is not
    saturated in a ring: there hydrogens tell chairs from boats, and axial substituents from others.
    """
    around = hydrogen.GetNeighbors()
    if len(around) != 1:
        return False
    carbon = around[0]
    in_ring = carbon.IsInRing() and carbon.GetHybridization() == Chem.HybridizationType.SP3
    if carbon.GetAtomicNum() != 6 or in_ring or carbon.GetChiralTag() != UNTAGGED:
        return False
    return all(bond.GetStereo() == Chem.BondStereo.STEREONONE for bond in carbon.GetBonds())
