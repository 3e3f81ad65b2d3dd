"""Ensemble properties by GFN2-xTB for `confgen evaluate --properties`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rdkit.Chem import Mol

from confgen.calculators import require
from confgen.conformer_sets import ConformerSet
from confgen.conformers import positions, with_positions
from confgen.matching import identity, pair_up
from confgen.properties import PROTOCOL, properties_of_methods, summarise_properties


def refuse_without_xtb() -> None:
    """Raises CannotStart if tblite is not installed."""
    require(PROTOCOL.method)


def partners_of(
    generated: Sequence[ConformerSet], reference: Sequence[ConformerSet], match: str, per_reference: int | None
) -> list[Mol | None]:
    """For every reference with conformers the molecule that is scored against it, with as many conformers of that."""
    made_known, known = ([identity(one.mol, one.name, one.origin) for one in side] for side in (generated, reference))
    return [
        _first(None if partner is None else generated[partner].mol, per_reference, one.mol)
        for one, partner in zip(reference, pair_up(made_known, known, match).partners, strict=True)
        if one.mol is not None and one.mol.GetNumConformers()
    ]


def compared(
    partners: Sequence[Sequence[Mol | None]],
    reference: Sequence[ConformerSet],
    workers: int,
    tick: Callable[[], object],
) -> list[dict[str, float]]:
    """What `summarise_properties` gives for each method; tick is called after each molecule.

    partners: what `partners_of` gives, for each method.
    """
    known = [(one.name or one.origin, one.mol) for one in reference if one.mol and one.mol.GetNumConformers()]
    contests = [(name, each, mol) for (name, mol), *each in zip(known, *partners, strict=True)]
    made = []
    for molecule in properties_of_methods(contests, workers=workers):
        made.append(molecule)
        tick()
    return [summarise_properties([molecule[method] for molecule in made]) for method in range(len(partners))]


def _first(made: Mol | None, per_reference: int | None, reference: Mol) -> Mol | None:
    if made is None or per_reference is None:
        return made
    return with_positions(made, positions(made)[: per_reference * reference.GetNumConformers()])
