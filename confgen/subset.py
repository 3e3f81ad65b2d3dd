"""Which molecules of a list are taken: not those of other sets, not more than a limit, by chance or in their order."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import Mol

from confgen.complaints import quiet
from confgen.conformer_sets import ConformerSet
from confgen.ensembles import JSON_LINES, XYZ, read_ensembles
from confgen.errors import InputError
from confgen.pickled import PICKLES
from confgen.readers import Entry, Record, read_records


class Excluded:
    """The molecules that are to be left out, known by their skeletons (see `skeleton`).

    met:     how many records were found to be of them.     unread: entries that could not be read, so exclude nothing.
    The sources are what `readers.read_records` reads, and files of ensembles. Raises InputError if one cannot be read.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self.met = self.unread = 0
        self._skeletons: set[str] = set()
        for mol in (mol for source in sources for mol in _molecules(source)):
            if mol is None:
                self.unread += 1
            else:
                self._skeletons.add(skeleton(mol))

    def leaves_out(self, record: Record) -> bool:
        """Whether a record is one of them; if so, it is counted."""
        found = bool(self._skeletons) and record.mol is not None and skeleton(record.mol) in self._skeletons
        self.met += found
        return found


def skeleton(mol: Mol) -> str:
    """What the largest part of a molecule has in common with its stereoisomers, most tautomers and charged forms.

    It is the first block of the InChIKey (a hash of the formula, the bonds and the hydrogens that cannot move) or,
    where InChI gives up, the SMILES without stereochemistry.
    """
    with quiet():
        parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
        largest = max(parts, key=lambda part: (part.GetNumHeavyAtoms(), part.GetNumAtoms()))
        key = Chem.MolToInchiKey(largest)
    return key.partition("-")[0] if key else Chem.MolToSmiles(largest, isomericSmiles=False)


def subset(
    entries: Iterable[Entry], excluded: Excluded, limit: int | None = None, shuffle: int | None = None
) -> Iterator[Record]:
    """At most `limit` records (None for all) of those that are not excluded.

    entries: as `readers.read_entries` gives them.
    shuffle: None for the first ones; a seed for a random choice in random order, of which that of a smaller limit is
             the beginning. All entries are gone through for it, and as many records held as are taken.
    """
    if shuffle is None:
        records = (entry() for entry in entries)
        return itertools.islice((record for record in records if not excluded.leaves_out(record)), limit)
    return iter(_drawn(entries, excluded, limit, np.random.default_rng(shuffle)))


def _drawn(
    entries: Iterable[Entry], excluded: Excluded, limit: int | None, generator: np.random.Generator
) -> list[Record]:
    """The records with the smallest random numbers, in the order of these; of the others, most are never read."""
    held: list[tuple[float, int, Record]] = []  # a heap with the largest number on top
    for place, entry in enumerate(entries):
        number = float(generator.random())
        full = limit is not None and len(held) >= limit
        if full and number > -held[0][0]:
            continue
        record = entry()
        if excluded.leaves_out(record):
            continue
        if full:
            heapq.heapreplace(held, (-number, place, record))
        else:
            heapq.heappush(held, (-number, place, record))
    return [record for _, _, record in sorted(held, key=lambda kept: -kept[0])]


def _molecules(source: str) -> Iterator[Mol | None]:
    """The molecules of a file, or of a SMILES; None for an entry of a file that cannot be read."""
    path = Path(source)
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    ensembles = kind in (".parquet", *PICKLES, *JSON_LINES, *XYZ) or path.is_dir()
    entries: Iterable[ConformerSet | Record] = read_ensembles(path) if ensembles else read_records([source])
    for entry in entries:
        if entry.mol is None and not ensembles and entry.origin == "argument 1":
            raise InputError(f"{source}: no such file, nor a SMILES; check the path")
        yield entry.mol
