"""Which molecule of one file is which of another, and which atom is which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.smiles import forget_map_numbers, stereo_smiles

MODES = ("auto", "name", "stereo", "flat")
NAMED = 3  # molecules that a message names


@dataclass(frozen=True)
class Identity:
    """What a molecule is known by: its title, and SMILES with and without stereochemistry ("" if there is no graph)."""

    name: str
    stereo: str
    flat: str
    label: str  # for messages


@dataclass(frozen=True)
class Matching:
    """For each reference the number of its generated molecule, or None; generated ones left over; doubts, in words."""

    partners: list[int | None]
    left_over: list[int]
    ambiguous: list[str]


Key = Callable[[Identity], Hashable]


def _keys(*parts: str) -> Key:
    """The key of the given parts of an identity; None if one is empty."""

    def key(identity: Identity) -> Hashable:
        values = tuple(getattr(identity, part) for part in parts)
        return values if all(values) else None

    return key


# Rounds of each mode, strictest first: what a round leaves over goes to the next.
_NAME = [_keys("name", "stereo"), _keys("name", "flat")]
_STEREO = [_keys("stereo", "name"), _keys("stereo")]
_FLAT = [_keys("flat", "stereo", "name"), _keys("flat", "stereo"), _keys("flat", "name"), _keys("flat")]
_ROUNDS = {"name": _NAME, "stereo": _STEREO, "flat": _FLAT, "auto": [*_NAME, *_STEREO]}


def pair_up(generated: Sequence[Identity], references: Sequence[Identity], mode: str = "auto") -> Matching:
    """The partner of every reference; each generated molecule is used once.

    mode: "name": by title, if the graph is the same; "stereo" and "flat": by SMILES with and without stereochemistry;
    "auto": by title where a title and its graph are in both, the rest by stereo SMILES. Of several that fit, those that
    agree in more go together, then the first ones in file order; the latter are named as ambiguous.
    Raises: ValueError for another mode.
    """
    if mode not in _ROUNDS:
        raise ValueError(f"no way to match is called {mode!r}; known are {', '.join(MODES)}")
    partners: list[int | None] = [None] * len(references)
    free = set(range(len(generated)))
    ambiguous = []
    for key in _ROUNDS[mode]:
        offers, wishes = _buckets(generated, sorted(free), key), _buckets(references, _open(partners), key)
        for value, wanting in wishes.items():
            offered = offers.get(value, [])
            for reference, partner in zip(wanting, offered, strict=False):
                partners[reference] = partner
                free.discard(partner)
            if offered and len(wanting) + len(offered) > 2:
                ambiguous.append(_doubt([generated[i] for i in offered], [references[i] for i in wanting]))
    return Matching(partners, sorted(free), ambiguous)


def _open(partners: Sequence[int | None]) -> list[int]:
    return [number for number, partner in enumerate(partners) if partner is None]


def _buckets(identities: Sequence[Identity], numbers: Sequence[int], key: Key) -> dict[Hashable, list[int]]:
    buckets: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number in numbers:
        if (value := key(identities[number])) is not None:
            buckets[value].append(number)
    return buckets


def _doubt(offered: Sequence[Identity], wanting: Sequence[Identity]) -> str:
    several = f"{len(offered)} generated ({_some(offered)}) fit {len(wanting)} of the references ({_some(wanting)})"
    return f"{several}; paired in file order"


def _some(identities: Sequence[Identity]) -> str:
    shown = ", ".join(identity.label for identity in identities[:NAMED])
    return shown + (", ..." if len(identities) > NAMED else "")


def identity(mol: Mol | None, name: str, label: str) -> Identity:
    """What `mol` is known by; by its name alone if it could not be read."""
    if mol is None:
        return Identity(name.strip(), "", "", label)
    bare = Chem.RemoveAllHs(mol, sanitize=False) if mol.GetNumHeavyAtoms() else Chem.Mol(mol)
    forget_map_numbers(bare)
    flat = Chem.MolToSmiles(bare, isomericSmiles=False)
    return Identity(name.strip(), stereo_smiles(mol), flat, label)


def same_atoms(first: Mol, second: Mol) -> np.ndarray | None:
    """For each atom of the first the atom of the second that it is, (N,), hydrogens included; None if they differ.

    Equal SMILES, written with the order of their atoms, prove it; those with stereochemistry are tried first.
    (Searching for a match that keeps the tags can take forever if there is none, once for each symmetry.)
    """
    if first.GetNumAtoms() != second.GetNumAtoms() or first.GetNumBonds() != second.GetNumBonds():
        return None
    for isomeric in (True, False):
        (one, order), (other, other_order) = _smiles_order(first, isomeric), _smiles_order(second, isomeric)
        if one == other:
            match = np.empty(len(order), dtype=np.int64)
            match[order] = other_order
            return match
    found = second.GetSubstructMatch(first)  # two forms of one resonance structure have different SMILES
    return np.array(found, dtype=np.int64) if found else None


def _smiles_order(mol: Mol, isomeric: bool) -> tuple[str, list[int]]:
    mol = Chem.Mol(mol, True)
    forget_map_numbers(mol)
    smiles = Chem.MolToSmiles(mol, isomericSmiles=isomeric)
    return smiles, [int(atom) for atom in mol.GetProp("_smilesAtomOutputOrder").strip("[,]").split(",")]
