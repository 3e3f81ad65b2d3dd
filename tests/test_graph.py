"""Every feature of the table in `confgen.models.dense`, on molecules where the right value is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from rdkit import Chem
from torch_geometric.data import Batch, Data

from confgen.conformers import is_token
from confgen.graph import ELEMENTS, adjacency, mol_to_graph
from confgen.models.dense import NODE_FEATURES, PAIR_FEATURES, DenseGraph
from confgen.molecule import read_molecule

ALANINE = "C[C@H](N)C(=O)O"
CENTRES = (
    ALANINE, "C[C@@H](N)C(=O)O", "[C@H](F)(Cl)Br", "F[C@](Cl)(Br)I", "C[C@]([H])(F)Cl", "[H][C@@](C)(F)Cl",
    "C[C@](F)(Cl)Br", "[C@@]1(F)(Cl)CCCO1", "C1CO[C@]1(F)Cl", "C[S@](=O)c1ccccc1", "C[S@@](=O)CC", "C[S@+](CC)c1ccccc1",
    "C[P@](CC)c1ccccc1", "C[P@@](=O)(CC)c1ccccc1", "C[S@](=N)(=O)CC", "C[N@+](CC)(CCC)c1ccccc1", "C[Si@](F)(Cl)CC",
    "C[C@H](O)[C@@H](N)[C@H](F)Cl", "C[C@H]1CC[C@@H](O)CC1", "O[C@H]1[C@@H](F)C[C@H]1Cl", "N1C[C@H]2C[C@@H]1CO2",
    "CC(C)(C)C(=O)N[C@H](C(=O)N1C[C@H]2[C@@H]([C@H]1C(=O)N)C2(C)C)C(C)(C)C",
)  # fmt: skip
DOUBLE_BONDS = (
    "F/C=C/F", "F/C=C\\F", "C/C(F)=C/C", "C/C(F)=C(/C)Cl", "CC/C(C)=C\\O", "C/C=N/O", "C/C=N\\O", "C/C=C/C=C\\C",
    "C1CCC/C=C\\CC1", "C1CCC/C=C/CC1", "C1CCCC/C=C/CCCC1", "[H]/C(F)=C(/[H])Cl", "C/N=N/c1ccccc1",
)  # fmt: skip
BOUNDED = (
    "CCO",
    "c1ccccc1C(=O)NC",
    ALANINE,
    "C1CCCCC1O",
    "C/C=C\\CO",
    "CS(=O)(=O)NCCN",
    "CC#CC1CC1",
    "C[N+](C)(C)CC=O",
)


def node(smiles: str, feature: str) -> list[int]:
    return mol_to_graph(read_molecule(smiles)).node[:, list(NODE_FEATURES).index(feature)].tolist()


def pairs(mol: Chem.Mol | str, feature: str) -> torch.Tensor:
    """(N, N) classes of a pair feature."""
    graph = mol_to_graph(read_molecule(mol) if isinstance(mol, str) else mol)
    return graph.pair[:, list(PAIR_FEATURES).index(feature)].view(graph.num_nodes, graph.num_nodes)


def shuffled(mol: Chem.Mol, seed: int) -> Chem.Mol:
    """The molecule with its atoms, hydrogens included, in a random order."""
    return Chem.RenumberAtoms(mol, np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist())


def inverted(mol: Chem.Mol) -> Chem.Mol:
    """The enantiomer, by its tags."""
    other = Chem.Mol(mol)
    for atom in other.GetAtoms():
        atom.InvertChirality()
    return other


def volumes(graph: Data, pos: np.ndarray) -> np.ndarray:
    """Signed volumes (C,) of the centres of a graph."""
    i, a, b, c = pos[graph.centre_index.numpy()]
    volume: np.ndarray = np.einsum("cx,cx->c", a - i, np.cross(b - i, c - i))
    return volume


def token_pos(mol: Chem.Mol) -> np.ndarray:
    pos: np.ndarray = mol.GetConformer().GetPositions()[is_token(mol)]
    return pos


def test_tokens_are_the_heavy_atoms() -> None:
    assert mol_to_graph(read_molecule("[H]OC([H])([H])C")).z.tolist() == [8, 6, 6]


def test_a_molecule_of_hydrogens_is_its_own_tokens() -> None:
    assert mol_to_graph(read_molecule("[H][H]")).z.tolist() == [1, 1]


def test_every_element_has_a_class() -> None:
    assert len(ELEMENTS) == NODE_FEATURES["element"] - 1


def test_elements_have_their_class() -> None:
    assert node("FCCl", "element") == [ELEMENTS.index(symbol) for symbol in ("F", "C", "Cl")]


def test_a_rare_element_has_the_last_class() -> None:
    assert node("[Xe]", "element") == [31]


@pytest.mark.parametrize(
    ("smiles", "expected"), [("[O-]C=O", [1, 2, 2]), ("C[NH3+]", [2, 3]), ("[Mg+2]", [4]), ("[Al+3]", [5])]
)
def test_charges_have_their_class(smiles: str, expected: list[int]) -> None:
    assert node(smiles, "charge") == expected


def test_hydrogens_are_counted_wherever_they_stand_in_the_atom_order() -> None:
    mol = shuffled(read_molecule("CC(=O)N"), seed=1)
    graph = mol_to_graph(mol)
    found = {
        (int(z), int(h)) for z, h in zip(graph.z, graph.node[:, list(NODE_FEATURES).index("hydrogens")], strict=True)
    }
    assert found == {(6, 3), (6, 0), (8, 0), (7, 2)}


def test_the_degree_counts_heavy_neighbours() -> None:
    assert node("CC(C)=O", "degree") == [1, 3, 1, 1]


def test_hybridisations_have_their_class() -> None:
    assert node("CC=CC#N", "hybridisation") == [3, 2, 2, 1, 1]


def test_aromatic_atoms_are_marked() -> None:
    assert node("Cc1ccccc1", "aromatic") == [0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(("size", "expected"), [(3, 1), (4, 2), (6, 4), (9, 7), (10, 8), (14, 8)])
def test_ring_sizes_have_their_class(size: int, expected: int) -> None:
    assert node("C1" + "C" * (size - 2) + "C1", "ring") == [expected] * size


def test_an_atom_of_two_rings_is_in_the_smaller() -> None:
    assert node("C1CC2CCCC12", "ring") == [2, 2, 2, 3, 3, 3, 2]


def test_a_specified_centre_is_marked() -> None:
    assert node(ALANINE, "chiral") == [0, 1, 0, 0, 0, 0]


def test_a_centre_left_open_is_marked() -> None:
    assert node("CC(N)C(=O)O", "chiral") == [0, 2, 0, 0, 0, 0]


def test_radicals_are_counted() -> None:
    assert node("[CH3]", "radical") == [1]


def test_bond_orders_have_their_class() -> None:
    bond = pairs("CC=CC#N", "bond")
    assert [int(bond[i, i + 1]) for i in range(4)] == [1, 2, 1, 3]


def test_aromatic_bonds_have_their_class() -> None:
    assert pairs("c1ccccc1", "bond")[0, 1] == 4


def test_pairs_without_a_bond_have_none() -> None:
    assert pairs("CCO", "bond")[0, 2] == 0


def test_the_adjacency_is_that_of_the_tokens() -> None:
    graph = mol_to_graph(read_molecule("CCO"))
    assert adjacency(graph.pair).view(3, 3).int().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_hops_are_bonds_on_the_shortest_path() -> None:
    assert pairs("C1CCCCC1O", "hops")[0].tolist() == [0, 1, 2, 3, 2, 1, 2]


def test_far_pairs_share_the_last_class_of_hops() -> None:
    assert pairs("C" * 14, "hops")[0].tolist() == [*range(11), 11, 11, 11]


def test_pairs_of_one_ring_know_its_size() -> None:
    ring = pairs("C1CC1CC", "ring")
    assert (int(ring[0, 1]), int(ring[2, 3]), int(ring[0, 4])) == (1, 0, 0)


def test_pairs_of_two_rings_know_the_smaller() -> None:
    assert pairs("C1CC2CCCCC12", "ring")[2, 7] == 2


def test_turns_are_rotatable_bonds_on_the_path() -> None:
    assert pairs("CCCCC", "turns")[0].tolist() == [0, 0, 1, 2, 2]


def test_ring_bonds_do_not_turn() -> None:
    assert not pairs("C1CCCCC1", "turns").any()


def test_two_rings_turn_about_their_bond() -> None:
    assert pairs("c1ccccc1-c1ccccc1", "turns")[0, 11] == 1


def test_pair_features_are_symmetric_but_for_the_cycle() -> None:
    mol = read_molecule(CENTRES[-1])
    for feature in PAIR_FEATURES:
        found = pairs(mol, feature)
        assert feature == "cycle" or torch.equal(found, found.T), feature


def test_classes_stay_within_the_table() -> None:
    for smiles in (*CENTRES, *DOUBLE_BONDS, "C" * 40, "[Al+3]", "FS(F)(F)(F)(F)F"):
        graph = mol_to_graph(read_molecule(smiles))
        assert (graph.node < torch.tensor(list(NODE_FEATURES.values()))).all()
        assert (graph.pair < torch.tensor(list(PAIR_FEATURES.values()))).all()


def test_features_follow_a_new_order_of_the_atoms() -> None:
    mol = read_molecule(CENTRES[-1])
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms())
    tokens = [int(atom) for atom in order if is_token(mol)[atom]]
    place = torch.tensor([np.flatnonzero(is_token(mol)).tolist().index(atom) for atom in tokens])
    other = Chem.RenumberAtoms(mol, order.tolist())
    for feature in PAIR_FEATURES:  # the cycle is of the first three neighbours, so it depends on the order
        if feature != "cycle":
            assert torch.equal(pairs(other, feature), pairs(mol, feature)[place][:, place]), feature


@pytest.mark.parametrize("smiles", DOUBLE_BONDS)
def test_cis_and_trans_are_what_the_geometry_shows(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> None:
    mol = embed_mol(read_molecule(smiles))
    pos, bond, cis_trans = token_pos(mol), pairs(mol, "bond"), pairs(mol, "cis_trans")
    assert cis_trans.any()
    for i, j in cis_trans.nonzero().tolist():
        k, m = next((k, m) for k in bond[i].nonzero().flatten().tolist() for m in bond[j].nonzero().flatten().tolist()
                    if bond[k, m] == 2)  # fmt: skip
        first, last = np.cross(pos[i] - pos[k], pos[m] - pos[k]), np.cross(pos[k] - pos[m], pos[j] - pos[m])
        assert (first @ last > 0) == (cis_trans[i, j] == 1)


def test_both_substituents_of_an_end_are_marked() -> None:
    cis_trans = pairs("C/C(F)=C/C", "cis_trans")
    assert sorted((int(cis_trans[0, 4]), int(cis_trans[2, 4]))) == [1, 2]


def test_an_open_double_bond_is_not_marked() -> None:
    assert not pairs("FC=CF", "cis_trans").any()


@pytest.mark.parametrize("smiles", CENTRES)
def test_wanted_signs_are_what_the_geometry_shows(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> None:
    mol = embed_mol(read_molecule(smiles))
    graph = mol_to_graph(mol)
    specified = graph.wanted.numpy() != 0
    shown = np.sign(volumes(graph, token_pos(mol)))
    assert specified.any()
    np.testing.assert_array_equal(shown[specified], graph.wanted.numpy()[specified])


@pytest.mark.parametrize("smiles", CENTRES)
def test_wanted_signs_hold_with_hydrogens_anywhere_in_the_order(
    smiles: str, embed_mol: Callable[..., Chem.Mol]
) -> None:
    mol = embed_mol(read_molecule(smiles))
    for seed in range(5):
        other = shuffled(mol, seed)
        graph = mol_to_graph(other)
        specified = graph.wanted.numpy() != 0
        shown = np.sign(volumes(graph, token_pos(other)))
        np.testing.assert_array_equal(shown[specified], graph.wanted.numpy()[specified])


@pytest.mark.parametrize("smiles", CENTRES)
def test_the_mirror_image_wants_the_opposite_signs(smiles: str) -> None:
    mol = read_molecule(smiles)
    torch.testing.assert_close(mol_to_graph(inverted(mol)).wanted, -mol_to_graph(mol).wanted)


@pytest.mark.parametrize("smiles", CENTRES)
def test_the_mirror_image_has_reversed_cycles(smiles: str) -> None:
    mol = read_molecule(smiles)
    assert torch.equal(pairs(inverted(mol), "cycle"), torch.tensor([0, 2, 1])[pairs(mol, "cycle")])


def test_the_cycle_runs_with_a_positive_volume() -> None:
    mol = read_molecule(ALANINE)
    graph = mol_to_graph(mol)
    row = int(graph.wanted.nonzero()[0])
    _, a, b, c = graph.centre_index[:, row].tolist()
    cycle = pairs(mol, "cycle")
    expected = 1 if graph.wanted[row] > 0 else 2
    assert [int(cycle[x, y]) for x, y in ((a, b), (b, c), (c, a))] == [expected] * 3


def test_the_cycle_of_a_pair_is_reversed_the_other_way_round() -> None:
    cycle = pairs(ALANINE, "cycle")
    assert torch.equal(cycle.T, torch.tensor([0, 2, 1])[cycle])


def test_a_branched_atom_without_a_hand_is_a_free_centre() -> None:
    graph = mol_to_graph(read_molecule("CC(C)=O"))
    assert (graph.centre_index[0].tolist(), graph.wanted.tolist()) == ([1], [0.0])


def test_atoms_with_two_heavy_neighbours_are_no_centres() -> None:
    assert mol_to_graph(read_molecule("CCO")).centre_index.shape == (4, 0)


@pytest.mark.parametrize("smiles", [*BOUNDED, "C12C3C4C1C5C2C3C45", "[H][H]", "[Na+]", "Cl[Pt](Cl)(N)N"])
def test_bounds_are_symmetric(smiles: str) -> None:
    graph = mol_to_graph(read_molecule(smiles))
    bounds = graph.bounds.view(graph.num_nodes, graph.num_nodes, 2)
    assert torch.equal(bounds, bounds.transpose(0, 1))


@pytest.mark.parametrize("smiles", [*BOUNDED, "C12C3C4C1C5C2C3C45", "[H][H]", "[Na+]", "Cl[Pt](Cl)(N)N"])
def test_lower_bounds_are_not_above_upper_ones(smiles: str) -> None:
    lower, upper = mol_to_graph(read_molecule(smiles)).bounds.unbind(-1)
    assert (lower <= upper).all()


@pytest.mark.parametrize("smiles", BOUNDED)
def test_distances_of_real_conformers_are_within_the_bounds(smiles: str, embed_mol: Callable[..., Chem.Mol]) -> None:
    mol = embed_mol(read_molecule(smiles), num_confs=5)
    graph = mol_to_graph(mol)
    lower, upper = graph.bounds.view(graph.num_nodes, graph.num_nodes, 2).numpy().transpose(2, 0, 1)
    for conformer in mol.GetConformers():
        pos = conformer.GetPositions()[is_token(mol)]
        distance = np.linalg.norm(pos[:, None] - pos, axis=-1)
        assert (lower - distance).max() < 0.2
        assert (distance - upper).max() < 0.2


def test_exotic_molecules_are_featurised_without_chatter(capfd: pytest.CaptureFixture[str]) -> None:
    mol_to_graph(read_molecule("Cl[Pt](Cl)(N)N"))
    assert capfd.readouterr().err == ""


def test_a_batch_is_padded_to_its_largest_molecule() -> None:
    batch = Batch.from_data_list([mol_to_graph(read_molecule(smiles)) for smiles in ("CCO", ALANINE, "[Na+]")])
    dense = DenseGraph.from_flat(batch)
    assert dense.mask.sum(-1).tolist() == [3, 6, 1]
    assert dense.pair.shape == (3, 6, 6, len(PAIR_FEATURES))


def test_a_molecule_of_a_batch_is_what_it_is_alone() -> None:
    graphs = [mol_to_graph(read_molecule(smiles)) for smiles in ("CCO", "CC(C)=O", CENTRES[-1], ALANINE)]
    dense = DenseGraph.from_flat(Batch.from_data_list(graphs))
    for row, graph in enumerate(graphs):
        alone, n, c = DenseGraph.from_flat(graph), graph.num_nodes, graph.centre_index.shape[1]
        assert torch.equal(dense.node[row, :n], alone.node[0])
        assert torch.equal(dense.pair[row, :n, :n], alone.pair[0])
        assert torch.equal(dense.bounds[row, :n, :n], alone.bounds[0])
        assert torch.equal(dense.centres[row, :c], alone.centres[0])
        assert torch.equal(dense.wanted[row, :c], alone.wanted[0])
