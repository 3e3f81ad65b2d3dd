"""Verdicts of `confgen check` beside those of PoseBusters' `mol` configuration, on good and on spoiled conformers.

    python tests/benchmarks/posebusters_agreement.py openff_val.parquet --conformers 500 --save agreement.md

Good ones are references as they stand. Each is also spoiled in one of six ways: a stretched bond, a bent aromatic ring,
an inverted centre, a clash, a twisted double bond, Gaussian noise; the strength is drawn at random, so that some lie
near the thresholds. Needs the extra `peers`.

Where PoseBusters 0.6.5 differs by design: its bounds force amides to be trans (cis ones clash), it compares the signed
distance from a plane (an atom may lie any distance below it), its pattern of aromatic rings of six leaves out those
fused to one of five, and the ensemble of its energies has 50 conformers, made of the InChI.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries that read it when they are loaded

import numpy as np
import posebusters as pb
import pyarrow.parquet as pq
import typer
import yaml  # type: ignore[import-untyped]
from provenance import command_line, commit, processor
from rdkit import Chem, rdBase
from rdkit.Chem import rdMolTransforms
from tqdm import tqdm

from confgen.contacts import Limits
from confgen.dataset import read_row, stereo_from_positions
from confgen.molecule import with_positions
from confgen.shapes import C_C_DOUBLE_BOND
from confgen.strain import STRAIN, energy_ratios, ensemble_mean
from confgen.validity import check

Spoil = Callable[[Chem.Mol, np.random.Generator], Chem.Mol | None]

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
SINGLE = Chem.MolFromSmarts("[!#1]-!@[!#1]")
ROTOR = Chem.MolFromSmarts("[!#1;!D1]-!@[!#1;!D1]")


@dataclass(frozen=True)
class Case:
    """One conformer, how it was spoiled (`good` if not), and which checks it fails by whom."""

    name: str
    kind: str
    theirs: frozenset[str]
    ours: frozenset[str]
    ours_heavy: frozenset[str]
    unknown: frozenset[str]


def stretched(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """A bond between heavy atoms outside rings, 1.1 to 1.9 times as long."""
    match = _one(mol, SINGLE, random)
    if match is None:
        return None
    conformer = mol.GetConformer()
    length = rdMolTransforms.GetBondLength(conformer, *match)
    rdMolTransforms.SetBondLength(conformer, *match, length * random.uniform(1.1, 1.9))
    return mol


def bent(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """An aromatic ring with one atom 0.2 to 1 angstrom out of its plane."""
    rings = [r for r in mol.GetRingInfo().AtomRings() if all(mol.GetAtomWithIdx(i).GetIsAromatic() for i in r)]
    if not rings:
        return None
    ring = list(rings[random.integers(len(rings))])
    pos = mol.GetConformer().GetPositions()
    normal = np.linalg.svd(pos[ring] - pos[ring].mean(axis=0))[2][2]
    pos[ring[random.integers(len(ring))]] += normal * random.uniform(0.2, 1.0)
    return with_positions(mol, pos[None])


def inverted(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """A labelled centre with two neighbours outside rings changed for one another, their branches turned about it."""
    pos = mol.GetConformer().GetPositions()
    for atom in random.permutation(mol.GetNumAtoms()).tolist():
        centre = mol.GetAtomWithIdx(atom)
        if centre.GetChiralTag() == Chem.ChiralType.CHI_UNSPECIFIED:
            continue
        free = [n.GetIdx() for n in centre.GetNeighbors()
                if not mol.GetBondBetweenAtoms(atom, n.GetIdx()).IsInRing()]  # fmt: skip
        if len(free) < 2:
            continue
        spokes = [(pos[i] - pos[atom]) / np.linalg.norm(pos[i] - pos[atom]) for i in free[:2]]
        axis = sum(spokes) / np.linalg.norm(sum(spokes))
        moved = sorted(set(_branch(mol, atom, free[0])) | set(_branch(mol, atom, free[1])))
        arms = pos[moved] - pos[atom]
        pos[moved] = pos[atom] + 2 * np.outer(arms @ axis, axis) - arms  # half a turn
        return with_positions(mol, pos[None])
    return None


def clashing(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """The worst of 36 positions of each of three rotors: whatever comes closest."""
    for _ in range(3):
        match = _one(mol, ROTOR, random)
        if match is None:
            return None
        ends = [next(n.GetIdx() for n in mol.GetAtomWithIdx(a).GetNeighbors() if n.GetIdx() != b)
                for a, b in (match, match[::-1])]  # fmt: skip
        turned = []
        for angle in range(0, 360, 10):
            copy = Chem.Mol(mol)
            rdMolTransforms.SetDihedralDeg(copy.GetConformer(), ends[0], *match, ends[1], float(angle))
            turned.append((_closest(copy), angle))
        rdMolTransforms.SetDihedralDeg(mol.GetConformer(), ends[0], *match, ends[1], float(min(turned)[1]))
    return mol


def twisted(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """A C=C outside rings turned by 10 to 90 degrees."""
    matches = [m for m in mol.GetSubstructMatches(C_C_DOUBLE_BOND)
               if not mol.GetBondBetweenAtoms(m[0], m[3]).IsInRing()]  # fmt: skip
    if not matches:
        return None
    a, b, _, d, e, _ = matches[random.integers(len(matches))]
    conformer = mol.GetConformer()
    angle = rdMolTransforms.GetDihedralDeg(conformer, b, a, d, e)
    rdMolTransforms.SetDihedralDeg(conformer, b, a, d, e, angle + random.uniform(10.0, 90.0))
    return mol


def noisy(mol: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """Every atom moved by 0.02 to 0.4 angstrom in each direction (standard deviation)."""
    pos = mol.GetConformer().GetPositions()
    return with_positions(mol, (pos + random.uniform(0.02, 0.4) * random.standard_normal(pos.shape))[None])


KINDS: dict[str, Spoil] = {
    "stretched bond": stretched, "bent ring": bent, "inverted centre": inverted, "clash": clashing,
    "twisted double bond": twisted, "noise": noisy,
}  # fmt: skip


def _one(mol: Chem.Mol, pattern: Chem.Mol, random: np.random.Generator) -> tuple[int, ...] | None:
    matches = mol.GetSubstructMatches(pattern)
    return matches[random.integers(len(matches))] if matches else None


def _branch(mol: Chem.Mol, root: int, start: int) -> list[int]:
    """Atoms on the far side of a bond outside rings."""
    cut = Chem.RWMol(mol)
    cut.RemoveBond(root, start)
    return next(list(atoms) for atoms in Chem.GetMolFrags(cut) if start in atoms)


def _closest(mol: Chem.Mol) -> float:
    """Shortest distance of heavy atoms more than three bonds apart."""
    heavy = np.array([atom.GetAtomicNum() > 1 for atom in mol.GetAtoms()])
    far = (Chem.GetDistanceMatrix(mol) > 3) & heavy & heavy[:, None]
    distance = Chem.Get3DDistanceMatrix(mol)
    return float(distance[far].min()) if far.any() else np.inf


def good_conformers(file: Path, count: int, each: int) -> list[Chem.Mol]:
    """The first conformers of every molecule of an ensemble file, `each` of each, until there are enough."""
    good = []
    for row in pq.read_table(file).to_pylist():
        mol, pos = read_row(row)
        mol = stereo_from_positions(mol, pos[0])
        mol.SetProp("_Name", row["id"])
        good += [with_positions(mol, one[None].astype(float)) for one in pos[:each]]
    return good[:count]


def spoiled(good: list[Chem.Mol], random: np.random.Generator) -> Iterator[tuple[str, Chem.Mol]]:
    """As many as there are good ones, the kinds in turn, each made of the next conformer that admits it."""
    sources = {kind: itertools.cycle(random.permutation(len(good)).tolist()) for kind in KINDS}
    left, number = list(KINDS), 0
    while left and number < len(good):
        kind = left[number % len(left)]
        tries = (KINDS[kind](Chem.Mol(good[next(sources[kind])]), random) for _ in good)
        mol = next((mol for mol in tries if mol is not None), None)
        if mol is None:
            left.remove(kind)
        else:
            number += 1
            yield kind, mol


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
    """Rows of the table: how often both pass, both fail, only one of them fails, for each check."""
    rows = [
        "| check | both pass | both fail | only PoseBusters fails | only confgen fails | agreement |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in [*SAME.values(), ANY]:
        known = [case for case in cases if name not in case.unknown]
        pairs = Counter((_fails(case.theirs, name), _fails(_ours(case, heavy), name)) for case in known)
        same = pairs[False, False] + pairs[True, True]
        rows.append(
            f"| `{name}` | {pairs[False, False]} | {pairs[True, True]} | {pairs[True, False]} | {pairs[False, True]} "
            f"| {100 * same / max(1, len(known)):.1f}% of {len(known)} |"
        )
    return rows


def _ours(case: Case, heavy: bool) -> frozenset[str]:
    return case.ours_heavy if heavy else case.ours


def _fails(failed: frozenset[str], name: str) -> bool:
    return bool(failed & set(SAME.values())) if name == ANY else name in failed


def by_kind(cases: list[Case]) -> list[str]:
    """Rows of a table: how many of each kind are found wanting, by PoseBusters and by all our checks."""
    rows = [
        "| conformers | number | PoseBusters fails | confgen fails | of them for |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in ["good", *KINDS]:
        own = [case for case in cases if case.kind == kind]
        reasons = Counter(name for case in own for name in case.ours)
        said = ", ".join(f"{name} {number}" for name, number in reasons.most_common())
        rows.append(
            f"| {kind} | {len(own)} | {sum(bool(c.theirs) for c in own)} | {sum(bool(c.ours) for c in own)} | {said} |"
        )
    return rows


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
    text = "\n".join(lines) + "\n"
    print(text)  # noqa: T201
    if save is not None:
        save.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
