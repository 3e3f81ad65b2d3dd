"""Files of ensembles packed for training.

A Parquet file (columns smiles, num_confs, num_atoms, positions) is featurised once into one safetensors file,
memory-mapped at every later start and small enough to be kept on a GPU.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rdkit import Chem
from safetensors.torch import save_file
from tqdm import tqdm

from confgen.checkpoint import shipped_torsions
from confgen.complaints import quiet
from confgen.conformers import is_token
from confgen.crew import Lost, shared_out
from confgen.dataset import FORMAT, read_row, stereo_from_positions
from confgen.errors import InputError
from confgen.graph import adjacency, mol_to_graph
from confgen.pairing import paired_starts
from confgen.parquet import read_batches
from confgen.prior import harmonic_root
from confgen.torsions import TorsionLibrary, library_of, together

if TYPE_CHECKING:
    from torch_geometric.data import Data

CHUNK = 64  # molecules that a process packs at once
OFFSETS = {"atoms": "node", "pairs": "pair", "confs": "pos", "rows": "centres", "begun": "ends"}


def packed(source: Path, cache: Path, workers: int = 2, *, starts: bool = False) -> Path:
    """The pack of a Parquet file, made if the cache has none for this very content.

    starts: with where generation would start, see `pairing`, which costs some 0.3 s of CPU time for a molecule.
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
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"cannot be made ({error.strerror})"
            raise InputError(f"{cache}: {reason}; name another folder as data.cache") from error
        _write_pack(source, target, workers, starts=starts)
    return target


@dataclass(frozen=True)
class _Part:
    """One molecule of a pack: its part of every array but the offsets, and the torsions of its conformers."""

    arrays: dict[str, np.ndarray]
    torsions: TorsionLibrary


def _write_pack(source: Path, target: Path, workers: int, *, starts: bool) -> None:
    jobs = ((batch.num_rows, batch.to_pylist()) for batch in read_batches(source, CHUNK))
    parts: list[_Part] = []
    left_out: list[str] = []
    row = 0
    with (
        tqdm(desc=f"packing {source.name}", unit="mol", disable=None) as bar,
        closing(shared_out(jobs, partial(_begin, starts), workers)) as answers,
    ):
        for count, done in answers:
            if isinstance(done, Lost):
                where = f"{source} rows {row + 1} to {row + count}"
                raise InputError(
                    f"{where}: the worker process that packed them {done.cause}; fewer data.workers may do"
                )
            bar.update(count)
            for part in done:
                row += 1
                if isinstance(part, str):
                    left_out.append(f"row {row}: {part}")
                else:
                    parts.append(part)
    if not parts:
        reason = f" ({left_out[0]})" if left_out else ""
        raise InputError(f"{source}: no molecule could be packed{reason}; see `confgen data convert`")
    arrays = {name: torch.from_numpy(np.concatenate([part.arrays[name] for part in parts])) for name in parts[0].arrays}
    offsets = {}
    for name, key in OFFSETS.items():
        counts = torch.tensor([0] + [len(part.arrays[key]) for part in parts])
        offsets[name] = counts.cumsum(0)
    notes = {
        "format": FORMAT, "source": source.name, "molecules": str(len(parts)),
        "left_out": json.dumps(left_out),
        "torsions": together(part.torsions for part in parts).to_bytes(least=0).decode(),
    }  # fmt: skip
    temporary = target.with_suffix(f".{secrets.token_hex(6)}.tmp")  # of one process: another may pack the same
    save_file(arrays | offsets, temporary, metadata=notes)
    temporary.replace(target)


def _begin(starts: bool) -> Callable[[list[dict[str, Any]]], list[_Part | str]]:
    torch.set_num_threads(1)
    return partial(_pack_rows, starts=starts)


def _pack_rows(rows: list[dict[str, Any]], *, starts: bool) -> list[_Part | str]:
    with quiet():
        return [_pack_row(row, starts=starts) for row in rows]


def _pack_row(row: dict[str, Any], *, starts: bool) -> _Part | str:
    """One molecule, or why it was left out."""
    try:
        mol, pos = read_row(row)
    except (TypeError, ValueError) as error:
        return str(error)
    pos = pos[np.isfinite(pos).all(axis=(1, 2))]
    if pos.size == 0:
        return "has no conformer with finite positions"
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
    begun, ends = _starts(mol, whole, graph) if starts else (pos[:0], np.zeros(0))
    count = int(tokens.sum())
    root = harmonic_root(adjacency(graph.pair).view(1, count, count), torch.ones(1, count, dtype=torch.bool))
    arrays = {
        "node": graph.node.numpy().astype(np.uint8),
        "pair": graph.pair.numpy().astype(np.uint8),
        "bounds": np.minimum(graph.bounds.numpy(), 100).astype(np.float16),
        "root": root.flatten().numpy().astype(np.float16),
        "pos": (pos - pos.mean(1, keepdims=True)).reshape(-1, 3).astype(np.float32),
        "starts": begun.reshape(-1, 3).astype(np.float32),
        "ends": ends.astype(np.int16),
        "centres": graph.centre_index.numpy().T.astype(np.int16, order="C"),
        "wanted": graph.wanted.numpy().astype(np.int8),
    }
    return _Part(arrays, library_of(mol, whole))


def _starts(mol: Chem.Mol, pos: np.ndarray, graph: Data) -> tuple[np.ndarray, np.ndarray]:
    """The starts of a molecule and the conformers they lead to, as `paired_starts`, of those that show its hand."""
    if not np.array_equal(is_token(mol), [atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()]):
        return np.zeros((0, graph.num_nodes, 3)), np.zeros(0)
    begun, ends = paired_starts(mol, pos, shipped_torsions())
    kept = _same_hand(begun, graph.centre_index.numpy(), graph.wanted.numpy())
    return begun[kept], ends[kept]


def _same_hand(pos: np.ndarray, centres: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which conformers (K,) show the hand of the first one at all specified centres."""
    i, a, b, c = (pos[:, index] for index in centres)
    volume = np.einsum("kcx,kcx->kc", a - i, np.cross(b - i, c - i))
    keep: np.ndarray = ((np.sign(volume) == wanted) | (wanted == 0)).all(1)
    return keep
