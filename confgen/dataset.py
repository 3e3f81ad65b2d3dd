"""Conformer ensembles on disk -> packed training tensors -> dense batches.

A Parquet file of ensembles (columns smiles, num_confs, num_atoms, positions) is featurised once into one safetensors
file, memory-mapped at every later start and small enough to be kept on a GPU. Batches are a pure function of the seed
and the step, so a run that is resumed sees what it would have seen.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem, rdBase
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from confgen.errors import InputError
from confgen.graph import adjacency, mol_to_graph
from confgen.models.dense import DenseGraph
from confgen.molecule import is_token, with_positions
from confgen.parquet import read_batches
from confgen.prior import harmonic_root
from confgen.strayed import strayed
from confgen.torsions import TorsionLibrary, library_of, together

FORMAT = "confgen-pack-2"
CHUNK = 256  # molecules that a process packs at once


@dataclass(frozen=True)
class Pack:
    """Molecules of one ensemble file, end to end; the first index of every array runs over all molecules.

    atoms, pairs, confs, rows: (molecules + 1,) offsets of the tokens, pairs, conformer positions and centres.
    node (sum N, 9), pair (sum N^2, 6) uint8;  bounds (sum N^2, 2), root (sum N^2,) float16;
    pos, starts (sum K N, 3) float32;  centres (sum C, 4) int16, wanted (sum C,) int8.
    starts: where MMFF94s takes each conformer, see `strayed`; nan where that is of no use, or was not asked for.
    torsions: of all conformers.
    """

    atoms: Tensor
    pairs: Tensor
    confs: Tensor
    rows: Tensor
    node: Tensor
    pair: Tensor
    bounds: Tensor
    root: Tensor
    pos: Tensor
    starts: Tensor
    centres: Tensor
    wanted: Tensor
    torsions: TorsionLibrary

    @classmethod
    def load(cls, path: Path, device: str | torch.device = "cpu") -> Pack:
        """The pack of a file; on the CPU its arrays stay on disk and are paged in as they are used."""
        try:
            with safe_open(path, "pt", device=str(device)) as file:
                notes = file.metadata() or {}
                if notes.get("format") != FORMAT:
                    raise InputError(f"{path}: not a pack of this version; delete it and let it be made again")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return cls(**tensors, torsions=TorsionLibrary.from_bytes(notes["torsions"].encode()))
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"{path}: cannot be read as a pack ({error}); delete it and let it be made again"
            ) from error

    @property
    def sizes(self) -> Tensor:
        """Tokens of every molecule, (molecules,)."""
        return self.atoms.diff()

    @property
    def num_confs(self) -> Tensor:
        """Conformers of every molecule, (molecules,)."""
        return self.confs.diff() // self.sizes

    def graphs(self, chosen: Tensor) -> tuple[DenseGraph, Tensor]:
        """Dense graphs of the chosen molecules (B,), and the roots of their harmonic priors, (B, M, M)."""
        sizes = self.sizes[chosen]
        most = int(sizes.max())
        span = torch.arange(most, device=chosen.device)
        mask = span < sizes.unsqueeze(-1)
        at = self.atoms[chosen].unsqueeze(-1) + span
        both = mask.unsqueeze(-1) & mask.unsqueeze(-2)
        pair_at = self.pairs[chosen].view(-1, 1, 1) + span.view(-1, 1) * sizes.view(-1, 1, 1) + span
        counts = self.rows.diff()[chosen]
        lines = torch.arange(max(int(counts.max()), 1), device=chosen.device)
        row_mask = lines < counts.unsqueeze(-1)
        row_at = self.rows[chosen].unsqueeze(-1) + lines
        graph = DenseGraph(
            mask=mask,
            node=_take(self.node, at, mask),
            pair=_take(self.pair, pair_at, both),
            bounds=_take(self.bounds, pair_at, both).float(),
            centres=_take(self.centres, row_at, row_mask).long(),
            wanted=_take(self.wanted, row_at, row_mask).float(),
        )
        return graph, _take(self.root, pair_at, both).float()

    def positions(self, chosen: Tensor, conformers: Tensor) -> Tensor:
        """Positions (B, M, 3) of one conformer (B,) of each chosen molecule (B,)."""
        return self._of_conformers(self.pos, chosen, conformers)

    def shifts(self, chosen: Tensor, conformers: Tensor) -> Tensor:
        """How far the starts of these conformers lie from them, (B, M, 3) angstrom; nan for one without a start."""
        return self._of_conformers(self.starts, chosen, conformers) - self.positions(chosen, conformers)

    def _of_conformers(self, values: Tensor, chosen: Tensor, conformers: Tensor) -> Tensor:
        sizes = self.sizes[chosen].unsqueeze(-1)
        span = torch.arange(int(sizes.max()), device=chosen.device)
        at = self.confs[chosen].unsqueeze(-1) + conformers.unsqueeze(-1) * sizes + span
        return _take(values, at, span < sizes)


def _take(values: Tensor, at: Tensor, mask: Tensor) -> Tensor:
    """Rows of `values` at the given places, zero where the mask is off."""
    if len(values) == 0:
        return values.new_zeros(*at.shape, *values.shape[1:])
    taken = values[at.clamp(max=len(values) - 1)]
    return taken.masked_fill(~mask.view(*mask.shape, *[1] * (taken.dim() - mask.dim())), 0)


def packed(source: Path, cache: Path, workers: int = 2, *, starts: bool = False) -> Path:
    """The pack of a Parquet file, made if the cache has none for this very content.

    starts: with where MMFF94s takes every conformer, which costs some 25 ms of CPU time for each.
    """
    if source.suffix == ".pack":
        return source
    try:
        with source.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}); give a Parquet file of ensembles") from error
    digest = hashlib.sha256(f"{FORMAT}{content}{'starts' * starts}".encode()).hexdigest()[:12]
    target = cache / f"{source.stem}-{digest}.pack"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _write_pack(source, target, workers, starts=starts)
    return target


def _write_pack(source: Path, target: Path, workers: int, *, starts: bool) -> None:
    chunks = (batch.to_pylist() for batch in read_batches(source, CHUNK))
    parts: list[dict[str, np.ndarray]] = []
    torsions = TorsionLibrary({})
    dropped = 0
    with ProcessPoolExecutor(workers) as pool, tqdm(desc=f"packing {source.name}", unit="mol", disable=None) as bar:
        for done in pool.map(partial(_pack_rows, starts=starts), chunks):
            packs, of_chunk = done
            bar.update(len(packs))
            dropped += sum(isinstance(part, str) for part in packs)
            parts += [part for part in packs if not isinstance(part, str)]
            torsions = together((torsions, of_chunk))
    if not parts:
        raise InputError(f"{source}: no molecule could be packed; see the columns that `confgen train` documents")
    arrays = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in parts[0]}
    offsets = {}
    for name, key in (("atoms", "node"), ("pairs", "pair"), ("confs", "pos"), ("rows", "centres")):
        counts = torch.tensor([0] + [len(part[key]) for part in parts])
        offsets[name] = counts.cumsum(0)
    notes = {
        "format": FORMAT, "source": source.name, "molecules": str(len(parts)), "dropped": str(dropped),
        "torsions": torsions.to_bytes(least=0).decode(),
    }  # fmt: skip
    temporary = target.with_suffix(".tmp")
    save_file(arrays | offsets, temporary, metadata=notes)
    temporary.rename(target)


def _pack_rows(rows: list[dict[str, Any]], *, starts: bool) -> tuple[list[dict[str, np.ndarray] | str], TorsionLibrary]:
    torch.set_num_threads(1)
    libraries: list[TorsionLibrary] = []
    with rdBase.BlockLogs():
        return [_pack_row(row, libraries, starts=starts) for row in rows], together(libraries)


def _pack_row(row: dict[str, Any], libraries: list[TorsionLibrary], *, starts: bool) -> dict[str, np.ndarray] | str:
    """Arrays of one molecule, whose torsions are added to `libraries`, or why it was left out."""
    try:
        mol, pos = read_row(row)
    except (TypeError, ValueError) as error:
        return str(error)
    if pos.size == 0 or not np.isfinite(pos).all():
        return "no positions, or some that are not finite"
    if len(Chem.GetMolFrags(mol)) > 1:
        return "more than one fragment"
    mol = stereo_from_positions(mol, pos[0])
    tokens = is_token(mol)
    if tokens.sum() < 2:
        return "fewer than two tokens"
    graph = mol_to_graph(mol)
    whole = pos[_same_hand(pos[:, tokens], graph.centre_index.numpy(), graph.wanted.numpy())].astype(float)
    if len(whole) == 0:
        return "no conformer shows the stereochemistry that was read from the first one"
    pos = whole[:, tokens]
    ended = strayed(mol, whole, tokens) if starts else np.full_like(pos, np.nan)
    libraries.append(library_of(mol, whole))
    count = int(tokens.sum())
    root = harmonic_root(adjacency(graph.pair).view(1, count, count), torch.ones(1, count, dtype=torch.bool))
    return {
        "node": graph.node.numpy().astype(np.uint8),
        "pair": graph.pair.numpy().astype(np.uint8),
        "bounds": np.minimum(graph.bounds.numpy(), 100).astype(np.float16),
        "root": root.flatten().numpy().astype(np.float16),
        "pos": (pos - pos.mean(1, keepdims=True)).reshape(-1, 3).astype(np.float32),
        "starts": ended.reshape(-1, 3).astype(np.float32),
        "centres": graph.centre_index.numpy().T.astype(np.int16, order="C"),
        "wanted": graph.wanted.numpy().astype(np.int8),
    }


def read_row(row: dict[str, Any]) -> tuple[Chem.Mol, np.ndarray]:
    """Molecule and positions (K, N, 3) angstrom of one row of an ensemble file; SMILES order is position order.

    Raises ValueError or TypeError for a row that contradicts itself.
    """
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False  # type: ignore[assignment] # RDKit's stubs have the wrong type
    mol = Chem.MolFromSmiles(row["smiles"], keep_hydrogens)
    if mol is None or mol.GetNumAtoms() != row["num_atoms"]:
        raise ValueError(f"{row['smiles']} is no molecule of {row['num_atoms']} atoms")
    return mol, np.asarray(row["positions"], np.float32).reshape(row["num_confs"], row["num_atoms"], 3)


def stereo_from_positions(mol: Chem.Mol, pos: np.ndarray) -> Chem.Mol:
    """A copy whose stereo tags are those that the positions (N, 3) show.

    A SMILES fixes the relative hand of ring atoms (cis/trans on a cyclohexane) up to a mirror image of the labels, so
    the tags read from it may be those of the equivalent, mirrored numbering.
    """
    shown = with_positions(mol, pos[None])
    Chem.AssignStereochemistryFrom3D(shown, replaceExistingTags=True)
    shown.RemoveAllConformers()
    return shown


def _same_hand(pos: np.ndarray, centres: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which conformers (K,) show the hand of the first one at all specified centres."""
    i, a, b, c = (pos[:, index] for index in centres)
    volume = np.einsum("kcx,kcx->kc", a - i, np.cross(b - i, c - i))
    keep: np.ndarray = ((np.sign(volume) == wanted) | (wanted == 0)).all(1)
    return keep
