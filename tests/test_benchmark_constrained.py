"""Promises of tests/benchmarks/constrained.py and round_trips.py: cores are measured, and what is lost is found."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ensembles import Ensemble
from rdkit import Chem

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import constrained
import held
import told

from confgen.conformers import positions, with_positions
from confgen.molecule import from_smiles
from confgen.writer import write_ensembles

Embed = Callable[..., Chem.Mol]
BIARYL = "CCOCc1ccc(cc1)-c1ccncc1"
READERS = {"sdf": told.by_rdkit, "sdf.gz": told.by_rdkit, "xyz": told.by_ase, "xyz.gz": told.by_ase,
           "jsonl": told.by_json, "parquet": told.by_pyarrow}  # fmt: skip


@pytest.fixture
def biaryl(embed_mol: Embed) -> Chem.Mol:
    return embed_mol(from_smiles(BIARYL, "biaryl"))


@pytest.mark.parametrize(
    ("smiles", "kind", "size"),
    [
        (BIARYL, "scaffold", 12),
        ("c1ccccc1CCCCc1ccc2[nH]ccc2c1", "ring", 10),  # indole with the first atom of the chain
        ("O=C1CCCN1CCCC", "scaffold", 6),
        ("CCCCO", "none", 0),
    ],
)
def test_the_core_is_the_scaffold_where_that_leaves_something_to_turn(smiles: str, kind: str, size: int) -> None:
    found, atoms = held.choose_core(from_smiles(smiles))
    assert (found, len(atoms)) == (kind, size)


@pytest.mark.parametrize("smiles", ["c1ccccc1CCCCn1cccc1", "C[C@H]1CC[N+](C)(CCCC)CC1", "CN1C(=O)NC(=O)C1CCCC"])
def test_a_template_that_was_cut_is_part_of_its_molecule(smiles: str, embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles(smiles))
    _, atoms = held.choose_core(mol)
    template = held.cut(mol, atoms, 0)
    found = held.fit(mol, 0, template)
    assert template.GetNumAtoms() == len(atoms)
    assert (found.in_place, found.aligned) == pytest.approx((0, 0), abs=1e-6)


def test_a_core_s_rmsd_is_known_after_a_shift_and_a_stretch(biaryl: Chem.Mol) -> None:
    _, atoms = held.choose_core(biaryl)
    template = held.cut(biaryl, atoms, 0)
    pos = positions(biaryl)[:1]
    shifted = held.fit(with_positions(biaryl, pos + np.array([3.0, 0.0, 4.0])), 0, template)
    assert (shifted.in_place, shifted.aligned) == pytest.approx((5, 0), abs=1e-4)
    np.testing.assert_allclose(shifted.pos, pos[0], atol=1e-4)
    stretched = held.fit(with_positions(biaryl, 1.1 * pos), 0, template)
    core = pos[0, atoms] - pos[0, atoms].mean(0)
    assert stretched.aligned == pytest.approx(0.1 * np.sqrt((core**2).sum(1).mean()), abs=1e-4)


def test_a_molecule_without_the_template_is_refused(biaryl: Chem.Mol, embed_mol: Embed) -> None:
    with pytest.raises(ValueError, match="no part"):
        held.fit(embed_mol(from_smiles("CCO")), 0, biaryl)


def test_the_spread_is_of_what_is_not_held_and_knows_symmetry(embed_mol: Embed) -> None:
    mol = embed_mol(from_smiles("CC(C)c1ccncc1"))
    pos, core = positions(mol)[0], list(range(3, 9))
    swapped, moved = pos.copy(), pos.copy()
    swapped[[0, 2]] = pos[[2, 0]]
    moved[:3] += [0.0, 2.0, 0.0]
    moved[4] += 9.0
    assert held.spread(mol, [pos, swapped], core) == pytest.approx(0, abs=1e-6)
    assert held.spread(mol, [pos, moved], core) == pytest.approx(2)
    assert held.spread(mol, [pos], core) == 0


def test_conformers_that_are_alike_count_once(biaryl: Chem.Mol) -> None:
    pos = positions(biaryl)[0]
    wide = pos * 1.5
    same = with_positions(biaryl, np.array([pos, pos + 1.0, wide]))
    assert held.count_distinct(same) == 2
    assert held.rmsds(same, biaryl)[:2] == pytest.approx([0, 0], abs=1e-4)


def test_a_row_counts_molecules_with_all_and_cores_held() -> None:
    blank = constrained.Record("a", "m", "ring", 6, 5, 2)
    whole = dataclasses.replace(blank, returned=2, aligned=[0.0, 0.3], in_place=[0.0, 0.5], valid=2, spread=1.0)
    part = dataclasses.replace(blank, returned=1, aligned=[0.1], in_place=[0.1], valid=1)
    cells = dict(zip(constrained.COLUMNS, constrained.row([whole, part]), strict=True))
    assert (cells["molecules with all"], cells["conformers"], cells["valid"]) == ("1 of 2", "3 of 4", "3")
    assert (cells["core RMSD median"], cells["max"], cells["<= 0.1 A %"]) == ("0.1000", "0.3000", "67")
    assert (cells["max where written"], cells["outside RMSD"]) == ("0.5000", "1.00")


def test_the_words_on_a_molecule_are_found() -> None:
    messages = "note: a.smi:1 'b': 1 of 5\nnote: a.smi:2 'a': 2 of 5\nout.sdf: 3 conformers\n"
    assert constrained.words_on("a", messages) == "note: a.smi:2 'a': 2 of 5"
    assert constrained.words_on("c", messages) == "out.sdf: 3 conformers"
    assert constrained.words_on("c", "") == ""


@dataclasses.dataclass(frozen=True)
class Relaxed(Ensemble):
    """An ensemble with all that confgen says of conformers."""

    energies: list[float] | None = dataclasses.field(default_factory=lambda: [-5.0, -4.25])
    boltzmann_weights: list[float] | None = dataclasses.field(default_factory=lambda: [0.78, 0.22])
    relaxations: list[str] = dataclasses.field(default_factory=lambda: ["converged", "refused: stereo"])
    energy_method: str = "gfn2"


@pytest.fixture
def account(embed_mol: Embed) -> tuple[Relaxed, told.Told]:
    """An ensemble of two conformers, and what a file should tell of it."""
    mol = embed_mol(from_smiles("C[C@H]([NH3+])/C=C/C(=O)[O-]", "zwitterion µ"))
    mol = with_positions(mol, np.array([positions(mol)[0], 1.01 * positions(mol)[0] + 2.0]))
    mol.SetProp("assay id", "007")
    made = Relaxed(mol, name="zwitterion µ")
    return made, told.of_ensemble(made)  # type: ignore[arg-type] # what of_ensemble asks of one it has


@pytest.mark.parametrize("ending", READERS)
def test_readers_of_others_find_everything(ending: str, account: tuple[Relaxed, told.Told], tmp_path: Path) -> None:
    made, expected = account
    write_ensembles([made], tmp_path / f"out.{ending}")
    for read in (READERS[ending], told.by_confgen):
        found = read(tmp_path / f"out.{ending}")
        reorders, centres = ending in ("jsonl", "parquet"), ending == "parquet"
        difference, lost = told.compared([expected], found, reorders=reorders, centres=centres)
        assert lost == []
        assert difference < 1e-4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "zwitterion u"}, "names or order"),
        ({"tags": {}}, "tag 'assay id'"),
        ({"tags": {"assay id": "007", "more": "1"}}, "'more' came in"),
        ({"smiles": "C[C@@H]([NH3+])/C=C/C(=O)[O-]"}, "stereochemistry"),
        ({"bonds": set()}, "bonds"),
    ],
)
def test_a_planted_loss_is_found(change: dict[str, object], said: str, account: tuple[Relaxed, told.Told]) -> None:
    _, expected = account
    _, lost = told.compared([expected], [dataclasses.replace(expected, **change)], reorders=False, centres=False)
    assert len(lost) == 1
    assert said in lost[0]


def test_changed_atoms_numbers_and_coordinates_are_found(account: tuple[Relaxed, told.Told]) -> None:
    _, expected = account
    other = dataclasses.replace(expected, atoms=[("C", 0, 0), *expected.atoms[1:3], ("N", 15, 1), *expected.atoms[4:]])
    assert told.compared([expected], [other], reorders=False, centres=False)[1] != []
    rows = [expected.rows[0] | {"energy_kcal_mol": -5.01}, expected.rows[1]]
    _, lost = told.compared([expected], [dataclasses.replace(expected, rows=rows)], reorders=False, centres=False)
    assert lost == ["energy_kcal_mol of a conformer (1 molecules, first zwitterion µ)"]
    moved = dataclasses.replace(expected, pos=expected.pos + 0.002)
    assert told.compared([expected], [moved], reorders=False, centres=False)[0] == pytest.approx(0.002)
    assert told.compared([expected], [moved], reorders=False, centres=True)[0] == pytest.approx(0, abs=1e-9)
    fewer = dataclasses.replace(expected, pos=expected.pos[:1], rows=expected.rows[:1])
    assert told.compared([expected], [fewer], reorders=False, centres=False)[0] == math.inf


def test_another_order_of_atoms_is_a_loss_only_where_it_is_promised(account: tuple[Relaxed, told.Told]) -> None:
    _, expected = account
    turned = len(expected.atoms) - 1 - np.arange(len(expected.atoms))
    bonds = {frozenset(int(turned[i]) for i in bond) for bond in expected.bonds}
    atoms = [expected.atoms[i] for i in turned]
    other = dataclasses.replace(expected, atoms=atoms, bonds=bonds, pos=expected.pos[:, turned])
    assert told.compared([expected], [other], reorders=True, centres=False) == (0.0, [])
    assert told.compared([expected], [other], reorders=False, centres=False)[1] != []
