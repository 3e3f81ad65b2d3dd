"""RDKit's ETKDGv3 as a program, SMILES in and SDF out: what speed.py compares `confgen generate` with.

python tests/benchmarks/etkdg.py molecules.smi conformers.sdf --num-confs 10
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rdkit import Chem
from rdkit.Chem import rdDistGeom


def main(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    target: Annotated[Path, typer.Argument(dir_okay=False)],
    num_confs: Annotated[int, typer.Option(min=1)] = 10,
    seed: Annotated[int, typer.Option(min=1)] = 42,
) -> None:
    """Write conformers of every molecule of a file of SMILES and names, made on one core."""
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed  # type: ignore[assignment] # RDKit's stubs are wrong
    parameters.numThreads = 1  # type: ignore[assignment]
    with Chem.SDWriter(str(target)) as writer:
        for mol in Chem.SmilesMolSupplier(str(source), titleLine=False):
            whole = Chem.AddHs(mol)
            for conf_id in rdDistGeom.EmbedMultipleConfs(whole, num_confs, parameters):
                writer.write(whole, confId=conf_id)


if __name__ == "__main__":
    typer.run(main)
