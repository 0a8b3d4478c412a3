"""Four ways to train one network on the same images: ours, a bare loop, and those a user would otherwise take.

Every loop is made once and then asked for a number of updates, again and again. All train the same network from
the same weights, in fp32, with the same batch size; what else they do is what they are compared for:

    diffad       `diffad.training.fit` on uint8 images in memory, its set-up and its end included in every call
    bare         forward, squared error, backward and a fused Adam step on one ready-made batch; nothing else
    diffusers    the ingredients of diffusers' unconditional training example: image files through torchvision's
                 transforms and a data loader, DDPMScheduler.add_noise, AdamW, clipping, a cosine rate, EMAModel,
                 and the loss shown in every step
    lucidrains   denoising-diffusion-pytorch's own Trainer and GaussianDiffusion around the network, on image files
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from diffad.model import DiffusionModel, ModelConfig
from diffad.training import TrainingConfig, fit

NUM_STEPS = 1000


def random_inputs(model: DiffusionModel, count: int) -> np.ndarray:
    """Noise in the shape at rest of what the model takes: what it shows does not change what it costs."""
    generator = np.random.default_rng(0)
    if model.input_kind == "images":
        return generator.integers(0, 256, (count, *model.input_shape), dtype=np.uint8)
    return generator.standard_normal((count, *model.input_shape), dtype=np.float32)


def write_pictures(images: np.ndarray, folder: Path) -> list[Path]:
    """Images (n, h, w, c) as PNG files, which the other loops read."""
    paths = [folder / f"{number:06d}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(path)
    return paths


class OurLoop:
    """`diffad.training.fit`, with its progress bar."""

    def __init__(self, words: ModelConfig, inputs: np.ndarray, configuration: TrainingConfig):
        self.model, self.inputs, self.configuration = words.build(), inputs, configuration

    def run(self, updates: int) -> None:
        """Train for so many updates."""
        every = {"num_updates": updates, "validate_every": updates}
        fit(self.model, self.inputs, self.configuration.model_copy(update=every))


class BareLoop:
    """What no loop can do without."""

    def __init__(self, words: ModelConfig, inputs: np.ndarray, batch_size: int, device: torch.device):
        model = words.build()
        self.network = model.network.to(device).train()
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=1e-3, fused=True)
        shape = inputs.shape[1:] if inputs.ndim == 2 else (inputs.shape[3], *inputs.shape[1:3])
        self.x_t = torch.randn(batch_size, *shape, device=device)
        self.noise = torch.randn_like(self.x_t)
        self.t = torch.randint(1, NUM_STEPS + 1, (batch_size,), device=device)

    def run(self, updates: int) -> None:
        """Train for so many updates."""
        for _ in range(updates):
            loss = torch.nn.functional.mse_loss(self.network(self.x_t, self.t), self.noise)
            loss.backward()
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)


class _Pictures(torch.utils.data.Dataset):
    """Image files through the transforms of diffusers' example, which are torchvision's."""

    def __init__(self, paths: list[Path], image_size: int):
        from torchvision import transforms

        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.Resize(image_size, interpolation=transforms.InterpolationMode.BILINEAR),
                transforms.CenterCrop(image_size),
                transforms.ToTensor(),
                transforms.Normalize([0.5], [0.5]),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.paths[index]) as picture:
            return self.transform(picture)


class DiffusersLoop:
    """The steps of diffusers' examples/unconditional_image_generation, with its defaults and `--use_ema`."""

    def __init__(self, words: ModelConfig, paths: list[Path], image_size: int, batch_size: int):
        from accelerate import Accelerator
        from diffusers import DDPMScheduler
        from diffusers.optimization import get_scheduler
        from diffusers.training_utils import EMAModel

        network = words.build().network.train()
        self.accelerator = Accelerator()
        self.scheduler = DDPMScheduler(NUM_STEPS)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        loader = torch.utils.data.DataLoader(
            _Pictures(paths, image_size), batch_size=batch_size, shuffle=True, drop_last=True
        )
        rate = get_scheduler("cosine", optimiser, num_warmup_steps=500, num_training_steps=100_000)
        self.ema = EMAModel(
            network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75
        )
        self.network, self.optimiser, self.loader, self.rate = self.accelerator.prepare(
            network, optimiser, loader, rate
        )
        self.ema.to(self.accelerator.device)
        self.batches = self._batches()

    def _batches(self) -> Iterator[torch.Tensor]:
        while True:
            yield from self.loader

    def run(self, updates: int) -> None:
        """Train for so many updates."""
        from tqdm.auto import tqdm

        bar = tqdm(total=updates, desc="diffusers")
        for _ in range(updates):
            loss = self.step(next(self.batches))
            bar.update()
            bar.set_postfix(loss=loss.detach().item(), lr=self.rate.get_last_lr()[0])
        bar.close()

    def step(self, clean: torch.Tensor) -> torch.Tensor:
        """One update; returns the loss."""
        noise = torch.randn_like(clean)
        t = torch.randint(0, NUM_STEPS, (len(clean),), device=clean.device)
        noisy = self.scheduler.add_noise(clean, noise, t)
        with self.accelerator.accumulate(self.network):
            loss = torch.nn.functional.mse_loss(self.network(noisy, t + 1), noise)
            self.accelerator.backward(loss)
            if self.accelerator.sync_gradients:
                self.accelerator.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimiser.step()
            self.rate.step()
            self.optimiser.zero_grad()
        self.ema.step(self.network.parameters())
        return loss


class _AsLucidrainsNetwork(torch.nn.Module):
    """Our network with the attributes that denoising-diffusion-pytorch asks for; its times start at 0."""

    self_condition = False

    def __init__(self, network: torch.nn.Module, channels: int):
        super().__init__()
        self.network, self.channels, self.out_dim = network, channels, channels

    def forward(self, x: torch.Tensor, t: torch.Tensor, x_self_cond: None = None) -> torch.Tensor:
        return self.network(x, t + 1)


class LucidrainsLoop:
    """denoising-diffusion-pytorch's Trainer with its defaults, but without sampling in between."""

    def __init__(self, words: ModelConfig, folder: Path, image_size: int, channels: int, batch_size: int):
        from denoising_diffusion_pytorch import GaussianDiffusion, Trainer

        diffusion = GaussianDiffusion(
            _AsLucidrainsNetwork(words.build().network, channels),
            image_size=image_size,
            timesteps=NUM_STEPS,
            objective="pred_noise",
            beta_schedule="cosine",
        )
        self.trainer = Trainer(
            diffusion,
            str(folder),
            train_batch_size=batch_size,
            augment_horizontal_flip=False,
            train_num_steps=0,
            save_and_sample_every=10**9,
            results_folder=tempfile.mkdtemp(dir=folder.parent),
            calculate_fid=False,
        )
        if (
            torch.cuda.is_available()
        ):  # without accelerate's launcher the moving average stays where it was made
            self.trainer.ema.to(self.trainer.device)

    def run(self, updates: int) -> None:
        """Train for so many updates."""
        self.trainer.train_num_steps += updates
        self.trainer.train()
