"""Promises of the scripts that measure speed and draw: programs measured with their children, faithful pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))  # they are scripts, and import one another as such

import speed

from confgen.conformers import positions


def test_usage_of_a_program_is_measured() -> None:
    used = speed.run([sys.executable, "-c", "import sys; block = b'x' * 200_000_000; sys.exit(len(block) and 3)"])
    assert used.exit_code == 3
    assert 200 < used.peak_mb < 20_000
    assert 0 < used.cpu_s < 30
    assert used.wall_s > 0


def test_memory_of_a_program_counts_its_child_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "WATCH_S", 0.02)
    hold = "import time; block = b'x' * 300_000_000; time.sleep(0.5)"
    both = f"import subprocess, sys; block = b'x' * 300_000_000; subprocess.run([sys.executable, '-c', {hold!r}])"
    assert speed.run([sys.executable, "-c", both]).peak_mb > 600


def test_speed_reads_smiles_without_explicit_hydrogens(butanol_file: Path, tmp_path: Path) -> None:
    target = tmp_path / "molecules.smi"
    assert speed.write_smiles(butanol_file, target, 10, min_heavy=5) == 1
    assert target.read_text() == "CC[C@@H](C)O butanol\n"
    assert speed.write_smiles(butanol_file, target, 10, min_heavy=6) == 0


def test_the_speed_table_gives_ratios_to_the_second_program() -> None:
    runs = {"ours": (speed.Usage(0, 4.0, 6.0, 900.0, ""), 10), "theirs": (speed.Usage(0, 2.0, 2.0, 300.0, ""), 20)}
    rows = [line.strip("| ").split(" | ") for line in speed.table(runs).splitlines()]
    assert rows[0] == list(speed.COLUMNS)
    assert rows[-1][-4:] == ["2.00", "3.00", "3.00", "4.00"]


def test_a_drawing_is_a_png_with_a_panel_for_each_conformer(butanol: Chem.Mol, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    import draw

    source, target = tmp_path / "butanol.sdf", tmp_path / "butanol.png"
    with Chem.SDWriter(str(source)) as writer:
        for conformer in butanol.GetConformers():
            writer.write(butanol, confId=conformer.GetId())
    assert speed.count_records(source) == 3
    mols = draw.read_conformers(source, limit=2)
    draw.draw(mols, target, columns=5)
    assert len(mols) == 2
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_drawing_never_shows_the_mirror_image(butanol: Chem.Mol) -> None:
    pytest.importorskip("matplotlib")
    import draw

    for pos in positions(butanol):
        shown = draw.oriented(pos, turn_rad=0.5)
        spokes = [shown[:4] - shown[4], pos[:4] - pos[4]]
        volumes = [np.linalg.det(own[:3]) for own in spokes]
        assert volumes[0] == pytest.approx(volumes[1])
