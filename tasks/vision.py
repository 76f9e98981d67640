"""Image classification: ResNet-18 and VGG-16-BN on CIFAR, ResNet-50 on ImageNet and on a part of
Tiny-ImageNet, and stand-ins on embedded digits.

The networks are timm's. What we change about them, and nothing else, is said in `TaskSpec.model` and done in the four
functions below; recipes are in `tasks/vision_recipes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import vision_recipes as recipes
from tasks.base import Context, Dataset, DataStatus, Measurement, Metric, Reference, Selection, TaskSpec
from tasks.vision_data import CIFAR10, CIFAR100, Cifar, Digits, ImageSet, MemoryBatches
from tasks.vision_folder import IMAGENET, TINY_IMAGENET_10K, FolderBatches, ImageFolders

if TYPE_CHECKING:
    import torch
    from torch import nn

    from activations import Activation
    from tasks.training import Batches

VGG16_WIDTHS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
"""Widths of the 13 convolutions; M halves height and width."""
VGG16_DIGITS_WIDTHS = (16, 16, "M", 32, 32, "M", 64, 64, 64, "M", 64, 64, 64, 64, 64, 64)
"""The same 13, narrower, and without the last two poolings: 8×8 pixels are 1×1 after three."""


def resnet18(classes: int, recipe: recipes.SmallImageRecipe) -> nn.Module:
    """timm's ResNet-18 with a stem for 32×32 pixels."""
    timm = _timm()
    model = timm.create_model("resnet18", num_classes=classes)
    return _small_stem(model, channels=3, keep_pool=recipe.stem == "3x3-pool")


def resnet18_digits(classes: int, recipe: recipes.SmallImageRecipe) -> nn.Module:
    """timm's ResNet-18 at a quarter of its width behind the stem, for 8×8 grey pixels."""
    _timm()
    from timm.models.resnet import BasicBlock, ResNet

    block: Any = BasicBlock  # timm annotates an instance where it takes the class
    model = ResNet(block, (2, 2, 2, 2), num_classes=classes, channels=(16, 32, 64, 128))
    return _small_stem(model, channels=1, keep_pool=recipe.stem == "3x3-pool")


def vgg16(classes: int, recipe: recipes.SmallImageRecipe) -> nn.Module:
    """timm's VGG-16-BN features, then global average pooling and one linear layer."""
    return _pooled_vgg(VGG16_WIDTHS, channels=3, classes=classes)


def vgg16_digits(classes: int, recipe: recipes.SmallImageRecipe) -> nn.Module:
    """The narrow VGG for 8×8 grey pixels."""
    return _pooled_vgg(VGG16_DIGITS_WIDTHS, channels=1, classes=classes)


def resnet50(classes: int, recipe: recipes.ImageNetRecipe) -> nn.Module:
    """timm's ResNet-50, untouched."""
    model: nn.Module = _timm().create_model("resnet50", num_classes=classes)
    return model


def _timm() -> Any:
    from tasks._torchvision import ensure_torchvision

    ensure_torchvision()
    import timm

    return timm


def _small_stem(model: Any, channels: int, keep_pool: bool) -> nn.Module:
    from torch import nn

    stem = nn.Conv2d(channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")  # as timm initialises every convolution
    model.conv1 = stem
    if not keep_pool:
        model.maxpool = nn.Identity()
    assert isinstance(model, nn.Module)
    return model


def _pooled_vgg(widths: tuple[int | str, ...], channels: int, classes: int) -> nn.Module:
    _timm()
    from timm.models.vgg import VGG
    from torch import nn

    # The head that timm builds is thrown away; at this ratio it is one channel wide in place of 4,096.
    body = VGG(list(widths), in_chans=channels, norm_layer=nn.BatchNorm2d, mlp_ratio=1 / 4096)
    return nn.Sequential(body.features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(body.num_features, classes))


@dataclass(frozen=True)
class VisionTask:
    """A network, a data set and recipes."""

    spec: TaskSpec
    source: Cifar | Digits | ImageFolders
    build: Callable[[int, Any], nn.Module]
    """From the number of classes and the recipe to the untouched network."""

    def data_status(self, data: Path | None) -> DataStatus:
        """Whether the data set lies in `data`."""
        return self.source.status(data)

    def run(self, activation: Activation, seed: int, recipe: Any, context: Context) -> Measurement:
        """Train and test one network; see `tasks.base.Task.run`."""
        import torch

        from activations import confirm_executed, inject
        from tasks.kernels import fuse_sites, late_notes
        from tasks.training import fit

        device = torch.device(context.device)
        batches, checksums = self._batches(recipe, seed, context.data, device)
        torch.manual_seed(seed)
        model = self.build(batches.classes, recipe)
        injection = inject(model, activation, expected=self.spec.sites)
        model.to(device)
        injection = confirm_executed(model, injection, lambda: model(batches.example))
        # Only now have per-channel parameters a size, without which they have no memory layout.
        if recipe.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own stub forgets it
        half = recipe.mixed_precision and device.type == "cuda"
        fused = fuse_sites(model, context.fuse, torch.bfloat16 if half else torch.float32)
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            result = fit(model, batches, recipe, injection.sites, context.progress)
        return Measurement(
            score=result.metrics[f"{batches.part}_top1"],
            metrics=result.metrics,
            curves=result.curves,
            injection=injection,
            parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
            train_seconds=result.training.wall,
            train_cpu_seconds=result.training.cpu,
            eval_seconds=result.testing.wall,
            dataset=checksums,
            notes=(*self._notes(recipe, device), *fused.notes, *late_notes(model)),
            compile_seconds=fused.seconds,
            fused=fused.wanted,
        )

    def _batches(
        self, recipe: Any, seed: int, data: Path | None, device: torch.device
    ) -> tuple[Batches, dict[str, str]]:
        if isinstance(self.source, ImageFolders):
            folder = FolderBatches(self.source, data, recipe, seed, device)
            return folder, folder.checksums
        images = _held(self.source, data)
        return MemoryBatches(images, recipe, seed, device), dict(images.checksums)

    def _notes(self, recipe: recipes.SupervisedRecipe, device: torch.device) -> tuple[str, ...]:
        notes = []
        held_out = getattr(recipe, "held_out", 0)
        if held_out:
            notes.append(f"tested on {held_out:,} images held out from training: the test set took no part")
        if recipe.mixed_precision and device.type != "cuda":
            notes.append("computed in float32: mixed precision is for GPUs")
        for field, words in (("train_samples", "trained on"), ("test_samples", "tested on")):
            if getattr(recipe, field, 0) and not (held_out and field == "test_samples"):
                notes.append(f"{words} a fixed subset of {getattr(recipe, field):,} images")
        if getattr(recipe, "stem", "3x3") == "3x3-pool" and "resnet" in self.spec.name:
            notes.append("the max-pool behind the stem is kept: cheaper, and less accurate than the paper recipe")
        return tuple(notes)


@lru_cache(maxsize=1)  # another data set's may take hundreds of MB
def _held(source: Cifar | Digits, data: Path | None) -> ImageSet:
    """The images of a source, read and verified once a process: a worker runs many cells on them."""
    return source.load(data)


INITIALISATION = "Convolutions keep timm's He initialisation with the gain of ReLU under every activation (our choice)."


@dataclass(frozen=True)
class Network:
    """A network as a task states it."""

    name: str
    title: str
    model: str
    sites: int
    build: Callable[[int, Any], nn.Module]


RESNET18 = Network(
    "resnet18",
    "ResNet-18",
    "timm resnet18 with a 3×3 stride-1 stem in place of 7×7 stride-2 and no max-pool behind it (recipes with the stem "
    "`3x3-pool` keep the max-pool); the last BatchNorm of each block starts at zero, as in timm. " + INITIALISATION,
    sites=17,
    build=resnet18,
)
VGG16 = Network(
    "vgg16",
    "VGG-16-BN",
    "Features of timm vgg16_bn, then global average pooling and one linear layer, customary for 32×32 pixels, in place "
    "of timm's head of two 4,096-wide layers (so 13 sites in place of 15). " + INITIALISATION,
    sites=13,
    build=vgg16,
)
RESNET50 = Network(
    "resnet50",
    "ResNet-50",
    "timm resnet50, untouched; the last BatchNorm of each block starts at zero, as in timm. " + INITIALISATION,
    sites=49,
    build=resnet50,
)
RESNET18_DIGITS = Network(
    "resnet18",
    "narrow ResNet-18",
    "timm's ResNet class with the blocks of ResNet-18 at widths 16 to 128, a 3×3 stride-1 stem of 64 channels without "
    "max-pool, one input channel. " + INITIALISATION,
    sites=17,
    build=resnet18_digits,
)
VGG16_DIGITS = Network(
    "vgg16",
    "narrow VGG-16-BN",
    "timm's VGG class with the 13 convolutions of VGG-16-BN at widths 16 to 64 and without the last two poolings, then "
    "global average pooling and one linear layer, one input channel. " + INITIALISATION,
    sites=13,
    build=vgg16_digits,
)


def _task(
    network: Network,
    source: Cifar | Digits | ImageFolders,
    dataset: Dataset,
    budgets: Mapping[str, recipes.SupervisedRecipe],
    reference: Reference | None = None,
    held_out: int = 0,
) -> VisionTask:
    standin = isinstance(source, Digits)
    spec = TaskSpec(
        name=f"{source.name}-{network.name}",
        version=1,
        title=f"{dataset.name}, {network.title}" + (" (stand-in for CIFAR)" if standin else ""),
        family="vision",
        track="stand-in" if standin else "real",
        dataset=dataset,
        model=network.model,
        sites=network.sites,
        site_rule="Every ReLU of the network is replaced; max-pooling and the softmax of the loss are left.",
        metric=Metric("top-1 accuracy", "%", higher_is_better=True, chance=100 / source.classes),
        recipes=budgets,
        reference=reference,
        selection=Selection("valid_top1", True, {"held_out": held_out}) if held_out else None,
    )
    return VisionTask(spec, source, network.build)


HELD_OUT = 5000
"""CIFAR's training images that a learning rate is chosen on, customary."""
DIGITS_HELD_OUT = 200
"""The same of the digits' 1,000."""

_KRIZHEVSKY = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; python version"
_CIFAR10 = Dataset("CIFAR-10", _KRIZHEVSKY, CIFAR10.checksums, CIFAR10.command)
_CIFAR100 = Dataset("CIFAR-100", _KRIZHEVSKY, CIFAR100.checksums, CIFAR100.command)
_IMAGENET = Dataset("ImageNet", "ILSVRC-2012; tested on the 50,000 validation images", {}, IMAGENET.command)
_TINY_IMAGENET_10K = Dataset(
    "Tiny-ImageNet-10k",
    "the first 50 of the 500 training images of each of the 200 classes of Tiny-ImageNet (Stanford CS231n), "
    "validated on Tiny-ImageNet's validation images, 10,000 in all, 64×64 pixels; the note of a cell states its subset",
    TINY_IMAGENET_10K.checksums,
    TINY_IMAGENET_10K.command,
)
_DIGITS = Dataset("Digits", "scikit-learn's 8×8 digits, in the package; tested on writers that training never saw")

_RESNET18_BUDGETS = {"cpu": recipes.CIFAR_CPU, "small": recipes.CIFAR_SMALL, "paper": recipes.CIFAR_PAPER}
_VGG16_BUDGETS = {"cpu": recipes.CIFAR_VGG_CPU, "small": recipes.CIFAR_VGG_SMALL, "paper": recipes.CIFAR_VGG_PAPER}

TASKS: tuple[VisionTask, ...] = (
    _task(
        RESNET18,
        CIFAR10,
        _CIFAR10,
        _RESNET18_BUDGETS,
        Reference(
            95.2, 94.7, 96.0, "customary at 200 epochs: 95 % and more, sd over seeds about 0.14; no single paper"
        ),
        held_out=HELD_OUT,
    ),
    _task(VGG16, CIFAR10, _CIFAR10, _VGG16_BUDGETS, held_out=HELD_OUT),
    _task(RESNET18, CIFAR100, _CIFAR100, _RESNET18_BUDGETS, held_out=HELD_OUT),
    _task(VGG16, CIFAR100, _CIFAR100, _VGG16_BUDGETS, held_out=HELD_OUT),
    _task(
        RESNET50,
        IMAGENET,
        _IMAGENET,
        {"small": recipes.IMAGENET_SMALL, "paper": recipes.IMAGENET_PAPER},
        Reference(76.13, 75.4, 76.5, "torchvision's ResNet-50, 90 epochs, SGD 0.1 per 256; reruns gave 75.4 to 75.9"),
    ),
    _task(
        RESNET50,
        TINY_IMAGENET_10K,
        _TINY_IMAGENET_10K,
        {"cpu": recipes.TINY_IMAGENET_CPU, "small": recipes.TINY_IMAGENET_SMALL},
    ),
    _task(RESNET18_DIGITS, Digits(), _DIGITS, {"smoke": recipes.DIGITS_SMOKE}, held_out=DIGITS_HELD_OUT),
    _task(VGG16_DIGITS, Digits(), _DIGITS, {"smoke": recipes.DIGITS_VGG_SMOKE}, held_out=DIGITS_HELD_OUT),
)
