"""How good the ensembles of a denoiser are on a few molecules: figures to choose by while a training runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from rdkit import Chem

from confgen.checkpoint import Weights
from confgen.conformers import with_positions
from confgen.dataset import read_row, stereo_from_positions
from confgen.denoiser import Denoiser
from confgen.errors import InputError
from confgen.generate import ensembles_of
from confgen.parquet import read_batches
from confgen.recipe import Recipe
from confgen.rmsd import ensemble_scores, rmsd_heavy_matrix
from confgen.settings import raw_settings
from confgen.train import Validate

THRESHOLD = 0.75


def validator(recipe: Recipe, tell: Callable[[str], None] | None = None) -> Validate | None:
    """A function that samples 2K raw conformers (nothing resampled or repaired) for K references of each validation
    molecule, and returns mean COV and AMR at 0.75 angstrom, the share of valid conformers, and the seconds taken.

    A molecule of which nothing comes covers nothing, and has no distances. tell: called with a line on each row that
    is left out.
    None if the recipe has no [validation]. Raises InputError if its file cannot be read or holds no molecule.
    """
    if recipe.validation is None:
        return None
    path, count = recipe.validation.path, recipe.validation.molecules
    references = _references(path, count, tell)
    settings = raw_settings(recipe.sampling)

    def validate(denoiser: Denoiser) -> dict[str, float | None]:
        weights = Weights(denoiser=denoiser, name="validation", sha256="", sampling=recipe.sampling)
        began = time.monotonic()
        rows = []
        for mol, reference in references:
            asked = replace(settings, num_confs=2 * reference.GetNumConformers())
            (ensemble,) = ensembles_of(mol, weights, asked)
            if ensemble.error is not None or ensemble.mol is None or not ensemble.mol.GetNumConformers():
                rows.append((0.0, np.nan, 0.0, np.nan, 0.0))
                continue
            scores = ensemble_scores(rmsd_heavy_matrix(ensemble.mol, reference), THRESHOLD)
            valid = float(np.mean([not failed for failed in ensemble.checks]))
            rows.append((scores.cov_r, scores.amr_r, scores.cov_p, scores.amr_p, valid))
        columns = dict(zip(("cov_r", "amr_r", "cov_p", "amr_p", "valid"), np.transpose(rows), strict=True))
        means = {name: _mean(values[np.isfinite(values)]) for name, values in columns.items()}
        return means | {"validation_seconds": round(time.monotonic() - began, 1)}

    return validate


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _references(path: Path, count: int, tell: Callable[[str], None] | None) -> list[tuple[Chem.Mol, Chem.Mol]]:
    """Molecules without conformers, and with those of the file."""
    batch = next(read_batches(path, count), None)
    if batch is None:
        raise InputError(f"{path}: has no ensembles to validate by; give a file with some")
    found = []
    for number, row in enumerate(batch.to_pylist(), start=1):
        try:
            mol, pos = read_row(row)
        except (TypeError, ValueError) as error:
            if tell is not None:
                tell(f"{path} row {number}: {error}; left out")
            continue
        if not len(pos):
            if tell is not None:
                tell(f"{path} row {number}: has no conformers; left out")
            continue
        mol = stereo_from_positions(mol, pos[0])
        found.append((mol, with_positions(mol, pos.astype(np.float64))))
    if not found:
        raise InputError(f"{path}: none of its first {count} rows is an ensemble; see `confgen data convert`")
    return found
