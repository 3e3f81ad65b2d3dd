"""Conformer ensembles as training tensors: rows of files as molecules, and packs of them as dense graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from safetensors import SafetensorError, safe_open
from torch import Tensor

from confgen.errors import InputError
from confgen.models.dense import DenseGraph
from confgen.molecule import with_positions
from confgen.torsions import TorsionLibrary

FORMAT = "confgen-pack-2"


@dataclass(frozen=True)
class Pack:
    """Molecules of one ensemble file, end to end, see `packing`; the first index of every array runs over all of them.

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
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
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
