"""Conformer ensembles as training tensors: rows of files as molecules, and packs of them as dense graphs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from safetensors import SafetensorError, safe_open
from torch import Tensor

from confgen.conformers import with_positions
from confgen.errors import InputError
from confgen.models.dense import DenseGraph
from confgen.torsions import TorsionLibrary

FORMAT = "confgen-pack-3"
MULTIPLE = 4  # of which the padded size of molecules is: matrix products of other sizes are slow on GPUs
ON_HOST = ("atoms", "pairs", "confs", "rows", "begun", "ends")


@dataclass(frozen=True)
class Pack:
    """Molecules of one ensemble file, end to end, see `packing`; the first index of every array runs over all of them.

    atoms, pairs, confs, rows, begun: (molecules + 1,) offsets of the tokens, pairs, conformer positions, centres and
    starts. They and `ends` stay in the host's memory, so that no batch waits for the device to learn its own size.
    node (sum N, 9), pair (sum N^2, 6) uint8;  bounds (sum N^2, 2), root (sum N^2,) float16;
    pos (sum K N, 3) float32;  centres (sum C, 4) int16, wanted (sum C,) int8.
    starts (sum S N, 3) float32, ends (sum S,) int16: where generation would start, and the conformer that each leads
    to, see `pairing`; none if they were not asked for.
    torsions: of all conformers.
    left_out: rows of the file that are not in it, and why.
    """

    atoms: Tensor
    pairs: Tensor
    confs: Tensor
    rows: Tensor
    begun: Tensor
    node: Tensor
    pair: Tensor
    bounds: Tensor
    root: Tensor
    pos: Tensor
    starts: Tensor
    ends: Tensor
    centres: Tensor
    wanted: Tensor
    torsions: TorsionLibrary
    left_out: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path, device: str | torch.device = "cpu") -> Pack:
        """The pack of a file; on the CPU its arrays stay on disk and are paged in as they are used."""
        try:
            with safe_open(path, "pt", device="cpu") as file:
                notes = file.metadata() or {}
                if notes.get("format") != FORMAT:
                    raise InputError(f"{path}: not a pack of this version; delete it and let it be made again")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                moved = {name: tensor if name in ON_HOST else tensor.to(device) for name, tensor in tensors.items()}
                torsions = TorsionLibrary.from_bytes(notes["torsions"].encode())
                return cls(**moved, torsions=torsions, left_out=tuple(json.loads(notes.get("left_out", "[]"))))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: cannot be read as a pack ({error}); delete it and let it be made again"
            ) from error

    @property
    def device(self) -> torch.device:
        """Where the arrays are, and graphs and positions come to be."""
        return self.pos.device

    @cached_property
    def sizes(self) -> Tensor:
        """Tokens of every molecule, (molecules,), on the host, as the next two."""
        return self.atoms.diff()

    @cached_property
    def num_confs(self) -> Tensor:
        """Conformers of every molecule, (molecules,)."""
        return self.confs.diff() // self.sizes

    @cached_property
    def num_starts(self) -> Tensor:
        """Starts of every molecule, (molecules,)."""
        return self.begun.diff()

    @cached_property
    def _starts_at(self) -> Tensor:
        """Offsets of the positions of starts, (molecules,)."""
        rows = self.num_starts * self.sizes
        return rows.cumsum(0) - rows

    def graphs(self, chosen: Tensor) -> tuple[DenseGraph, Tensor]:
        """Dense graphs of the chosen molecules (B,), and the roots of their harmonic priors, (B, M, M).

        chosen: on the host.  M is a multiple of MULTIPLE.
        """
        most = self.padded(chosen)
        lines = max(int(self.rows.diff()[chosen].max()), most)  # mostly the latter, and so one shape for a size
        columns = (self.sizes, self.atoms[:-1], self.pairs[:-1], self.rows[:-1], self.rows.diff())
        sizes, atoms, pairs, rows, counts = self._to_device(torch.stack([column[chosen] for column in columns]))
        span = torch.arange(most, device=self.device)
        mask = span < sizes.unsqueeze(-1)
        at = atoms.unsqueeze(-1) + span
        both = mask.unsqueeze(-1) & mask.unsqueeze(-2)
        pair_at = pairs.view(-1, 1, 1) + span.view(-1, 1) * sizes.view(-1, 1, 1) + span
        line = torch.arange(lines, device=self.device)
        row_mask = line < counts.unsqueeze(-1)
        row_at = rows.unsqueeze(-1) + line
        graph = DenseGraph(
            mask=mask,
            node=_take(self.node, at, mask),
            pair=_take(self.pair, pair_at, both),
            bounds=_take(self.bounds, pair_at, both).float(),
            centres=_take(self.centres, row_at, row_mask).long(),
            wanted=_take(self.wanted, row_at, row_mask).float(),
        )
        return graph, _take(self.root, pair_at, both).float()

    def padded(self, chosen: Tensor) -> int:
        """Tokens M to which the chosen molecules are filled up."""
        return -(-int(self.sizes[chosen].max()) // MULTIPLE) * MULTIPLE

    def positions(self, chosen: Tensor, conformers: Tensor) -> Tensor:
        """Positions (B, M, 3) of one conformer (B,) of each chosen molecule (B,); both on the host."""
        return self._rows(self.pos, self.confs[chosen] + conformers * self.sizes[chosen], chosen)

    def start_positions(self, chosen: Tensor, numbers: Tensor) -> Tensor:
        """Positions (B, M, 3) of one start (B,) of each chosen molecule (B,); of no meaning for one without any."""
        return self._rows(self.starts, self._starts_at[chosen] + numbers * self.sizes[chosen], chosen)

    def ends_of(self, chosen: Tensor, numbers: Tensor) -> Tensor:
        """The conformer (B,) that a start (B,) of each chosen molecule (B,) leads to."""
        if len(self.ends) == 0:
            return torch.zeros_like(chosen)
        return self.ends[(self.begun[chosen] + numbers).clamp(max=len(self.ends) - 1)].long()

    def _rows(self, values: Tensor, first: Tensor, chosen: Tensor) -> Tensor:
        at, sizes = self._to_device(torch.stack((first, self.sizes[chosen])))
        span = torch.arange(self.padded(chosen), device=self.device)
        return _take(values, at.unsqueeze(-1) + span, span < sizes.unsqueeze(-1))

    def _to_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)


def _take(values: Tensor, at: Tensor, mask: Tensor) -> Tensor:
    """Rows of `values` at the given places, zero where the mask is off."""
    if len(values) == 0:
        return values.new_zeros(*at.shape, *values.shape[1:])
    taken = values[at.clamp(max=len(values) - 1)]
    return taken.masked_fill(~mask.view(*mask.shape, *[1] * (taken.dim() - mask.dim())), 0)


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
