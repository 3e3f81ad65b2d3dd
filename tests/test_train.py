"""Promises of training: it learns, it resumes bit for bit, and what is not finite never reaches the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training import MakeConfig, entries, state, tensors

from confgen import checkpoint
from confgen.dataset import Pack
from confgen.denoiser import Denoiser
from confgen.errors import CannotStart, InputError
from confgen.mixture import Batch, Mixture
from confgen.recipe import read_recipe
from confgen.torsions import LEAST
from confgen.train import train
from confgen.trainer import Diverged, Trainer


def poison(monkeypatch: pytest.MonkeyPatch, steps: set[int]) -> None:
    """Puts a NaN among the clean positions of the batches of some steps."""
    true_batch = Mixture.batch

    def batch(self: Mixture, seed: int, step: int) -> Batch:
        made = true_batch(self, seed, step)
        if step in steps:
            made.clean[0, 0, 0] = float("nan")
        return made

    monkeypatch.setattr(Mixture, "batch", batch)


def test_the_torsions_of_the_sets_that_are_to_count_go_with_the_weights(
    config: MakeConfig, pack: Pack, tmp_path: Path
) -> None:
    recipe = config(steps=1)
    train(recipe, tmp_path / "without", progress=False)
    assert checkpoint.load(str(tmp_path / "without")).torsions is None
    recipe.write_text(recipe.read_text().replace("[model]", "torsions = true\n[model]"))
    train(recipe, tmp_path / "with", progress=False)
    library = checkpoint.load(str(tmp_path / "with")).torsions
    assert library is not None
    known = {kind for kind, counts in pack.torsions.counts.items() if counts.sum() >= LEAST}
    assert set(library.counts) == known


def test_samples_on_the_way_to_starts_are_learned_from(config: MakeConfig, ensemble_file: Path, tmp_path: Path) -> None:
    recipe = config(path=ensemble_file, steps=60, warmup=5, log_every=10)
    begun = recipe.read_text().replace("[model]", "starts = true\n[noise]\nstarts = 1.0\n[model]")
    recipe.write_text(f'[data]\ncache = "{tmp_path}"\nworkers = 1\n' + begun)
    train(recipe, tmp_path / "run", progress=False)
    losses = [entry["loss"] for entry in entries(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0]


def test_starts_that_the_network_has_moved_are_learned_from(
    config: MakeConfig, ensemble_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_step, true_loss = Denoiser.step, Denoiser.loss
    moved: list[torch.Tensor] = []
    shown: list[Any] = []

    def step(denoiser: Denoiser, *args: Any) -> torch.Tensor:
        moved.append(true_step(denoiser, *args))
        return moved[-1]

    def loss(denoiser: Denoiser, *args: Any) -> Any:
        shown.append(args[-1])
        return true_loss(denoiser, *args)

    monkeypatch.setattr(Denoiser, "step", step)
    monkeypatch.setattr(Denoiser, "loss", loss)
    recipe = config(path=ensemble_file, steps=60, warmup=5, log_every=10)
    noise = "starts = true\n[noise]\nstarts = 1.0\nstart_path = 0.0\nstart_steps = 2\n[model]"
    recipe.write_text(f'[data]\ncache = "{tmp_path}"\nworkers = 1\n' + recipe.read_text().replace("[model]", noise))
    trainer = train(recipe, tmp_path / "run", progress=False)
    losses = [entry["loss"] for entry in entries(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0]
    assert all(bool(value.isfinite().all()) for value in trainer.average.values())
    assert 30 < len(moved) < 90  # one for each batch on average
    assert 25 < sum(any(shift is own for own in moved) for shift in shown) < 55  # two batches of three


def test_a_pack_without_the_starts_asked_for_is_an_input_error(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config()
    recipe.write_text(recipe.read_text().replace("[model]", "starts = true\n[noise]\nstarts = 1.0\n[model]"))
    with pytest.raises(InputError, match="has no starts"):
        train(recipe, tmp_path / "run", progress=False)


def test_the_loss_falls_by_a_third_within_seconds(config: MakeConfig, tmp_path: Path) -> None:
    train(config(steps=120, warmup=10, log_every=20, save_every=1000), tmp_path / "run", progress=False)
    losses = [entry["loss"] for entry in entries(tmp_path / "run")]
    assert losses[-1] < 0.67 * losses[0]


def test_layers_pass_on_the_share_that_the_recipe_says(config: MakeConfig, tmp_path: Path) -> None:
    runs = [train(config(steps=3, passed_on=share), tmp_path / share, progress=False) for share in ("1.0", "0.5")]
    assert [run.denoiser.network.passed_on for run in runs] == [1.0, 0.5]
    first, second = (run.average["network.layers.0.move.weight"] for run in runs)
    assert not torch.equal(first, second)


def test_the_same_recipe_gives_the_same_weights_twice(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=2)
    for run in ("a", "b"):
        torch.manual_seed(len(run))
        train(recipe, tmp_path / run, progress=False)
    assert (tmp_path / "a/weights/model.safetensors").read_bytes() == (
        tmp_path / "b/weights/model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("minutes", [-1, float("nan")])
def test_less_than_no_time_is_refused(minutes: float, config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="max_minutes"):
        train(config(), tmp_path / "run", max_minutes=minutes, progress=False)


def test_rows_that_are_left_out_are_told_of(
    config: MakeConfig, tmp_path: Path, ensemble_rows: Any, rows_file: Any
) -> None:
    bad = [ensemble_rows[0] | {"smiles": "C1CC"}, ensemble_rows[1] | {"num_atoms": 3}]
    source = rows_file(tmp_path / "some.parquet", [bad[0], ensemble_rows[2], bad[1], *ensemble_rows[2:4]])
    told: list[str] = []
    train(config(source, steps=1), tmp_path / "run", progress=False, tell=told.append)
    [line] = told
    assert f"{source}: 2 of its rows are left out: row 1: " in line
    assert "; row 3: " in line


def test_the_weights_come_with_a_card_that_is_not_overwritten(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=2)
    train(recipe, tmp_path / "run", max_minutes=0, progress=False)
    card = tmp_path / "run/weights/README.md"
    assert "100% of the samples" in card.read_text()
    card.write_text("written by a person")
    train(recipe, tmp_path / "run", resume=True, progress=False)
    assert card.read_text() == "written by a person"


def test_time_that_is_up_ends_the_run_with_everything_saved(config: MakeConfig, tmp_path: Path) -> None:
    trainer = train(config(), tmp_path / "run", max_minutes=0, progress=False)
    assert trainer.step == state(tmp_path / "run")["step"] == 1


def test_a_run_by_time_ends_with_it_and_its_cosine(config: MakeConfig, tmp_path: Path) -> None:
    trainer = train(config(steps=10**9, minutes=0.02), tmp_path / "run", progress=False)
    assert 1.2 <= trainer.seconds < 20
    optim = trainer.recipe.optim
    assert optim.factor(10, 0.6) == pytest.approx(0.51, abs=1e-6)
    assert optim.factor(trainer.step, trainer.seconds) == pytest.approx(optim.final)


@pytest.mark.parametrize("bad", [{2}, {0, 1, 2, 3}])
def test_a_batch_that_is_not_finite_never_reaches_the_disk(
    bad: set[int], config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, bad)
    train(config(log_every=6), tmp_path / "run", progress=False)
    weights = checkpoint.load(str(tmp_path / "run/weights")).denoiser
    assert all(tensor.isfinite().all() for tensor in tensors(state(tmp_path / "run")))
    assert all(tensor.isfinite().all() for tensor in weights.parameters())


def test_a_batch_that_is_not_finite_is_passed_over(config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, {1})
    trainer = Trainer(read_recipe(config()), torch.device("cpu"))
    mixture = Mixture([Pack.load(trainer.recipe.sets[0].path)], [1.0], trainer.recipe.batch, trainer.recipe.noise)
    trainer.train_step(mixture.batch(1, 0))
    before = [parameter.clone() for parameter in trainer.denoiser.parameters()]
    trainer.train_step(mixture.batch(1, 1))
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.denoiser.parameters(), strict=True))


def test_the_log_leaves_out_what_is_not_finite(
    config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, {0})
    train(config(), tmp_path / "run", progress=False)
    assert all(entry["loss"] > 0 for entry in entries(tmp_path / "run"))


def test_a_log_line_without_any_finite_step_is_no_crash(
    config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, {0, 1})
    train(config(), tmp_path / "run", progress=False)
    assert entries(tmp_path / "run")[0]["loss"] is None


def test_a_run_that_stays_not_finite_ends_with_one_line(
    config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, set(range(100)))
    monkeypatch.setattr("confgen.trainer.MAX_BAD_STEPS", 3)
    with pytest.raises(Diverged, match=r"optim\.lr") as error:
        train(config(steps=50, log_every=50), tmp_path / "run", progress=False)
    assert "\n" not in str(error.value)


def test_the_log_has_the_promised_fields(config: MakeConfig, tmp_path: Path) -> None:
    train(config(), tmp_path / "run", progress=False)
    fields = {"loss", "norm", "whitened", "cartesian", "local", "step", "samples", "samples_per_second"}
    assert [set(entry) for entry in entries(tmp_path / "run")] == [fields] * 3


def test_the_folder_of_a_run_holds_what_is_promised(config: MakeConfig, tmp_path: Path) -> None:
    train(config(steps=1), tmp_path / "run", progress=False)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "config.toml",
        "last.pt",
        "log.jsonl",
        "weights",
    ]


def test_the_weights_of_a_run_can_be_loaded_with_its_sampler_settings(config: MakeConfig, tmp_path: Path) -> None:
    train(config(steps=1), tmp_path / "run", progress=False)
    assert checkpoint.load(str(tmp_path / "run/weights")).sampling == {"num_steps": 5}


def test_the_weights_of_a_run_are_the_averaged_ones(config: MakeConfig, tmp_path: Path) -> None:
    trainer = train(config(), tmp_path / "run", progress=False)
    loaded = checkpoint.load(str(tmp_path / "run/weights")).denoiser
    for name, parameter in loaded.named_parameters():
        torch.testing.assert_close(parameter, trainer.average[name].half().float(), rtol=0, atol=0)


def test_validation_sees_the_averaged_weights_at_the_last_step(config: MakeConfig, tmp_path: Path) -> None:
    seen: list[Denoiser] = []

    def validate(denoiser: Denoiser) -> dict[str, float]:
        seen.append(denoiser)
        return {"amr_recall": 0.5}

    trainer = train(config(), tmp_path / "run", validate=validate, progress=False)
    assert entries(tmp_path / "run")[-1] == {"step": 6, "samples": trainer.samples, "amr_recall": 0.5}
    assert all(torch.equal(p, trainer.average[name]) for name, p in seen[-1].named_parameters())


def test_bf16_learns_as_well(config: MakeConfig, tmp_path: Path) -> None:
    train(config(steps=40, warmup=5, bf16="true", log_every=10), tmp_path / "run", progress=False)
    losses = [entry["loss"] for entry in entries(tmp_path / "run")]
    assert losses[-1] < 0.9 * losses[0]


def test_a_parquet_file_is_packed_into_the_cache_beside_the_recipe(
    config: MakeConfig, tmp_path: Path, ensemble_file: Path
) -> None:
    train(config(ensemble_file, steps=1), tmp_path / "run", progress=False)
    assert len(list((tmp_path / ".cache").glob("*.pack"))) == 1


def test_missing_data_are_an_input_error(config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.parquet"):
        train(config(tmp_path / "none.parquet"), tmp_path / "run", progress=False)
