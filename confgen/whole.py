"""Whole molecules: what distance geometry and the network make of each connected fragment, put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers

from confgen.assemble import assemble
from confgen.bent import bent
from confgen.checkpoint import Weights
from confgen.conformers import fragments, is_token, positions
from confgen.cumulenes import unfolded
from confgen.embed import embed_core
from confgen.flexibility import LARGE_RING
from confgen.hydrogens import complete
from confgen.hypervalent import mended
from confgen.joining import embed_large
from confgen.lengths import corrected
from confgen.minima import Covering, eased
from confgen.propose import propose
from confgen.scaffold import Core, among, held, of_tokens_only, superposed
from confgen.settings import GenerateSettings
from confgen.starts import own_positions, starts_of

# Times the level that minima are taken to be at, where they have large rings. At its usual level the weights have seen
# minima, but of hardly any such ring, which they leave as they are; at twice that they look for what is likely. Of nine
# macrocycles with 30 references each: COV-R 42.6% (once 32.0%, 2.8 times 30.7%), AMR-R 0.87 angstrom (0.97, 0.98).
LARGE_RING_LEVEL = 2.0


def start_whole(
    mol: Chem.Mol,
    seeds: Sequence[int],
    weights: Weights,
    settings: GenerateSettings,
    deadline: float | None,
    core: Core | None,
    reserve: Sequence[list[Covering]],
) -> list[np.ndarray | None]:
    """Where conformers start, (N, 3) each: every fragment where `starts_of` has it, None if that is the prior for one.

    reserve: of starts, for every fragment.
    """
    whole = np.zeros((len(seeds), mol.GetNumAtoms(), 3))
    known = np.ones(len(seeds), dtype=bool)
    for own, part, left in zip(fragments(mol), _fragment_mols(mol), reserve, strict=True):
        if is_token(part).sum() == 1:
            continue
        found = starts_of(
            part, seeds, settings.start, deadline, among(core, own),
            dielectric=settings.dielectric, library=weights.torsions, reserve=left,
        )  # fmt: skip
        for row, pos in enumerate(found):
            if pos is None:
                known[row] = False
            else:
                whole[row, own] = pos
    return [pos if known[row] else None for row, pos in enumerate(whole)]


def propose_whole(
    mol: Chem.Mol,
    seeds: Sequence[int],
    weights: Weights,
    settings: GenerateSettings,
    deadline: float | None,
    core: Core | None,
    known: Sequence[np.ndarray | None],
) -> np.ndarray:
    """Positions (K, N, 3) of all atoms: tokens from the network, hydrogens completed, fragments side by side.

    known: where each starts, (N, 3), None for the prior.
    From minima, conformers with large rings are brought to minima again: the weights have hardly met such rings, and
    leave them distorted. Of three cyclic peptides with 30 references each, COV-R was 67% so, 27% without, and 47% with
    minima that the network had hardly moved; AMR-R 0.62, 0.88 and 0.77 angstrom. So are fragments without carbon.
    With a core, they are superposed on its template. From the input's own coordinates, every fragment is superposed on
    these, and so stays where it was among the others.
    """
    atoms = fragments(mol)
    parts = []
    for own, part in zip(atoms, _fragment_mols(mol), strict=True):
        if part.GetNumAtoms() == 1:
            parts.append(np.zeros((len(seeds), 1, 3)))
            continue
        relaxed = settings.start.start == "mmff94s"
        large = relaxed and _has_large_ring(part)
        start = replace(settings.start, sigma=settings.start.sigma * (LARGE_RING_LEVEL if large else 1.0))
        tokens = propose(
            part, seeds, weights.for_sampling, settings.sampler, start,
            [None if pos is None else pos[own] for pos in known],
            batch_size=settings.batch_size, deadline=deadline, core=among(core, own),
        )  # fmt: skip
        there = np.isfinite(tokens).all(axis=(1, 2))
        finished = positions(complete(part, tokens[there]))
        if (large or (relaxed and _is_inorganic(part))) and not settings.keep_invalid:
            finished = eased(part, finished, deadline, among(core, own), settings.dielectric)
        if settings.start.start != "input" and core is None:
            finished = mended(part, bent(part, corrected(part, finished)))
        if core is None:
            finished = unfolded(part, finished)
        whole_part = np.full((len(seeds), part.GetNumAtoms(), 3), np.nan)
        whole_part[there] = finished
        parts.append(whole_part)
    if settings.start.start == "input":
        whole = _on_input(mol, atoms, parts)
        return whole if core is None else superposed(core, whole)
    return _assembled(mol, parts, core)


def embed_whole(mol: Chem.Mol, seed: int, core: Core | None, deadline: float | None) -> np.ndarray | None:
    """Positions (1, N, 3) from distance geometry; None if some fragment cannot be embedded."""
    parts = []
    for own, part in zip(fragments(mol), _fragment_mols(mol), strict=True):
        part_core = among(core, own)
        [pos] = (
            embed_large(part, [seed], deadline) if part_core is None else embed_core(part, [seed], part_core, deadline)
        )
        if pos is None:
            return None
        if part_core is not None:  # what is left of its deviation goes, and the hydrogens are placed anew
            of_tokens, weights = of_tokens_only(part, part_core)
            pos = positions(complete(part, held(of_tokens, pos[None, is_token(part)], weights)))[0]
        parts.append(pos[None])
    return _assembled(mol, parts, core)


def _assembled(mol: Chem.Mol, parts: list[np.ndarray], core: Core | None) -> np.ndarray:
    whole = assemble(mol, fragments(mol), parts)
    return whole if core is None or len(parts) == 1 else superposed(core, whole)


def _on_input(mol: Chem.Mol, atoms: list[np.ndarray], parts: list[np.ndarray]) -> np.ndarray:
    """Positions (K, N, 3) of fragments superposed, by their tokens, on the molecule's own coordinates."""
    whole = np.zeros((len(parts[0]), mol.GetNumAtoms(), 3))
    given, tokens = own_positions(mol), is_token(mol)
    for own, pos in zip(atoms, parts, strict=True):
        places = np.flatnonzero(tokens[own])
        whole[:, own] = superposed(Core(places, given[own[places]]), pos)
    return whole


def _has_large_ring(mol: Chem.Mol) -> bool:
    return any(len(ring) >= LARGE_RING for ring in mol.GetRingInfo().AtomRings())


def _is_inorganic(mol: Chem.Mol) -> bool:
    """Whether MMFF94s knows better: without carbon, as perchlorate, which training has not shown."""
    carbon = any(atom.GetAtomicNum() == 6 for atom in mol.GetAtoms())
    return not carbon and bool(rdForceFieldHelpers.MMFFHasAllMoleculeParams(Chem.Mol(mol)))


def _fragment_mols(mol: Chem.Mol) -> list[Chem.Mol]:
    """Connected parts as molecules of their own, stereochemistry kept."""
    parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    for part in parts:
        Chem.GetSymmSSSR(part)
    return list(parts) if len(parts) > 1 else [mol]
