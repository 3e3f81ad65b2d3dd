"""Records of small molecules as text, for the tests of what reads them."""

from __future__ import annotations

from rdkit import Chem

ETHANOL_2D = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))


def methanol_mol2(name: str, oxygen: str = "O.3") -> str:
    """Methanol as MOL2. oxygen: its atom type."""
    return f"""@<TRIPOS>MOLECULE
{name}
 6 5
SMALL
NO_CHARGES

@<TRIPOS>ATOM
 1 C1 0.0 0.0 0.0 C.3
 2 O1 1.4 0.0 0.0 {oxygen}
 3 H1 -0.4 1.0 0.0 H
 4 H2 -0.4 -0.5 0.9 H
 5 H3 -0.4 -0.5 -0.9 H
 6 H4 1.7 0.9 0.0 H
@<TRIPOS>BOND
 1 1 2 1
 2 1 3 1
 3 1 4 1
 4 1 5 1
 5 2 6 1
"""
