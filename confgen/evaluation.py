"""Generated ensembles against reference ensembles: coverage, precision, stereochemistry, validity."""

from __future__ import annotations

import heapq
import io
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import Mol

from confgen.comparison import compare, label_of, usable
from confgen.complaints import short
from confgen.conformer_sets import ConformerSet
from confgen.conformers import title_of, to_binary
from confgen.crew import Lost, shared_out
from confgen.energies import complete, normalised, relative
from confgen.errors import CannotStart, InputError
from confgen.matching import Identity, identity, pair_up
from confgen.omissions import finite_only
from confgen.record_tags import EnsembleLike
from confgen.scores import PROTOCOLS, Evaluation, MoleculeScores, Protocol
from confgen.unmatched import Sides, absence, left_over

OVERLAYS = 40  # worst molecules whose overlay is kept for a report
FEW = 8  # molecules; for fewer, workers cost more time than they save
Ensembles = Iterable[ConformerSet | EnsembleLike | Mol]


def evaluate(
    generated: Ensembles,
    reference: Ensembles,
    protocol: Protocol = PROTOCOLS["geomol"],
    *,
    match: str = "auto",
    method: str = "",
    source: str = "",
    workers: int = 1,
    overlays: int = OVERLAYS,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Scores of every reference molecule, in order; whatever could not be matched is named in the evaluation.

    generated, reference: from `read_ensembles`, ensembles of `generate`, or RDKit molecules with conformers.
    match:     "auto", "name", "stereo" or "flat", see `confgen.matching.pair_up`. The stereochemistry of generated
               conformers is judged by what the reference asks for, in the matched order of atoms. References whose
               positions are not finite are left out, with a note.
    workers:   processes; the result does not depend on them. They are started afresh, so a script that asks for
               more than one needs `if __name__ == "__main__":`.
    overlays:  so many molecules, those whose references are farthest on average, keep an overlay.
    progress:  called with molecules done and in all.
    Raises:    InputError if either side is empty, or no reference has conformers; ValueError for an unknown `match`.
    """
    made = [_as_set(one, f"generated molecule {number}") for number, one in enumerate(generated, start=1)]
    references = [
        finite_only(_as_set(one, f"reference molecule {number}")) for number, one in enumerate(reference, start=1)
    ]
    if not made:
        raise InputError(f"{source or 'generated'}: there are no generated molecules; nothing can be compared")
    if not any(usable(one) for one in references):
        raise InputError(f"no reference has conformers, so nothing can be compared: {_lack(references)}")
    with rdBase.BlockLogs():
        known = [_identity(one) for one in made], [_identity(one) for one in references]
    matching = pair_up(*known, match)
    sides = Sides(*known, matching, match, [str(one.error or "") for one in made])
    jobs = [
        _Job(made[partner] if partner is not None else None, one, protocol, absence(sides, number))
        for number, (one, partner) in enumerate(zip(references, matching.partners, strict=True))
    ]
    molecules: list[MoleculeScores] = []
    kept: list[tuple[float, int]] = []
    for number, scored in enumerate(_run(jobs, workers)):
        molecules.append(scored)
        if scored.overlay is not None:
            heapq.heappush(kept, (scored.amr_r or 0.0, number))
            if len(kept) > overlays:
                _, best = heapq.heappop(kept)
                molecules[best] = replace(molecules[best], overlay=None)
        if progress is not None:
            progress(number + 1, len(jobs))
    return Evaluation(
        method=method or source,
        source=source,
        protocol=protocol,
        molecules=molecules,
        unmatched=[left_over(sides, number) for number in matching.left_over],
        ambiguous=matching.ambiguous,
        notes=[note for one in (*made, *references) for note in one.notes],
    )


def _as_set(one: ConformerSet | EnsembleLike | Mol, origin: str) -> ConformerSet:
    if isinstance(one, ConformerSet):
        return one
    if isinstance(one, Mol):
        return ConformerSet(title_of(one), origin, one)
    if not hasattr(one, "mol") or not hasattr(one, "error"):
        raise CannotStart(f"{origin} is {short(repr(one))}; give molecules, ensembles or what read_ensembles reads")
    if one.error or one.mol is None:
        return ConformerSet(one.name, one.origin or origin, None, error=one.error)
    count = one.mol.GetNumConformers()
    energies = relative(complete(one.energies, count))
    weights = normalised(complete(getattr(one, "boltzmann_weights", None), count), energies)
    return ConformerSet(one.name, one.origin or origin, one.mol, energies, weights)


def _lack(references: Sequence[ConformerSet]) -> str:
    """Why no reference can be compared with."""
    if not references:
        return "there are no reference molecules"
    errors = (str(one.error) for one in references if one.error)
    return next(errors, f"{label_of(references[0])} is a molecule without any; embed it or read it from a file")


def _identity(one: ConformerSet) -> Identity:
    return identity(one.mol, one.name, label_of(one))


# One molecule after the other, here or by workers


@dataclass(frozen=True)
class _Job:
    made: ConformerSet | None
    reference: ConformerSet
    protocol: Protocol
    absence: str

    def scores(self) -> MoleculeScores:
        return compare(self.made, self.reference, self.protocol, self.absence)


def _run(jobs: list[_Job], workers: int) -> Iterator[MoleculeScores]:
    """The scores of every job, in order; one on which a worker process dies has failed."""
    if workers <= 1 or len(jobs) < FEW:
        yield from (job.scores() for job in jobs)
        return
    with closing(shared_out(((job, _packed(job)) for job in jobs), _begin, workers)) as answers:
        for job, answer in answers:
            if isinstance(answer, Lost):
                fault = f"its worker process {answer.cause}; try it with --workers 1"
                yield compare(None, job.reference, job.protocol, fault)
            else:
                yield pickle.loads(answer)


def _begin() -> Callable[[bytes], bytes]:
    return _score_packed


class _Pickler(pickle.Pickler):
    """Keeps all digits of coordinates, and all properties, which a plain pickle of a molecule does not."""

    def reducer_override(self, value: object) -> Any:
        return (Chem.Mol, (to_binary(value),)) if isinstance(value, Mol) else NotImplemented


def _packed(value: _Job | MoleculeScores) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream).dump(value)
    return stream.getvalue()


def _score_packed(job: bytes) -> bytes:
    return _packed(pickle.loads(job).scores())
