"""Cores cut from references as templates, and how conformers hold them: by RDKit and numpy, not by confgen's own code.

Everything here is of molecules with all hydrogens; `heavy` atoms are the others.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from quality import Task, references
from rdkit import Chem
from rdkit.Chem import Mol, rdMolAlign
from rdkit.Chem.Lipinski import RotatableBondSmarts
from rdkit.Chem.Scaffolds import MurckoScaffold

ALL = 1_000_000  # molecules
FEWEST_ROTATABLE = 4  # bonds of a molecule that is worth a look
FEWEST_TURNING = 2  # rotatable bonds that the rest must have, or there is nothing to explore
MAX_MATCHES = 1000  # ways to lay a core on a molecule that are looked at
DISTINCT = 0.3  # angstrom, heavy atoms: the default of --rms


@dataclass(frozen=True)
class Fit:
    """How a conformer holds a template: RMSD of the core in angstrom, where it was written and after alignment, both of
    the way of laying the core on the template that is best; `pos` (N, 3) is the conformer after that alignment."""

    in_place: float
    aligned: float
    pos: np.ndarray


@dataclass(frozen=True)
class Case:
    """A molecule with one reference as its only conformer, the heavy atoms of its core, and these cut out of it."""

    name: str
    mol: Mol
    kind: str
    core: list[int]
    template: Mol


def cases(file: Path, molecules: int, seed: int) -> list[Case]:
    """The first so many of the molecules that can be used, in a seeded order, each with one of its references."""
    draw = random.Random(seed)
    found: list[Case] = []
    rows = list(references(Task(file, ALL)))
    draw.shuffle(rows)
    for name, mol in rows:
        kind, core = choose_core(mol)
        if core and len(turning_bonds(mol)) >= FEWEST_ROTATABLE and len(found) < molecules:
            one = Chem.Mol(mol, confId=draw.choice([conformer.GetId() for conformer in mol.GetConformers()]))
            found.append(Case(name, one, kind, core, cut(one, core, -1)))
    return found


def heavy_atoms(mol: Mol) -> np.ndarray:
    """Indices of the heavy atoms, ascending."""
    return np.array([atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1])


def turning_bonds(mol: Mol) -> list[tuple[int, int]]:
    """The bonds that RDKit counts as rotatable."""
    heavy = heavy_atoms(mol)
    bare = Chem.RemoveAllHs(mol)  # the pattern counts neighbours
    return [(int(heavy[i]), int(heavy[j])) for i, j in bare.GetSubstructMatches(RotatableBondSmarts)]


def choose_core(mol: Mol) -> tuple[str, list[int]]:
    """Which core and its heavy atoms: the Murcko scaffold, or the largest ring system with the atoms on it.

    The second if less than two rotatable bonds of the rest would be left. The atoms are none without a ring.
    """
    if not mol.GetRingInfo().NumRings():
        return "none", []
    marked = Chem.Mol(mol)
    for atom in marked.GetAtoms():
        atom.SetIntProp("place", atom.GetIdx())
    scaffold = sorted(atom.GetIntProp("place") for atom in MurckoScaffold.GetScaffoldForMol(marked).GetAtoms())
    if sum(not {i, j} <= set(scaffold) for i, j in turning_bonds(mol)) >= FEWEST_TURNING:
        return "scaffold", scaffold
    around = {n.GetIdx() for i in _largest_rings(mol) for n in mol.GetAtomWithIdx(i).GetNeighbors()}
    return "ring", sorted(around.union(_largest_rings(mol)).intersection(heavy_atoms(mol).tolist()))


def _largest_rings(mol: Mol) -> set[int]:
    """Atoms of the largest system of rings that share atoms."""
    systems: list[set[int]] = []
    for ring in map(set, mol.GetRingInfo().AtomRings()):
        joined = [system for system in systems if system & ring]
        systems = [system for system in systems if not system & ring] + [ring.union(*joined)]
    return max(systems, key=len)


def cut(mol: Mol, atoms: Sequence[int], conf_id: int) -> Mol:
    """Some heavy atoms of one conformer as a molecule of their own, hydrogens left implicit where bonds were cut."""
    part = Chem.RWMol(Chem.Mol(mol, confId=conf_id))
    Chem.Kekulize(part, clearAromaticFlags=True)  # a ring nitrogen may lose its substituent
    Chem.RemoveStereochemistry(part)
    part.BeginBatchEdit()
    for atom in part.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
        if atom.GetIdx() not in atoms:
            part.RemoveAtom(atom.GetIdx())
    part.CommitBatchEdit()
    Chem.SanitizeMol(part)
    return part.GetMol()


def write_records(path: Path, mols: Sequence[Mol]) -> None:
    """An SD file of the first conformer of each molecule."""
    with Chem.SDWriter(str(path)) as writer:
        for mol in mols:
            writer.write(mol)


def fit(mol: Mol, conf_id: int, template: Mol) -> Fit:
    """How well a conformer holds the template. Raises ValueError if the template is no part of the molecule."""
    matches = mol.GetSubstructMatches(template, uniquify=False, maxMatches=MAX_MATCHES)
    if not matches:
        raise ValueError("the template is no part of the molecule")
    own, there = mol.GetConformer(conf_id).GetPositions(), template.GetConformer().GetPositions()
    in_place = min(float(np.sqrt(((own[list(match)] - there) ** 2).sum(1).mean())) for match in matches)
    turns = [
        rdMolAlign.GetAlignmentTransform(mol, template, conf_id, atomMap=[(i, k) for k, i in enumerate(match)])
        for match in matches
    ]
    best, turn = min(turns, key=lambda found: found[0])
    matrix = np.array(turn)
    return Fit(in_place, float(best), own @ matrix[:3, :3].T + matrix[:3, 3])


def spread(mol: Mol, shapes: Sequence[np.ndarray], core: Sequence[int]) -> float:
    """Mean RMSD in angstrom of the heavy atoms outside the core among conformers (N, 3) that lie on one template.

    Symmetries that leave the core where it is (a phenyl ring turned over) are allowed for. 0 for a single conformer.
    """
    bare, heavy = Chem.RemoveAllHs(mol), heavy_atoms(mol)
    fixed = np.searchsorted(heavy, core)
    matches = np.array(bare.GetSubstructMatches(bare, uniquify=False, maxMatches=MAX_MATCHES))
    kept = matches[(matches[:, fixed] == fixed).all(axis=1)]
    rest = np.setdiff1d(np.arange(len(heavy)), fixed)
    found = []
    for k, one in enumerate(shapes):
        for other in shapes[:k]:
            apart = ((one[heavy][rest] - other[heavy][kept[:, rest]]) ** 2).sum(-1).mean(-1)
            found.append(float(np.sqrt(apart.min())))
    return float(np.mean(found)) if found else 0.0


def rmsds(mol: Mol, reference: Mol) -> list[float]:
    """RMSD in angstrom of each conformer to the first of the reference: heavy atoms, aligned, with symmetry."""
    bare, target = Chem.RemoveAllHs(mol), Chem.RemoveAllHs(reference)
    return [
        float(rdMolAlign.GetBestRMS(bare, target, prbId=conformer.GetId(), maxMatches=MAX_MATCHES))
        for conformer in bare.GetConformers()
    ]


def count_distinct(mol: Mol) -> int:
    """How many conformers are farther than DISTINCT from every one counted before."""
    kept: list[Mol] = []
    for conformer in mol.GetConformers():
        one = Chem.Mol(mol, confId=conformer.GetId())
        if all(rmsds(one, other)[0] > DISTINCT for other in kept):
            kept.append(one)
    return len(kept)
