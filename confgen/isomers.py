"""Whether a molecule leaves stereochemistry open, and the stereoisomers it could be.

What RDKit counts as stereo but a flask does not is never "left open" here (see `confgen.exchanging`); where the input
spells it out it is kept. Two choices are one isomer if a symmetry of the bond graph carries one into the other
(see `confgen.relabelling`), which finds what RDKit's perception overlooks: spiro atoms between rings that are alike,
ring atoms across from a double bond. `confgen.left_open` says what is not offered. Messages count atoms from 1, in
input order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Mol, rdDistGeom

from confgen.errors import MoleculeError
from confgen.fusions import small_fusions, torsion_above
from confgen.left_open import OpenElement, choices_for, open_elements, with_choices
from confgen.relabelling import Relabelling, relabelling, symmetries
from confgen.stereo import elements, mismatches_at, reassign
from confgen.stereo_tags import drop_idle

STEREO_POLICIES = ("any", "enumerate", "error")  # what to do about what is left open
MISSES = 16  # choices in a row that cannot be built, after which no more are tried: large cages have thousands


def unspecified(mol: Mol) -> list[str]:
    """Names of the centres and double bonds that `mol` leaves open; [] if it stands for one stereoisomer.

    A racemic or relative group of CXSMILES or V3000 is open too, for it stands for two. Cages whose bridgeheads can
    only be joined one way (adamantane, norbornane, quinuclidine) are not, which short embeddings decide.
    """
    left_open = open_elements(mol)
    free = [element for element in left_open if not element.fused]  # these need no embedding, so they go first
    if any(len(_isomers(mol, some, limit=2)) > 1 for some in (free, left_open) if some):
        return [element.name for element in left_open if element.only is None]
    return []


def settled(mol: Mol) -> Mol:
    """The molecule with those elements that it leaves open and that have one choice only, itself if there are none."""
    only = [element for element in open_elements(mol) if element.only is not None]
    return _cleaned(with_choices(mol, only, [True] * len(only)), symmetries(mol)) if only else mol


def by_policy(mol: Mol, policy: str, origin: str) -> tuple[list[Mol], str, list[str]]:
    """The stereoisomers to make conformers of, what is open ("" if nothing), and what the user should know.

    policy: one of STEREO_POLICIES. "any" gives all isomers too, to spread conformers over or to choose one of.
    origin: where the molecule stands, for messages.
    Raises: MoleculeError if something is open and that is refused.
    """
    left_open = unspecified(mol)
    if not left_open:
        return [settled(mol)], "", []
    open_at = f"stereochemistry is open at {', '.join(left_open)}"
    if policy == "error":
        raise MoleculeError(f"{origin}: {open_at}; write it out, or pass --stereo any|enumerate")
    isomers = enumerate_stereo(mol)
    capped = policy == "enumerate" and len(isomers) > 1 and "more exist" in isomers[0].GetProp("stereoisomer")
    count = len(isomers)
    return isomers, open_at, [f"{origin}: has more than {count} stereoisomers, of which {count} were made"] * capped


def enumerate_stereo(mol: Mol, cap: int = 32) -> list[Mol]:
    """The distinct stereoisomers of what `mol` leaves open, without conformers; only `mol` itself if nothing is.

    Each has the property `stereoisomer`, `1/4`. If there are more than `cap`, a fixed random choice of them comes
    back, and the property says so: `1/32 (more exist)`.
    """
    found = _isomers(mol, open_elements(mol), limit=cap + 1)
    if len(found) < 2:
        return [mol]
    kept = found[:cap]
    for number, isomer in enumerate(kept, start=1):
        isomer.SetProp("stereoisomer", f"{number}/{len(kept)}" + " (more exist)" * (len(found) > cap))
    return kept


def _isomers(mol: Mol, left_open: list[OpenElement], limit: int) -> list[Mol]:
    """Up to `limit` distinct stereoisomers over the choices for `left_open`.

    Where ring fusions or bridgeheads are open, an isomer must be one that distance geometry can build: most choices
    for a cage are impossible. It fails on some cages whatever the choice (bicyclopentanes), so the isomers found
    with fusions left open are taken if they are more.
    """
    free = [element for element in left_open if not element.fused]
    fused = len(free) < len(left_open)
    atoms_to, fusions = symmetries(mol), small_fusions(mol)
    carried: Relabelling | None = None
    seen: set[bytes] = set()
    isomers: list[Mol] = []
    misses = 0
    for choices in choices_for(len(left_open), limit):
        isomer = with_choices(mol, left_open, choices)
        own = elements(isomer)
        carried = carried or relabelling(atoms_to, own.centres, own.torsions)
        key = carried.canonical(own.labels())
        if key in seen:
            continue
        seen.add(key)
        if not fused or _can_be_built(isomer, fusions):
            isomers.append(_cleaned(isomer, atoms_to))
            misses = 0
        else:
            misses += 1
        if len(isomers) == limit:
            return isomers
        if misses == MISSES:
            break
    return max(isomers, _isomers(mol, free, limit), key=len) if fused and free else isomers


def _cleaned(isomer: Mol, atoms_to: NDArray[np.int64]) -> Mol:
    """The isomer without tags that tell nothing, such as that of the middle atom between two alike ends."""
    drop_idle(isomer, atoms_to)
    perceived = Chem.Mol(isomer)
    reassign(perceived)  # E and Z, and the marks from which SMILES are written; RDKit may clear more than it should
    return perceived if elements(perceived).names == elements(isomer).names else isomer


def _can_be_built(isomer: Mol, fusions: list[tuple[int, int, int, int]]) -> bool:
    """Whether distance geometry can, with what is to be cis in small rings on the same side (see `confgen.fusions`)."""
    built = Chem.Mol(isomer)
    if rdDistGeom.EmbedMolecule(built, maxAttempts=10, randomSeed=7) != 0:
        return False
    pos = built.GetConformer().GetPositions()  # of flat nitrogens distance geometry ignores the hand, hence the mirror
    if torsion_above(pos[None], fusions)[0]:
        return False
    return any(not mismatches_at(built, sign * pos[None])[0] for sign in (1, -1))
