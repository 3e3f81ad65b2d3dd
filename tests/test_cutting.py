"""Promises of `confgen.cutting`: parts are small and cover the molecule, and are cut only where they may be."""

from __future__ import annotations

from rdkit import Chem

from confgen.cutting import LEAST, PART, parts
from confgen.molecule import read_molecule

PEPTIDE = Chem.MolToSmiles(Chem.MolFromSequence("ACDFGHIKLMNPQRSTVWY"))


def test_every_atom_is_of_one_part_and_parts_hang_on_earlier_ones() -> None:
    mol = read_molecule(PEPTIDE)
    found = parts(mol)
    assert sorted(atom for part in found for atom in part.own.tolist()) == list(range(mol.GetNumAtoms()))
    assert max(len(part.own) for part in found) <= PART
    known: set[int] = set()
    for part in found:
        if part.bond is None:
            assert not known
        else:
            i, j = part.bond
            assert i in known
            assert j in part.own
        known |= set(part.own.tolist())


def test_rings_multiple_bonds_and_amides_stay_whole() -> None:
    mol = read_molecule(PEPTIDE)
    owner = {atom: number for number, part in enumerate(parts(mol)) for atom in part.own.tolist()}
    amide = Chem.MolFromSmarts("C(=O)N")
    whole = [
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds() if b.IsInRing() or b.GetBondTypeAsDouble() > 1
    ]
    whole += [(c, n) for c, _, n in mol.GetSubstructMatches(amide)]
    assert all(owner[i] == owner[j] for i, j in whole)


def test_small_branches_stay_with_what_they_hang_on() -> None:
    """The hydroxymethyl groups of a ring of sugars that is larger than a part."""
    ring = "C1(CO)OC2C(O)C(O)C1OC1C(CO)OC({0})C(O)C1O"
    mol = read_molecule(ring.format("OC1C(CO)OC(C(O)C1O)O" * 3 + "2"))
    assert min(len(part.own) for part in parts(mol)) >= LEAST


def test_ends_of_a_part_are_the_atoms_beyond_with_their_neighbours() -> None:
    """So that a bond that was cut turns in it as in the molecule; what they lack are hydrogens in the same places."""
    mol = read_molecule(PEPTIDE)
    for part in parts(mol):
        for place, atom in enumerate(part.seen.tolist()):
            own, found = mol.GetAtomWithIdx(atom), part.mol.GetAtomWithIdx(place)
            assert found.GetSymbol() in (own.GetSymbol(), "H")
            assert atom not in part.own or (found.GetSymbol(), found.GetDegree()) == (own.GetSymbol(), own.GetDegree())
            assert atom not in part.own or found.GetChiralTag() == own.GetChiralTag()
        if part.bond is not None:
            beyond = part.mol.GetAtomWithIdx(part.seen.tolist().index(part.bond[0]))
            assert beyond.GetDegree() == mol.GetAtomWithIdx(part.bond[0]).GetDegree()
