"""Time of `confgen.evaluate` on many large ensembles, beside loops over RDKit's RMSD functions in the same run.

    python tests/benchmarks/rmsd_speed.py smiles.csv --molecules 1000 --references 100 --generated 200 --workers 2

The ensembles are made here: a few conformers by ETKDGv3, then random turns of the rotatable bonds and some noise; what
they are worth does not matter. Loops run on the first `--sample` molecules, `evaluate` on all, reading files included.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from command import markdown
from provenance import command_line, commit, processor
from rdkit import Chem, rdBase
from rdkit.Chem import Mol, rdDistGeom, rdMolAlign
from usage import cpu_seconds, peak_mb

from confgen.conformer_sets import ConformerSet
from confgen.conformers import positions, with_positions
from confgen.ensembles import read_ensembles
from confgen.evaluation import evaluate
from confgen.rmsd import rmsd_heavy_matrix
from confgen.symmetry import heavy_skeleton, isomorphisms

ROTATABLE = Chem.MolFromSmarts("[!$(*#*)&!D1]-&!@[!$(*#*)&!D1]")
STARTS = 3  # conformers of ETKDGv3 of each molecule
NOISE = 0.05  # angstrom
SCHEMA = pa.schema({
    "id": pa.string(), "smiles": pa.string(), "num_confs": pa.int32(), "num_atoms": pa.int32(),
    "positions": pa.list_(pa.float32()),
})  # fmt: skip


def make(smiles: str, counts: tuple[int, int], rng: np.random.Generator) -> tuple[str, list[np.ndarray]] | None:
    """SMILES with hydrogens, and positions (K, N, 3) of each of the two ensembles; None if ETKDG fails."""
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False
    text = Chem.MolToSmiles(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    mol = Chem.MolFromSmiles(text, keep_hydrogens)
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed, parameters.maxIterations = 7, 5
    if not len(rdDistGeom.EmbedMultipleConfs(mol, STARTS, parameters)):
        return None
    starts = positions(mol)
    return text, [turned(mol, starts[rng.integers(len(starts), size=count)], rng) for count in counts]


def turned(mol: Mol, pos: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each geometry with its rotatable bonds turned by up to 60 degrees, and noise."""
    pos = pos.copy()
    for a, b in mol.GetSubstructMatches(ROTATABLE):
        cut = Chem.FragmentOnBonds(mol, [mol.GetBondBetweenAtoms(a, b).GetIdx()], addDummies=False)
        side = next(np.array(atoms) for atoms in Chem.GetMolFrags(cut) if b in atoms)
        axis = pos[:, b] - pos[:, a]
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        angle = rng.uniform(-np.pi / 3, np.pi / 3, size=(len(pos), 1, 1))
        arm = pos[:, side] - pos[:, b, None]
        along = (arm * axis[:, None]).sum(axis=2, keepdims=True) * axis[:, None]
        around = np.cross(np.broadcast_to(axis[:, None], arm.shape), arm)
        pos[:, side] = pos[:, b, None] + along + np.cos(angle) * (arm - along) + np.sin(angle) * around
    return pos + rng.normal(scale=NOISE, size=pos.shape)


def write(source: Path, folder: Path, molecules: int, counts: tuple[int, int]) -> list[Path]:
    """Two Parquet files of ensembles of the first `molecules` that can be embedded."""
    paths = [folder / "references.parquet", folder / "generated.parquet"]
    writers = [pq.ParquetWriter(path, SCHEMA, compression="zstd") for path in paths]
    rng, done = np.random.default_rng(7), 0
    with source.open(encoding="utf-8", newline="") as text, rdBase.BlockLogs():
        for number, row in enumerate(csv.DictReader(text)):
            made = make(row["smiles"], counts, rng) if done < molecules else None
            if made is None:
                continue
            for writer, pos in zip(writers, made[1], strict=True):
                writer.write_table(pa.Table.from_pylist([table_row(str(number), made[0], pos)], schema=SCHEMA))
            done += 1
    for writer in writers:
        writer.close()
    return paths


def table_row(name: str, smiles: str, pos: np.ndarray) -> dict[str, Any]:
    return {
        "id": name, "smiles": smiles, "num_confs": pos.shape[0], "num_atoms": pos.shape[1],
        "positions": pos.astype(np.float32).ravel(),
    }  # fmt: skip


@dataclass
class Timed:
    """CPU seconds of something, and the pairs of conformers that it compared."""

    cpu_s: float = 0.0
    pairs: int = 0

    def time(self, pairs: int, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = work()
        self.cpu_s += time.process_time() - began
        self.pairs += pairs
        return result


def loop(probe: Mol, reference: Mol) -> np.ndarray:
    rows, columns = range(probe.GetNumConformers()), range(reference.GetNumConformers())
    return np.array([[rdMolAlign.GetBestRMS(probe, reference, i, j) for j in columns] for i in rows])


def all_of_one(probe: Mol, reference: Mol) -> object:
    """RMSDs among all conformers of both, which is how GetAllConformerBestRMS can be used."""
    both = with_positions(reference, np.concatenate([positions(probe), positions(reference)]))
    return rdMolAlign.GetAllConformerBestRMS(both, numThreads=1)


def compare(paths: list[Path], sample: int) -> tuple[dict[str, Timed], float, list[int]]:
    """Timings of each way on a sample, the largest difference to GetBestRMS, and isomorphisms of each molecule."""
    timed = {name: Timed() for name in ("`rmsd_heavy_matrix`", "`GetBestRMS` loop", "`GetAllConformerBestRMS`")}
    largest, symmetries = 0.0, []
    for reference, made in pairs_of_sets(paths, sample):
        probe, other = (Chem.RemoveAllHs(one) for one in (made, reference))
        number = probe.GetNumConformers() * other.GetNumConformers()
        both = probe.GetNumConformers() + other.GetNumConformers()
        ours, theirs, together = timed.values()
        matrix = ours.time(number, lambda m=made, r=reference: rmsd_heavy_matrix(m, r))
        looped = theirs.time(number, lambda p=probe, o=other: loop(p, o))
        together.time(both * (both - 1) // 2, lambda p=probe, o=other: all_of_one(p, o))
        largest = max(largest, float(np.abs(matrix - looped).max()))
        heavy = heavy_skeleton(reference)[0]
        symmetries.append(len(isomorphisms(heavy, heavy).matches))
    return timed, largest, symmetries


def pairs_of_sets(paths: list[Path], sample: int) -> Iterator[tuple[Mol, Mol]]:
    sets: list[Iterator[ConformerSet]] = [read_ensembles(path) for path in paths]
    for _, reference, made in zip(range(sample), *sets, strict=False):
        assert reference.mol is not None
        assert made.mol is not None
        yield reference.mol, made.mol


def main(
    smiles: Annotated[Path, typer.Argument(help="CSV with a column `smiles`.", exists=True)],
    molecules: Annotated[int, typer.Option(min=1)] = 1000,
    references: Annotated[int, typer.Option(min=1, help="Conformers of each reference.")] = 100,
    generated: Annotated[int, typer.Option(min=1, help="Conformers of each generated molecule.")] = 200,
    sample: Annotated[int, typer.Option(min=1, help="Molecules for the loops.")] = 20,
    workers: Annotated[int, typer.Option(min=1, help="Of `evaluate`.")] = 1,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the ensembles here, and use them if they are there.")
    ] = None,
) -> None:
    """Print a Markdown table of CPU times and the wall time of `evaluate`."""
    with tempfile.TemporaryDirectory() as temporary:
        where = folder or Path(temporary)
        where.mkdir(parents=True, exist_ok=True)
        paths = [where / "references.parquet", where / "generated.parquet"]
        if not all(path.exists() for path in paths):
            write(smiles, where, molecules, (references, generated))
        timed, largest, symmetries = compare(paths, min(sample, molecules))
        began, cpu = time.perf_counter(), cpu_seconds()
        evaluation = evaluate(read_ensembles(paths[1]), read_ensembles(paths[0]), workers=workers)
        wall_s, cpu_s = time.perf_counter() - began, cpu_seconds() - cpu
    scored = [m for m in evaluation.molecules if not m.error]
    pairs = sum(m.num_references * m.num_generated for m in scored)
    timed[f"`evaluate`, {workers} worker(s), all of it"] = Timed(cpu_s, pairs)
    counts = [len(symmetries)] * 3 + [len(scored)]
    rows = [
        [name, str(count), str(one.pairs), f"{one.cpu_s:.2f}", f"{1e6 * one.cpu_s / one.pairs:.2f}"]
        for (name, one), count in zip(timed.items(), counts, strict=True)
    ]
    looped = timed["`GetBestRMS` loop"]
    lines = (
        f"RDKit {rdBase.rdkitVersion}, {processor()}, commit {commit()}\n`{command_line()}`\n",
        *markdown(("what", "molecules", "pairs", "CPU s", "CPU us / pair"), rows),
        f"\nAll pairs by a loop of GetBestRMS: {pairs * looped.cpu_s / looped.pairs:.0f} CPU s (extrapolated).",
        f"Largest difference to GetBestRMS: {largest:.1e} angstrom.",
        f"Isomorphisms: median {np.median(symmetries):.0f}, largest {max(symmetries)}.",
        f"`evaluate`: {wall_s:.0f} s wall; {sum(m.bounded for m in scored)} molecules bounded.",
        f"Peak memory of the main process: {peak_mb():.0f} MB.",
    )
    typer.echo("\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
