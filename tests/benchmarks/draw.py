"""Conformers of an SD file as a PNG grid of 3D sticks, to be looked at.

    python tests/benchmarks/draw.py conformers.sdf conformers.png --columns 5 --limit 20 --turn 30

Each conformer is turned so that its two longest extents lie in the page, then by `--turn` about the vertical axis.
Nearer sticks are thicker, stronger in colour, and cut those behind them. Hydrogens are thin.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import matplotlib as mpl
import numpy as np
import typer
from rdkit import Chem

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    1: "#b8b8b8", 5: "#d08c60", 6: "#404040", 7: "#2444d6", 8: "#d81e1e", 9: "#3fa02c", 14: "#b09060", 15: "#e07b00",
    16: "#c8a800", 17: "#1f9a1f", 35: "#8b2a10", 53: "#6a1b9a",
}  # fmt: skip
OTHER = "#c04090"
HEAVY_WIDTH, HYDROGEN_WIDTH, GAP = 3.2, 1.1, 2.0  # points
EDGE_SHARE = 0.6  # of a bond's length, on which it cuts what lies behind it
FADED = 0.55  # share of white in the farthest sticks
TITLE_LENGTH = 26
PANEL = 2.6  # inches


def read_conformers(path: Path, limit: int) -> list[Chem.Mol]:
    """The first records, hydrogens kept, as they stand in the file; those without a bond table are passed over."""
    supplier = Chem.ForwardSDMolSupplier(str(path), sanitize=False, removeHs=False)
    return list(islice((mol for mol in supplier if mol is not None), limit))


def oriented(pos: np.ndarray, turn_rad: float) -> np.ndarray:
    """Positions (N, 3), never mirrored: longest extents along x and y, depth along z, then turned about y."""
    centred = pos - pos.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1]
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    turned: np.ndarray = centred @ axes @ np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])
    return turned


def sticks(mol: Chem.Mol, pos: np.ndarray) -> LineCollection:
    """Every bond as two half sticks in the colours of its ends, from back to front, each bond over a white edge."""
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    low, extent = pos[:, 2].min(), max(float(np.ptp(pos[:, 2])), 1e-6)
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    lines, colours, widths = [], [], []
    for ends in sorted(bonds, key=lambda ends: pos[list(ends), 2].sum()):
        first, last = pos[list(ends)]
        middle = (first + last) / 2
        near = (middle[2] - low) / extent
        width = (HYDROGEN_WIDTH if 1 in (numbers[ends[0]], numbers[ends[1]]) else HEAVY_WIDTH) * (0.8 + 0.4 * near)
        edge = [middle + EDGE_SHARE * (end - middle) for end in (first, last)]  # short of the atoms: joints stay whole
        lines += [[point[:2] for point in line] for line in (edge, (first, middle), (middle, last))]
        base = np.array([to_rgb(COLOURS.get(numbers[end], OTHER)) for end in ends])
        colours += [np.ones(3), *(base + FADED * (1 - near) * (1 - base))]
        widths += [width + GAP, width, width]
    return LineCollection(lines, colors=colours, linewidths=widths, capstyle="round")


def title(mol: Chem.Mol) -> str:
    """Name and conformer number; below them the valid tag, with the checks that failed."""
    tags = {name: mol.GetProp(name) for name in ("conformer", "valid", "failed_checks", "source") if mol.HasProp(name)}
    name = mol.GetProp("_Name") if mol.HasProp("_Name") else ""
    short = name if len(name) <= TITLE_LENGTH else f"{name[: TITLE_LENGTH - 1]}…"
    first = f"{short} #{tags['conformer']}" if "conformer" in tags else short
    verdict = f"valid {tags['valid']}" if "valid" in tags else "no valid tag"
    words = [verdict, tags.get("failed_checks", ""), tags.get("source", "")]
    return f"{first}\n{' '.join(word for word in words if word)}"


def draw_panel(axes: Axes, mol: Chem.Mol, turn_rad: float) -> None:
    """One conformer; atoms without bonds are dots. The title of an invalid one is red."""
    pos = oriented(mol.GetConformer().GetPositions(), turn_rad)
    axes.add_collection(sticks(mol, pos))
    for atom in mol.GetAtoms():
        if atom.GetDegree() == 0:
            axes.plot(*pos[atom.GetIdx(), :2], "o", color=COLOURS.get(atom.GetAtomicNum(), OTHER))
    reach = np.abs(pos[:, :2]).max() + 0.6
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_axis_off()
    invalid = mol.HasProp("valid") and mol.GetProp("valid").lower() in ("false", "0", "no")
    axes.set_title(title(mol), fontsize=7, color="#c00000" if invalid else "black")


def draw(mols: list[Chem.Mol], target: Path, columns: int, turn_degrees: float = 0.0) -> None:
    """A PNG with one panel for each molecule, row by row."""
    columns = min(columns, len(mols))
    rows = -(-len(mols) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(PANEL * columns, PANEL * rows), squeeze=False)
    for axes in grid.flat[len(mols) :]:
        axes.set_axis_off()
    for axes, mol in zip(grid.flat, mols, strict=False):
        draw_panel(axes, mol, np.radians(turn_degrees))
    figure.tight_layout()
    figure.savefig(target, dpi=120, format="png")
    plt.close(figure)


def main(
    source: Annotated[Path, typer.Argument(help="SD file.", exists=True, dir_okay=False)],
    target: Annotated[Path, typer.Argument(help="PNG file; overwritten.", dir_okay=False)],
    columns: Annotated[int, typer.Option(min=1)] = 5,
    limit: Annotated[int, typer.Option(min=1, help="Records to draw.")] = 20,
    turn: Annotated[float, typer.Option(help="Degrees about the vertical axis.")] = 0.0,
) -> None:
    """Draw the conformers of an SD file."""
    mols = read_conformers(source, limit)
    if not mols:
        typer.echo(f"{source}: has no record that can be drawn; give an SD file", err=True)
        raise typer.Exit(2)
    draw(mols, target, columns, turn)


if __name__ == "__main__":
    typer.run(main)
