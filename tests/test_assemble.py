"""Promises about salts: every fragment is there, unchanged, without overlap, and opposite charges meet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem

from confgen.assemble import ION_GAP, assemble
from confgen.conformers import fragments
from confgen.molecule import read_molecule
from confgen.validity import check

SALTS = (
    "[Na+].CC(=O)[O-]", "[Na+].[Cl-]", "CCO.O.O", "C[NH3+].[Cl-].CC(=O)O", "[NH4+].[NH4+].[O-]S(=O)(=O)[O-]",
    "[H][H].O=C=O", "C1CCCCCCCCCCCCCCCCC1.[K+]",
)  # fmt: skip


def parts_of(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> tuple[Chem.Mol, list[np.ndarray], list[np.ndarray]]:
    """A salt, the atoms of its fragments, and two conformers of each fragment."""
    mol = read_molecule(smiles)
    bodies = []
    for part in Chem.GetMolFrags(mol, asMols=True):
        confs = embed_mol(part, 2)
        bodies.append(np.stack([conformer.GetPositions() for conformer in confs.GetConformers()]))
    return mol, fragments(mol), bodies


def test_one_fragment_stays_as_it_is(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of("CCO", embed_mol)
    assert assemble(mol, atoms, bodies) is bodies[0]


@pytest.mark.parametrize("smiles", SALTS)
def test_every_fragment_keeps_its_shape(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of(smiles, embed_mol)
    pos = assemble(mol, atoms, bodies)
    for own, body in zip(atoms, bodies, strict=True):
        shift = pos[:, own] - body
        np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1], shift.shape), atol=1e-9)


@pytest.mark.parametrize("smiles", SALTS)
def test_no_two_fragments_overlap(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of(smiles, embed_mol)
    table = Chem.GetPeriodicTable()
    radius = np.array([table.GetRcovalent(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    owner = np.empty(mol.GetNumAtoms(), int)
    for number, own in enumerate(atoms):
        owner[own] = number
    apart = owner[:, None] != owner
    for pos in assemble(mol, atoms, bodies):
        distance = np.linalg.norm(pos[:, None] - pos, axis=-1)
        assert (distance - radius[:, None] - radius)[apart].min() > ION_GAP - 1e-6


@pytest.mark.parametrize("smiles", SALTS)
def test_every_fragment_touches_another(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of(smiles, embed_mol)
    for pos in assemble(mol, atoms, bodies):
        for own in atoms:
            others = np.setdiff1d(np.arange(len(pos)), own)
            assert np.linalg.norm(pos[own][:, None] - pos[others], axis=-1).min() < 6


@pytest.mark.parametrize("smiles", SALTS)
def test_what_comes_out_is_valid(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of(smiles, embed_mol)
    conformer = Chem.Conformer(mol.GetNumAtoms())
    conformer.SetPositions(np.ascontiguousarray(assemble(mol, atoms, bodies)[0]))
    mol.AddConformer(conformer)
    assert check(mol) == [[]]


def test_a_counter_ion_goes_to_the_opposite_charge(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of("CCCCCC(=O)[O-].[Na+]", embed_mol)
    pos = assemble(mol, atoms, bodies)
    charge = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    sodium, oxygen, methyl = charge.index(1), charge.index(-1), 0
    to_oxygen = np.linalg.norm(pos[:, sodium] - pos[:, oxygen], axis=-1)
    to_methyl = np.linalg.norm(pos[:, sodium] - pos[:, methyl], axis=-1)
    assert (to_oxygen < 3).all()
    assert (to_oxygen < to_methyl).all()


def test_a_counter_ion_of_equal_charge_keeps_away(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of("CCCCC[NH3+].[Na+]", embed_mol)
    pos = assemble(mol, atoms, bodies)
    assert (np.linalg.norm(pos[:, fragments(mol)[1][0]] - pos[:, 5], axis=-1) > 5).all()


def test_conformers_do_not_mix(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of("CCCO.O", embed_mol)
    together = assemble(mol, atoms, bodies)
    alone = assemble(mol, atoms, [body[1:] for body in bodies])
    np.testing.assert_array_equal(together[1:], alone)


def test_where_the_fragments_lay_does_not_matter(embed_mol: Callable[..., Chem.Mol]) -> None:
    mol, atoms, bodies = parts_of("CCCO.O", embed_mol)
    moved = assemble(mol, atoms, [body + 7.0 for body in bodies])
    np.testing.assert_allclose(moved, assemble(mol, atoms, bodies), atol=1e-8)
