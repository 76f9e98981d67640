"""Training recipes of the vision tasks as frozen records of scalars, one a profile.

Every field enters a cell's identity (one added later only where it is not at its default). All of them train by SGD
with momentum on the cross-entropy, and test at the last epoch: no test number ever chooses anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from tasks.base import ADDED_LATER


@dataclass(frozen=True, kw_only=True)
class SupervisedRecipe:
    """Optimizer, schedule and budget of supervised training."""

    epochs: int
    batch_size: int
    """The last, incomplete batch of an epoch is dropped."""
    lr: float
    """Peak learning rate, for this batch size."""
    schedule: Literal["cosine", "step"] = "cosine"
    """`cosine`: to zero at the last step; `step`: a tenth after each third of the epochs."""
    warmup_epochs: float = 0.0
    """Linear from zero; the cosine starts where it ends."""
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    decay_norm_and_bias: bool = True
    """Whether weight decay pulls on the scales and biases too. It never pulls on an activation's own parameters: that
    would change the function."""
    label_smoothing: float = 0.0
    test_every: int = 0
    """Epochs between two tests for the curve; 0 tests after the last epoch only."""
    mixed_precision: bool = True
    """bfloat16 autocast; on a GPU only, a CPU computes in float32."""
    channels_last: bool = True
    """Memory layout; changes speed and rounding, not the network."""


@dataclass(frozen=True, kw_only=True)
class SmallImageRecipe(SupervisedRecipe):
    """Images small enough to be held in memory and augmented on the device."""

    stem: Literal["3x3", "3x3-pool"] = "3x3"
    """ResNet's first layer: 3×3 convolution of stride 1; `-pool` keeps the 3×3 max-pool of stride 2 behind it, which
    makes a step three times cheaper and costs accuracy. VGG has no such choice."""
    crop_padding: int = 4
    """Random crop after padding with this many black pixels on each side; 0 crops nothing."""
    flip: bool = True
    """Mirror half of the images left to right."""
    train_samples: int = 0
    """Train on this many images, the same ones for every seed; 0 takes all."""
    test_samples: int = 0
    """Test on this many images, the same ones for every seed; 0 takes all."""
    held_out: int = field(default=0, metadata=ADDED_LATER)
    """Test on this many images held out from training instead of the test set, all of them and the same ones for every
    seed; for tuning. 0 holds out none."""


@dataclass(frozen=True, kw_only=True)
class ImageNetRecipe(SupervisedRecipe):
    """Images decoded by worker processes: random resized crop and flip to train, centre crop to test."""

    resolution: int = 224
    test_resolution: int = 224
    """The shorter side is scaled to 8/7 of it, then the centre is cut out."""
    min_scale: float = 0.08
    """Smallest share of the image's area that a training crop shows."""
    train_samples: int = 0
    """Train on this many images, the same ones for every seed; 0 takes all."""
    workers: int = 8
    """Processes that decode; each has its own stream of random crops, so the number is part of the recipe."""
    test_samples: int = field(default=0, metadata=ADDED_LATER)
    """Test on this many images, the same ones for every seed; 0 takes all."""


CIFAR_PAPER = SmallImageRecipe(epochs=200, batch_size=128, lr=0.1, warmup_epochs=1.0, test_every=1)
"""The customary 200 epochs: SGD 0.1, Nesterov momentum 0.9, weight decay 5e-4 on everything, cosine, crop and flip."""

CIFAR_SMALL = SmallImageRecipe(
    epochs=24,
    batch_size=512,
    lr=0.4,
    warmup_epochs=5.0,
    decay_norm_and_bias=False,
    label_smoothing=0.1,
    test_every=1,
)
"""Minutes on one GPU: large batches, a long warm-up and label smoothing."""

CIFAR_CPU = SmallImageRecipe(
    epochs=1,
    batch_size=32,
    lr=0.2,
    warmup_epochs=0.2,
    crop_padding=0,
    stem="3x3-pool",
    train_samples=6000,
    test_samples=2000,
)
"""About a minute on one core: an eighth of the training images, seen once. The learning rate is the one at which ReLU
validates best (docs/protocol.md)."""

CIFAR_VGG_PAPER = replace(CIFAR_PAPER, lr=0.05)
CIFAR_VGG_SMALL = replace(CIFAR_SMALL, lr=0.2)
CIFAR_VGG_CPU = replace(CIFAR_CPU, lr=0.005, train_samples=4000)
"""Two thirds of these images; the learning rate chosen in the same way. A network without shortcuts bears less."""

DIGITS_SMOKE = SmallImageRecipe(
    epochs=16,
    batch_size=32,
    lr=0.05,
    warmup_epochs=1.0,
    crop_padding=2,
    flip=False,
)
"""Seconds on one core; shifts by a quarter of the image keep the scores below the ceiling, so that they rank."""

DIGITS_VGG_SMOKE = replace(DIGITS_SMOKE, epochs=24, lr=0.02)

IMAGENET_PAPER = ImageNetRecipe(
    epochs=90,
    batch_size=256,
    lr=0.1,
    schedule="step",
    nesterov=False,
    weight_decay=1e-4,
    test_every=5,
    workers=16,
)
"""The 90-epoch protocol of 76.13 %: SGD 0.1 for 256 images, a tenth every 30 epochs, weight decay 1e-4 on all."""

IMAGENET_SMALL = ImageNetRecipe(
    epochs=18,
    batch_size=512,
    lr=1.0,
    warmup_epochs=2.0,
    weight_decay=5e-5,
    decay_norm_and_bias=False,
    label_smoothing=0.1,
    resolution=128,
    test_resolution=160,
    min_scale=0.35,
    train_samples=128_116,
    workers=16,
)
"""Minutes on one GPU: a tenth of the training images at 128 pixels; it ranks, it is far from published accuracy."""

TINY_IMAGENET_SMALL = ImageNetRecipe(
    epochs=100,
    batch_size=256,
    lr=0.1,
    warmup_epochs=5.0,
    weight_decay=5e-4,
    decay_norm_and_bias=False,
    label_smoothing=0.1,
    test_every=10,
    resolution=64,
    test_resolution=64,
    min_scale=0.35,
    workers=8,
)
"""Minutes on one GPU: learning rate and batch of ImageNet's protocol, 100 epochs with warm-up and cosine, 64 pixels."""

TINY_IMAGENET_CPU = ImageNetRecipe(
    epochs=2,
    batch_size=32,
    lr=0.002,
    warmup_epochs=0.5,
    resolution=32,
    test_resolution=32,
    min_scale=0.35,
    train_samples=8000,
    workers=1,
    test_samples=4000,
)
"""About three minutes on one core: 8,000 images seen twice, at half their side."""
