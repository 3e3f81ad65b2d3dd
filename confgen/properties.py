"""Properties of conformer ensembles by GFN2-xTB, generated against reference, as published.

Protocol: Jing et al., arXiv:2206.01729, section 4.4 and appendix H (Torsional Diffusion), followed by MCF (Wang et al.,
arXiv:2311.17932) and ET-Flow (Hassan et al., arXiv:2410.22388). Of 100 random molecules, the first min(2K, 32)
generated conformers for K references are relaxed and give energy, dipole moment and HOMO-LUMO gap. An ensemble has the
Boltzmann-weighted averages of these, by its own energies, and its lowest energy. The figure is the median over
molecules of the absolute difference between the two ensembles.

Departures: tblite and ASE instead of the xtb program, whose "normal" relaxation ends at a gradient norm of 1e-3 Eh/bohr
and 5e-6 Eh between steps. References are relaxed too, because those of other data sets are no minima of GFN2-xTB as
GEOM's are; `relax_reference=False` leaves them, as ET-Flow does. The molecule's charge is used (the published scripts
take every molecule for neutral), and the dipole moment of an ion is about its centre of mass.

Cost: see `observables`; the protocol's 3,200 generated conformers take hours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from rdkit.Chem import Mol
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from confgen.calculators import require
from confgen.conformers import from_binary, positions, to_binary, with_positions
from confgen.crew import Lost, shared_out
from confgen.observables import (
    QUANTITIES,
    EnsembleAverages,
    EnsembleProperties,
    PropertySettings,
    ensemble_properties,
)

# Name; generated conformers of each method, None if there are none; reference conformers.
Contest = tuple[str, Sequence[Mol | None], Mol]
Item = TypeVar("Item")
PROTOCOL = PropertySettings()


@dataclass(frozen=True)
class MoleculeProperties:
    """One molecule's averages, generated and reference, or `error`: why they cannot be compared.

    counts: conformers of both sides together, see `COUNTS`.
    notes:  what went wrong with single conformers, one line each.
    """

    name: str
    generated: EnsembleAverages | None = None
    reference: EnsembleAverages | None = None
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: str = ""

    def errors(self) -> dict[str, float]:
        """Absolute differences of the `QUANTITIES`, nan if there is no comparison."""
        if self.generated is None or self.reference is None:
            return dict.fromkeys(QUANTITIES, np.nan)
        return {name: abs(getattr(self.generated, name) - getattr(self.reference, name)) for name in QUANTITIES}


COUNTS = ("conformers", "conformers_failed", "conformers_unconverged", "conformers_broken")


def summarise_properties(molecules: Sequence[MoleculeProperties]) -> dict[str, float]:
    """Median absolute errors of generated ensembles against references, and how many went into them.

    Keys: energy_kcal_mol, dipole_debye, gap_kcal_mol, min_energy_kcal_mol, medians over molecules, nan if there is
    none; molecules, molecules_failed, conformers, conformers_failed, conformers_unconverged, conformers_broken,
    numbers, those of conformers for both sides together.
    """
    errors = [molecule.errors() for molecule in molecules]
    summary: dict[str, float] = {}
    for name in QUANTITIES:
        known = [error[name] for error in errors if np.isfinite(error[name])]
        summary[name] = float(np.median(known)) if known else np.nan
    counts = Counter(dict.fromkeys(COUNTS, 0))
    for molecule in molecules:
        counts.update(molecule.counts)
    failed = sum(bool(molecule.error) for molecule in molecules)
    return {**summary, "molecules": len(molecules), "molecules_failed": failed, **counts}


def properties_of_methods(
    contests: Sequence[Contest], settings: PropertySettings = PROTOCOL, *, workers: int = 1
) -> Iterator[list[MoleculeProperties]]:
    """The comparison for each method, molecule by molecule, in the order of the contests (of those `chosen`).

    References are computed once for all methods. A molecule that cannot be computed has an `error` and ends nothing.
    Several workers are processes of their own ("spawn") and give the same results.
    Raises: CannotStart, at once, if tblite is missing or the method unknown.
    """
    require(settings.method)
    jobs = [
        (name, [mol and to_binary(mol) for mol in generated], to_binary(reference), settings)
        for name, generated, reference in chosen(contests, settings)
    ]
    return _shared(jobs, workers) if min(workers, len(jobs)) > 1 else map(_compared, jobs)


def chosen(items: Sequence[Item], settings: PropertySettings = PROTOCOL) -> list[Item]:
    """The molecules that are computed: at most `max_molecules`, at random by `seed`, in their order."""
    if settings.max_molecules is None or len(items) <= settings.max_molecules:
        return list(items)
    places = np.random.default_rng(settings.seed).choice(len(items), settings.max_molecules, replace=False)
    return [items[i] for i in sorted(places)]


_Job = tuple[str, list[bytes | None], bytes, PropertySettings]


def _compared(job: _Job) -> list[MoleculeProperties]:
    name, packed_generated, packed_reference, settings = job
    reference = from_binary(packed_reference)
    most = settings.max_conformers
    of_reference = replace(settings, relax=settings.relax and settings.relax_reference)
    theirs: EnsembleProperties | None = None
    compared = []
    for packed in packed_generated:
        generated = None if packed is None else from_binary(packed)
        reason = "there are no generated conformers" if generated is None else _incomparable(generated, reference)
        if generated is None or reason:
            compared.append(MoleculeProperties(name, error=reason))
            continue
        mine = ensemble_properties(_first(generated, min(2 * reference.GetNumConformers(), most)), settings)
        theirs = theirs or ensemble_properties(_first(reference, most), of_reference)
        compared.append(_averaged(name, mine, theirs, settings.temperature_k))
    return compared


def _averaged(
    name: str, generated: EnsembleProperties, reference: EnsembleProperties, temperature_k: float
) -> MoleculeProperties:
    sides = {"generated": generated, "reference": reference}
    counts, notes, error = Counter(dict.fromkeys(COUNTS, 0)), [], ""
    for side, made in sides.items():
        numbers = len(made.pos), len(made.failures), len(made.unconverged), len(made.broken)
        counts.update(dict(zip(COUNTS, numbers, strict=True)))
        notes += [f"{side} conformer {k + 1}: {reason}" for k, reason in made.failures.items()]
        notes += [f"{side} conformer {k + 1}: its bonds changed in the relaxation" for k in made.broken]
        if not error and len(made.failures) == len(made.pos):
            error = f"no {side} conformer could be computed ({made.failures[0]})"
    if error:
        return MoleculeProperties(name, counts=dict(counts), notes=notes, error=error)
    mine, theirs = (made.averages(temperature_k) for made in sides.values())
    return MoleculeProperties(name, mine, theirs, dict(counts), notes)


def _incomparable(generated: Mol, reference: Mol) -> str:
    """Why the energies of two ensembles cannot be compared, "" if they can."""
    for side, mol in (("generated", generated), ("reference", reference)):
        if mol.GetNumConformers() == 0:
            return f"there are no {side} conformers"
        if any(atom.GetTotalNumHs() for atom in mol.GetAtoms()):
            return f"the {side} conformers lack hydrogens"
    formulas = [CalcMolFormula(mol) for mol in (generated, reference)]
    return "" if formulas[0] == formulas[1] else f"generated is {formulas[0]}, reference is {formulas[1]}"


def _first(mol: Mol, count: int) -> Mol:
    return with_positions(mol, positions(mol)[:count])


def _shared(jobs: Sequence[_Job], workers: int) -> Iterator[list[MoleculeProperties]]:
    with closing(shared_out(((job, job) for job in jobs), _begin, min(workers, len(jobs)))) as answers:
        for (name, generated, *_), answer in answers:
            if isinstance(answer, Lost):
                fault = f"its worker process {answer.cause}; try it with fewer workers"
                yield [MoleculeProperties(name, error=fault) for _ in generated]
            else:
                yield answer


def _begin() -> Callable[[_Job], list[MoleculeProperties]]:
    return _compared
