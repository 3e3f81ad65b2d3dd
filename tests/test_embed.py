"""Promises of the ETKDG coordinates: each follows from its own seed, and a failure is None, not an exception."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.embed import MAX_SEED, embed
from confgen.molecule import read_molecule

BUTANOL = "CCCCO"
LAST = (MAX_SEED - 1, MAX_SEED)


def test_every_seed_gets_all_atoms() -> None:
    mol = read_molecule(BUTANOL)
    assert [pos.shape for pos in embed(mol, [1, 2]) if pos is not None] == [(mol.GetNumAtoms(), 3)] * 2


def test_a_conformer_follows_from_its_own_seed_alone() -> None:
    mol = read_molecule(BUTANOL)
    together, alone = embed(mol, [5, 2**62, 9])[1], embed(mol, [2**62])[0]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (2**62, 2**62 + 1), LAST])
def test_other_seeds_give_other_conformers(first: int, second: int) -> None:
    one, other = embed(read_molecule(BUTANOL), [first, second])
    assert one is not None
    assert other is not None
    assert np.abs(one - other).max() > 0.1


def test_the_molecule_is_left_alone() -> None:
    mol = read_molecule(BUTANOL)
    embed(mol, [1])
    assert mol.GetNumConformers() == 0


def test_random_coordinates_are_tried_where_the_usual_ones_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    real = rdDistGeom.EmbedMolecule

    def picky(mol: Chem.Mol, parameters: rdDistGeom.EmbedParameters) -> int:
        return int(real(mol, parameters)) if parameters.useRandomCoords else -1

    monkeypatch.setattr(rdDistGeom, "EmbedMolecule", picky)
    assert embed(read_molecule("CCO"), [1])[0] is not None


@pytest.mark.parametrize("error", [RuntimeError, ValueError, None])
def test_a_failure_is_none(error: type[Exception] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> int:
        if error is not None:
            raise error("bad bounds")
        return -1

    monkeypatch.setattr(rdDistGeom, "EmbedMolecule", failing)
    assert embed(read_molecule("CCO"), [1, 2]) == [None, None]


@pytest.mark.parametrize("smiles", ["[H][H]", "O=C=O", "[Na+]", "C12C3C4C1C5C2C3C45"])
def test_awkward_molecules_are_embedded(smiles: str) -> None:
    pos = embed(read_molecule(smiles), [1])[0]
    assert pos is not None
    assert np.isfinite(pos).all()


def test_nothing_is_said_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    embed(read_molecule("Cl[Pt](Cl)(N)N"), [1])
    assert capfd.readouterr().err == ""
