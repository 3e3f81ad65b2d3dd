"""Promises of the methods in tests/benchmarks: programs keep the molecule, and run, hang and crash on their own."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolTransforms

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import isolated
import peers
import programs
import scoring
import speed

from confgen.conformers import positions
from confgen.errors import CannotStart

NOT_RUN = scoring.Record(file="f", id="a", method="etkdg", setup="", references=3, asked=6)


@pytest.mark.parametrize("spec", ["etkdg", "etkdg+mmff", "etkdg+kmeans:pool=3", "etkdg+mmff+kmeans:pool=3"])
def test_a_method_returns_what_was_asked_for_and_leaves_the_molecule_alone(spec: str, butanol: Chem.Mol) -> None:
    mol = Chem.Mol(butanol)
    mol.RemoveAllConformers()
    made = peers.build(spec, weights="", seed=42).run(mol, 4)
    assert made.pos.shape == (4, butanol.GetNumAtoms(), 3)
    assert mol.GetNumConformers() == 0


def test_kmeans_takes_one_of_each_cluster() -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("OCCO"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    shapes = []
    for angle in (60.0, 180.0, 300.0):
        for shift in (0.0, 1.0, 2.0, 3.0):
            rdMolTransforms.SetDihedralDeg(mol.GetConformer(), 0, 1, 2, 3, angle + shift)
            shapes.append(positions(mol)[0])
    kept = peers._clustered(lambda *_: peers.Made(np.array(shapes)), pool=4, seed=0)(mol, 3).pos
    assert sorted(next(k for k, shape in enumerate(shapes) if (shape == own).all()) // 4 for own in kept) == [0, 1, 2]


def test_mmff_does_not_disturb_aromatic_molecules() -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("Cn1cnc2ccccc12"))
    before = Chem.MolToSmiles(mol)
    peers.build("etkdg+mmff", weights="", seed=42).run(mol, 1)
    assert Chem.MolToSmiles(mol) == before


@pytest.mark.parametrize(
    ("spec", "package"),
    [
        ("conforge", "CDPL"),
        ("openbabel", "openbabel"),
        ("openbabel:search=weighted", "openbabel"),
        ("openbabel:search=confab", "openbabel"),
        ("openconf", "openconf"),
    ],
)
def test_a_program_keeps_atoms_and_stereochemistry(spec: str, package: str, butanol: Chem.Mol) -> None:
    pytest.importorskip(package)
    order = [9, 3, 14, 1, 0, 8, 2, 13, 12, 5, 4, 10, 11, 6, 7]  # unlike the order of any SMILES
    mixed = Chem.RenumberAtoms(butanol, order)
    bare = Chem.Mol(mixed)
    bare.RemoveAllConformers()
    made = peers.build(spec, weights="", seed=42).run(bare, 2)
    assert 1 <= len(made.pos) <= 2
    record = scoring.score(NOT_RUN, made, mixed)
    assert (record.right, record.valid) == (len(made.pos), len(made.pos))


def test_positions_are_placed_on_the_atoms_they_belong_to() -> None:
    mol = Chem.MolFromSmiles("OC#N")
    pos = programs.placed(mol, [2, 1, 0], ["N", "C", "O"], [(0, 1), (1, 2)], [[(1, 0, 0), (2, 0, 0), (3, 0, 0)]])
    assert pos[0, :, 0].tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    ("elements", "bonds"), [(["O", "C", "N"], [(0, 1), (1, 2)]), (["N", "C", "O"], [(0, 1), (0, 2)])]
)
def test_a_program_that_changes_the_molecule_is_refused(elements: list[str], bonds: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="order of the atoms"):
        programs.placed(Chem.MolFromSmiles("OC#N"), [2, 1, 0], elements, bonds, [np.zeros((3, 3))])


@pytest.mark.parametrize(
    ("text", "methods"),
    [
        ("etkdg,etkdg+mmff,confgen", ["etkdg", "etkdg+mmff", "confgen"]),
        ("confgen:start=etkdg,steps=10,keep_invalid,etkdg", ["confgen:start=etkdg,steps=10,keep_invalid", "etkdg"]),
        ("confgen+mmff:steps=5,confgen:steps=5", ["confgen+mmff:steps=5", "confgen:steps=5"]),
    ],
)
def test_settings_may_be_separated_by_the_commas_that_separate_methods(text: str, methods: list[str]) -> None:
    assert peers.split_methods(text) == methods


@pytest.mark.parametrize("text", ["omega", "etkdg,steps=3", "etkdg,etkdg"])
def test_a_list_that_cannot_be_understood_is_refused(text: str) -> None:
    with pytest.raises(CannotStart):
        peers.split_methods(text)


@pytest.mark.parametrize(
    "spec",
    [
        "etkdg+uff",
        "etkdg+",
        "etkdg+kmeans+mmff",
        "etkdg+kmeans:pool=0",
        "etkdg:pool=3",
        "etkdg:steps=3",
        "omega",
        "openbabel:search=lucky",
    ],
)
def test_a_method_that_does_not_exist_is_refused(spec: str) -> None:
    with pytest.raises(CannotStart):
        peers.build(spec, weights="", seed=42)


def test_a_method_in_a_process_of_its_own_survives_a_hang_and_a_crash(butanol: Chem.Mol) -> None:
    mol = Chem.Mol(butanol)
    mol.RemoveAllConformers()
    with isolated.Isolated("etkdg", weights="", seed=42, limit_s=20) as method:
        there = method.run(mol, 3)
        assert there.made is not None
        here = peers.build("etkdg", weights="", seed=42).run(mol, 3)
        np.testing.assert_allclose(there.made.pos, here.pos, atol=1e-6)
        assert 20 < there.peak_mb < 20_000
        assert method._process is not None
        method._process.kill()
        assert "its process crashed" in method.run(mol, 3).error
        method.limit_s, isolated.EACH_S = 0.5, 0.0
        try:
            stopped = method.run(mol, 1_000_000)
        finally:
            isolated.EACH_S = 1.0
        assert stopped.made is None
        assert 0.5 < stopped.cpu_s < 20
        assert method.run(mol, 3).made is not None


def test_a_bug_is_no_failure_of_the_method(butanol: Chem.Mol, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil = "import isolated; isolated.timed = lambda *_: {}['bug']; "
    monkeypatch.setattr(isolated, "PROGRAM", isolated.PROGRAM.replace("import isolated; ", spoil))
    with (
        isolated.Isolated("etkdg", weights="", seed=42) as method,
        pytest.raises(RuntimeError, match="etkdg: its process ended with exit code 1"),
    ):
        method.run(butanol, 1)


def test_a_method_that_cannot_be_built_says_so_from_its_process() -> None:
    with pytest.raises(CannotStart, match="no setting that it takes"):
        isolated.Isolated("etkdg:steps=3", weights="", seed=42)


def test_no_method_but_confgen_brings_torch_into_its_memory() -> None:
    code = "import sys, isolated; isolated.peers.build('etkdg', weights='', seed=1); sys.exit('torch' in sys.modules)"
    folder = Path(isolated.__file__).parent
    assert speed.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"]).exit_code == 0
