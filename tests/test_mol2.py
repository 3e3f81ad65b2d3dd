"""MOL2 records become molecules with the charges that they tell, or one line that says why not."""

from __future__ import annotations

import re

import numpy as np
import pytest
from blocks import methanol_mol2
from rdkit import Chem

from confgen.errors import MoleculeError
from confgen.molecule import from_mol2block

METHANOL_MOL2 = methanol_mol2("wood spirit")
# SMILES, atom types and bonds, as Open Babel writes them, and charges by the number of the atom.
MOL2 = {
    "[O-]C": ("O.3 C.3 H H H", "1-2:1 2-3:1 2-4:1 2-5:1", {1: -1}),
    "[SH-]": ("S.3 H", "1-2:1", {1: -1}),
    "[Na+].[Cl-]": ("Na Cl", "", {1: 1, 2: -1}),
    "[NH4+]": ("N.4 H H H H", "1-2:1 1-3:1 1-4:1 1-5:1", {1: 1}),
    "NC(N)=[NH2+]": ("N.pl3 C.cat N.pl3 N.pl3 H H H H H H",
                     "1-2:1 2-3:2 2-4:1 1-5:1 1-6:1 3-7:1 3-8:1 4-9:1 4-10:1", {3: 1}),
    "C[N+](=O)[O-]": ("C.3 N.pl3 O.2 O.co2 H H H", "1-2:1 2-3:2 2-4:1 1-5:1 1-6:1 1-7:1", {2: 1, 4: -1}),
    "O=C[O-]": ("C.2 O.co2 O.co2 H", "1-2:ar 1-3:ar 1-4:1", {3: -1}),
    "CN=[N+]=[N-]": ("C.3 N.2 N.2 N.2 H H H", "1-2:1 2-3:2 3-4:2 1-5:1 1-6:1 1-7:1", {3: 1, 4: -1}),
    "[NH-]S(=O)(=O)F": ("N.3 S.o2 O.2 O.2 F H", "1-2:1 2-3:2 2-4:2 2-5:1 1-6:1", {1: -1}),
    "O=P([O-])(F)F": ("O.2 P.3 O.co2 F F", "1-2:2 2-3:1 2-4:1 2-5:1", {3: -1}),
    "CS(=O)(=O)[O-]": ("C.3 S.o2 O.co2 O.co2 O.co2 H H H", "1-2:1 2-3:ar 2-4:ar 2-5:ar 1-6:1 1-7:1 1-8:1", {5: -1}),
    "O=P([O-])([O-])F": ("F P.3 O.co2 O.co2 O.co2", "1-2:1 2-3:ar 2-4:ar 2-5:ar", {3: -1, 4: -1}),
    "c1cc[nH]c1": ("C.ar C.ar C.ar N.ar C.ar H H H H H",
                   "1-2:ar 2-3:ar 3-4:ar 4-5:ar 1-5:ar 1-6:1 2-7:1 3-8:1 4-9:1 5-10:1", {}),
    "c1cc[nH+]cc1": ("C.ar C.ar C.ar N.ar C.ar C.ar H H H H H H",
                     "1-2:ar 2-3:ar 3-4:ar 4-5:ar 5-6:ar 1-6:ar 1-7:1 2-8:1 3-9:1 4-10:1 5-11:1 6-12:1", {4: 1}),
}  # fmt: skip


def mol2(types: str, bonds: str, charges: dict[int, int]) -> str:
    """A MOL2 record whose atoms stand in no particular shape."""
    atoms = types.split()
    pairs = [re.split("[-:]", bond) for bond in bonds.split()]
    places = np.random.default_rng(1).normal(scale=2.0, size=(len(atoms), 3))
    lines = ["@<TRIPOS>MOLECULE", "x", f"{len(atoms)} {len(pairs)}", "SMALL", "NO_CHARGES", "", "@<TRIPOS>ATOM"]
    for number, (kind, place) in enumerate(zip(atoms, places, strict=True), start=1):
        lines.append(f"{number} {kind.split('.')[0]} {place[0]:.3f} {place[1]:.3f} {place[2]:.3f} {kind}")
    if charges:
        lines += ["@<TRIPOS>UNITY_ATOM_ATTR", *(f"{atom} 1\ncharge {charge}" for atom, charge in charges.items())]
    lines += ["@<TRIPOS>BOND", *(f"{number} {' '.join(pair)}" for number, pair in enumerate(pairs, start=1))]
    return "\n".join(lines) + "\n"


def canonical(mol: Chem.Mol) -> str:
    return Chem.MolToSmiles(Chem.RemoveHs(mol))


def test_mol2_record_is_read_with_name_and_coordinates():
    mol = from_mol2block(METHANOL_MOL2)
    assert (canonical(mol), mol.GetProp("_Name"), mol.GetNumConformers()) == ("CO", "wood spirit", 1)


@pytest.mark.parametrize("block", [METHANOL_MOL2[:80], METHANOL_MOL2.replace("O.3", "Foo"), "hello"])
def test_bad_mol2_record_is_refused(block):
    with pytest.raises(MoleculeError, match=r"lib\.mol2 record 1"):
        from_mol2block(block, origin="lib.mol2 record 1")


def test_mol2_record_without_hydrogens_is_refused_not_made_a_radical():
    bare = "@<TRIPOS>MOLECULE\nx\n 1 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n 1 C1 0.0 0.0 0.0 C.3\n@<TRIPOS>BOND\n"
    with pytest.raises(MoleculeError, match=r"atom 1 \(C\) is charged or lacks hydrogens"):
        from_mol2block(bare)


@pytest.mark.parametrize("smiles", MOL2)
def test_mol2_record_has_the_charges_written_down(smiles):
    mol = Chem.RemoveHs(from_mol2block(mol2(*MOL2[smiles])))
    assert Chem.MolToSmiles(mol, isomericSmiles=False) == Chem.CanonSmiles(smiles)


@pytest.mark.parametrize(
    "smiles",
    [
        "[NH4+]",
        "NC(N)=[NH2+]",
        "O=C[O-]",
        "CS(=O)(=O)[O-]",
        "O=P([O-])([O-])F",
        "c1cc[nH]c1",
        "c1cc[nH+]cc1",
        "[Na+].[Cl-]",
    ],
)
def test_mol2_record_without_charges_has_those_of_its_bonds_and_types(smiles):
    types, bonds, _ = MOL2[smiles]
    assert canonical(from_mol2block(mol2(types, bonds, {}))) == Chem.CanonSmiles(smiles)


def test_mol2_nitro_group_may_have_two_double_bonds():
    assert canonical(from_mol2block(mol2("C.3 N.pl3 O.2 O.2 H H H", "1-2:1 2-3:2 2-4:2 1-5:1 1-6:1 1-7:1", {}))) == (
        "C[N+](=O)[O-]"
    )


@pytest.mark.parametrize(
    ("types", "bonds", "which"),
    [
        ("O.3", "", r"atom 1 \(O\) is charged or lacks hydrogens"),
        ("C.3 O.3 H H H O.3", "1-2:1 1-3:1 1-4:1 1-5:1", r"atom 6 \(O\) is charged or lacks hydrogens"),
        ("N.2 O.2", "1-2:2", r"atom 1 \(N\) is charged or lacks hydrogens"),
        ("S.o2 O.2 O.2 O.3 O.3", "1-2:2 1-3:2 1-4:1 1-5:1", r"atom 4 \(O\) is charged or lacks hydrogens"),
        ("Zn", "", r"atom 1 \(Zn\) is charged or lacks hydrogens"),
    ],
)
def test_mol2_record_that_does_not_tell_a_charge_is_refused_not_made_a_radical(types, bonds, which):
    with pytest.raises(MoleculeError, match=which):
        from_mol2block(mol2(types, bonds, {}))


def test_poor_coordinates_make_no_bipyramid_of_a_phosphate():
    phosphate = mol2("O.2 P.3 O.co2 O.3 F H", "1-2:2 2-3:1 2-4:1 2-5:1 4-6:1", {3: -1})
    places = iter(["0 0 1.5", "0 0 0", "0 0 -1.5", "1.5 0 0", "-0.75 1.3 0", "2 0.8 0"])  # a seesaw on P
    seesaw = re.sub(r"(?<= )-?\d+\.\d{3} -?\d+\.\d{3} -?\d+\.\d{3}(?= )", lambda _: next(places), phosphate)
    tags = {atom.GetChiralTag() for atom in from_mol2block(seesaw).GetAtoms()}
    assert Chem.ChiralType.CHI_TRIGONALBIPYRAMIDAL not in tags
