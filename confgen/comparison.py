"""One generated molecule against its reference: RMSDs, stereochemistry, checks, diversity."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol, rdMolDescriptors

from confgen.complaints import quiet
from confgen.conformer_sets import ConformerSet
from confgen.conformers import positions, with_positions
from confgen.errors import MoleculeError
from confgen.matching import same_atoms
from confgen.rmsd import best_match, rmsd_matrix
from confgen.scores import MoleculeScores, Protocol
from confgen.smiles import stereo_smiles
from confgen.stereo import mismatches_all
from confgen.superpose import rotations
from confgen.symmetry import Symmetry, heavy_skeleton, isomorphisms
from confgen.validity import check

DUPLICATE = 0.1  # angstrom
ROWS = 50  # of the matrix of generated conformers among themselves, made at once


def compare(
    made: ConformerSet | None, reference: ConformerSet, protocol: Protocol, absence: str = ""
) -> MoleculeScores:
    """The scores of one reference molecule; with its error if there is nothing to score.

    absence: why there is nothing generated, if so.
    """
    blank = _blank(reference)
    if blank.error:
        return blank
    if made is None:
        return replace(blank, error=absence)
    if not usable(made):
        return replace(blank, error=str(made.error or f"{label_of(made)}: has no conformers"))
    assert reference.mol is not None
    assert made.mol is not None
    limit, given = protocol.per_reference, made.mol.GetNumConformers()
    most = given if limit is None else limit * blank.num_references
    try:
        with quiet():
            judged, note = _on_reference(made.mol, reference.mol, most)
            scores = replace(_compared(blank, judged, reference.mol), num_given=given, note=note)
    except MoleculeError as error:
        return replace(blank, error=f"{label_of(made)}: {error}")
    return replace(scores, error=f"{label_of(made)}: no conformer has finite positions") if scores.failed else scores


def usable(one: ConformerSet) -> bool:
    """Whether there are conformers in it."""
    return one.mol is not None and one.mol.GetNumConformers() > 0


def label_of(one: ConformerSet) -> str:
    """Where it stood and what it is called, for messages."""
    return f"{one.origin} '{one.name}'" if one.name else one.origin


def _blank(reference: ConformerSet) -> MoleculeScores:
    """What is known of a reference without anything generated."""
    mol = reference.mol
    count = mol.GetNumConformers() if mol is not None else 0
    blank = MoleculeScores(
        name=reference.name,
        smiles="",
        origin=reference.origin,
        num_references=count,
        num_generated=0,
        recall=np.full(count, np.inf),
        precision=np.zeros(0),
        reference_weights=reference.weights,
    )
    if mol is None or count == 0:
        reason = reference.error or f"{label_of(reference)}: has no conformers"
        return replace(blank, error=f"no reference to compare with: {reason}")
    with quiet():
        return replace(
            blank,
            smiles=stereo_smiles(mol),
            rotatable_bonds=int(rdMolDescriptors.CalcNumRotatableBonds(_bare(mol))),
            heavy_atoms=mol.GetNumHeavyAtoms(),
        )


def _on_reference(made: Mol, reference: Mol, most: int) -> tuple[Mol, str]:
    """The reference's molecule, tags and all, with up to `most` generated conformers, and a note.

    Without hydrogens where one side does not have them all.
    Raises: MoleculeError if the two are not the same graph.
    """
    note = ""
    match = same_atoms(reference, made) if _has_all_hydrogens(made) and _has_all_hydrogens(reference) else None
    if match is None:
        side = "generated" if not _has_all_hydrogens(made) else "reference"
        note = f"stereochemistry and checks without hydrogens: the {side} conformers do not have them all"
        made, reference = _bare(made), _bare(reference)
        match = same_atoms(reference, made)
    if match is None:
        raise MoleculeError("is not the same graph as the reference; compare equal molecules only")
    return with_positions(reference, positions(made)[:most, match]), note


def _bare(mol: Mol) -> Mol:
    """A copy without hydrogens, unless nothing would be left."""
    bare = Chem.RemoveAllHs(mol, sanitize=False) if mol.GetNumHeavyAtoms() else Chem.Mol(mol)
    bare.UpdatePropertyCache(strict=False)  # or RDKit's pattern of rotatable bonds finds no hydrogens on a CH3
    Chem.GetSymmSSSR(bare)
    return bare


def _has_all_hydrogens(mol: Mol) -> bool:
    return not any(atom.GetTotalNumHs() for atom in mol.GetAtoms())


def _compared(blank: MoleculeScores, judged: Mol, reference: Mol) -> MoleculeScores:
    """The scores of generated conformers `judged`, given in the reference's order of atoms."""
    heavy, kept = heavy_skeleton(judged)
    heavy_reference, kept_reference = heavy_skeleton(reference)
    symmetry = isomorphisms(heavy, heavy_reference)
    made, wanted = _centred(positions(judged)[:, kept]), _centred(positions(reference)[:, kept_reference])
    matrix = rmsd_matrix(made, wanted, symmetry)
    failed = check(judged)
    right = [not {"stereo", "finite"} & set(names) for names in failed]
    diversity, duplicates = _diversity(made, symmetry)
    recall, precision = matrix.min(axis=0), matrix.min(axis=1)
    return replace(
        blank,
        num_generated=len(made),
        recall=recall,
        precision=precision,
        right_stereo=sum(right),
        valid=sum(not names for names in failed),
        failed_checks=dict(Counter(name for names in failed for name in names).most_common()),
        diversity=diversity,
        duplicates=duplicates,
        bounded=symmetry.bounded,
        wrong_stereo="" if all(right) else _wrong_stereo(judged),
        overlay=_overlay(judged, reference, matrix, symmetry) if np.isfinite(recall).all() else None,
    )


def _overlay(judged: Mol, reference: Mol, matrix: np.ndarray, symmetry: Symmetry) -> tuple[Mol, Mol]:
    """The worst-covered reference conformer and the generated one nearest to it, superposed on heavy atoms."""
    worst = int(matrix.min(axis=0).argmax())
    nearest = int(matrix[:, worst].argmin())
    shown = [positions(reference)[worst], positions(judged)[nearest]]
    kept = [heavy_skeleton(mol)[1] for mol in (reference, judged)]
    wanted, made = (pos - pos[heavy].mean(axis=0) for pos, heavy in zip(shown, kept, strict=True))
    match = best_match(made[kept[1]], wanted[kept[0]], symmetry)
    turn = rotations(wanted[kept[0]][match][None], made[kept[1]][None])[0]
    return with_positions(reference, wanted[None]), with_positions(judged, (made @ turn)[None])


def _centred(pos: np.ndarray) -> np.ndarray:
    centred: np.ndarray = pos - pos.mean(axis=1, keepdims=True)
    return centred


def _diversity(made: np.ndarray, symmetry: Symmetry) -> tuple[float | None, float | None]:
    """Mean RMSD over pairs of conformers, and the share within DUPLICATE of an earlier one."""
    made = made[np.isfinite(made).all(axis=(1, 2))]
    total, repeated = 0.0, np.zeros(len(made), dtype=bool)
    if len(made) == 0:
        return None, None
    for start in range(0, len(made), ROWS):
        block = rmsd_matrix(made[start : start + ROWS], made[start:], symmetry)
        later = np.arange(block.shape[1]) > np.arange(len(block))[:, None]
        total += float(block[later].sum())
        repeated[start:] |= ((block <= DUPLICATE) & later).any(axis=0)
    pairs = len(made) * (len(made) - 1) / 2
    return (total / pairs if pairs else None), float(repeated.mean())


def _wrong_stereo(judged: Mol) -> str:
    """Which elements are wrong in how many conformers."""
    wrong = Counter(name for names in mismatches_all(judged) for name in names)
    return "; ".join(f"{name} in {count} of {judged.GetNumConformers()}" for name, count in wrong.most_common())
