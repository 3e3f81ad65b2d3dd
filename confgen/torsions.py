"""How bonds are turned: a library of torsions by the surroundings of a bond, learned from reference conformers.

RDKit's distance geometry goes by the torsions of crystals, and never gives some that molecules have all the same: cis
amides, s-trans acrylamides, biaryls and aryl ethers turned the other way. Of 2,150 conformers of 300 training
molecules, 443 have a torsion farther than 40 degrees from every one in 60 of RDKit's; turned after a library of the
other training molecules, 34.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

FORMAT = "confgen-torsions-1"
BINS = 18  # of 10 degrees, of |torsion|
LEAST = 5  # bonds of as many molecules, mostly, that a kind must be known from
ORDERS = {
    Chem.BondType.SINGLE: "-", Chem.BondType.DOUBLE: "=", Chem.BondType.TRIPLE: "#", Chem.BondType.AROMATIC: ":",
}  # fmt: skip
CHARGES = {1: "+", -1: "-"}
SMALL_RINGS = range(3, 8)
# Between two amino acids, one bond in a thousand is cis; other secondary amides of drug-like molecules are in a seventh
# of their conformers, and to a library both look alike.
PEPTIDE_BOND = Chem.MolFromSmarts("[NX3,NX4][CX4][CX3](=O)!@[NX3;H1][CX4][CX3]=O")


@dataclass(frozen=True)
class Turn:
    """A bond j-k that turns; torsions are those of a-j-k-d for a of `ends_j`, d of `ends_k`, which look alike.

    kinds: what it is called in a library, the most detailed first.     moved: the atoms on the side of k, the smaller.
    """

    ends_j: tuple[int, ...]
    j: int
    k: int
    ends_k: tuple[int, ...]
    kinds: tuple[str, ...]
    moved: tuple[int, ...]

    def reversed(self, atoms: int) -> Turn:
        """The same, with the other side of a molecule of so many atoms moved."""
        others = tuple(sorted(set(range(atoms)).difference(self.moved)))
        return Turn(self.ends_k, self.k, self.j, self.ends_j, self.kinds, others)

    def torsions_rad(self, pos: np.ndarray) -> np.ndarray:
        """Of positions (K, N, 3), -pi to pi, a row for each pair of ends, (pairs, K)."""
        ends = [[a, self.j, self.k, d] for a in self.ends_j for d in self.ends_k]
        return np.stack([torsion_rad(pos[:, four]) for four in ends])


@dataclass(frozen=True)
class _End:
    """One end of a bond: its atom, the neighbours that torsions are counted from, and its names, as `Turn.kinds`."""

    atom: int
    counted: tuple[int, ...]
    names: tuple[str, str]


@dataclass(frozen=True)
class TorsionLibrary:
    """Counts (BINS,) of |torsion|, 0 to 180 degrees, by kind of bond; a bond of one molecule adds up to one."""

    counts: Mapping[str, np.ndarray]

    def of(self, turn: Turn) -> np.ndarray | None:
        """The counts of the most detailed kind that is known from LEAST bonds; None if none is."""
        found = (self.counts[kind] for kind in turn.kinds if kind in self.counts)
        return next((own for own in found if own.sum() >= LEAST), None)

    def to_bytes(self, least: float = LEAST) -> bytes:
        """As JSON; kinds known from fewer than `least` bonds are left out."""
        kept = {kind: own for kind, own in sorted(self.counts.items()) if own.sum() >= least}
        counts = {kind: np.round(own, 2).tolist() for kind, own in kept.items()}
        return json.dumps({"format": FORMAT, "counts": counts}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TorsionLibrary:
        """Raises ValueError, KeyError or TypeError for what `to_bytes` did not make."""
        found = json.loads(data)
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']!r} is not {FORMAT}")
        counts = {kind: np.array(own, np.float64) for kind, own in found["counts"].items()}
        if any(own.shape != (BINS,) or not own.min() >= 0 for own in counts.values()):
            raise ValueError(f"counts that are not {BINS} numbers of 0 or more")
        return cls(counts)


def library_of(mol: Chem.Mol, pos: np.ndarray) -> TorsionLibrary:
    """The library of one molecule with conformers (K, N, 3)."""
    found = [(turn.kinds, histogram(turn, pos)) for turn in turns(mol)]
    return together(TorsionLibrary(dict.fromkeys(kinds, shares)) for kinds, shares in found)


def together(libraries: Iterable[TorsionLibrary]) -> TorsionLibrary:
    """The counts of all of them."""
    counts: dict[str, np.ndarray] = {}
    for library in libraries:
        for kind, own in library.counts.items():
            counts[kind] = counts[kind] + own if kind in counts else own
    return TorsionLibrary(counts)


def histogram(turn: Turn, pos: np.ndarray) -> np.ndarray:
    """Shares (BINS,) of |torsion| over conformers (K, N, 3) and all ends that look alike."""
    bins = bin_of(turn.torsions_rad(pos)).ravel()
    return np.bincount(bins, minlength=BINS) / len(bins)


def bin_of(torsions_rad: np.ndarray, count: int = BINS) -> np.ndarray:
    """Of `count` equal bins of |torsion|."""
    bins: np.ndarray = np.minimum((np.abs(torsions_rad) * (count / np.pi)).astype(np.int64), count - 1)
    return bins


def turns(mol: Chem.Mol) -> list[Turn]:
    """The bonds of a molecule that turn: single, outside rings, with other heavy atoms at both ends.

    Left out are straight ends, those whose three heavy neighbours look alike (CF3), peptide bonds, and bonds with
    stereochemistry.
    """
    found = []
    of_peptide = {frozenset((match[2], match[4])) for match in mol.GetSubstructMatches(PEPTIDE_BOND)}
    for bond in mol.GetBonds():
        if bond.IsInRing() or bond.GetBondType() != Chem.BondType.SINGLE or bond.GetStereo():
            continue
        if frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) in of_peptide:
            continue
        first, last = _end(bond.GetBeginAtom(), bond.GetEndAtom()), _end(bond.GetEndAtom(), bond.GetBeginAtom())
        if first is None or last is None:
            continue
        moved, others = beyond(mol, last.atom, first.atom), beyond(mol, first.atom, last.atom)
        if len(moved) > len(others):
            first, last, moved = last, first, others
        kinds = tuple(" ".join(sorted(pair)) for pair in zip(first.names, last.names, strict=True))
        found.append(Turn(first.counted, first.atom, last.atom, last.counted, kinds, tuple(sorted(moved))))
    return found


def _end(atom: Chem.Atom, other: Chem.Atom) -> _End | None:
    """None if torsions about a bond from `other` to the atom say nothing."""
    around = sorted(
        (_neighbour(bond.GetOtherAtom(atom), bond), bond.GetOtherAtomIdx(atom.GetIdx()))
        for bond in atom.GetBonds()
        if bond.GetOtherAtomIdx(atom.GetIdx()) != other.GetIdx() and bond.GetOtherAtom(atom).GetAtomicNum() > 1
    )
    if not around or atom.GetAtomicNum() == 1 or atom.GetHybridization() == Chem.HybridizationType.SP:
        return None
    names = [name for name, _ in around]
    counted = tuple(index for name, index in around if name == names[-1])
    return _End(atom.GetIdx(), counted, _names(atom, names)) if len(counted) <= 2 else None


def _neighbour(atom: Chem.Atom, bond: Chem.Bond) -> str:
    """A neighbour by its bond and element, whether it can give a hydrogen bond, and whether a ring is substituted."""
    donor = atom.GetAtomicNum() in (7, 8) and atom.GetTotalNumHs(includeNeighbors=True) > 0
    substituted = atom.GetIsAromatic() and sum(n.GetAtomicNum() > 1 for n in atom.GetNeighbors()) > 2
    return f"{ORDERS.get(bond.GetBondType(), '~')}{atom.GetSymbol()}{'H' * donor}{'*' * substituted}"


def _names(atom: Chem.Atom, around: list[str]) -> tuple[str, str]:
    """An end with all that is known of it, and with its element, hybridisation and neighbours alone."""
    shape = "a" if atom.GetIsAromatic() else str(atom.GetHybridization()).lower()
    ring = next((str(size) for size in SMALL_RINGS if atom.IsInRingSize(size)), "r" * atom.IsInRing())
    hydrogens = atom.GetTotalNumHs(includeNeighbors=True)
    charge = CHARGES.get(atom.GetFormalCharge(), "")
    plain = ",".join(name.rstrip("*H") for name in around)
    return (
        f"{atom.GetSymbol()}{charge}{shape}{ring}H{hydrogens}({','.join(around)})",
        f"{atom.GetSymbol()}{shape}({plain})",
    )


def beyond(mol: Chem.Mol, start: int, without: int) -> set[int]:
    """The atoms that can be reached from one of them without passing another."""
    found, waiting = {start, without}, [start]
    while waiting:
        near = {int(n.GetIdx()) for n in mol.GetAtomWithIdx(waiting.pop()).GetNeighbors()} - found
        found |= near
        waiting += near
    return found - {without}


def torsion_rad(corners: np.ndarray) -> np.ndarray:
    """Torsions (K,), -pi to pi, of four corners each, (K, 4, 3) in any unit."""
    before, axis, after = np.moveaxis(np.diff(corners, axis=1), 1, 0)
    m, n = np.cross(before, axis), np.cross(axis, after)
    length = np.linalg.norm(axis, axis=1)
    torsion: np.ndarray = np.arctan2((np.cross(m, n) * axis).sum(axis=1), length * (m * n).sum(axis=1))
    return torsion
