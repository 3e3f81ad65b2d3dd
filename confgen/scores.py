"""Coverage (COV) and average minimum RMSD (AMR) of generated ensembles against references, and what is made of them.

Recall (R) asks for each reference how near the nearest generated conformer is, precision (P) the reverse. Shares are
0 to 1, RMSDs are of heavy atoms in angstrom.
Source: Ganea et al., GeoMol, arXiv:2106.07802; Shi et al., ConfGF, arXiv:2105.03902.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from rdkit.Chem import Mol

RESAMPLES = 2_000  # of the bootstrap
INTERVAL = (2.5, 97.5)  # percentiles
ROTATABLE_BOND_BINS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 10), (11, None))


@dataclass(frozen=True)
class Protocol:
    """How an ensemble is scored.

    thresholds:     angstrom; `main` is the one of headline figures.
    inclusive:      an RMSD equal to the threshold counts as covered.
    per_reference:  at most so many generated conformers per reference are scored, the first ones; None for all.
    """

    name: str = "geomol"
    thresholds: tuple[float, ...] = (0.5, 0.75, 1.25)
    main: float = 0.75
    inclusive: bool = False
    per_reference: int | None = 2


PROTOCOLS = {
    "geomol": Protocol(),
    "confgf": Protocol(name="confgf", thresholds=(0.5, 1.25), main=1.25, inclusive=True),
}


@dataclass(frozen=True)
class MoleculeScores:
    """How one method did on one reference molecule; R references, P generated conformers that were scored.

    num_given:     generated conformers there were, before the protocol's limit.
    recall:        (R,) smallest RMSD of each reference to a generated conformer; inf if there is none.
    precision:     (P,) smallest RMSD of each generated conformer to a reference; inf if its positions are not finite.
    reference_weights: (R,) Boltzmann weights, sum 1.
    right_stereo, valid: how many of the P have the stereochemistry asked for, and pass all checks.
    diversity:     mean RMSD over pairs of generated conformers; None below two.
    duplicates:    share of generated conformers within 0.1 angstrom of an earlier one; None if there are none.
    bounded:       the graph has too many symmetries to try all: the RMSDs are upper bounds.
    wrong_stereo:  which centres are wrong, in how many conformers.
    note:          what else a reader should know (hydrogens missing in the file, conformers left out, ...).
    error:         why nothing could be scored; with references it counts as a failure, without it counts nowhere.
    overlay:       worst-covered reference and the generated conformer nearest to it, superposed.
    """

    name: str
    smiles: str
    origin: str
    num_references: int
    num_generated: int
    recall: np.ndarray
    precision: np.ndarray
    reference_weights: np.ndarray | None = None
    rotatable_bonds: int = 0
    heavy_atoms: int = 0
    right_stereo: int = 0
    valid: int = 0
    failed_checks: dict[str, int] = field(default_factory=dict)
    diversity: float | None = None
    duplicates: float | None = None
    bounded: bool = False
    wrong_stereo: str = ""
    note: str = ""
    error: str = ""
    num_given: int = 0
    overlay: tuple[Mol, Mol] | None = None

    @property
    def failed(self) -> bool:
        """Whether there are references, but nothing generated that could be compared with them."""
        return self.num_references > 0 and not np.isfinite(self.recall).any()

    def cov_r(self, threshold: float, inclusive: bool = False) -> float:
        """Share of references covered; 0 for a failure."""
        return _share(_covered(self.recall, threshold, inclusive))

    def cov_p(self, threshold: float, inclusive: bool = False) -> float:
        """Share of generated conformers that cover a reference; 0 for a failure."""
        return _share(_covered(self.precision, threshold, inclusive))

    @property
    def amr_r(self) -> float | None:
        """Mean of `recall`; None for a failure."""
        return _finite_mean(self.recall)

    @property
    def amr_p(self) -> float | None:
        """Mean of `precision`, over conformers with finite positions; None for a failure."""
        return _finite_mean(self.precision)

    def boltzmann_cov_r(self, threshold: float, inclusive: bool = False) -> float | None:
        """Boltzmann weight of the references covered; None if they carry no weights."""
        if self.reference_weights is None:
            return None
        return float(self.reference_weights[_covered(self.recall, threshold, inclusive)].sum())


@dataclass(frozen=True)
class Evaluation:
    """One generated file against the references.

    method, source:  label to show; file, or how it was generated.
    molecules:       every reference molecule, in the order of the reference file.
    unmatched:       generated molecules that belong to no reference, named.
    ambiguous:       matches that were not unique, named.
    notes:           what the readers left out of either file, named.
    properties:      median absolute errors of ensemble properties, if they were computed.
    """

    method: str
    source: str
    protocol: Protocol
    molecules: list[MoleculeScores]
    unmatched: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    properties: dict[str, float] | None = None

    @property
    def comparable(self) -> list[MoleculeScores]:
        """The molecules whose references could be read: those that count."""
        return [molecule for molecule in self.molecules if molecule.num_references]


@dataclass(frozen=True)
class Statistic:
    """Mean, median and the bootstrap 95% interval of the mean over `count` molecules; NaN over none."""

    mean: float
    median: float
    low: float
    high: float
    count: int = 0


@dataclass(frozen=True)
class RotatableBondBin:
    """Means over the molecules with so many rotatable bonds; AMRs over successes only, None if there are none."""

    label: str
    count: int
    amr_r: float | None
    amr_p: float | None
    cov_r: float
    cov_p: float


def summarise(evaluation: Evaluation, *, failures_as_zero: bool = True, seed: int = 0) -> dict[str, Statistic]:
    """Statistics over molecules, in reading order of the keys.

    Keys: cov_r@T and cov_p@T for each threshold T, amr_r, amr_p, boltzmann_cov_r@T (over molecules with weights),
    stereo and valid (share of a molecule's conformers), diversity, duplicates. A key that nothing is known of is left
    out.
    failures_as_zero: a failure covers nothing, and has no right and no valid conformer; otherwise failures are left
    out. An AMR, diversity or share of duplicates that does not exist is left out either way.
    """
    rows = [m for m in evaluation.comparable if failures_as_zero or not m.failed]
    inclusive = evaluation.protocol.inclusive
    columns: dict[str, list[float | None]] = {}
    for side in ("cov_r", "cov_p"):
        for threshold in evaluation.protocol.thresholds:
            columns[f"{side}@{threshold:g}"] = [getattr(m, side)(threshold, inclusive) for m in rows]
    columns["amr_r"], columns["amr_p"] = [m.amr_r for m in rows], [m.amr_p for m in rows]
    for threshold in evaluation.protocol.thresholds:
        columns[f"boltzmann_cov_r@{threshold:g}"] = [m.boltzmann_cov_r(threshold, inclusive) for m in rows]
    columns["stereo"] = [m.right_stereo / max(1, m.num_generated) for m in rows]
    columns["valid"] = [m.valid / max(1, m.num_generated) for m in rows]
    columns["diversity"], columns["duplicates"] = [m.diversity for m in rows], [m.duplicates for m in rows]
    known = {key: np.array([v for v in values if v is not None]) for key, values in columns.items()}
    return {
        key: statistic(values, seed)
        for key, values in known.items()
        if len(values) or key.split("@")[0] in ("cov_r", "cov_p", "amr_r", "amr_p")
    }


def statistic(values: np.ndarray, seed: int = 0) -> Statistic:
    """Mean, median and percentile bootstrap interval of the mean of (n,) values; resampled with the given seed."""
    if not len(values):
        return Statistic(mean=float("nan"), median=float("nan"), low=float("nan"), high=float("nan"))
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, INTERVAL)
    return Statistic(float(values.mean()), float(np.median(values)), float(low), float(high), len(values))


def curves(
    evaluation: Evaluation, thresholds: Sequence[float] | np.ndarray, *, failures_as_zero: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Mean coverage over molecules at each of T thresholds: recall (T,), precision (T,); NaN without molecules."""
    rows = [m for m in evaluation.comparable if failures_as_zero or not m.failed]
    if not rows:
        return np.full(len(thresholds), np.nan), np.full(len(thresholds), np.nan)
    inclusive = evaluation.protocol.inclusive
    recall = np.mean([[m.cov_r(t, inclusive) for t in thresholds] for m in rows], axis=0)
    precision = np.mean([[m.cov_p(t, inclusive) for t in thresholds] for m in rows], axis=0)
    return recall, precision


def by_rotatable_bonds(evaluation: Evaluation) -> list[RotatableBondBin]:
    """Means at the main threshold by number of rotatable bonds, empty bins left out; failures cover nothing."""
    main, inclusive = evaluation.protocol.main, evaluation.protocol.inclusive
    bins = []
    for low, high in ROTATABLE_BOND_BINS:
        label = f"{low}+" if high is None else f"{low}-{high}"
        rows = [m for m in evaluation.comparable if low <= m.rotatable_bonds and m.rotatable_bonds <= (high or np.inf)]
        if rows:
            bins.append(
                RotatableBondBin(
                    label=label,
                    count=len(rows),
                    amr_r=_mean_of(rows, lambda m: m.amr_r),
                    amr_p=_mean_of(rows, lambda m: m.amr_p),
                    cov_r=float(np.mean([m.cov_r(main, inclusive) for m in rows])),
                    cov_p=float(np.mean([m.cov_p(main, inclusive) for m in rows])),
                )
            )
    return bins


def _mean_of(rows: Sequence[MoleculeScores], value: Callable[[MoleculeScores], float | None]) -> float | None:
    known = [found for found in map(value, rows) if found is not None]
    return float(np.mean(known)) if known else None


def _covered(rmsd: np.ndarray, threshold: float, inclusive: bool) -> np.ndarray:
    covered: np.ndarray = rmsd <= threshold if inclusive else rmsd < threshold
    return covered


def _share(covered: np.ndarray) -> float:
    return float(covered.mean()) if len(covered) else 0.0


def _finite_mean(rmsd: np.ndarray) -> float | None:
    finite = rmsd[np.isfinite(rmsd)]
    return float(finite.mean()) if len(finite) else None
