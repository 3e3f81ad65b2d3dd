"""Promises of the starts: those of a pool that stand for all of it, the same for the same seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from confgen import minima, starts
from confgen.conformers import with_positions
from confgen.descent import minimise
from confgen.distinct import distinct
from confgen.embed import embed
from confgen.errors import CannotStart, NoStart
from confgen.forcefields import mmff94s
from confgen.minima import SAME_MINIMUM
from confgen.molecule import read_molecule
from confgen.rmsd import rmsd_heavy_matrix
from confgen.starts import StartSettings, representative_starts, starts_of
from confgen.torsions import BINS, TorsionLibrary, histogram, turns

SEEDS = [11, 2**62, 5, 3]
FLEXIBLE = "CCOC(=O)CCCN"


def test_a_pool_of_one_is_what_rdkit_makes() -> None:
    mol = read_molecule(FLEXIBLE)
    np.testing.assert_array_equal(representative_starts(mol, SEEDS, 1), embed(mol, SEEDS))


def test_starts_of_a_pool_stand_for_other_conformers_better() -> None:
    mol = read_molecule("CC(C)CC(=O)NCCc1ccccc1CC")
    others = with_positions(mol, np.array(embed(mol, range(1000, 1060))))
    covered = []
    for pool in (1, 6):
        chosen = with_positions(mol, np.array(representative_starts(mol, range(1, 9), pool)))
        covered.append(float(rmsd_heavy_matrix(chosen, others).min(axis=0).mean()))
    assert covered[1] < 0.97 * covered[0]


def test_the_same_seeds_give_the_same_starts() -> None:
    mol = read_molecule(FLEXIBLE)
    np.testing.assert_array_equal(representative_starts(mol, SEEDS, 3), representative_starts(mol, SEEDS, 3))


def test_no_start_is_taken_twice() -> None:
    found = representative_starts(read_molecule(FLEXIBLE), SEEDS, 2)
    assert len({pos.tobytes() for pos in found if pos is not None}) == len(SEEDS)


def test_many_starts_are_chosen_block_by_block() -> None:
    mol = read_molecule("CCCO")
    whole = representative_starts(mol, range(starts.BLOCK + 5), 2)
    assert len(whole) == starts.BLOCK + 5
    np.testing.assert_array_equal(whole[: starts.BLOCK], representative_starts(mol, range(starts.BLOCK), 2))


def test_after_the_deadline_no_start_is_made() -> None:
    mol = read_molecule(FLEXIBLE)
    assert representative_starts(mol, SEEDS, 3, deadline=time.monotonic() - 1) == [None] * len(SEEDS)


def test_what_is_not_needed_leaves_time_for_what_follows() -> None:
    mol = read_molecule("CC(C)CC(=O)NCCc1ccccc1CC")
    began = time.monotonic()
    found = representative_starts(mol, range(1, 4), 10_000, deadline=began + 1.0, relaxed=True)
    assert [pos is not None for pos in found] == [True] * 3
    assert time.monotonic() - began < 3.0


def test_relaxed_starts_are_minima_that_differ() -> None:
    mol = read_molecule("CCCOC(=O)CC")
    starts = [pos for pos in representative_starts(mol, range(4), 3, relaxed=True) if pos is not None]
    pool = with_positions(mol, np.array(starts))
    field = mmff94s(pool)
    assert field is not None
    downhill = minimise(pool, np.array(starts), field, max_steps=300, deadline=None)
    assert [attempt.before_kcal_mol - attempt.after_kcal_mol for attempt in downhill] == pytest.approx([0] * 4, abs=0.2)
    assert len(distinct(pool, range(4), SAME_MINIMUM)) == 4


@pytest.mark.parametrize(("crowds", "energies", "first"), [
    ([1, 1, 1], [0, 0, 0], 1), ([25, 1, 1], [0, 0, 0], 0), ([1, 1, 25], [0, 0, 0], 2),
    ([1, 1, 1], [-90, -100, -70], 1), ([1, 1, 1], [-120, -100, -90], 0), ([25, 1, 1], [-80, -80, -100], 2),
    ([1, 1, 1], [0, -1e6, 0], 1),
])  # fmt: skip
def test_one_start_lies_where_most_conformers_ended_and_low(
    crowds: list[float], energies: list[float], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minima, "distances", lambda _: np.abs(np.subtract.outer(range(3), range(3))))
    mol = read_molecule("CC")
    pos = np.random.default_rng(0).normal(size=(3, mol.GetNumAtoms(), 3))
    covering = minima.Covering(mol, minima.Minima(pos, np.array(crowds, float), np.array(energies, float)))
    np.testing.assert_array_equal(covering.take(1), pos[[first]])
    np.testing.assert_array_equal(covering.taken, pos[[first]])
    rest = covering.take(9)  # what is left, each once
    assert {tuple(np.ravel(one)) for one in (*rest, pos[first])} == {tuple(np.ravel(one)) for one in pos}
    assert len(rest) == 2
    assert len(covering.take(1)) == 0


def test_further_starts_are_those_left_of_the_pool_and_then_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    mol, reserve = read_molecule(FLEXIBLE), list[minima.Covering]()
    whole = representative_starts(mol, range(1, 5), 4, relaxed=True, reserve=reserve)
    [pool] = reserve
    left = len(pool.minima.pos) - 4
    assert left > 0
    with monkeypatch.context() as patch:
        patch.setattr(starts, "_candidates", None)  # nothing is embedded
        whole += representative_starts(mol, range(5, 5 + left), 4, relaxed=True, reserve=reserve)
    np.testing.assert_array_equal(np.sort(np.array(whole), axis=0), np.sort(pool.minima.pos, axis=0))
    new = representative_starts(mol, range(50, 54), 4, relaxed=True, reserve=reserve)
    assert len(reserve) == 2
    together = with_positions(mol, np.array(whole + new))
    assert len(distinct(together, range(len(whole) + 4), SAME_MINIMUM)) == len(whole) + 4


def test_each_part_of_the_reserve_gives_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    mol, reserve = read_molecule(FLEXIBLE), list[minima.Covering]()
    monkeypatch.setattr(starts, "BLOCK", 3)
    representative_starts(mol, range(1, 7), 5, relaxed=True, reserve=reserve)
    before = [len(part.taken) for part in reserve]
    representative_starts(mol, range(8, 12), 5, relaxed=True, reserve=reserve)
    assert before == [3, 3]
    assert [len(part.taken) for part in reserve] == [5, 5]


def test_minima_of_both_media_are_ranked_on_one_scale() -> None:
    mol = read_molecule("[NH3+]CCCC(=O)[O-]")  # it folds in vacuum, and stays stretched in water
    pos = np.array(embed(mol, range(1, 9)))
    found = [minima._relaxed(mol, pos, np.ones(8), None, None, media) for media in ((None, 80.0), (80.0, None))]
    for known in found:
        assert known is not None
        fields = [mmff94s(with_positions(mol, pos), medium) for medium in (None, 80.0)]
        expected = np.mean([field.energies(known.pos) for field in fields if field is not None], axis=0)
        np.testing.assert_allclose(known.energies_kcal_mol, expected, atol=1e-3)
        assert known.crowds.sum() == 8


def test_conformers_count_for_the_nearest_minimum() -> None:
    distance = np.abs(np.subtract.outer([0.0, 0.1, 5.0, 5.2, 9.0], [0.0, 0.1, 5.0, 5.2, 9.0]))
    assert minima._crowds(distance, [3, 0], np.array([1.0, 2.0, 3.0, 1.0, 1.0])).tolist() == [5.0, 3.0]


@pytest.mark.parametrize(("relaxed", "turned"), [(True, True), (False, False)])
def test_starts_that_are_relaxed_are_turned_after_a_library_before(relaxed: bool, turned: bool) -> None:
    mol = read_molecule("CC(=O)NC")
    [turn] = turns(mol)
    by_rdkit = histogram(turn, np.array(embed(mol, range(1, 4))))
    opposite = TorsionLibrary({turn.kinds[0]: 1e6 * by_rdkit[::-1]})  # all amides cis
    found = representative_starts(mol, range(1, 4), 2, relaxed=relaxed, library=opposite)
    shares = histogram(turn, np.array(found))
    assert (abs(shares.argmax() - by_rdkit.argmax()) > BINS / 2) == turned


def test_a_molecule_with_one_minimum_starts_there_every_time() -> None:
    starts = representative_starts(read_molecule("CC"), range(3), 2, relaxed=True)
    assert len([pos for pos in starts if pos is not None]) == 3


def test_starts_of_a_molecule_that_mmff_lacks_are_relaxed_all_the_same() -> None:
    starts = representative_starts(read_molecule("B(O)(O)c1ccccc1"), range(2), 1, relaxed=True)
    assert all(pos is not None for pos in starts)


@pytest.mark.parametrize("smiles", ["FS(F)(F)(F)(F)F", "CCO", "c1ccccc1"])
def test_every_conformer_has_a_start_though_they_are_alike(smiles: str) -> None:
    found = representative_starts(read_molecule(smiles), range(6), 1, relaxed=True)
    assert [pos is not None for pos in found] == [True] * 6


def test_what_cannot_be_embedded_has_no_start(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(starts, "embedded", lambda _, seeds, *__, **___: [None] * len(seeds))
    assert representative_starts(read_molecule("CC(C)(C)CC(C)(C)C"), range(2), 1, relaxed=True) == [None, None]
    assert not recwarn.list


def test_a_dielectric_gives_other_minima() -> None:
    mol = read_molecule("[NH3+]CCC(=O)[O-]")
    vacuum, water = (
        representative_starts(mol, range(2), 1, relaxed=True, dielectric=medium) for medium in (None, 80.0)
    )
    assert vacuum[0] is not None
    assert water[0] is not None
    assert np.abs(vacuum[0] - water[0]).max() > 0.1


def test_where_vacuum_has_too_few_minima_those_in_water_follow() -> None:
    mol = read_molecule("[NH3+]CCCC(=O)[O-]")  # its ends meet in vacuum
    starts = np.array(representative_starts(mol, range(1, 13), 1, relaxed=True))
    apart = np.linalg.norm(starts[:, 0] - starts[:, 6], axis=-1)
    assert [mol.GetAtomWithIdx(end).GetSymbol() for end in (0, 6)] == ["N", "O"]
    assert apart.min() < 3.0
    assert apart.max() > 5.0
    charged = mmff94s(with_positions(mol, starts))
    assert charged is not None
    energies = charged.energies(starts)
    assert energies[int(apart.argmin())] < energies[int(apart.argmax())] - 10.0


def test_uff_relaxes_once_since_it_knows_no_medium(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float | None] = []
    true_relaxed = minima._relaxed

    def counted(mol: Any, pos: Any, crowds: Any, deadline: Any, core: Any, media: Any) -> Any:
        calls.append(media[0])
        return true_relaxed(mol, pos, crowds, deadline, core, media)

    monkeypatch.setattr(minima, "_relaxed", counted)
    representative_starts(read_molecule("B(O)(O)c1ccccc1"), range(4), 1, relaxed=True)
    assert calls == [None]
    representative_starts(read_molecule("c1ccccc1"), range(4), 1, relaxed=True)
    assert calls == [None, None, 80.0]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"pool": value} for value in (0, 1.5, math.inf, math.nan, "x")),
        *({"rounds": value} for value in (0, 1.5)),
        *({"noise": value} for value in (-1.0, math.nan)),
        *({"sigma": value} for value in (0.0, math.inf)),
        {"torsions": "x"},
        {"start": ["etkdg"]},
    ],
    ids=str,
)
def test_senseless_starts_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CannotStart, match=f"^{next(iter(wrong))} is .*; (give|choose)"):
        StartSettings(**({"start": "etkdg"} | wrong))


@pytest.mark.parametrize(("torsions", "used"), [("learned", True), ("crystal", False)])
def test_the_library_is_used_unless_crystals_are_asked_for(
    torsions: str, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def found(mol: Chem.Mol, seeds: Sequence[int], *_: Any, library: TorsionLibrary | None, **__: Any) -> list[Any]:
        given.append(library is not None)
        return [np.array(embed(mol, [1])[0])] * len(seeds)

    monkeypatch.setattr(starts, "representative_starts", found)
    start = StartSettings("mmff94s", 0.3, torsions=torsions)
    starts_of(read_molecule("CCO"), [1], start, library=TorsionLibrary({}))
    assert given == [used]


@pytest.mark.parametrize(("start", "smiles"), [("harmonic", "CCO"), ("etkdg", "C"), ("mmff94s", "[NH4+]")])
def test_the_prior_and_single_heavy_atoms_need_no_coordinates(start: str, smiles: str) -> None:
    assert starts_of(read_molecule(smiles), SEEDS, StartSettings(start)) == [None] * len(SEEDS)


def test_a_molecule_that_cannot_be_embedded_has_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "embedded", lambda _, seeds, *__, **___: [None for _ in seeds])
    with pytest.raises(NoStart, match="distance geometry found no coordinates"):
        starts_of(read_molecule(FLEXIBLE), SEEDS, StartSettings("etkdg"))
