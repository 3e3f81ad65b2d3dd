"""SMILES say which stereoisomer it is, also where RDKit sees no stereochemistry, and each isomer has one for names."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.isomers import enumerate_stereo
from confgen.molecule import from_smiles
from confgen.relabelling import symmetries
from confgen.smiles import stereo_smiles, without_hydrogens, written_with_order
from confgen.stereo import elements

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
    return Chem.RenumberAtoms(mol, np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist())


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
