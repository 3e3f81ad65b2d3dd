"""Promises of `confgen.rmsd`: the numbers of RDKit's GetBestRMS, for whole ensembles; GeoMol's scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, Mol, rdMolAlign

from confgen.ensembles import read_ensembles
from confgen.errors import MoleculeError
from confgen.rmsd import centred_positions, ensemble_scores, rmsd_heavy_matrix
from confgen.symmetry import isomorphisms

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
CROWDED = [
    "C[Si](C)(C)[Si]([Si](C)(C)C)([Si](C)(C)C)[Si](C)(C)C",
    "FC(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)F",
    "FS(F)(F)(F)(F)c1cc(S(F)(F)(F)(F)F)cc(S(F)(F)(F)(F)F)c1",
    "CC(C)(C)c1cc(C(C)(C)C)cc(c1)C(O)(c1cc(C(C)(C)C)cc(C(C)(C)C)c1)c1cc(C(C)(C)C)cc(C(C)(C)C)c1",
]
BUCKMINSTERFULLERENE = (
    "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6c%11c2c2c7c3c3c8c4c4"
    "c9c5c1c1c6c2c3c41"
)
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


def scattered(smiles: str, num_confs: int) -> Mol:
    """A molecule of heavy atoms at random places: nothing is symmetric but the graph."""
    mol = Chem.MolFromSmiles(smiles)
    places = np.random.default_rng(3).normal(scale=3.0, size=(num_confs, mol.GetNumAtoms(), 3))
    for pos in places:
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.SetPositions(pos)
        mol.AddConformer(conformer, assignId=True)
    return mol


@pytest.mark.parametrize("smiles", CROWDED)
def test_more_isomorphisms_than_can_be_tried_still_find_the_molecule_itself(smiles: str) -> None:
    mol = scattered(smiles, 2)
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms()).tolist()
    assert isomorphisms(mol, mol).bounded
    np.testing.assert_allclose(np.diag(rmsd_heavy_matrix(Chem.RenumberAtoms(mol, order), mol)), 0.0, atol=1e-6)


def test_a_bounded_rmsd_is_near_the_exact_one_and_not_below() -> None:
    probe, reference = embed("CC(C)(C)C(C)(C)C", 8), embed("CC(C)(C)C(C)(C)C", 8, seed=11)
    exact, bounded = rmsd_heavy_matrix(probe, reference), rmsd_heavy_matrix(probe, reference, max_matches=20)
    assert (bounded >= exact - 1e-6).all()
    assert (bounded - exact).mean() < 0.01


def test_all_symmetries_of_a_cage_are_tried() -> None:
    mol = scattered(BUCKMINSTERFULLERENE, 1)
    symmetry = isomorphisms(mol, mol)
    assert (len(symmetry.matches), symmetry.bounded) == (120, False)
    assert rmsd_heavy_matrix(Chem.RenumberAtoms(mol, symmetry.matches[77].tolist()), mol)[0, 0] == 0.0


def test_a_ring_is_not_a_chain_of_as_many_atoms() -> None:
    with pytest.raises(MoleculeError, match="not the same molecule"):
        rmsd_heavy_matrix(embed("CCCC", 1), embed("C1CCC1", 1))


def test_the_rmsd_of_equal_geometries_is_exactly_0() -> None:
    mol = embed("CC(C)Cc1ccccc1", 3)
    assert (np.diag(rmsd_heavy_matrix(mol, mol)) == 0.0).all()
    np.testing.assert_allclose(centred_positions(mol).mean(axis=1), 0.0, atol=1e-12)


@pytest.mark.slow
def test_the_matrix_equals_get_best_rms_on_every_validation_molecule() -> None:
    path = Path(__file__).parents[2] / "shared" / "data" / "openff_val.parquet"
    if not path.exists():
        pytest.skip("shared/data is not here")
    for one in read_ensembles(path):
        assert one.mol is not None
        difference = np.abs(rmsd_heavy_matrix(one.mol, one.mol) - best_rms(one.mol, one.mol)).max()
        assert difference < 1e-4, one.name


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
