"""How well the references of a molecule find each other, beside methods that are asked for as many conformers.

    python tests/benchmarks/among.py openff_val.parquet --min-confs 5 --molecules 120 --methods etkdg+mmff,confgen

Each reference in turn is looked for among the K - 1 others: what a program would score that drew from where references
came from. Methods are asked for K - 1 conformers and scored against the same.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import quality
import typer
from command import Limit, MarkdownFile, Seed, Weights, errors_told, markdown, publish
from peers import split_methods
from rdkit import Chem
from scoring import MAIN_THRESHOLD, interval

from confgen.conformers import with_positions
from confgen.errors import InputError
from confgen.rmsd import rmsd_heavy_matrix

COLUMNS = ("method", "conformers", "COV-R", "AMR-R", "COV-P", "AMR-P")
OTHERS = "the other references"
FEWEST = 3  # references: of two, either is the only one that the other can be found by

Scores = tuple[float, float | None, float, float | None]
NOTHING: Scores = (0.0, None, 0.0, None)  # of a method that made none


def among_each_other(reference: Chem.Mol) -> Scores:
    """COV-R in %, AMR-R in angstrom, COV-P and AMR-P of the references of a molecule, each sought among the others.

    The two of precision are those of recall, as every reference is sought and found in turn.
    """
    apart = rmsd_heavy_matrix(reference, reference)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=0)
    found = 100 * float((nearest < MAIN_THRESHOLD).mean()), float(nearest.mean())
    return (*found, *found)


def against_the_others(made: np.ndarray, reference: Chem.Mol) -> Scores:
    """The same of conformers (K, N, 3) angstrom: recall of each reference, precision with each left out in turn."""
    apart = rmsd_heavy_matrix(with_positions(reference, made), reference)  # (made, references)
    nearest = apart.min(axis=0)
    first, second = np.sort(apart, axis=1)[:, :2].T
    out = np.where(np.arange(apart.shape[1]) == apart.argmin(axis=1)[:, None], second[:, None], first[:, None])
    covers = 100 * float((nearest < MAIN_THRESHOLD).mean()), float(nearest.mean())
    return (*covers, 100 * float((out < MAIN_THRESHOLD).mean()), float(out.mean()))


def row(name: str, returned: int, asked: int, scores: list[Scores]) -> list[str]:
    """A row of the table: means over molecules with their intervals; of AMR, over those with conformers."""
    digits = (1, 2, 1, 2)
    cells = [interval(column, places) for column, places in zip(zip(*scores, strict=True), digits, strict=True)]
    return [name, f"{returned} of {asked}", *cells]


def main(
    file: Annotated[Path, typer.Argument(help="Parquet file of reference ensembles.", exists=True, dir_okay=False)],
    molecules: Annotated[int, typer.Option(min=1, help="The first so many that have enough references.")] = 100,
    methods: Annotated[str, typer.Option(help="Comma-separated; see peers.py.")] = "etkdg+mmff,confgen",
    weights: Weights = "drugs",
    min_confs: Annotated[int, typer.Option(min=FEWEST, help="References a molecule must have.")] = 5,
    seed: Seed = 42,
    limit_s: Limit = 60,
    target: MarkdownFile = None,
) -> None:
    """Look for each reference among the others, and among as many conformers of each method."""
    with errors_told(), ExitStack() as stack:
        options = {"weights": weights, "seed": seed, "device": "cpu", "limit_s": limit_s}
        ready = quality.available(split_methods(methods), stack, **options)
        known = [reference for _, reference in quality.references(quality.Task(file, molecules, min_confs))]
        if not known:
            raise InputError(f"{file}: no molecule has {min_confs} references; lower --min-confs")
        asked = sum(reference.GetNumConformers() - 1 for reference in known)
        rows = [row(OTHERS, asked, asked, [among_each_other(reference) for reference in known])]
        for method in ready:
            scores, returned = [], 0
            for reference in known:
                mol = Chem.Mol(reference)
                mol.RemoveAllConformers()
                outcome = method.run(mol, reference.GetNumConformers() - 1)
                made = np.zeros(0) if outcome.made is None else outcome.made.pos
                returned += len(made)
                scores.append(against_the_others(made, reference) if len(made) else NOTHING)
            rows.append(row(f"`{method.name}`", returned, asked, scores))
    table = markdown(COLUMNS, rows)
    publish("\n".join([*table, "", *quality.made_by(f"{len(known)} molecules of `{file.name}`", ready)]) + "\n", target)


if __name__ == "__main__":
    typer.run(main)
