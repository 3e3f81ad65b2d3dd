"""Promises of runs that go on, or begin with trained weights: bit for bit, and never with what is not theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training import MakeConfig, entries, state, tensors

from confgen import checkpoint
from confgen.dataset import Pack
from confgen.errors import InputError, OutputError, WeightsError
from confgen.recipe import read_recipe
from confgen.train import train
from confgen.trainer import Trainer


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


def test_weights_of_another_size_cannot_begin_a_run(config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="another network or size"):
        train(config(steps=1), tmp_path / "run", init=checkpoint.DEFAULT, progress=False)


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


def test_the_log_goes_on_after_a_resume(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config()
    train(recipe, tmp_path / "run", max_minutes=0, progress=False)
    train(recipe, tmp_path / "run", resume=True, progress=False)
    assert [entry["step"] for entry in entries(tmp_path / "run")] == [1, 2, 4, 6]


def test_what_a_killed_run_logged_after_it_was_saved_is_not_logged_twice(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config()
    train(recipe, tmp_path / "run", max_minutes=0, progress=False)
    with (tmp_path / "run" / "log.jsonl").open("a") as log:
        log.write('{"loss": 1.0, "step": 2}\n{"loss": 1.0, "st')
    train(recipe, tmp_path / "run", resume=True, progress=False)
    assert [entry["step"] for entry in entries(tmp_path / "run")] == [1, 2, 4, 6]


def test_a_run_cannot_be_resumed_with_another_network(config: MakeConfig, tmp_path: Path) -> None:
    recipe = config(steps=1)
    train(recipe, tmp_path / "run", progress=False)
    recipe.write_text(recipe.read_text().replace("width = 32", "width = 64", 1))
    with pytest.raises(InputError, match="another"):
        train(recipe, tmp_path / "run", resume=True, progress=False)
