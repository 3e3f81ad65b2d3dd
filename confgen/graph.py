"""RDKit molecule -> graph, also as PyG has it. The meaning of every feature stands in `confgen.models.dense`."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from confgen.complaints import quiet
from confgen.conformers import is_token
from confgen.models.dense import NODE_FEATURES, PAIR_FEATURES
from confgen.stereo import CISTRANS, HANDED

if TYPE_CHECKING:
    from torch_geometric.data import Data

ELEMENTS = (
    "H", "Li", "Be", "B", "C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "K", "Ca", "Fe", "Cu", "Zn",
    "Ge", "As", "Se", "Br", "Sn", "Te", "I", "Pt", "Co", "Ni", "Pd",
)  # fmt: skip
_ELEMENT = {Chem.GetPeriodicTable().GetAtomicNumber(symbol): i for i, symbol in enumerate(ELEMENTS)}
_HYBRIDISATION = {
    Chem.HybridizationType.SP: 1, Chem.HybridizationType.SP2: 2, Chem.HybridizationType.SP3: 3,
    Chem.HybridizationType.SP2D: 4, Chem.HybridizationType.SP3D: 4, Chem.HybridizationType.SP3D2: 5,
    Chem.HybridizationType.UNSPECIFIED: 6,
}  # fmt: skip
_BOND = {Chem.BondType.SINGLE: 1, Chem.BondType.DOUBLE: 2, Chem.BondType.TRIPLE: 3, Chem.BondType.AROMATIC: 4}
_ROTATABLE = Chem.MolFromSmarts("[!$(*#*)&!D1&!$([CH3])]-&!@[!$(*#*)&!D1&!$([CH3])]")


def mol_to_graph(mol: Chem.Mol) -> Data:
    """The graph of one connected molecule with explicit hydrogens; its N tokens are `molecule.is_token`.

    node (N, 9) and pair (N*N, 6) int64 classes; edge_index (2, N*N) every ordered pair, row by row; bounds (N*N, 2)
    angstrom; centre_index (4, C) and wanted (C,) float; z (N,) atomic numbers.
    """
    from torch_geometric.data import Data  # takes 1.4 s, longer than all that generation needs

    flat = flat_graph(mol)
    return Data(**vars(flat), num_nodes=len(flat.z))


def flat_graph(mol: Chem.Mol) -> SimpleNamespace:
    """What `mol_to_graph` gives, without PyG: its tensors by their names."""
    tokens = np.flatnonzero(is_token(mol))
    place = {int(atom): i for i, atom in enumerate(tokens)}
    count = len(tokens)
    centres, wanted = _centres(mol, place)
    pair = _pair_features(mol, place)
    grid = torch.arange(count, device="cpu")
    return SimpleNamespace(
        z=torch.tensor([mol.GetAtomWithIdx(int(a)).GetAtomicNum() for a in tokens], device="cpu"),
        node=torch.from_numpy(_node_features(mol, place)),
        edge_index=torch.stack((grid.repeat_interleave(count), grid.repeat(count))),
        pair=torch.from_numpy(pair.reshape(count * count, -1)),
        bounds=torch.from_numpy(_bounds(mol)[np.ix_(tokens, tokens)].reshape(count * count, 2)),
        centre_index=torch.from_numpy(centres.T.copy()),
        wanted=torch.from_numpy(wanted),
    )


def adjacency(pair: torch.Tensor) -> torch.Tensor:
    """Which pairs are bonded, bool (...), of pair features (..., 6)."""
    return pair[..., list(PAIR_FEATURES).index("bond")] > 0


def _ring_class(size: int) -> int:
    return 0 if size == 0 else min(size, 10) - 2


def _node_features(mol: Chem.Mol, place: dict[int, int]) -> np.ndarray:
    rings = mol.GetRingInfo()
    open_centres = {i for i, label in Chem.FindMolChiralCenters(mol, includeUnassigned=True) if label == "?"}
    rows = np.zeros((len(place), len(NODE_FEATURES)), np.int64)
    for index, i in place.items():
        atom = mol.GetAtomWithIdx(index)
        ring = rings.MinAtomRingSize(index)
        near = [n.GetIdx() for n in atom.GetNeighbors()]
        charge = atom.GetFormalCharge()
        rows[i] = (
            _ELEMENT.get(atom.GetAtomicNum(), NODE_FEATURES["element"] - 1),
            charge + 2 if abs(charge) <= 2 else 5,
            min(sum(n not in place for n in near), 4),
            min(sum(n in place for n in near), 7),
            _HYBRIDISATION.get(atom.GetHybridization(), 0),
            atom.GetIsAromatic(),
            _ring_class(ring),
            1 if atom.GetChiralTag() in HANDED else 2 * (index in open_centres),
            min(atom.GetNumRadicalElectrons(), 2),
        )
    return rows


def _pair_features(mol: Chem.Mol, place: dict[int, int]) -> np.ndarray:
    count = len(place)
    feature = {name: np.zeros((count, count), np.int64) for name in PAIR_FEATURES}
    near: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    rotatable = {frozenset(match) for match in mol.GetSubstructMatches(_ROTATABLE, maxMatches=10_000)}
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if ends[0] not in place or ends[1] not in place:
            continue
        i, j = place[ends[0]], place[ends[1]]
        feature["bond"][i, j] = feature["bond"][j, i] = _BOND.get(bond.GetBondType(), 5)
        turn = int(frozenset(ends) in rotatable)
        near[i].append((j, turn))
        near[j].append((i, turn))
        if bond.GetStereo() in CISTRANS:
            _mark_double_bond(bond, place, feature["cis_trans"])
    for i in range(count):
        feature["hops"][i], feature["turns"][i] = _walk(near, i)
    for ring in sorted(mol.GetRingInfo().AtomRings(), key=len, reverse=True):
        members = [place[a] for a in ring if a in place]
        feature["ring"][np.ix_(members, members)] = _ring_class(len(ring))
    for atom in mol.GetAtoms():
        around = [place[n.GetIdx()] for n in atom.GetNeighbors() if n.GetIdx() in place]
        if atom.GetChiralTag() in HANDED and len(around) >= 3:
            order = around[:3] if _sign(atom, place) > 0 else around[2::-1]
            for a, b in zip(order, order[1:] + order[:1], strict=True):
                feature["cycle"][a, b], feature["cycle"][b, a] = 1, 2
    feature["hops"] = feature["hops"].clip(max=PAIR_FEATURES["hops"] - 1)
    feature["turns"] = feature["turns"].clip(max=PAIR_FEATURES["turns"] - 1)
    return np.stack([feature[name] for name in PAIR_FEATURES], axis=-1)


def _walk(near: list[list[tuple[int, int]]], start: int) -> tuple[np.ndarray, np.ndarray]:
    """Bonds and rotatable bonds on a shortest path from one token to all others."""
    hops, turns = np.full(len(near), -1, np.int64), np.zeros(len(near), np.int64)
    hops[start], queue = 0, deque([start])
    while queue:
        i = queue.popleft()
        for j, turn in near[i]:
            if hops[j] < 0:
                hops[j], turns[j] = hops[i] + 1, turns[i] + turn
                queue.append(j)
    return hops, turns


def _mark_double_bond(bond: Chem.Bond, place: dict[int, int], cis_trans: np.ndarray) -> None:
    """Class 1 for pairs of substituents on the same side of a specified double bond, 2 for opposite ones."""
    begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
    first, last = bond.GetStereoAtoms()
    same_side = CISTRANS[bond.GetStereo()] == 1
    for a in begin.GetNeighbors():
        for b in end.GetNeighbors():
            i, j = place.get(a.GetIdx()), place.get(b.GetIdx())
            if a.GetIdx() == end.GetIdx() or b.GetIdx() == begin.GetIdx() or i is None or j is None:
                continue
            cis = same_side ^ (a.GetIdx() != first) ^ (b.GetIdx() != last)
            cis_trans[i, j] = cis_trans[j, i] = 1 if cis else 2


def _sign(atom: Chem.Atom, place: dict[int, int]) -> int:
    """The sign that the volume of the first three placed neighbours must have at a specified centre.

    RDKit's tag tells the turn (CCW positive) of the second, third and fourth neighbour seen from the first. Seen
    from the first, CCW means a negative volume of the other three about the centre; moving the neighbours that are
    not used to the front changes the sign with the parity of the move.
    """
    around = [n.GetIdx() for n in atom.GetNeighbors()]
    if len(around) == 4:
        used = [k for k, n in enumerate(around) if n in place][:3]
        unused = next(k for k in range(4) if k not in used)
        parity = unused % 2
    else:
        parity = 1  # a lone pair or implicit hydrogen counts as the last neighbour of three
    turn = HANDED[atom.GetChiralTag()]
    return -turn if parity == 0 else turn


def _centres(mol: Chem.Mol, place: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Centres with three or more placed neighbours: (C, 4) tokens and (C,) wanted signs, 0 where free."""
    rows, signs = [], []
    for index, i in place.items():
        atom = mol.GetAtomWithIdx(index)
        around = [place[n.GetIdx()] for n in atom.GetNeighbors() if n.GetIdx() in place]
        if len(around) >= 3:
            rows.append([i, *around[:3]])
            specified = atom.GetChiralTag() in HANDED and len(list(atom.GetNeighbors())) <= 4
            signs.append(_sign(atom, place) if specified else 0)
    return np.array(rows, np.int64).reshape(-1, 4), np.array(signs, np.float32)


def _bounds(mol: Chem.Mol) -> np.ndarray:
    """Lower and upper distances of all atoms, (N, N, 2) float32 angstrom, from RDKit's distance geometry."""
    with quiet():  # RDKit's force field types warn about metals and noble gases
        matrix = rdDistGeom.GetMoleculeBoundsMatrix(mol, useMacrocycle14config=True)
    upper = np.triu(matrix, 1)
    lower = np.tril(matrix, -1)
    return np.stack((lower + lower.T, upper + upper.T), axis=-1).astype(np.float32)
