"""SMILES say which stereoisomer it is, also where RDKit sees no stereochemistry, and each isomer has one for names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Mol, rdDistGeom, rdMolTransforms

from confgen.axes import renumbered
from confgen.isomers import enumerate_stereo
from confgen.molecule import from_smiles
from confgen.relabelling import symmetries
from confgen.smiles import mapped_smiles, stereo_smiles, without_hydrogens, written_smiles, written_with_order
from confgen.stereo import StereoElements, elements

# Number of stereoisomers, none of which RDKit's canonical SMILES tells apart, or not all of them.
OVERLOOKED = {
    "O=C1CCC2(C1)CCC(=O)C2": 2,
    "CC=C1CCC(C)CC1": 2,
    "CC=C1CC(C)CC(C)C1": 4,
    "CC1CCC(=C2CCC(C)CC2)CC1": 2,
}
TROEGER = "C1N2Cc3ccccc3N1Cc1ccccc12"  # its nitrogens are bridgeheads, which names leave out
ORDINARY = ["C[C@H](N)C(=O)O", "F/C=C/F", "C[C@H]1CC[C@H](O)CC1", "[H]/N=C/C", "C[S@](=O)CC", "c1ccccc1", "[2H]C(C)O"]


def isomers(smiles: str) -> list[Mol]:
    found = enumerate_stereo(from_smiles(smiles))
    assert len(found) == OVERLOOKED.get(smiles, 2)
    return found


def shuffled(mol: Mol, seed: int) -> Mol:
    return renumbered(mol, np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist())


@pytest.mark.parametrize("smiles", OVERLOOKED)
def test_each_isomer_has_a_name_of_its_own(smiles: str) -> None:
    assert len({stereo_smiles(isomer) for isomer in isomers(smiles)}) == OVERLOOKED[smiles]


@pytest.mark.parametrize("smiles", [*OVERLOOKED, *ORDINARY])
def test_the_name_does_not_depend_on_the_order_of_atoms(smiles: str) -> None:
    for isomer in enumerate_stereo(from_smiles(smiles)):
        assert len({stereo_smiles(shuffled(isomer, seed)) for seed in range(5)}) == 1


@pytest.mark.parametrize("smiles", OVERLOOKED)
def test_what_is_written_is_read_as_the_same_isomer(smiles: str) -> None:
    for isomer in isomers(smiles):
        for text in (stereo_smiles(isomer), without_hydrogens(isomer), without_hydrogens(shuffled(isomer, 1))):
            assert stereo_smiles(from_smiles(text)) == stereo_smiles(isomer)


@pytest.mark.parametrize("smiles", [*OVERLOOKED, TROEGER])
def test_the_hand_is_kept_atom_by_atom(smiles: str) -> None:
    for isomer in isomers(smiles):
        text, order = written_with_order(isomer)
        found = from_smiles(text, add_hydrogens=False)
        expected = Chem.RenumberAtoms(isomer, order)
        assert _signed(found) in _images(expected)


@pytest.mark.parametrize("smiles", ORDINARY)
def test_other_molecules_have_canonical_smiles(smiles: str) -> None:
    assert without_hydrogens(from_smiles(smiles)) == Chem.CanonSmiles(smiles)


def test_bridgeheads_that_nobody_doubts_make_no_other_name() -> None:
    assert stereo_smiles(from_smiles("C1C[C@@H]2CC[C@H]1CC2")) == stereo_smiles(from_smiles("C1CC2CCC1CC2"))


@pytest.mark.parametrize("write", [written_smiles, without_hydrogens, mapped_smiles])
@pytest.mark.parametrize("hand", [1, -1])
def test_the_hand_of_an_axis_is_written_whatever_the_order_of_atoms(hand: int, write: Callable[[Mol], str]) -> None:
    asked = from_smiles(f"Cc1cccc(I)c1-c1c(C)cccc1Br |{'wU' if hand > 0 else 'wD'}:7.6|")
    for seed in range(8):
        assert _turn(from_smiles(write(shuffled(asked, seed)))) == hand


def test_an_axis_has_one_extension_whatever_the_order_of_atoms() -> None:
    asked = from_smiles("Cc1cccc(I)c1-c1c(C[C@H](F)Cl)cccc1Br |wD:7.6,o2:7,11|")
    assert {without_hydrogens(shuffled(asked, seed)) for seed in range(8)} == {
        "Cc1cccc(I)c1-c1c(Br)cccc1C[C@H](F)Cl |wD:7.7,o1:7,16|"
    }


@pytest.mark.parametrize("stereo", [("CW", "CW"), ("CW", "CCW"), ("CCW", "CW"), ("CCW", "CCW")])
def test_axes_side_by_side_are_written(stereo: tuple[str, str]) -> None:
    mol = from_smiles("Cc1cccc(I)c1-c1c(F)ccc(C)c1-c1c(C)cccc1Br")
    for ends, hand in zip(((7, 8), (15, 16)), stereo, strict=True):
        mol.GetBondBetweenAtoms(*ends).SetStereo(Chem.BondStereo.names[f"STEREOATROP{hand}"])
    text, order = written_with_order(mol)
    read, wanted = elements(from_smiles(text, add_hydrogens=False)), elements(renumbered(mol, order))
    assert _axes(read) == _axes(wanted)
    assert len(_axes(read)) == 2


@pytest.mark.parametrize("write", [written_smiles, without_hydrogens, mapped_smiles])
@pytest.mark.parametrize(
    ("smiles", "count"),
    [
        ("CCN(C(C)=O)c1c(C)cccc1Cl |wU:6.6|", 1),  # a wedge at N would make an axis of the amide bond too
        ("CCN(C(C)=O)c1c(C)cccc1Cl |wD:6.6|", 1),
        ("CCN(C(C)=O)c1c(C)cccc1Cl |wD:2.1|", 2),
    ],
)
def test_an_anilide_has_the_axes_that_were_asked_for(smiles: str, count: int, write: Callable[[Mol], str]) -> None:
    asked = from_smiles(smiles)
    once = without_hydrogens(asked)
    for seed in range(8):
        read = from_smiles(write(shuffled(asked, seed)))
        for atom in read.GetAtoms():
            atom.SetAtomMapNum(0)
        assert len(_axes(elements(read))) == count
        assert without_hydrogens(read) == once


@pytest.mark.parametrize(
    "smiles",
    [
        "C[C@H](N)[C@H](C)O |&1:1,3|",
        "C[C@H](N)[C@H](C)O |o1:1,3|",
        "C[C@H](N)[C@H](C)O |o1:1,&1:3|",
        "C[C@H](N)[C@H](C)O |&1:3|",
    ],
)
def test_relative_groups_are_written(smiles: str) -> None:
    assert without_hydrogens(from_smiles(smiles)) == smiles


@pytest.mark.parametrize(
    "smiles",
    [
        "C[C@H](N)[C@H](C)O |a:1,3|",
        "C[C@H](N)[C@H](C)O |(1,2,;1,1,;1,3,;2,3,;2,4,;3,3,)|",
        "C[C@H](N)[C@H](C)O |$;A;;;;$,atomProp:0.p.v|",
    ],
)
def test_nothing_is_written_beside_a_smiles_that_says_all(smiles: str) -> None:
    assert without_hydrogens(from_smiles(smiles)) == "C[C@H](N)[C@H](C)O"


def _axes(own: StereoElements) -> set[tuple[int, ...]]:
    """The torsion of each axis, from its end of the lower number, and its sign."""
    ordered = [torsion if torsion[1] < torsion[2] else torsion[::-1] for torsion in own.torsions.tolist()]
    return {(*torsion, int(sign)) for torsion, sign in zip(ordered, own.sign, strict=True)}


def _turn(mol: Mol) -> int:
    """Which way the bromine of an embedded conformer is turned from the iodine, +1 or -1."""
    rdDistGeom.EmbedMolecule(mol, randomSeed=7)
    [match] = mol.GetSubstructMatches(Chem.MolFromSmarts("Ic:c-c:cBr"))
    return int(np.sign(rdMolTransforms.GetDihedralRad(mol.GetConformer(), *match[1:5])))


def _signed(mol: Mol) -> frozenset[tuple[int, int]]:
    """Each centre with its hand, as seen with its neighbours in the order of their numbers; double bonds left out."""
    own = elements(mol)
    signs = [_parity(list(centre[1:])) for centre in own.centres]
    return frozenset(
        (int(c[0]), int(s * v)) for c, s, v in zip(own.centres, signs, own.labels()[: len(signs)], strict=True)
    )


def _images(mol: Mol) -> list[frozenset[tuple[int, int]]]:
    return [_signed(Chem.RenumberAtoms(mol, to.tolist())) for to in symmetries(mol)]


def _parity(order: list[int]) -> int:
    later = sum(one > other for place, one in enumerate(order) for other in order[place + 1 :])
    return -1 if later % 2 else 1
