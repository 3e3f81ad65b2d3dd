"""Promises of the whole line, with a denoiser that knows the answer: exact counts, right stereo, honest tags."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from confgen import drafts, whole
from confgen.checkpoint import Weights
from confgen.conformers import fragments
from confgen.drafts import conformer_seed
from confgen.errors import CannotStart, MoleculeError
from confgen.generate import Ensemble, Generator
from confgen.isomers import enumerate_stereo
from confgen.molecule import read_molecule
from confgen.sampler import SamplerSettings
from confgen.settings import GenerateSettings, default_settings
from confgen.stereo import mismatches_all
from confgen.validity import check

ALANINE = "C[C@H](N)C(=O)O"
OPEN = "CC(F)Cl"
SETTINGS = GenerateSettings(num_confs=4, attempts=1, rms=0.0, sampler=SamplerSettings(sampler="dpmpp", num_steps=6))
AWKWARD = (
    "[H][H]",
    "O=C=O",
    "[Na+]",
    "[Na+].[Cl-]",
    "C",
    "N#N",
    "[Na+].CC(=O)[O-]",
    "CCO.O.O",
    "F/C=C/F.[H][H]",
    ALANINE,
)


def generator(denoiser: Any, **changes: Any) -> Generator:
    weights = Weights(denoiser=denoiser, name="tiny", sha256="0" * 64, sampling={})
    return Generator(weights, SETTINGS if not changes else GenerateSettings(**(vars(SETTINGS) | changes)))


def positions(ensemble: Ensemble) -> np.ndarray:
    assert ensemble.mol is not None
    return np.stack([conformer.GetPositions() for conformer in ensemble.mol.GetConformers()])


@pytest.fixture
def good(oracle: Callable[..., Any]) -> Callable[..., Generator]:
    """Function: SMILES -> a generator whose denoiser knows those molecules and all their stereoisomers."""

    def make(*smiles: str, **changes: Any) -> Generator:
        return generator(
            oracle(*(isomer for text in smiles for isomer in enumerate_stereo(read_molecule(text)))), **changes
        )

    return make


@pytest.mark.parametrize("smiles", AWKWARD)
def test_there_are_exactly_as_many_conformers_as_asked(smiles: str, good: Callable[..., Generator]) -> None:
    ensemble = good(smiles).generate(read_molecule(smiles), num_confs=3)
    assert ensemble.mol is not None
    assert [conformer.GetId() for conformer in ensemble.mol.GetConformers()] == [0, 1, 2]
    assert (len(ensemble.checks), len(ensemble.sources), ensemble.notes) == (3, 3, [])


@pytest.mark.parametrize("smiles", AWKWARD)
def test_all_conformers_are_valid_and_the_networks_own(smiles: str, good: Callable[..., Generator]) -> None:
    ensemble = good(smiles).generate(read_molecule(smiles))
    assert ensemble.mol is not None
    assert check(ensemble.mol) == [[]] * 4
    assert ensemble.sources == ["network"] * 4


def test_the_molecule_given_is_left_alone(good: Callable[..., Generator]) -> None:
    mol = read_molecule(ALANINE)
    good(ALANINE).generate(mol)
    assert mol.GetNumConformers() == 0


def test_atoms_and_tags_of_the_molecule_are_kept(good: Callable[..., Generator]) -> None:
    mol = read_molecule("[H]OC(C)=O")
    mol.SetProp("supplier", "x42")
    ensemble = good("[H]OC(C)=O").generate(mol)
    assert ensemble.mol is not None
    assert ensemble.mol.GetProp("supplier") == "x42"
    assert [a.GetSymbol() for a in ensemble.mol.GetAtoms()] == [a.GetSymbol() for a in mol.GetAtoms()]


def test_an_ensemble_says_where_it_comes_from(good: Callable[..., Generator]) -> None:
    mol = read_molecule("CCO")
    mol.SetProp("_Name", "ethanol")
    mol.SetProp("_confgen_origin", "mols.smi:7")
    ensemble = good("CCO").generate(mol, seed=9)
    assert (ensemble.name, ensemble.origin, ensemble.seed, ensemble.weights) == ("ethanol", "mols.smi:7", 9, "tiny")


def test_input_coordinates_do_not_come_back(good: Callable[..., Generator], embed_mol: Callable[..., Chem.Mol]) -> None:
    mol = embed_mol(read_molecule("CCO"), 7)
    ensemble = good("CCO").generate(mol)
    assert ensemble.mol is not None
    assert ensemble.mol.GetNumConformers() == 4


def test_the_same_seed_gives_the_same_conformers(good: Callable[..., Generator]) -> None:
    first, second = (positions(good(ALANINE).generate(read_molecule(ALANINE), seed=5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_another_seed_gives_other_conformers(good: Callable[..., Generator]) -> None:
    first, second = (positions(good(ALANINE).generate(read_molecule(ALANINE), seed=seed)) for seed in (5, 6))
    assert np.abs(first - second).max() > 0.01


def test_neither_the_other_molecules_nor_the_order_change_a_result(good: Callable[..., Generator]) -> None:
    smiles = ("CCO", ALANINE, "O=C=O")
    made = good(*smiles)
    forward = list(made.generate_many([read_molecule(text) for text in smiles]))
    backward = list(made.generate_many([read_molecule(text) for text in reversed(smiles)]))[::-1]
    for first, second in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(positions(first), positions(second))


def test_the_size_of_a_batch_does_not_change_a_result(good: Callable[..., Generator]) -> None:
    made = good(ALANINE)
    whole, single = (positions(made.generate(read_molecule(ALANINE), batch_size=size)) for size in (None, 1))
    np.testing.assert_allclose(single, whole, atol=1e-3)


def test_more_conformers_begin_with_the_same_ones(good: Callable[..., Generator]) -> None:
    made = good(ALANINE)
    few, many = (positions(made.generate(read_molecule(ALANINE), num_confs=count)) for count in (2, 5))
    np.testing.assert_allclose(many[:2], few, atol=1e-3)


def test_every_conformer_and_attempt_has_a_seed_of_its_own() -> None:
    seeds = {conformer_seed(s, k, attempt) for s in range(5) for k in range(20) for attempt in (-1, 0, 1)}
    assert len(seeds) == 300
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_wrong_conformers_are_replaced_by_etkdg_and_tagged(oracle: Callable[..., Any]) -> None:
    mol = read_molecule(ALANINE)
    ensemble = generator(oracle(mol, wrong=True)).generate(mol)
    assert ensemble.mol is not None
    assert ensemble.sources == ["etkdg"] * 4
    assert mismatches_all(ensemble.mol) == [[]] * 4


def test_an_answer_that_is_no_number_is_replaced_too(oracle: Callable[..., Any]) -> None:
    mol = read_molecule(ALANINE)
    assert generator(oracle(mol, nan=True)).generate(mol).sources == ["etkdg"] * 4


def test_a_wrong_conformer_is_turned_and_sampled_again_before_it_is_replaced(oracle: Callable[..., Any]) -> None:
    mol = read_molecule(ALANINE)
    wrong = oracle(mol, wrong=True)
    generator(wrong, attempts=2).generate(mol)
    assert wrong.calls == 3 * (SETTINGS.sampler.num_steps + min(SETTINGS.sampler.num_steps, drafts.SMOOTHING_STEPS))


def test_only_wrong_conformers_are_sampled_again(oracle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    mol = read_molecule(ALANINE)
    asked, true_check = [], drafts.check
    answers = iter([[[], ["clash"], [], []], [[]]])

    def fake_check(made: Chem.Mol) -> list[list[str]]:
        asked.append(len(true_check(made)))
        return next(answers)

    monkeypatch.setattr(drafts, "check", fake_check)
    ensemble = generator(oracle(mol)).generate(mol)
    assert asked == [4, 1]
    assert ensemble.checks == [[]] * 4


def test_keep_invalid_writes_wrong_conformers_with_their_checks(oracle: Callable[..., Any]) -> None:
    mol = read_molecule(ALANINE)
    ensemble = generator(oracle(mol, wrong=True)).generate(mol, keep_invalid=True)
    assert ensemble.sources == ["network"] * 4
    assert all("stereo" in names for names in ensemble.checks)


def test_conformers_that_nobody_can_make_are_counted_with_the_reason(
    oracle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mol = read_molecule(ALANINE)
    tries = itertools.chain([1, 0, 1, 0], itertools.repeat(0))
    true_embed = whole.embed_large
    monkeypatch.setattr(whole, "embed_large", lambda *args, **_: true_embed(*args) if next(tries) else [None])
    ensemble = generator(oracle(mol, wrong=True)).generate(mol)
    assert ensemble.mol is not None
    assert ensemble.mol.GetNumConformers() == len(ensemble.checks) == len(ensemble.sources) == 2
    assert len(ensemble.notes) == 1
    assert all(word in ensemble.notes[0] for word in ("2 of 4", "stereo"))


def test_no_conformer_at_all_is_a_molecule_error_with_the_reason(
    oracle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mol = read_molecule(ALANINE)
    monkeypatch.setattr(whole, "embed_large", lambda *_, **__: [None])
    with pytest.raises(MoleculeError, match=r"stereo.*--keep-invalid") as error:
        generator(oracle(mol, wrong=True)).generate(mol)
    assert "\n" not in str(error.value)


def test_open_stereochemistry_is_refused_on_request(good: Callable[..., Generator]) -> None:
    with pytest.raises(MoleculeError, match="centre 2"):
        good(OPEN).generate(read_molecule(OPEN), stereo="error")


def test_specified_stereochemistry_is_not_refused(good: Callable[..., Generator]) -> None:
    assert good(ALANINE).generate(read_molecule(ALANINE), stereo="error").error is None


def test_any_spreads_conformers_over_the_isomers_and_says_so(good: Callable[..., Generator]) -> None:
    ensemble = good(OPEN).generate(read_molecule(OPEN), stereo="any")
    assert ensemble.mol is not None
    hands = []
    for conformer in ensemble.mol.GetConformers():
        Chem.AssignStereochemistryFrom3D(ensemble.mol, conformer.GetId())
        hands.append(Chem.FindMolChiralCenters(ensemble.mol)[0][1])
    assert sorted(hands) == ["R", "R", "S", "S"]
    assert "2 isomers" in ensemble.notes[0]


def test_fewer_conformers_than_isomers_are_not_said_to_be_spread_over_all(good: Callable[..., Generator]) -> None:
    note = good(OPEN).generate(read_molecule(OPEN), stereo="any", num_confs=1).notes[0]
    assert "conformers are of 1 of 2 isomers" in note


def test_that_there_are_more_isomers_is_said_once(
    good: Callable[..., Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confgen.isomers.enumerate_stereo", partial(enumerate_stereo, cap=2))
    smiles = "CC(F)C(Cl)Br"
    ensembles = list(good(smiles).generate_many([read_molecule(smiles)], stereo="enumerate", num_confs=1))
    assert len(ensembles) == 2
    assert [sum("has more than 2" in note for note in ensemble.notes) for ensemble in ensembles] == [1, 0]


def test_enumerate_makes_an_ensemble_of_each_isomer(good: Callable[..., Generator]) -> None:
    ensembles = list(good(OPEN).generate_many([read_molecule(OPEN)], stereo="enumerate"))
    smiles = {Chem.MolToSmiles(Chem.RemoveHs(e.mol)) for e in ensembles if e.mol is not None}
    assert smiles == {"C[C@H](F)Cl", "C[C@@H](F)Cl"}
    for ensemble in ensembles:
        assert ensemble.mol is not None
        assert mismatches_all(ensemble.mol) == [[]] * 4


def test_enumerated_isomers_need_generate_many(good: Callable[..., Generator]) -> None:
    with pytest.raises(MoleculeError, match="generate_many"):
        good(OPEN).generate(read_molecule(OPEN), stereo="enumerate")


def test_enumerate_leaves_a_specified_molecule_as_one(good: Callable[..., Generator]) -> None:
    assert len(list(good(ALANINE).generate_many([read_molecule(ALANINE)], stereo="enumerate"))) == 1


def test_an_isomer_that_fails_does_not_take_the_others_with_it(
    oracle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = isomers = enumerate_stereo(read_molecule(OPEN))
    knows = oracle(*isomers)
    true_encode = knows.encode
    bad = next(iter(oracle(first).known))
    monkeypatch.setattr(knows, "encode", lambda graph: (-1 if knows.key(graph) == bad else 1) * true_encode(graph))
    monkeypatch.setattr(whole, "embed_large", lambda *_, **__: [None])
    ensembles = list(generator(knows).generate_many([read_molecule(OPEN)], stereo="enumerate"))
    assert [ensemble.error is None for ensemble in ensembles] == [False, True]


@pytest.mark.parametrize("smiles", ["F/C=C/F.[Na+].[Cl-]", "[Na+].C[C@H](O)C(=O)[O-]", "C[C@@H](N)F.C[C@H](N)F"])
def test_stereochemistry_of_fragments_is_kept(smiles: str, good: Callable[..., Generator]) -> None:
    ensemble = good(smiles).generate(read_molecule(smiles))
    assert ensemble.mol is not None
    assert ensemble.sources == ["network"] * 4
    assert mismatches_all(ensemble.mol) == [[]] * 4


def test_fragments_do_not_lie_in_each_other(good: Callable[..., Generator]) -> None:
    ensemble = good("CCO.CCO").generate(read_molecule("CCO.CCO"))
    assert ensemble.mol is not None
    first, second = fragments(ensemble.mol)
    for pos in positions(ensemble):
        assert np.linalg.norm(pos[first][:, None] - pos[second], axis=-1).min() > 2


def test_a_molecule_that_fails_does_not_end_the_batch(good: Callable[..., Generator]) -> None:
    mols = [read_molecule(text) for text in ("CCO", OPEN, ALANINE)]
    ensembles = list(good("CCO", OPEN, ALANINE).generate_many(mols, stereo="error"))
    assert [ensemble.error is None for ensemble in ensembles] == [True, False, True]


def test_what_is_no_molecule_does_not_end_the_batch_and_is_named(good: Callable[..., Generator]) -> None:
    fine, query = read_molecule("CCO"), Chem.MolFromSmarts("[C,N]C")
    given: list[Any] = [fine, None, "CCO", Chem.Mol(), query, fine]
    ensembles = list(good("CCO").generate_many(given, num_confs=1))
    assert [ensemble.error is None for ensemble in ensembles] == [True, False, False, False, False, True]
    reasons = ["is None", "is of type str", "there are no atoms", "is a dummy, an R group or a query"]
    for number, reason in enumerate(reasons, start=2):
        error = str(ensembles[number - 1].error)
        assert error.startswith(f"molecule {number}: ")
        assert reason in error


@pytest.mark.parametrize("sanitize", [True, False])
def test_hydrogens_that_a_molecule_lacks_are_added(sanitize: bool, good: Callable[..., Generator]) -> None:
    mol = Chem.MolFromSmiles("CCO", sanitize=sanitize)
    ensemble = good("CCO").generate(mol, num_confs=1)
    assert ensemble.mol is not None
    assert ensemble.mol.GetNumAtoms() == 9
    assert mol.GetNumAtoms() == 3


def test_molecules_are_taken_one_at_a_time(good: Callable[..., Generator]) -> None:
    taken = []

    def stream() -> Any:
        for text in ("CCO", "O=C=O"):
            taken.append(text)
            yield read_molecule(text)

    next(iter(good("CCO", "O=C=O").generate_many(stream())))
    assert taken == ["CCO"]


def test_a_timeout_is_a_molecule_error(good: Callable[..., Generator]) -> None:
    [ensemble] = good(ALANINE).generate_many([read_molecule(ALANINE)], timeout_s=1e-9)
    assert "--timeout" in str(ensemble.error)


def test_a_timeout_keeps_the_conformers_that_are_ready(
    oracle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mol = read_molecule(ALANINE)
    true_check = drafts.check

    def slow_check(made: Chem.Mol) -> list[list[str]]:
        names = true_check(made)
        time.sleep(0.6)
        return [["clash"], *names[1:]]

    monkeypatch.setattr(drafts, "check", slow_check)
    [ensemble] = generator(oracle(mol)).generate_many([mol], timeout_s=0.5)
    assert ensemble.mol is not None
    assert ensemble.mol.GetNumConformers() == 3


@pytest.mark.parametrize("keep", [True, False])
def test_conformers_that_there_was_no_time_for_are_neither_written_nor_counted(
    keep: bool, good: Callable[..., Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    true_propose = drafts.propose_whole

    def first_only(*args: Any) -> np.ndarray:
        pos = true_propose(*args)
        pos[1:] = np.nan
        time.sleep(0.3)
        return pos

    monkeypatch.setattr(drafts, "propose_whole", first_only)
    monkeypatch.setattr(drafts, "check", lambda mol: [["clash"]] * mol.GetNumConformers())
    [ensemble] = good(ALANINE).generate_many([read_molecule(ALANINE)], timeout_s=0.2, keep_invalid=keep)
    if keep:
        assert ensemble.mol is not None
        assert ensemble.checks == [["clash"]]
        assert ensemble.mol.GetNumConformers() == 1
        assert "--timeout ended the search" in ensemble.notes[0]
    else:
        assert "no valid conformer in 1 (clash failed), and --timeout ended the search" in str(ensemble.error)


def test_an_etkdg_start_works_as_well(good: Callable[..., Generator]) -> None:
    made = good(ALANINE)
    settings = default_settings({"start": "etkdg", "start_sigma": 0.3, "sampler": "heun", "num_steps": 3})
    ensemble = Generator(made.weights, settings).generate(read_molecule(ALANINE), rms=0.0)
    assert ensemble.sources == ["network"] * 10


def test_a_generator_is_made_of_weights_and_settings(good: Callable[..., Generator]) -> None:
    with pytest.raises(CannotStart, match=r"^weights are 'drugs'; make a generator with confgen.load"):
        Generator("drugs")  # type: ignore[arg-type]
    with pytest.raises(CannotStart, match=r"^settings are \{\}; give GenerateSettings"):
        Generator(good("C").weights, {})  # type: ignore[arg-type]


def test_options_of_many_are_refused_before_the_first(good: Callable[..., Generator]) -> None:
    with pytest.raises(CannotStart, match=r"^num_confs is -1"):
        good("C").generate_many([], num_confs=-1)
