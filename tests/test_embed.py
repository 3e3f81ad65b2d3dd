"""Promises of the ETKDG coordinates: each follows from its own seed, and a failure is None, not an exception."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen import embed as module
from confgen.conformers import is_token, with_positions
from confgen.embed import CORE_NEAR, GIVE_UP, LOT, embed, embed_core
from confgen.molecule import read_molecule
from confgen.scaffold import Core, deviation
from confgen.stereo import mismatches_at
from confgen.validity import check
from confgen.ways import DRAWS, MAX_SEED, UNCHECKED, WAYS, embed_one

BUTANOL = "CCCCO"
LAST = (MAX_SEED - 1, MAX_SEED)


def test_every_seed_gets_all_atoms() -> None:
    mol = read_molecule(BUTANOL)
    assert [pos.shape for pos in embed(mol, [1, 2]) if pos is not None] == [(mol.GetNumAtoms(), 3)] * 2


def test_a_conformer_follows_from_its_own_seed_alone() -> None:
    mol = read_molecule(BUTANOL)
    together, alone = embed(mol, [5, 2**62, 9])[1], embed(mol, [2**62])[0]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("first", [40, MAX_SEED - 5, 2**63 - 10])
def test_successive_seeds_give_what_each_gives_alone(first: int) -> None:
    mol = read_molecule("CC(=O)NCC(O)c1ccccc1")
    seeds = range(first, first + 1 + LOT + 2 * LOT + 3)
    together = embed(mol, seeds)
    np.testing.assert_array_equal(together, [embed(mol, [seed])[0] for seed in seeds])


def test_after_the_deadline_many_seeds_end_at_once() -> None:
    began = time.monotonic()
    assert embed(read_molecule(BUTANOL), range(50_000), deadline=began - 1) == [None] * 50_000
    assert time.monotonic() - began < 5


def test_a_lot_in_which_one_fails_is_made_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    mol = read_molecule(BUTANOL)
    wanted = embed(mol, range(5))
    lots = []

    def short(own: Chem.Mol, count: int, _: rdDistGeom.EmbedParameters) -> list[int]:
        lots.append(count)
        own.RemoveAllConformers()
        return list(range(count - 1))

    monkeypatch.setattr(rdDistGeom, "EmbedMultipleConfs", short)
    np.testing.assert_array_equal(embed(mol, range(5)), wanted)
    assert lots


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


@pytest.mark.parametrize(
    "smiles",
    ["C1CCCC#CCC1", "c1ccc2c(c1)ccc1ccc3ccc4ccc5ccccc5c4c3c12", "C1CCC/C=C/CC1", "C1COCCOCC" + "OCC" * 7 + "O1"],
    ids=["cyclooctyne", "hexahelicene", "E-cyclooctene", "30-ring"],
)
def test_strained_molecules_are_embedded_and_valid(smiles: str) -> None:
    mol = read_molecule(smiles)
    found = [pos for pos in embed(mol, [1, 2]) if pos is not None]
    failed = check(with_positions(mol, np.array(found)))
    assert [set(names) - {"squashed"} for names in failed] == [set(), set()]  # distance geometry has some bonds short


def test_what_cannot_be_embedded_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = rdDistGeom.EmbedMolecule, []

    def counted(mol: Chem.Mol, parameters: rdDistGeom.EmbedParameters) -> int:
        calls.append(parameters)
        return int(real(mol, parameters))

    monkeypatch.setattr(rdDistGeom, "EmbedMolecule", counted)
    assert embed(read_molecule("C[C@]12CC[C@@](Cl)(CC1)C2"), range(1, 9)) == [None] * 8  # one bridgehead inside
    assert len(calls) <= GIVE_UP * (len(WAYS) + DRAWS * len(UNCHECKED))


def test_an_embedding_ends_at_the_deadline() -> None:
    mol = read_molecule("OCC" * 60)  # takes some 10 s for each seed, which RDKit interrupts at certain points only
    began = time.monotonic()
    assert embed(mol, [1, 2, 3], deadline=began + 0.5) == [None] * 3
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("smiles", ["[H][H]", "O=C=O", "[Na+]", "C12C3C4C1C5C2C3C45"])
def test_awkward_molecules_are_embedded(smiles: str) -> None:
    pos = embed(read_molecule(smiles), [1])[0]
    assert pos is not None
    assert np.isfinite(pos).all()


def test_nothing_is_said_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    embed(read_molecule("Cl[Pt](Cl)(N)N"), [1])
    assert capfd.readouterr().err == ""


def core_of(smiles: str, mirrored: bool = False) -> tuple[Chem.Mol, Core]:
    """A molecule with all its heavy atoms for a core, in one shape of it or in the mirror image of that."""
    mol = read_molecule(smiles)
    [pos] = embed(mol, [3])
    assert pos is not None
    heavy = is_token(mol)
    return mol, Core(np.flatnonzero(heavy), (-pos if mirrored else pos)[heavy] + 4.0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_core_is_embedded_near_its_template_and_of_two_images_the_right_one(mirrored: bool) -> None:
    mol, core = core_of("OCCN(C)C(=O)CC(C)C", mirrored)
    found = [pos for pos in embed_core(mol, range(1, 6), core) if pos is not None]
    assert len(found) == 5
    assert deviation(core, np.array(found)).max() < CORE_NEAR


def test_a_core_follows_from_its_own_seed_alone() -> None:
    mol, core = core_of("CC(O)CCc1ccccc1")
    core = Core(core.atoms[4:], core.positions[4:])
    together, alone = embed_core(mol, [5, 2**62, 9], core)[1], embed_core(mol, [2**62], core)[0]
    assert together is not None
    np.testing.assert_array_equal(together, alone)


def test_a_core_that_cannot_be_met_is_embedded_freely() -> None:
    mol, core = core_of(BUTANOL)
    far = Core(core.atoms, core.positions * 9.0)
    [pos] = embed_core(mol, [1], far)
    assert pos is not None
    bonded = np.linalg.norm(pos[0] - pos[1])
    assert 1.3 < bonded < 1.7


def test_large_molecules_have_more_time_for_each_conformer(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    until = module._until
    monkeypatch.setattr(module, "_until", lambda limit_s, deadline: limits.append(limit_s) or until(limit_s, deadline))
    for large in (9, 3):
        monkeypatch.setattr(module, "LARGE", large)
        assert embed(read_molecule("CCO"), [1])[0] is not None
    assert limits == [60, 540]


@pytest.mark.parametrize(
    "smiles",
    [
        "CC(C)[C@H]1[C@H]2C[C@H]2[C@H]1C",  # bicyclo[2.1.0]pentane
        "C#C[C@@]12C(=O)N[C@@H]1[C@@H]2O",
        "C1C[C@]23C[C@H](C2)[C@@H]2[C@H]1[C@@H]23",  # a propellane, which has its centres outside their neighbours
        "N#C[C@H]1[C@H]2C[C@@H]1C2",
        "O=C1O[C@H]2[C@@H]3[C@H]4[C@@H]3N1[C@@H]24",
        "C[C@H]1OC23CN(C2)[C@@H]13",
    ],
)
def test_centres_where_small_rings_meet_are_embedded_as_asked(smiles: str) -> None:
    """All are of QM9; RDKit's checks of stereochemistry throw all of their coordinates away."""
    mol = read_molecule(smiles)
    found = embed(mol, range(1, 4))
    assert all(pos is not None for pos in found)
    assert mismatches_at(mol, np.array(found)) == [[]] * 3


def test_what_needs_the_last_resorts_twice_is_not_tried_otherwise_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bool] = []

    def recorded(*args: object) -> object:
        tried.append(bool(args[5]))
        return embed_one(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "embed_one", recorded)
    mol = read_molecule("C[C@H]1OC23CN(C2)[C@@H]13")
    assert all(pos is not None for pos in embed(mol, range(1, 6)))
    assert tried == [True] * GIVE_UP + [False] * (5 - GIVE_UP)
