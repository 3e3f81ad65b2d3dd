"""What the page's script needs, as plain lists: every molecule's scores, the curves, and the structures to overlay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import Mol

from confgen.report.tables import why_not
from confgen.scores import Evaluation, MoleculeScores, curves

WORST = 24  # molecules per method with structures in the page: some 3 kB each
Key = tuple[str, str, str]


def key_of(scores: MoleculeScores) -> Key:
    """What makes a reference molecule the same one in two evaluations."""
    return scores.origin, scores.name, scores.smiles


def all_molecules(evaluations: Sequence[Evaluation]) -> dict[Key, MoleculeScores]:
    """Every reference molecule once, in the order of the files, with the first method's scores of it."""
    found: dict[Key, MoleculeScores] = {}
    for evaluation in evaluations:
        for scores in evaluation.molecules:
            found.setdefault(key_of(scores), scores)
    return found


def worst_molecules(evaluation: Evaluation) -> list[MoleculeScores]:
    """The WORST scored molecules whose references are farthest from anything generated, the farthest first."""
    scored = [(scores.amr_r, scores) for scores in evaluation.molecules if scores.num_references]
    known = [(amr, scores) for amr, scores in scored if amr is not None]
    return [scores for _, scores in sorted(known, key=lambda pair: -pair[0])[:WORST]]


def page_data(evaluations: Sequence[Evaluation], thresholds: NDArray[np.float64]) -> dict[str, Any]:
    """Everything of the page's JSON block.

    molecules:  [name, SMILES, origin, rotatable bonds, heavy atoms, reference conformers] each
    scores:     per method, per molecule: [AMR-R, AMR-P, COV-R, COV-P, generated, stereo right, valid, bounded] with
                coverage, stereo and validity as fractions; a text says why there is none; None: not in that evaluation
    worst:      per method: [molecule, RMSD, reference, generated] each, the structures as `structure` gives them
    """
    molecules = all_molecules(evaluations)
    place = {key: number for number, key in enumerate(molecules)}
    scores: list[list[Any]] = []
    worst: list[list[Any]] = []
    recall, precision = [], []
    for evaluation in evaluations:
        column: list[Any] = [None] * len(molecules)
        for one in evaluation.molecules:
            column[place[key_of(one)]] = _scores_of(one, evaluation)
        scores.append(column)
        worst.append([[place[key_of(one)], *_overlay_of(one)] for one in worst_molecules(evaluation)])
        means = curves(evaluation, thresholds)
        recall.append(_rounded(means[0]))
        precision.append(_rounded(means[1]))
    return {
        "main": evaluations[0].protocol.main,
        "methods": [evaluation.method for evaluation in evaluations],
        "molecules": [
            [one.name, one.smiles, one.origin, one.rotatable_bonds, one.heavy_atoms, one.num_references]
            for one in molecules.values()
        ],
        "scores": scores,
        "thresholds": [round(float(value), 4) for value in thresholds],
        "recall": recall,
        "precision": precision,
        "worst": worst,
    }


def structure(mol: Mol, turn: NDArray[np.float64], centre: NDArray[np.float64]) -> dict[str, Any]:
    """Elements, positions in hundredths of an angstrom (flat: x, y, z of each atom), and bonds (flat: both atoms)."""
    pos = (mol.GetConformer().GetPositions() - centre) @ turn.T
    return {
        "e": [atom.GetSymbol() for atom in mol.GetAtoms()],
        "x": np.round(pos * 100).astype(int).ravel().tolist(),
        "b": [end for bond in mol.GetBonds() for end in (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())],
    }


def flat_view(mol: Mol) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and centre (3,) that lay the molecule into the plane of the screen, its longest axis across."""
    pos = mol.GetConformer().GetPositions()
    heavy = np.array([atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()], dtype=bool)
    chosen = pos[heavy] if heavy.any() else pos
    centre = chosen.mean(0)
    _, axes = np.linalg.eigh((chosen - centre).T @ (chosen - centre))
    turn = axes[:, ::-1].T
    return turn * np.sign(np.linalg.det(turn)), centre


def _overlay_of(scores: MoleculeScores) -> list[Any]:
    """RMSD of the reference that is farthest from anything generated, and both structures (or None)."""
    finite = scores.recall[np.isfinite(scores.recall)]
    rmsd = round(float(finite.max()), 3) if len(finite) else None
    if scores.overlay is None:
        return [rmsd, None, None]
    reference, generated = scores.overlay
    view = flat_view(reference)
    return [rmsd, structure(reference, *view), structure(generated, *view)]


def _scores_of(scores: MoleculeScores, evaluation: Evaluation) -> list[Any] | str:
    if reason := why_not(scores):
        return reason
    protocol, generated = evaluation.protocol, max(1, scores.num_generated)
    values = [
        scores.amr_r,
        scores.amr_p,
        scores.cov_r(protocol.main, protocol.inclusive),
        scores.cov_p(protocol.main, protocol.inclusive),
    ]
    shares = [scores.right_stereo / generated, scores.valid / generated]
    return [*_rounded(values), scores.num_generated, *_rounded(shares), int(scores.bounded)]


def _rounded(values: Any) -> list[float | None]:
    """Three decimals; None where JSON has no number for it."""
    return [round(float(value), 3) if value is not None and math.isfinite(value) else None for value in values]
