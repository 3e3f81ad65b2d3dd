"""Verdicts of `confgen check` beside those of PoseBusters' `mol` configuration, on good and on spoiled conformers.

    python tests/benchmarks/posebusters_agreement.py openff_val.parquet --conformers 500 --save agreement.md

Good ones are references as they stand. Each is also spoiled in one of six ways (see spoiling.py): a stretched bond, a
bent aromatic ring, an inverted centre, a clash, a twisted double bond, Gaussian noise. Needs the extra `peers`.

Where PoseBusters 0.6.5 differs by design: its bounds force amides to be trans (cis ones clash), it compares the signed
distance from a plane (an atom may lie any distance below it), its pattern of aromatic rings of six leaves out those
fused to one of five, and the ensemble of its energies has 50 conformers, made of the InChI.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import numpy as np
import posebusters as pb
import pyarrow.parquet as pq
import typer
import yaml  # type: ignore[import-untyped]
from command import markdown, publish
from provenance import command_line, commit, processor
from rdkit import Chem, rdBase
from spoiling import KINDS, spoiled
from tqdm import tqdm

from confgen.conformers import with_positions
from confgen.contacts import Limits
from confgen.dataset import read_row, stereo_from_positions
from confgen.strain import STRAIN, energy_ratios, ensemble_mean
from confgen.validity import check

# Column of PoseBusters -> our checks; a column passes if all of them do. Its others (loading, sanitisation, InChI,
# radicals, connected graph) are the same for every conformer of a molecule that could be read.
SAME = {
    "bond_lengths": "bond_lengths",
    "bond_angles": "bond_angles",
    "internal_steric_clash": "clash",
    "aromatic_ring_flatness": "aromatic_flat",
    "non-aromatic_ring_non-flatness": "ring_pucker",
    "double_bond_flatness": "double_bond_flat",
    "internal_energy": "energy",
}
ANY = "any of these"


@dataclass(frozen=True)
class Case:
    """One conformer, how it was spoiled (`good` if not), and which checks it fails by whom."""

    name: str
    kind: str
    theirs: frozenset[str]
    ours: frozenset[str]
    ours_heavy: frozenset[str]
    unknown: frozenset[str]


def good_conformers(file: Path, count: int, each: int) -> list[Chem.Mol]:
    """The first conformers of every molecule of an ensemble file, `each` of each, until there are enough."""
    good = []
    for row in pq.read_table(file).to_pylist():
        mol, pos = read_row(row)
        mol = stereo_from_positions(mol, pos[0])
        mol.SetProp("_Name", row["id"])
        good += [with_positions(mol, one[None].astype(float)) for one in pos[:each]]
    return good[:count]


def judged(cases: list[tuple[str, Chem.Mol]]) -> tuple[list[Case], float, float]:
    """Both verdicts on every conformer, and CPU seconds, theirs and ours."""
    theirs, ours = 0.0, 0.0
    buster = pb.PoseBusters(config=_config())
    done = []
    means: dict[str, float | None] = {}
    for kind, mol in tqdm(cases, unit="conformer", disable=None):
        began = time.process_time()
        table = buster.bust([Chem.Mol(mol)])
        theirs += time.process_time() - began
        verdicts = {name: table[name].iloc[0] for name in SAME}
        began = time.process_time()
        failed = set(check(mol)[0])
        if mol.GetProp("_Name") not in means:
            means[mol.GetProp("_Name")] = ensemble_mean(mol)
        ratios = energy_ratios(mol, mean=means[mol.GetProp("_Name")])
        ours += time.process_time() - began
        energy = {"energy"} if ratios is not None and ratios[0] > STRAIN.ratio else set()
        done.append(
            Case(
                mol.GetProp("_Name"), kind,
                frozenset(SAME[name] for name, passed in verdicts.items() if passed is False or passed == 0),
                frozenset(failed | energy),
                frozenset(set(check(mol, Limits(hydrogens=False))[0]) | energy),
                frozenset(SAME[name] for name, passed in verdicts.items() if passed != passed),
            )
        )  # fmt: skip
    return done, theirs, ours


def _config() -> dict[str, Any]:
    """The `mol` configuration, on one thread."""
    text = (Path(pb.__file__).parent / "config" / "mol.yml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)
    for module in config["modules"]:
        if module["function"] == "energy_ratio":
            module["parameters"]["num_threads"] = 1
    return config


def agreement(cases: list[Case], heavy: bool) -> list[str]:
    """Lines of a table: how often both pass, both fail, only one of them fails, for each check."""
    columns = ("check", "both pass", "both fail", "only PoseBusters fails", "only confgen fails", "agreement")
    rows = []
    for name in [*SAME.values(), ANY]:
        known = [case for case in cases if name not in case.unknown]
        pairs = Counter((_fails(case.theirs, name), _fails(_ours(case, heavy), name)) for case in known)
        same = pairs[False, False] + pairs[True, True]
        counts = [pairs[both] for both in ((False, False), (True, True), (True, False), (False, True))]
        rows.append([f"`{name}`", *map(str, counts), f"{100 * same / max(1, len(known)):.1f}% of {len(known)}"])
    return markdown(columns, rows)


def _ours(case: Case, heavy: bool) -> frozenset[str]:
    return case.ours_heavy if heavy else case.ours


def _fails(failed: frozenset[str], name: str) -> bool:
    return bool(failed & set(SAME.values())) if name == ANY else name in failed


def by_kind(cases: list[Case]) -> list[str]:
    """Lines of a table: how many of each kind are found wanting, by PoseBusters and by all our checks."""
    columns = ("conformers", "number", "PoseBusters fails", "confgen fails", "of them for")
    rows = []
    for kind in ["good", *KINDS]:
        own = [case for case in cases if case.kind == kind]
        reasons = Counter(name for case in own for name in case.ours)
        said = ", ".join(f"{name} {number}" for name, number in reasons.most_common())
        wanting = [sum(map(bool, failed)) for failed in ([c.theirs for c in own], [c.ours for c in own])]
        rows.append([kind, str(len(own)), *map(str, wanting), said])
    return markdown(columns, rows)


def main(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    conformers: Annotated[int, typer.Option(min=6, help="Good ones; as many are spoiled.")] = 500,
    each: Annotated[int, typer.Option(min=1, help="Good ones of each molecule.")] = 2,
    seed: int = 1,
    save: Annotated[Path | None, typer.Option(help="Markdown file for what is printed.")] = None,
) -> None:
    """Compare verdicts and print tables in Markdown."""
    with rdBase.BlockLogs():
        good = good_conformers(file, conformers, each)
        cases = [("good", mol) for mol in good]
        cases += list(spoiled(good, np.random.default_rng(seed)))
        done, theirs, ours = judged(cases)
    lines = [
        f"Heavy atoms on both sides, {len(done)} conformers:", "", *agreement(done, heavy=True), "",
        "confgen as it is, hydrogens too:", "", *agreement(done, heavy=False), "",
        "By kind (all checks, stereochemistry among them):", "", *by_kind(done), "",
        "Disagreements (heavy atoms):", "",
    ]  # fmt: skip
    for case in done:
        checks = (set(case.theirs) ^ set(case.ours_heavy)) & (set(SAME.values()) - case.unknown)
        lines += [f"- {case.name} ({case.kind}): {name}, {'theirs' if name in case.theirs else 'ours'} fails"
                  for name in sorted(checks)]  # fmt: skip
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("posebusters", "rdkit"))
    seconds = f"CPU seconds: PoseBusters {theirs:.0f}, confgen {ours:.0f}"
    made_by = f"{versions}; {processor()}, commit {commit()}, {dt.date.today()}"
    lines += ["", f"{seconds}. {made_by}.", "", f"    {command_line()}"]
    publish("\n".join(lines) + "\n", save)


if __name__ == "__main__":
    typer.run(main)
