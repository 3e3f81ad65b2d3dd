"""Ensemble properties by GFN2-xTB for `confgen evaluate --properties`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rdkit.Chem import Mol

from confgen.ensembles import ConformerSet
from confgen.matching import identity, pair_up
from confgen.molecule import positions, with_positions
from confgen.properties import Pair, compare_properties, molecule_properties, summarise_properties


def refuse_without_xtb() -> None:
    """Raises CannotStart if tblite is not installed."""
    compare_properties([])


def pairs_of(
    generated: Sequence[ConformerSet], reference: Sequence[ConformerSet], match: str, per_reference: int | None
) -> list[Pair]:
    """Every reference molecule with the generated one that is scored against it, and as many conformers of that."""
    made_known, known = ([identity(one.mol, one.name, one.origin) for one in side] for side in (generated, reference))
    pairs = []
    for one, partner in zip(reference, pair_up(made_known, known, match).partners, strict=True):
        if one.mol is not None and one.mol.GetNumConformers():
            made = None if partner is None else generated[partner].mol
            pairs.append((one.name or one.origin, _first(made, per_reference, one.mol), one.mol))
    return pairs


def compared(pairs: Sequence[Pair], workers: int, tick: Callable[[], object]) -> dict[str, float]:
    """What `compare_properties` gives; tick is called after each molecule."""
    made = []
    for molecule in molecule_properties(pairs, workers=workers):
        made.append(molecule)
        tick()
    return summarise_properties(made)


def _first(made: Mol | None, per_reference: int | None, reference: Mol) -> Mol | None:
    if made is None or per_reference is None:
        return made
    return with_positions(made, positions(made)[: per_reference * reference.GetNumConformers()])
