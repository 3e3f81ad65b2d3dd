"""Promises of `confgen.references`: conformers are distinct minima of the molecule asked for, rightly weighed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from confgen import references
from confgen.conformers import positions, with_positions
from confgen.errors import CannotStart, MoleculeError
from confgen.molecule import from_smiles
from confgen.references import ReferenceSettings, different, reference, stereoisomers
from confgen.relax import Relaxed
from confgen.rmsd import rmsd_heavy_matrix
from confgen.rows import Known
from confgen.stereo import mismatches_all
from confgen.validity import check

QUICK = {"method": "mmff94s", "pool": 20}


def made(smiles: str, **changes: Any) -> Known:
    ensemble, _ = reference(from_smiles(smiles, "name", "test"), ReferenceSettings(**(QUICK | changes)))
    return ensemble


@pytest.fixture(scope="module")
def butane() -> Known:
    return made("CCCC")


def test_butane_has_one_anti_and_two_gauche_conformers(butane: Known) -> None:
    turns = [rdMolTransforms.GetDihedralDeg(conformer, 0, 1, 2, 3) for conformer in butane.mol.GetConformers()]
    assert abs(turns[0]) == pytest.approx(180, abs=1)
    assert sorted(turns[1:]) == pytest.approx([-65, 65], abs=4)


def test_gauche_forms_are_mirror_images_which_rmsd_without_reflection_tells_apart(butane: Known) -> None:
    gauche = with_positions(butane.mol, positions(butane.mol)[1:2])
    other = with_positions(butane.mol, positions(butane.mol)[2:])
    mirrored = with_positions(butane.mol, -positions(butane.mol)[2:])
    assert rmsd_heavy_matrix(gauche, other)[0, 0] > 0.3
    assert rmsd_heavy_matrix(gauche, mirrored)[0, 0] < 0.01


def test_the_weights_of_butane_are_those_of_its_energies(butane: Known) -> None:
    assert butane.energies is not None
    gauche = butane.energies[1] - butane.energies[0]
    assert 0.6 < gauche < 0.9  # kcal/mol, experiments and calculations alike
    assert butane.energies[2] == pytest.approx(butane.energies[1], abs=1e-3)
    factor = math.exp(-gauche / (1.987204259e-3 * 298.15))
    share = 1 / (1 + 2 * factor)
    assert butane.boltzmann_weights == pytest.approx([share, factor * share, factor * share], abs=1e-3)


@pytest.mark.parametrize(("changes", "count"), [({"ewindow": 0.5}, 1), ({"max_confs": 2}, 2), ({"rms": 1.0}, 1)])
def test_fewer_are_kept_on_request(changes: dict[str, Any], count: int) -> None:
    assert made("CCCC", **changes).mol.GetNumConformers() == count


def test_a_molecule_that_cannot_turn_has_one_conformer() -> None:
    assert made("CC").mol.GetNumConformers() == made("C").mol.GetNumConformers() == 1


def test_centres_double_bonds_and_bonds_are_as_asked() -> None:
    smiles = "C[C@@H](O)[C@H](N)C/C=C\\[C@H]1CC[C@@H](F)CC1"
    ensemble = made(smiles, pool=10, ewindow=99.0)
    assert ensemble.mol.GetNumConformers() > 5
    assert not any(mismatches_all(with_positions(from_smiles(smiles), positions(ensemble.mol))))
    assert not any(check(ensemble.mol))


def test_a_larger_pool_has_the_smaller_one_in_it() -> None:
    """The first conformers of a pool do not depend on how many follow."""
    few, many = made("CCCCC", pool=3, ewindow=99.0), made("CCCCC", pool=12, ewindow=99.0)
    nearest = rmsd_heavy_matrix(few.mol, many.mol).min(axis=1)
    assert few.mol.GetNumConformers() < many.mol.GetNumConformers()
    assert nearest.max() < 0.02


def test_preparation_keeps_what_differs_in_energy_or_has_none() -> None:
    mol = from_smiles("CO")
    same = with_positions(mol, np.repeat(np.random.default_rng(1).normal(size=(1, 6, 3)), 5, axis=0))
    assert different(same, np.array([0.04, 3.0, 0.0, np.nan, np.nan]), 0.125) == [2, 1, 3, 4]


def test_open_stereo_gives_one_isomer_by_the_seed_each_or_an_error() -> None:
    mol = from_smiles("CC(F)Cl", "open", "test")
    by_seed = {
        Chem.MolToSmiles(isomers[0])
        for seed in range(12)
        for isomers, notes in [stereoisomers(mol, ReferenceSettings(**QUICK, seed=seed))]
        if len(isomers) == len(notes) == 1
    }
    assert len(by_seed) == 2
    assert len(stereoisomers(mol, ReferenceSettings(**QUICK, stereo="enumerate"))[0]) == 2
    with pytest.raises(MoleculeError, match="open at centre 2"):
        stereoisomers(mol, ReferenceSettings(**QUICK, stereo="error"))


def test_a_salt_is_refused() -> None:
    with pytest.raises(MoleculeError, match="2 parts"):
        stereoisomers(from_smiles("[Na+].CC(=O)[O-]"), ReferenceSettings(**QUICK))


def test_a_molecule_without_a_sound_minimum_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confgen.references.MAX_STEPS", 1)
    with pytest.raises(MoleculeError, match=r"20 of 20 conformers .* MMFF94s \(20 not converged\)"):
        made("CCCC")


def test_notes_say_what_was_lost_and_what_stood_in(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = references.relax

    def without_the_first(*arguments: Any, **options: Any) -> Relaxed:
        relaxed = whole(*arguments, **options)
        return replace(relaxed, outcomes=["refused: clash", *relaxed.outcomes[1:]])

    monkeypatch.setattr(references, "relax", without_the_first)
    borane = from_smiles("CB(C)C", "borane", "test")
    ensemble, notes = reference(borane, ReferenceSettings(method="mmff94s", pool=4))
    assert ensemble.theory == "UFF"
    assert notes == [
        "test 'borane': MMFF94s lacks parameters for it; these are minima of UFF",
        "test 'borane': 1 of 4 conformers have no sound minimum of UFF (1 refused: clash)",
    ]


@pytest.mark.parametrize("smiles", ["[HH]", "O", "C#C", "O=C=O", "[NH4+]", "[OH-]"])
def test_the_smallest_and_the_odd_have_one_conformer(smiles: str) -> None:
    assert made(smiles, pool=3).mol.GetNumConformers() == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"pool": 0}, "pool"), ({"ewindow": 0.0}, "window"), ({"rms": -1.0}, "rms"), ({"method": "uff"}, "uff"),
     ({"temperature_k": 0.0}, "temperature"), ({"max_confs": 0}, "max_confs"), ({"stereo": "some"}, "stereo")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CannotStart, match=said):
        ReferenceSettings(**(QUICK | changes))


@pytest.mark.parametrize(("method", "library", "length"), [("gfnff", "gfnff", 1.53), ("gfn2", "tblite", 1.52)])
def test_xtb_has_the_conformers_of_butane_too(method: str, library: str, length: float) -> None:
    pytest.importorskip(library)
    ensemble = made("CCCC", method=method, pool=8)
    assert ensemble.mol.GetNumConformers() == 3
    assert ensemble.theory == {"gfnff": "GFN-FF", "gfn2": "GFN2-xTB"}[method]
    bond = rdMolTransforms.GetBondLength(ensemble.mol.GetConformer(0), 1, 2)
    assert bond == pytest.approx(length, abs=0.015)
