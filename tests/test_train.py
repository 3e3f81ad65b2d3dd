"""Promises of training: it learns, it resumes bit for bit, and what is not finite never reaches the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from confgen import checkpoint
from confgen.dataset import Pack
from confgen.denoiser import Denoiser
from confgen.errors import CannotStart, InputError, OutputError, WeightsError
from confgen.mixture import Batch, Mixture
from confgen.recipe import read_recipe
from confgen.torsions import LEAST
from confgen.train import train
from confgen.trainer import Diverged, Trainer

MakeConfig = Callable[..., Path]
OPTIM = {"steps": 6, "lr": 0.003, "warmup": 2, "ema": 0.9, "bf16": "false", "log_every": 2, "save_every": 3}


@pytest.fixture
def config(tmp_path: Path, pack_file: Path, tiny: dict[str, Any]) -> MakeConfig:
    """Function: settings of [optim] -> a TOML file that trains a tiny network on the tiny pack."""

    def write(path: Path = pack_file, **optim: Any) -> Path:
        tables = {
            "model": tiny,
            "batch": {"pairs": 2000, "draws": 2},
            "optim": OPTIM | optim,
            "sampling": {"num_steps": 5},
        }
        text = f'[[data.sets]]\npath = "{path}"\n'
        for name, table in tables.items():
            text += f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
        (tmp_path / "recipe.toml").write_text(text)
        return tmp_path / "recipe.toml"

    return write


def entries(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def state(run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(run / "last.pt", weights_only=True)
    return loaded


def tensors(tree: Any) -> list[torch.Tensor]:
    """All tensors of nested dicts and lists, in order."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    return [tensor for value in values for tensor in tensors(value)]


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


def test_a_resumed_run_ends_bit_for_bit_where_an_uninterrupted_one_does(config: MakeConfig, tmp_path: Path) -> None:
    whole, parts, recipe = tmp_path / "whole", tmp_path / "parts", config()
    train(recipe, whole, progress=False)
    for _ in range(6):  # no minutes at all: one step a call
        train(recipe, parts, resume=True, max_minutes=0, progress=False)
    first, second = (tensors({k: v for k, v in state(run).items() if k != "seconds"}) for run in (whole, parts))
    assert len(first) == len(second) > 100
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_resumed_run_writes_the_same_weights(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=4)
    train(recipe, tmp_path / "whole", progress=False)
    train(recipe, tmp_path / "parts", max_minutes=0, progress=False)
    train(recipe, tmp_path / "parts", resume=True, progress=False)
    digests = {checkpoint.load(str(tmp_path / run / "weights")).sha256 for run in ("whole", "parts")}
    assert len(digests) == 1


def test_the_same_recipe_gives_the_same_weights_twice(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=2)
    for run in ("a", "b"):
        torch.manual_seed(len(run))
        train(recipe, tmp_path / run, progress=False)
    assert (tmp_path / "a/weights/model.safetensors").read_bytes() == (
        tmp_path / "b/weights/model.safetensors"
    ).read_bytes()


def test_a_finished_run_is_left_alone_when_resumed(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=1)
    train(recipe, tmp_path / "run", progress=False)
    before = (tmp_path / "run/last.pt").read_bytes()
    train(recipe, tmp_path / "run", resume=True, progress=False)
    assert (tmp_path / "run/last.pt").read_bytes() == before


def test_a_new_run_can_begin_with_trained_weights(config: MakeConfig, tmp_path: Path) -> None:
    train(config(steps=3), tmp_path / "first", progress=False)
    trainer = Trainer(read_recipe(config()), torch.device("cpu"))
    trainer.begin_with(str(tmp_path / "first"))
    given = checkpoint.load(str(tmp_path / "first")).denoiser
    for own, average, wanted in zip(
        trainer.denoiser.parameters(), trainer.average.values(), given.parameters(), strict=True
    ):
        assert torch.equal(own, wanted)
        assert torch.equal(average, wanted)


def test_weights_tell_all_samples_and_what_they_began_with(config: MakeConfig, tmp_path: Path) -> None:
    first = train(config(steps=3), tmp_path / "first", progress=False)
    second = train(config(), tmp_path / "second", init=str(tmp_path / "first"), max_minutes=0, progress=False)
    second = train(config(), tmp_path / "second", resume=True, progress=False)
    told = checkpoint.read_config(tmp_path / "second/weights")["training"]
    assert told["samples"] == first.samples + second.samples
    assert told["begun_with"] == checkpoint.read_config(tmp_path / "first/weights")["sha256"]


def test_a_run_stopped_before_its_first_checkpoint_remembers_what_it_began_with(
    config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(config(steps=3), tmp_path / "first", progress=False)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "train_step", interrupted)
        train(config(), tmp_path / "second", init=str(tmp_path / "first"), progress=False)
    train(config(), tmp_path / "second", resume=True, progress=False)
    told = checkpoint.read_config(tmp_path / "second/weights")["training"]
    assert told["begun_with"] == checkpoint.read_config(tmp_path / "first/weights")["sha256"]


def test_a_run_is_not_gone_on_with_from_other_weights(config: MakeConfig, tmp_path: Path) -> None:
    for run in ("first", "second"):
        train(config(steps=len(run) - 4), tmp_path / run, progress=False)
    train(config(), tmp_path / "run", init=str(tmp_path / "first"), max_minutes=0, progress=False)
    with pytest.raises(InputError, match="leave --init out"):
        train(config(), tmp_path / "run", resume=True, init=str(tmp_path / "second"), progress=False)
    again = train(config(), tmp_path / "run", resume=True, init=str(tmp_path / "first"), max_minutes=0, progress=False)
    assert again.step == 2


def test_a_config_that_cannot_go_on_with_a_run_leaves_its_own_there(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=1)
    train(recipe, tmp_path / "run", progress=False)
    before = (tmp_path / "run/config.toml").read_bytes()
    recipe.write_text(recipe.read_text().replace("width = 32", "width = 64", 1))
    with pytest.raises(InputError, match="another"):
        train(recipe, tmp_path / "run", resume=True, progress=False)
    assert (tmp_path / "run/config.toml").read_bytes() == before


def test_a_damaged_checkpoint_is_an_input_error(config: MakeConfig, tmp_path: Path) -> None:
    train(config(steps=1), tmp_path / "run", progress=False)
    last = tmp_path / "run/last.pt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read") as error:
        train(config(), tmp_path / "run", resume=True, progress=False)
    assert "\n" not in str(error.value)


def test_a_file_in_the_place_of_the_folder_is_an_output_error(config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OutputError, match="choose another"):
        train(config(), tmp_path / "run", progress=False)
    assert (tmp_path / "run").read_text() == "mine"


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


def test_weights_of_another_size_cannot_begin_a_run(config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="another network or size"):
        train(config(steps=1), tmp_path / "run", init=checkpoint.DEFAULT, progress=False)


def test_the_weights_come_with_a_card_that_is_not_overwritten(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=2)
    train(recipe, tmp_path / "run", max_minutes=0, progress=False)
    card = tmp_path / "run/weights/README.md"
    assert "100% of the samples" in card.read_text()
    card.write_text("written by a person")
    train(recipe, tmp_path / "run", resume=True, progress=False)
    assert card.read_text() == "written by a person"


def test_a_run_that_exists_is_not_started_again(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=1)
    train(recipe, tmp_path / "run", progress=False)
    before = (tmp_path / "run/last.pt").read_bytes()
    with pytest.raises(OutputError, match="--resume") as error:
        train(recipe, tmp_path / "run", progress=False)
    assert "\n" not in str(error.value)
    assert (tmp_path / "run/last.pt").read_bytes() == before


def test_resume_starts_where_there_is_nothing_yet_and_says_so(config: MakeConfig, tmp_path: Path) -> None:
    told: list[str] = []
    assert train(config(steps=1), tmp_path / "run", resume=True, progress=False, tell=told.append).step == 1
    assert told == [f"{tmp_path / 'run'}: holds no run to go on with, so one is begun there"]


def test_time_that_is_up_ends_the_run_with_everything_saved(config: MakeConfig, tmp_path: Path) -> None:
    trainer = train(config(), tmp_path / "run", max_minutes=0, progress=False)
    assert trainer.step == state(tmp_path / "run")["step"] == 1


def test_a_deeper_network_begins_as_the_one_it_grows_from(config: MakeConfig, pack: Pack, tmp_path: Path) -> None:
    train(config(), tmp_path / "first", progress=False)
    recipe = read_recipe(config())
    grown = Trainer(replace(recipe, config=recipe.config | {"layers": 4}), torch.device("cpu"))
    grown.begin_with(str(tmp_path / "first"))
    graph, _ = pack.graphs(torch.tensor([3, 5]))
    pos, sigma = torch.randn(*graph.mask.shape, 3), torch.tensor([0.3, 2.0])
    given = checkpoint.load(str(tmp_path / "first")).denoiser
    want = given(given.encode(graph), pos, sigma)
    for denoiser in (grown.denoiser, grown.averaged()):
        torch.testing.assert_close(denoiser(denoiser.encode(graph), pos, sigma), want, rtol=1e-3, atol=1e-3)


def test_a_network_cannot_lose_layers(config: MakeConfig, tmp_path: Path) -> None:
    train(config(), tmp_path / "first", progress=False)
    recipe = read_recipe(config())
    with pytest.raises(WeightsError, match="has 2 layers"):
        Trainer(replace(recipe, config=recipe.config | {"layers": 1}), torch.device("cpu")).begin_with(
            str(tmp_path / "first")
        )


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


def test_the_log_goes_on_after_a_resume(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config()
    train(recipe, tmp_path / "run", max_minutes=0, progress=False)
    train(recipe, tmp_path / "run", resume=True, progress=False)
    assert [entry["step"] for entry in entries(tmp_path / "run")] == [1, 2, 4, 6]


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


def test_a_run_cannot_be_resumed_with_another_network(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=1)
    train(recipe, tmp_path / "run", progress=False)
    recipe.write_text(recipe.read_text().replace("width = 32", "width = 64", 1))
    with pytest.raises(InputError, match="another"):
        train(recipe, tmp_path / "run", resume=True, progress=False)
