"""diffusers opens what is saved here and the other way round, with the same eps, the same levels, or not at all."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, EulerDiscreteScheduler, UNet2DModel
from tiny import NETWORK, TINY, same_weights

from diffad import exchange
from diffad.errors import CheckpointError, DataNotFound
from diffad.exchange import from_pretrained, push_to_hub, save_pretrained, scheduler_of
from diffad.model import DiffusionModel, ModelConfig

LAYOUT = {
    "sample_size": 8,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 4,
    "attention_head_dim": 4,
}


def pipeline(folder, layout=None, scheduler=DDPMScheduler, **settings):
    """A small random pipeline of diffusers, saved by diffusers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = DDPMPipeline(UNet2DModel(**LAYOUT | (layout or {})).eval(), scheduler(60, **settings))
    made.save_pretrained(folder)
    return made


def points(channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, channels, 8, 8, generator=generator, dtype=torch.float64)


def same(one, other):
    """Equal but for the rounding of float64: the memory format decides the order of a sum."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("parameterisation", ["eps", "x0", "v"])
def test_a_saved_unet_opens_in_diffusers(tmp_path, parameterisation):
    model = TINY.model_copy(update={"parameterisation": parameterisation}).build(3).eval()
    folder = save_pretrained(model, tmp_path / "model")
    opened = DDPMPipeline.from_pretrained(folder)
    alone = UNet2DModel.from_pretrained(folder, subfolder="unet")
    with torch.inference_mode():
        raw = model.double().network_prediction(points(1), 7)
        for unet in (opened.unet, alone):
            same(unet.double()(points(1), 6).sample, raw)
        # One step of their sampler starts from the x0 that is predicted here.
        opened.scheduler.register_to_config(clip_sample=False)
        step = opened.scheduler.step(raw, 6, points(1), generator=torch.Generator().manual_seed(0))
        ours = model.predict(points(1), 7, "x0")
    torch.testing.assert_close(step.pred_original_sample, ours, rtol=1e-4, atol=1e-4)
    alpha_bar = model.process.schedule.alpha_bar[1:].float()
    torch.testing.assert_close(opened.scheduler.alphas_cumprod, alpha_bar, rtol=0, atol=2e-6)


def test_their_pipeline_samples_from_our_unet(tmp_path):
    opened = DDPMPipeline.from_pretrained(save_pretrained(TINY.build().eval(), tmp_path / "model"))
    opened.set_progress_bar_config(disable=True)
    images = opened(batch_size=2, num_inference_steps=2, output_type="np").images
    assert images.shape == (2, 8, 8, 1)


def test_the_folder_names_nothing_of_this_machine(tmp_path):
    opened = from_pretrained(save_pretrained(TINY.build(), tmp_path / "first"))
    folder = save_pretrained(opened, tmp_path / "model")
    assert {path.name for path in folder.iterdir()} <= {"model_index.json", "unet", "scheduler", "README.md"}
    for path in folder.rglob("*.json"):
        assert str(tmp_path) not in path.read_text(), path


SCHEDULES = {
    "linear": {"beta_start": 0.001, "beta_end": 0.03},
    "scaled_linear": {},
    "cosine": {},
    "sigmoid": {},
    "zero_terminal": {"base": "scaled_linear"},
    "log_linear": {},
    "vdm": {},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_there_and_back_is_the_same_model(tmp_path, name):
    configuration = ModelConfig(
        network_parameters=NETWORK,
        schedule=name,
        schedule_parameters=SCHEDULES[name],
        num_steps=60,
        parameterisation="v",
    )
    model = configuration.build(1).eval()
    back = from_pretrained(save_pretrained(model, tmp_path / "model"))
    torch.testing.assert_close(
        back.process.schedule.alpha_bar, model.process.schedule.alpha_bar, rtol=1e-9, atol=1e-15
    )
    assert same_weights(model, back) and not back.training and back.parameterisation == "v"
    if name not in ("log_linear", "vdm"):  # these have no name in diffusers, only a table
        assert same_weights(DiffusionModel.load(back.save(tmp_path / "ours")), model)
    with torch.inference_mode():
        same(back.double().predict(points(1), 9), model.double().predict(points(1), 9))


@pytest.mark.parametrize("scheduler", [DDPMScheduler, DDIMScheduler])
@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_a_diffusers_pipeline_opens_here(tmp_path, scheduler, schedule):
    theirs = pipeline(tmp_path / "theirs", scheduler=scheduler, beta_schedule=schedule)
    before = torch.get_rng_state()
    model = from_pretrained(tmp_path / "theirs")
    assert torch.equal(before, torch.get_rng_state())
    assert model.input_shape == (8, 8, 3) and model.num_steps == 60 and not model.training
    levels = model.process.schedule.alpha_bar[1:].float()
    torch.testing.assert_close(levels, theirs.scheduler.alphas_cumprod, rtol=0, atol=2e-6)
    assert same_weights(DiffusionModel.load(model.save(tmp_path / "ours")), model)
    with torch.inference_mode():
        for t in (1, 30, 60):
            eps = theirs.unet.double()(points(), t - 1).sample
            same(model.double().predict(points(), t), eps)


def test_learned_variance_means_the_same_on_both_sides(tmp_path):
    layout = {"out_channels": 6}
    theirs = pipeline(tmp_path / "theirs", layout, variance_type="learned_range", beta_end=0.3)
    model = from_pretrained(tmp_path / "theirs")
    with torch.inference_mode():
        raw = theirs.unet.double()(points(), 9).sample
        eps, fraction = model.double().predict_with_variance(points(), 10)
    same(eps, raw[:, :3])
    same(fraction, (raw[:, 3:] + 1) / 2)
    again = from_pretrained(save_pretrained(model.float(), tmp_path / "again"))
    assert again.learned_variance and same_weights(model, again)
    assert scheduler_of(model).config.variance_type == "learned_range"


def test_files_beside_one_another_are_read_as_older_pipelines_have_them(tmp_path):
    theirs = pipeline(tmp_path / "theirs")
    for path in [*(tmp_path / "theirs" / "unet").iterdir(), *(tmp_path / "theirs" / "scheduler").iterdir()]:
        shutil.move(path, tmp_path / "theirs" / path.name)
    for name in ("unet", "scheduler"):
        (tmp_path / "theirs" / name).rmdir()
    with torch.inference_mode():
        ours = from_pretrained(tmp_path / "theirs").double().predict(points(), 5)
        same(ours, theirs.unet.double()(points(), 4).sample)


def dit():
    parameters = {"image_size": 8, "channels": 1, "size": "Ti", "patch": 4}
    return ModelConfig(network="dit", network_parameters=parameters, num_steps=10).build()


def told_unet():
    return ModelConfig(network_parameters=NETWORK | {"num_classes": 2}, num_steps=10).build()


def pure_noise():
    return ModelConfig(network_parameters=NETWORK, schedule="zero_terminal", num_steps=10).build()


NOT_SAVED = {
    "transformer": (dit, "got a DiT, expected a U-Net.*DiffusionModel.save writes any network"),
    "classes": (told_unet, "takes conditions.*DiffusionModel.save"),
    "eps at pure noise": (pure_noise, "predicts eps at zero terminal SNR"),
}


@pytest.mark.parametrize("case", NOT_SAVED)
def test_what_diffusers_cannot_open_is_not_saved(tmp_path, case):
    build, words = NOT_SAVED[case]
    with pytest.raises(ValueError, match=words):
        save_pretrained(build(), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_saving_removes_nothing_but_a_pipeline(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").write_text("five years")
    with pytest.raises(ValueError, match="thesis.tex"):
        save_pretrained(TINY.build(), tmp_path / "model")


def changed(name, **values):
    """A change of one JSON file of a saved pipeline."""

    def change(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


WEIGHTS = Path("unet") / "diffusion_pytorch_model.safetensors"
NOT_OPENED = {
    "other betas": (changed("scheduler/scheduler_config.json", beta_schedule="laplace"), "'laplace'"),
    "variance": (changed("scheduler/scheduler_config.json", variance_type="learned"), "'learned'"),
    "prediction": (changed("scheduler/scheduler_config.json", prediction_type="flow"), "'flow'"),
    "scheduler": (
        changed("scheduler/scheduler_config.json", _class_name="EulerDiscreteScheduler"),
        "scheduler 'EulerDiscreteScheduler', expected DDPMScheduler or DDIMScheduler",
    ),
    "channels": (
        changed("scheduler/scheduler_config.json", variance_type="learned_range"),
        "got out_channels 3 for in_channels 3, expected 6",
    ),
    "network": (changed("unet/config.json", _class_name="UNet2DConditionModel"), "UNet2DConditionModel"),
    "shape": (changed("unet/config.json", block_out_channels=[8, 24]), "no U-Net can be read|mismatched"),
    "oblong": (changed("unet/config.json", sample_size=[8, 16]), r"sample_size \[8, 16\]"),
    "no index": (lambda folder: (folder / "model_index.json").unlink(), "holds neither model_index.json"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "no U-Net can be read"),
    "no scheduler": (
        lambda folder: (folder / "scheduler" / "scheduler_config.json").unlink(),
        "no scheduler can be read",
    ),
    "truncated": (
        lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:5000]),
        "no U-Net can be read",
    ),
}


@pytest.mark.parametrize("case", NOT_OPENED)
def test_what_has_no_equal_here_is_not_opened(tmp_path, case):
    change, words = NOT_OPENED[case]
    pipeline(tmp_path / "theirs")
    change(tmp_path / "theirs")
    with pytest.raises(CheckpointError, match=words) as caught:
        from_pretrained(tmp_path / "theirs")
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_not_read(tmp_path):
    made = pipeline(tmp_path / "theirs")
    (tmp_path / "theirs" / WEIGHTS).unlink()
    torch.save(made.unet.state_dict(), tmp_path / "theirs" / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointError, match="no U-Net can be read"):
        from_pretrained(tmp_path / "theirs")


def test_a_missing_weight_is_not_made_up(tmp_path):
    from safetensors.torch import load_file, save_file

    pipeline(tmp_path / "theirs")
    tensors = load_file(tmp_path / "theirs" / WEIGHTS)
    del tensors["conv_in.weight"]
    save_file(tensors, tmp_path / "theirs" / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="conv_in.weight"):
        from_pretrained(tmp_path / "theirs")


def test_euler_s_scheduler_is_refused_as_its_network_sees_scaled_data(tmp_path):
    pipeline(tmp_path / "theirs")
    EulerDiscreteScheduler(60).save_pretrained(tmp_path / "theirs" / "scheduler")
    with pytest.raises(CheckpointError, match="EulerDiscreteScheduler"):
        from_pretrained(tmp_path / "theirs")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub that is a folder: repositories are its subfolders."""
    home = tmp_path / "hub"

    def create_repo(self, repo_id, private=False, exist_ok=False):
        (home / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return f"https://hub.example/{repo_id}"

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        shutil.copytree(folder_path, home / repo_id, dirs_exist_ok=True)

    def snapshot_download(repo_id, revision=None, token=None, allow_patterns=None):
        if not (home / repo_id).is_dir():
            raise OSError(f"no {repo_id}\nand a long explanation")
        kept = home / ".cache" / repo_id
        for path in (home / repo_id).rglob("*"):
            if path.is_file() and any(path.match(pattern) for pattern in allow_patterns):
                target = kept / path.relative_to(home / repo_id)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        return str(kept)

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return home


@pytest.mark.parametrize("write", [save_pretrained, DiffusionModel.save])
def test_a_model_goes_to_the_hub_and_comes_back(tmp_path, hub, write):
    model = TINY.build(2).eval()
    address = push_to_hub(write(model, tmp_path / "model"), "someone/digits")
    assert address.endswith("someone/digits")
    back = from_pretrained("someone/digits")
    with torch.inference_mode():
        same(back.double().predict(points(1), 9), model.double().predict(points(1), 9))


def test_any_network_goes_to_the_hub_in_our_own_format(tmp_path, hub):
    model = dit()
    push_to_hub(model.save(tmp_path / "model"), "someone/transformer", private=True)
    assert same_weights(from_pretrained("someone/transformer"), model)


def test_what_is_not_there_is_named(tmp_path, hub):
    with pytest.raises(DataNotFound, match=r"someone/nothing is neither .* \(no someone/nothing\)"):
        from_pretrained("someone/nothing")
    with pytest.raises(DataNotFound, match="expected a folder or a repository"):
        from_pretrained(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="holds no model"):
        push_to_hub(tmp_path, "someone/digits")
    folder = TINY.build().save(tmp_path / "model")
    with pytest.raises(ValueError, match="repository: got 'digits', expected 'owner/name'"):
        push_to_hub(folder, "digits")


def test_a_hub_that_refuses_is_quoted_in_one_line(tmp_path, hub, monkeypatch):
    def create_repo(self, repo_id, private=False, exist_ok=False):
        raise OSError("401 Unauthorized\ndetails")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    folder = TINY.build().save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"could not be written \(401 Unauthorized\)"):
        push_to_hub(folder, "someone/digits")


def test_without_the_hub_s_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r"pip install 'diffad\[hub\]'"):
        exchange.from_pretrained("someone/digits")
