"""What kind of molecule one is, in several ways at once: flexibility, size, charge, rings, elements, stereochemistry.

Counts are RDKit's, of the molecule without hydrogens: rotatable bonds without amides and ring bonds, rings of the
smallest set, bridgeheads and spiro atoms as in its descriptors.
"""

from __future__ import annotations

from collections.abc import Callable

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from stereo import count_elements

ROTATABLE_BONDS = ((0, 3), (4, 6), (7, 9), (10, None))
HEAVY_ATOMS = ((0, 20), (21, 30), (31, 40), (41, 60), (61, 100), (101, 150), (151, None))
STEREO_ELEMENTS = ((0, 0), (1, 1), (2, None))
HALOGENS = {9, 17, 35, 53}
LARGE_RING = 9  # atoms

Is = Callable[[Chem.Mol], bool]


def classes_of(mol: Chem.Mol) -> list[tuple[str, str]]:
    """Kind and class, in the order of CLASSES, of a molecule without hydrogens; a kind may have several or none."""
    return [(kind, name) for kind, classes in CLASSES.items() for name, belongs in classes.items() if belongs(mol)]


def _bins(count: Callable[[Chem.Mol], int], bounds: tuple[tuple[int, int | None], ...]) -> dict[str, Is]:
    """A class for each range of the count, both bounds in it, None for no upper one."""

    def within(low: int, high: int | None) -> Is:
        return lambda mol: low <= count(mol) and (high is None or count(mol) <= high)

    return {_range(low, high): within(low, high) for low, high in bounds}


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return str(low) if low == high else f"{low}-{high}"


def ring_sizes(mol: Chem.Mol) -> set[int]:
    """Sizes of the rings."""
    return {len(ring) for ring in mol.GetRingInfo().AtomRings()}


def _plain_rings(mol: Chem.Mol) -> bool:
    return bool(ring_sizes(mol)) and ring_sizes(mol) <= {5, 6} and not _bridged(mol) and not _spiro(mol)


def _bridged(mol: Chem.Mol) -> bool:
    return bool(rdMolDescriptors.CalcNumBridgeheadAtoms(mol))


def _spiro(mol: Chem.Mol) -> bool:
    return bool(rdMolDescriptors.CalcNumSpiroAtoms(mol))


def _has_charges(mol: Chem.Mol) -> bool:
    return any(atom.GetFormalCharge() for atom in mol.GetAtoms())


def _elements(mol: Chem.Mol) -> set[int]:
    return {atom.GetAtomicNum() for atom in mol.GetAtoms()} - {1}


CLASSES: dict[str, dict[str, Is]] = {
    "rotatable bonds": _bins(rdMolDescriptors.CalcNumRotatableBonds, ROTATABLE_BONDS),
    "heavy atoms": _bins(Chem.Mol.GetNumHeavyAtoms, HEAVY_ATOMS),
    "charge": {
        "no formal charges": lambda mol: not _has_charges(mol),
        "charges that cancel": lambda mol: _has_charges(mol) and Chem.GetFormalCharge(mol) == 0,
        "cation": lambda mol: Chem.GetFormalCharge(mol) > 0,
        "anion": lambda mol: Chem.GetFormalCharge(mol) < 0,
    },
    "rings": {
        "none": lambda mol: not ring_sizes(mol),
        "5- and 6-membered only": _plain_rings,
        "3- or 4-membered": lambda mol: bool(ring_sizes(mol) & {3, 4}),
        "7- or 8-membered": lambda mol: bool(ring_sizes(mol) & {7, 8}),
        "bridged": _bridged,
        "spiro": _spiro,
        "macrocycle": lambda mol: max(ring_sizes(mol), default=0) >= LARGE_RING,
    },
    "elements": {
        "C, H, N, O only": lambda mol: _elements(mol) <= {6, 7, 8},
        "halogen": lambda mol: bool(_elements(mol) & HALOGENS),
        "S or P": lambda mol: bool(_elements(mol) & {15, 16}),
        "others": lambda mol: bool(_elements(mol) - {6, 7, 8, 15, 16} - HALOGENS),
    },
    "stereo elements": _bins(lambda mol: count_elements(Chem.MolToSmiles(mol)), STEREO_ELEMENTS),
}
