"""Promises on a GPU, where there is one: the numbers of a CPU, and recorded steps that equal those run as usual."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from confgen import load
from confgen.conformers import positions
from confgen.dataset import Pack
from confgen.mixture import Batch, BatchSettings, Mixture, NoiseSettings
from confgen.molecule import read_molecule
from confgen.recipe import OptimSettings, Recipe, SetSettings
from confgen.rmsd import rmsd_heavy_matrix
from confgen.train import train
from confgen.trainer import Trainer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")]
CUDA = torch.device("cuda")


def trainer_of(tiny: dict[str, Any], device: torch.device, **optim: Any) -> Trainer:
    settings = OptimSettings(lr=1e-3, warmup=1, bf16=False, **optim)
    trainer = Trainer(Recipe(sets=(SetSettings(Path()),), config=tiny, optim=settings), device)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # the zeros that a network begins with would hide most of it
        for parameter in trainer.denoiser.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator).to(device)
    return trainer


def batches_of(pack: Pack, count: int) -> list[Batch]:
    mixture = Mixture([pack], [1.0], BatchSettings(pairs=600, mirror=True), NoiseSettings(starts=0.5))
    return [mixture.batch(1, step) for step in range(count)]


def gradients(trainer: Trainer) -> Tensor:
    return torch.cat([p.grad.flatten() for p in trainer.denoiser.parameters() if p.grad is not None]).cpu()


@pytest.fixture(scope="module")
def packs(pack_file: Path) -> tuple[Pack, Pack]:
    """The usual pack, on the CPU and on the GPU."""
    return Pack.load(pack_file), Pack.load(pack_file, CUDA)


def test_batches_and_gradients_are_those_of_a_cpu(packs: tuple[Pack, Pack], tiny: dict[str, Any]) -> None:
    cpu, gpu = (trainer_of(tiny, torch.device(name), graphs=False) for name in ("cpu", "cuda"))
    for own, other in zip(*(batches_of(pack, 5) for pack in packs), strict=True):
        torch.testing.assert_close(own.clean, other.clean.cpu())
        torch.testing.assert_close(own.graph.pair, other.graph.pair.cpu())
        cpu.gradients(own)
        gpu.gradients(own.map(lambda tensor: tensor.to(CUDA)))
        torch.testing.assert_close(gradients(cpu), gradients(gpu), rtol=1e-3, atol=1e-4 * float(gradients(cpu).norm()))


@pytest.mark.parametrize("bf16", [False, True])
def test_recorded_steps_are_those_run_as_usual(packs: tuple[Pack, Pack], tiny: dict[str, Any], *, bf16: bool) -> None:
    with torch.cuda.stream(torch.cuda.Stream()):
        usual, recorded = (trainer_of(tiny, CUDA, graphs=graphs) for graphs in (False, True))
        for trainer in (usual, recorded):
            trainer.recipe = replace(trainer.recipe, optim=replace(trainer.recipe.optim, bf16=bf16))
        seen: set[tuple[torch.Size, ...]] = set()
        again = 0
        for batch in batches_of(packs[1], 40):
            shapes = tuple(tensor.shape for tensor in batch.tensors())
            again += shapes in seen
            seen.add(shapes)
            recorded.denoiser.load_state_dict(usual.denoiser.state_dict())
            first, second = (trainer.gradients(batch) for trainer in (usual, recorded))
            own, other = gradients(usual), gradients(recorded)
            torch.testing.assert_close(first, second, rtol=1e-2, atol=1e-3)
            assert float((own - other).norm()) < (0.03 if bf16 else 1e-3) * float(own.norm())
            usual.train_step(batch)
    assert again > 20


def test_recorded_moves_of_starts_are_those_run_as_usual(packs: tuple[Pack, Pack], tiny: dict[str, Any]) -> None:
    with torch.cuda.stream(torch.cuda.Stream()):
        usual, recorded = (trainer_of(tiny, CUDA, graphs=graphs) for graphs in (False, True))
        recorded.denoiser.load_state_dict(usual.denoiser.state_dict())
        for batch in batches_of(packs[1], 20):
            shift = 0.3 * torch.randn_like(batch.clean)
            shift[1::2] = torch.nan
            begun = replace(batch, shift=shift, stepped=1)
            first, second = (trainer.move(begun)["shift"] for trainer in (usual, recorded))
            torch.testing.assert_close(first, second, equal_nan=True, rtol=1e-3, atol=1e-4)


def test_training_learns_there(pack_file: Path, tiny: dict[str, Any], tmp_path: Path) -> None:
    text = f'[[data.sets]]\npath = "{pack_file}"\n[batch]\npairs = 2000\n[optim]\nsteps = 60\nlr = 3e-3\nwarmup = 2\n'
    text += "log_every = 20\n[model]\n" + "".join(f"{key} = {value}\n" for key, value in tiny.items())
    (tmp_path / "recipe.toml").write_text(text)
    trainer = train(tmp_path / "recipe.toml", tmp_path / "run", device="cuda", progress=False)
    assert trainer.step == 60
    resumed = train(tmp_path / "recipe.toml", tmp_path / "run", device="cuda", resume=True, progress=False)
    assert resumed.samples == trainer.samples


def test_conformers_are_those_of_a_cpu() -> None:
    mol = read_molecule("CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O")
    cpu, gpu = (load(device=name).generate(mol, num_confs=8, seed=3) for name in ("cpu", "cuda"))
    assert cpu.mol is not None
    assert gpu.mol is not None
    assert float(rmsd_heavy_matrix(gpu.mol, cpu.mol).min(1).max()) < 0.1
    assert len(positions(gpu.mol)) == 8
