"""Promises of `confgen.evaluate`: right scores in any order of atoms and molecules; nothing skipped in silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from ensembles import Ensemble
from rdkit import Chem
from rdkit.Chem import rdMolAlign, rdMolDescriptors

import confgen
from confgen.comparison import compare
from confgen.conformer_sets import ConformerSet
from confgen.conformers import positions, with_positions
from confgen.ensembles import read_ensembles
from confgen.errors import CannotStart, InputError, MoleculeError
from confgen.evaluation import evaluate
from confgen.molecule import read_molecule
from confgen.scores import PROTOCOLS, Evaluation, summarise

Embed = Callable[..., Chem.Mol]
SMILES = ("C[C@H](N)C(=O)O", "CC(C)(C)c1ccc(O)cc1", "C/C=C/[C@@H](C)CO", "[O-][N+](=O)c1ccccc1")
ALL = replace(PROTOCOLS["geomol"], per_reference=None)


def ensemble(mol: Chem.Mol, name: str = "", number: int = 1) -> ConformerSet:
    return ConformerSet(name, f"x.sdf record {number}", mol)


@pytest.fixture(scope="module")
def sets(embed_mol: Embed) -> list[ConformerSet]:
    return [ensemble(embed_mol(read_molecule(smiles), 4), f"m{n}", n) for n, smiles in enumerate(SMILES)]


@pytest.fixture(scope="module")
def others(embed_mol: Embed) -> list[ConformerSet]:
    """The same molecules with other conformers."""
    return [ensemble(embed_mol(read_molecule(smiles), 6, seed=11), f"m{n}", n) for n, smiles in enumerate(SMILES)]


def mirrored(one: ConformerSet) -> ConformerSet:
    assert one.mol is not None
    return replace(one, mol=with_positions(one.mol, -positions(one.mol)))


def shuffled(one: ConformerSet, seed: int) -> ConformerSet:
    """The molecule with its atoms in another order and each conformer turned and moved."""
    assert one.mol is not None
    rng = np.random.default_rng(seed)
    mol = Chem.RenumberAtoms(one.mol, rng.permutation(one.mol.GetNumAtoms()).tolist())
    turn = np.linalg.qr(rng.normal(size=(mol.GetNumConformers(), 3, 3)))[0]
    turn *= np.linalg.det(turn)[:, None, None]
    return replace(one, mol=with_positions(mol, positions(mol) @ turn + rng.normal(size=3)))


def perfect(evaluation: Evaluation) -> bool:
    summary = summarise(evaluation)
    keys = ("cov_r@0.5", "cov_p@0.5", "stereo", "valid")
    return all(summary[key].mean == 1.0 for key in keys) and summary["amr_r"].mean == summary["amr_p"].mean == 0.0


def test_a_file_against_itself_is_perfect(sets: list[ConformerSet]) -> None:
    assert perfect(evaluate(sets, sets))


def test_permuted_atoms_new_names_and_another_order_still_score_exactly_0(sets: list[ConformerSet]) -> None:
    made = [replace(shuffled(one, seed), name=f"other{seed}") for seed, one in enumerate(sets)][::-1]
    evaluation = evaluate(made, sets)
    assert perfect(evaluation)
    assert (evaluation.unmatched, evaluation.ambiguous) == ([], [])


def test_rmsds_are_those_of_get_best_rms(sets: list[ConformerSet], others: list[ConformerSet]) -> None:
    for scored, one, other in zip(evaluate(others, sets, ALL).molecules, sets, others, strict=True):
        probe, reference = Chem.RemoveAllHs(other.mol), Chem.RemoveAllHs(one.mol)
        matrix = np.array([[rdMolAlign.GetBestRMS(probe, reference, p, r) for r in range(4)] for p in range(6)])
        np.testing.assert_allclose(scored.recall, matrix.min(axis=0), atol=1e-5)
        np.testing.assert_allclose(scored.precision, matrix.min(axis=1), atol=1e-5)


def test_the_wrong_enantiomer_covers_at_the_threshold_but_is_counted_as_wrong(sets: list[ConformerSet]) -> None:
    made = replace(mirrored(sets[0]), name="renamed")
    (alanine,) = evaluate([made], sets[:1], match="flat").molecules
    assert alanine.cov_r(0.75) == 1.0
    assert (alanine.right_stereo, alanine.valid) == (0, 0)
    assert alanine.wrong_stereo == "centre 2 (C) in 4 of 4"


def test_the_reference_says_which_stereochemistry_is_right(sets: list[ConformerSet]) -> None:
    """Not the generated molecule's own tags, which may have been read off wrong coordinates."""
    wrong = mirrored(sets[0])
    Chem.AssignStereochemistryFrom3D(wrong.mol)
    assert evaluate([wrong], sets[:1], match="name").molecules[0].right_stereo == 0


def test_an_enantiomer_is_no_match_by_stereo_and_the_way_out_is_named(sets: list[ConformerSet]) -> None:
    made = replace(mirrored(sets[0]), name="renamed")
    Chem.AssignStereochemistryFrom3D(made.mol)
    evaluation = evaluate([made], sets[:1], match="stereo")
    assert evaluation.molecules[0].failed
    assert "--match flat" in evaluation.molecules[0].error
    assert "'renamed': no reference is matched with it" in evaluation.unmatched[0]
    assert "--match flat" in evaluation.unmatched[0]


def test_where_only_the_name_differs_the_way_out_is_named(sets: list[ConformerSet]) -> None:
    evaluation = evaluate([replace(sets[0], name="renamed")], sets[:1], match="name")
    for line in (evaluation.molecules[0].error, evaluation.unmatched[0]):
        assert "has another name, --match stereo compares them" in line
        assert "flat" not in line


@pytest.mark.parametrize("match", ["auto", "name", "stereo", "flat"])
def test_several_entries_of_one_molecule_are_named_as_that(sets: list[ConformerSet], match: str) -> None:
    twice = [sets[0], replace(sets[0], origin="x.sdf record 9")]
    evaluation = evaluate(twice, sets[:1], match=match)
    (line,) = evaluation.unmatched
    assert line.startswith("x.sdf record 9 'm0': no reference is matched with it")
    assert "x.sdf record 0 'm0' is paired with x.sdf record 0 'm0' already; give the conformers of one molecule" in line
    assert "already; give the conformers" in evaluate(sets[:1], twice, match=match).molecules[1].error


def test_an_isomer_whose_mirror_image_has_its_partner_gets_no_advice(sets: list[ConformerSet]) -> None:
    other = replace(mirrored(sets[0]), name="other")
    Chem.AssignStereochemistryFrom3D(other.mol)
    (line,) = evaluate([sets[0], other], sets[:1]).unmatched
    assert line.endswith("no reference is matched with it (C[C@@H](N)C(=O)O)")


def test_what_is_missing_counts_as_a_failure_and_what_is_left_over_is_named(sets: list[ConformerSet]) -> None:
    evaluation = evaluate(sets[1:], sets[:3])
    assert [m.failed for m in evaluation.molecules] == [True, False, False]
    assert evaluation.molecules[0].error == "not among the generated molecules (matched by auto)"
    assert evaluation.unmatched[0].startswith("x.sdf record 3 'm3': no reference is matched with it")
    assert summarise(evaluation)["cov_r@0.5"].mean == pytest.approx(2 / 3)


def test_a_title_on_another_molecule_is_named_as_that(sets: list[ConformerSet]) -> None:
    evaluation = evaluate([replace(sets[1], name="m0")], sets[:1])
    assert "'m0' is another molecule" in evaluation.molecules[0].error


def test_a_generated_molecule_with_an_error_gives_its_reason(sets: list[ConformerSet]) -> None:
    broken = ConformerSet("m0", "x.sdf record 1", None, error=MoleculeError("x.sdf record 1 'm0': no shape"))
    evaluation = evaluate([broken, *sets[1:]], sets)
    assert evaluation.molecules[0].error == "x.sdf record 1 'm0': no shape"
    assert evaluation.unmatched == ["x.sdf record 1 'm0': no shape"]


def test_at_most_2k_conformers_are_scored_and_the_rest_is_counted(sets: list[ConformerSet], embed_mol: Embed) -> None:
    many = ensemble(embed_mol(read_molecule(SMILES[0]), 11, seed=3), "m0")
    (scored,) = evaluate([many], sets[:1]).molecules
    assert (scored.num_references, scored.num_generated, scored.num_given) == (4, 8, 11)
    (scored,) = evaluate([many], sets[:1], ALL).molecules
    assert (scored.num_generated, len(scored.precision)) == (11, 11)


def test_repeated_conformers_are_counted_as_duplicates(sets: list[ConformerSet]) -> None:
    assert sets[1].mol is not None
    twice = with_positions(sets[1].mol, np.repeat(positions(sets[1].mol)[:2], 2, axis=0))
    (scored,) = evaluate([ensemble(twice, "m1")], sets[1:2]).molecules
    assert scored.duplicates is not None
    assert scored.duplicates >= 0.5
    heavy = Chem.RemoveAllHs(sets[1].mol)
    assert scored.diversity == pytest.approx(4 / 6 * rdMolAlign.GetBestRMS(Chem.Mol(heavy), heavy, 0, 1), abs=1e-5)


def test_a_file_without_hydrogens_is_scored_and_judged_without_them(sets: list[ConformerSet]) -> None:
    bare = [replace(one, mol=Chem.RemoveHs(one.mol)) for one in sets]
    for made, references in ((bare, sets), (sets, bare)):
        evaluation = evaluate(made, references)
        assert perfect(evaluation)
        assert "without hydrogens" in evaluation.molecules[0].note
    assert evaluate([mirrored(bare[0])], sets[:1], match="name").molecules[0].right_stereo == 0


def test_a_conformer_without_finite_positions_covers_nothing(sets: list[ConformerSet]) -> None:
    assert sets[0].mol is not None
    pos = positions(sets[0].mol)
    pos[0] = np.nan
    (scored,) = evaluate([ensemble(with_positions(sets[0].mol, pos), "m0")], sets[:1]).molecules
    assert np.isinf(scored.precision).tolist() == [True, False, False, False]
    assert (scored.right_stereo, scored.failed_checks) == (3, {"finite": 1})
    assert scored.recall[0] > 0.0


def test_a_molecule_without_one_finite_conformer_is_a_failure_with_a_reason(sets: list[ConformerSet]) -> None:
    assert sets[0].mol is not None
    broken = ensemble(with_positions(sets[0].mol, positions(sets[0].mol) * np.nan), "m0")
    (scored,) = evaluate([broken], sets[:1]).molecules
    assert scored.failed
    assert scored.error == "x.sdf record 1 'm0': no conformer has finite positions"


def test_a_reference_without_finite_positions_is_left_out_of_all_figures_and_named(sets: list[ConformerSet]) -> None:
    assert sets[0].mol is not None
    pos = positions(sets[0].mol)
    rest = replace(sets[0], mol=with_positions(sets[0].mol, pos[1:]), weights=np.array([0.5, 0.25, 0.25]))
    pos[0] = np.nan
    whole = replace(sets[0], mol=with_positions(sets[0].mol, pos), weights=np.array([0.2, 0.4, 0.2, 0.2]))
    evaluation = evaluate(sets[:1], [whole])
    assert summarise(evaluation) == summarise(evaluate(sets[:1], [rest]))
    assert evaluation.molecules[0].boltzmann_cov_r(0.5) == pytest.approx(1.0)
    assert "'m0': 1 of 4 conformers left out (1)" in evaluation.notes[0]


def test_the_overlay_shows_the_worst_covered_reference_superposed(
    sets: list[ConformerSet], others: list[ConformerSet]
) -> None:
    for scored in evaluate(others, sets, ALL).molecules:
        assert scored.overlay is not None
        reference, made = (positions(Chem.RemoveAllHs(mol))[0] for mol in scored.overlay)
        apart = np.linalg.norm(reference[:, None] - made, axis=-1).min(axis=1)
        assert np.sqrt((apart**2).mean()) <= scored.recall.max() + 1e-6
        assert np.abs(reference.mean(axis=0)).max() < 1e-6


def test_only_the_worst_molecules_keep_an_overlay(sets: list[ConformerSet], others: list[ConformerSet]) -> None:
    molecules = evaluate(others, sets, overlays=2).molecules
    kept = {m.name for m in molecules if m.overlay is not None}
    assert kept == {m.name for m in sorted(molecules, key=lambda m: -m.recall.max())[:2]}


def test_workers_change_nothing(sets: list[ConformerSet], others: list[ConformerSet]) -> None:
    references, made = [replace(one, weights=np.full(4, 0.25)) for one in sets * 3], others * 3
    alone, together = (evaluate(made, references, workers=workers) for workers in (1, 2))
    assert summarise(alone) == summarise(together)
    for one, other in zip(alone.molecules, together.molecules, strict=True):
        np.testing.assert_array_equal(one.recall, other.recall)
        assert (one.name, one.smiles, one.wrong_stereo) == (other.name, other.smiles, other.wrong_stereo)
        if one.overlay is not None:
            np.testing.assert_array_equal(*(positions(found.overlay[1]) for found in (one, other)))


def test_rdkit_molecules_and_ensembles_are_taken_too(sets: list[ConformerSet]) -> None:
    mols = [one.mol for one in sets]
    assert perfect(confgen.evaluate(mols, mols))
    assert confgen.evaluate(sets, mols).molecules[0].origin == "reference molecule 1"
    made = [Ensemble(mol, f"m{n}", energies=[0.0] * 4) for n, mol in enumerate(mols)]
    failed = Ensemble(mols[0], "m0", "mols.smi:1", error=MoleculeError("mols.smi:1 'm0': timed out"))
    assert perfect(confgen.evaluate(made, sets, match="name"))
    assert confgen.evaluate([failed], sets).molecules[0].error == "mols.smi:1 'm0': timed out"


def test_a_molecule_without_conformers_is_a_failure_with_a_reason(sets: list[ConformerSet]) -> None:
    (scored,) = evaluate([ensemble(read_molecule(SMILES[0]), "m0")], sets[:1]).molecules
    assert scored.error == "x.sdf record 1 'm0': has no conformers"


def test_a_reference_without_conformers_counts_nowhere(sets: list[ConformerSet]) -> None:
    flat = ConformerSet("m0", "r.sdf record 1", None, error=MoleculeError("r.sdf record 1 'm0': has no 3D coordinates"))
    evaluation = evaluate(sets, [flat, *sets[1:]])
    assert "no reference to compare with: r.sdf record 1 'm0': has no 3D" in evaluation.molecules[0].error
    assert summarise(evaluation)["cov_r@0.5"] == summarise(evaluate(sets[1:], sets[1:]))["cov_r@0.5"]


def test_an_empty_side_is_refused(sets: list[ConformerSet]) -> None:
    with pytest.raises(InputError, match="no generated molecules"):
        evaluate([], sets)
    with pytest.raises(InputError, match="no reference molecules"):
        evaluate(sets, [])
    with pytest.raises(InputError, match=r"no reference has conformers.* record 1 'x' is a molecule without any"):
        evaluate(sets, [ensemble(read_molecule("CCO"), "x")])
    with pytest.raises(InputError, match="reference molecule 1 is a molecule without any"):
        confgen.evaluate([sets[0].mol], [read_molecule("CCO")])


def test_progress_is_told(sets: list[ConformerSet]) -> None:
    told: list[tuple[int, int]] = []
    evaluate(sets, sets, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_very_symmetric_molecules_are_bounded_and_said_to_be(embed_mol: Embed) -> None:
    mol = embed_mol(read_molecule("C[Si](C)(C)[Si]([Si](C)(C)C)([Si](C)(C)C)[Si](C)(C)C"), 3)
    scored = compare(shuffled(ensemble(mol), 1), ensemble(mol), ALL)
    assert scored.bounded
    assert scored.recall.max() == 0.0


@pytest.mark.slow
def test_the_validation_ensembles_score_perfectly_against_themselves() -> None:
    path = Path(__file__).parents[2] / "shared" / "data" / "openff_val.parquet"
    if not path.exists():
        pytest.skip("shared/data is not here")
    references = list(read_ensembles(path))
    made = [replace(shuffled(one, seed), name=f"x{seed}") for seed, one in enumerate(references)][::-1]
    assert perfect(evaluate(made, references))


@pytest.mark.parametrize(
    ("smiles", "count"),
    [
        ("CC(C)(C)CCC(C)(C)C", 1),
        ("CC(C)(C)OC(=O)NCc1ccccc1", 2),
        ("C[Si](C)(C)CCS(C)(=O)=O", 3),
        ("FC(F)(F)CCC(F)(F)F", 1),
        ("C[N+](C)(C)CCO", 2),
        ("CCCCO", 2),
        ("[H][H]", 0),
    ],
)
def test_rotatable_bonds_are_those_that_rdkit_counts_without_hydrogens(smiles: str, count: int) -> None:
    mol = read_molecule(smiles)
    mol = with_positions(mol, np.zeros((1, mol.GetNumAtoms(), 3)))
    known = compare(None, ensemble(mol), ALL)
    assert known.rotatable_bonds == count == rdMolDescriptors.CalcNumRotatableBonds(Chem.MolFromSmiles(smiles))


def test_weights_of_ensembles_are_those_of_their_conformers(sets: list[ConformerSet]) -> None:
    @dataclass
    class Made:
        mol: Chem.Mol
        energies: list[float]
        boltzmann_weights: list[float]
        name: str = "a"
        origin: str = ""
        error: None = None

    one = sets[0]
    count = one.mol.GetNumConformers()
    made = Made(one.mol, [0.0] * count, [0.0] * (count - 1) + [2.0])
    [scored] = evaluate([one.mol], [made]).molecules
    assert scored.reference_weights is not None
    assert scored.reference_weights.tolist() == [0.0] * (count - 1) + [1.0]


def test_what_is_no_ensemble_is_refused(sets: list[ConformerSet]) -> None:
    with pytest.raises(CannotStart, match="generated molecule 1 is 'a'"):
        evaluate("a.sdf", sets)  # type: ignore[arg-type]
