"""Promises of `confgen.rmsd`: the numbers of RDKit's GetBestRMS, for whole ensembles; GeoMol's scores."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, Mol, rdMolAlign

from confgen.errors import MoleculeError
from confgen.rmsd import ensemble_scores, rmsd_heavy_matrix

SYMMETRIC = [
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "CC(C)(C)c1ccc(C(F)(F)F)cc1",
    "[O-][N+](=O)c1ccc(cc1)C(=O)[O-]",
    "NC(=[NH2+])c1ccccc1",
    "CN(C)C(=N)NC(N)=N",
    "OP(=O)(O)OCC",
    "CC(=O)CC#C",
    "OCC",
]
LINEAR = ["O=C=O", "C#C", "[Na+].[Cl-]", "O"]


def embed(smiles: str, num_confs: int, seed: int = 7) -> Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert len(AllChem.EmbedMultipleConfs(mol, num_confs, randomSeed=seed)) == num_confs
    return mol


def best_rms(probe: Mol, reference: Mol) -> np.ndarray:
    probe, reference = Chem.RemoveAllHs(probe), Chem.RemoveAllHs(reference)
    return np.array(
        [
            [rdMolAlign.GetBestRMS(Chem.Mol(probe), reference, i, j) for j in range(reference.GetNumConformers())]
            for i in range(probe.GetNumConformers())
        ]
    )


@pytest.mark.parametrize("smiles", SYMMETRIC + LINEAR)
def test_the_matrix_equals_get_best_rms(smiles: str) -> None:
    probe, reference = embed(smiles, 3), embed(smiles, 4, seed=11)
    np.testing.assert_allclose(rmsd_heavy_matrix(probe, reference), best_rms(probe, reference), atol=1e-5)


def test_a_conformer_is_at_distance_zero_from_itself() -> None:
    mol = embed("CC(C)(C)c1ccc(O)cc1", 3)
    np.testing.assert_allclose(np.diag(rmsd_heavy_matrix(mol, mol)), 0.0, atol=1e-5)


def test_the_arguments_are_not_moved() -> None:
    mol = embed("CC(C)Cc1ccccc1", 2)
    before = mol.GetConformer(0).GetPositions()
    rmsd_heavy_matrix(mol, embed("CC(C)Cc1ccccc1", 2, seed=11))
    np.testing.assert_array_equal(mol.GetConformer(0).GetPositions(), before)


def test_hydrogens_and_isotopes_of_them_do_not_count() -> None:
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False
    heavy_water = Chem.AddHs(Chem.MolFromSmiles("[2H]OCC", keep_hydrogens))
    AllChem.EmbedMolecule(heavy_water, randomSeed=7)
    assert rmsd_heavy_matrix(Chem.RemoveHs(heavy_water), heavy_water)[0, 0] == pytest.approx(0.0, abs=1e-5)


def test_atom_order_does_not_matter() -> None:
    mol = embed("CC(=O)Nc1ccc(O)cc1", 2)
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms()).tolist()
    shuffled = Chem.RenumberAtoms(mol, order)
    np.testing.assert_allclose(np.diag(rmsd_heavy_matrix(shuffled, mol)), 0.0, atol=1e-5)


def test_a_mirror_image_is_not_the_same() -> None:
    mol = embed("C[C@H](F)Cl", 1)
    mirrored = Chem.Mol(mol)
    mirrored.GetConformer().SetPositions(-mol.GetConformer().GetPositions())
    assert rmsd_heavy_matrix(mol, mirrored)[0, 0] > 0.3


def test_many_isomorphisms_are_tried_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    probe, reference = embed("CC(C)(C)C(C)(C)C", 3), embed("CC(C)(C)C(C)(C)C", 2, seed=11)
    whole = rmsd_heavy_matrix(probe, reference)
    monkeypatch.setattr("confgen.superpose.BLOCK", 30)
    np.testing.assert_allclose(rmsd_heavy_matrix(probe, reference), whole, atol=1e-12)


def test_fewer_isomorphisms_give_an_upper_bound() -> None:
    probe, reference = embed("CC(C)(C)CO", 3), embed("CC(C)(C)CO", 3, seed=11)
    bound = rmsd_heavy_matrix(probe, reference, max_matches=1)
    assert (bound >= rmsd_heavy_matrix(probe, reference) - 1e-9).all()


def test_a_molecule_without_heavy_atoms_is_compared_on_all() -> None:
    hydrogen = embed("[H][H]", 1)
    stretched = Chem.Mol(hydrogen)
    stretched.GetConformer().SetPositions(np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]))
    hydrogen.GetConformer().SetPositions(np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    assert rmsd_heavy_matrix(hydrogen, stretched)[0, 0] == pytest.approx(0.5)


def test_a_conformer_that_is_not_finite_is_infinitely_far() -> None:
    mol = embed("CC(C)O", 2)
    spoiled = Chem.Mol(mol)
    spoiled.GetConformer(1).SetPositions(np.full((mol.GetNumAtoms(), 3), np.nan))
    assert np.isinf(rmsd_heavy_matrix(spoiled, mol)).tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize(("probe", "reference"), [("CCO", "CCN"), ("CCO", "CCCO"), ("CCCO", "CCO")])
def test_different_molecules_are_refused(probe: str, reference: str) -> None:
    with pytest.raises(MoleculeError, match="not the same molecule"):
        rmsd_heavy_matrix(embed(probe, 1), embed(reference, 1))


def test_no_conformers_give_an_empty_matrix() -> None:
    assert rmsd_heavy_matrix(Chem.AddHs(Chem.MolFromSmiles("CCO")), embed("CCO", 2)).shape == (0, 2)


def test_scores_of_a_small_matrix() -> None:
    scores = ensemble_scores(np.array([[0.1, 0.9], [0.7, 2.0], [1.0, 1.2]]), threshold=0.75)
    found = [scores.cov_r, scores.amr_r, scores.cov_p, scores.amr_p]
    np.testing.assert_allclose(found, [1 / 2, 0.5, 2 / 3, 0.6])


def test_an_rmsd_at_the_threshold_does_not_count() -> None:
    assert ensemble_scores(np.array([[0.75]]), threshold=0.75).cov_r == 0.0


def test_nothing_generated_scores_nothing() -> None:
    scores = ensemble_scores(np.zeros((0, 3)), threshold=0.75)
    assert (scores.cov_r, scores.cov_p, scores.amr_r) == (0.0, 0.0, float("inf"))


def test_no_reference_is_an_error() -> None:
    with pytest.raises(ValueError, match="reference"):
        ensemble_scores(np.zeros((3, 0)), threshold=0.75)
