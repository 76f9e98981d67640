"""ResNet-20 for 32×32 pixels (He et al., Deep Residual Learning, arXiv 1512.03385, section 4.2), which timm lacks.

A 3×3 convolution of 16 channels, three stages of three basic blocks at 16, 32 and 64 channels, global average pooling
and one linear layer. Where a stage halves the pixels, the shortcut takes every second one and fills the new channels
with zeros (option A: no parameters).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64)
BLOCKS = 3
SITES = 1 + 2 * BLOCKS * len(WIDTHS)


class Block(nn.Module):
    """Two 3×3 convolutions with BatchNorm, and the shortcut around them."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.stride = 1 if before == width else 2
        self.conv1 = _convolution(before, width, self.stride)
        self.norm1 = nn.BatchNorm2d(width)
        self.act1 = nn.ReLU()
        self.conv2 = _convolution(width, width)
        self.norm2 = nn.BatchNorm2d(width)
        self.act2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, before, height, width) to (batch, width, height / stride, width / stride)."""
        new = self.conv2.out_channels - x.shape[1]
        shortcut = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, new // 2, new - new // 2))
        inner = self.act1(self.norm1(self.conv1(x)))
        result: Tensor = self.act2(self.norm2(self.conv2(inner)) + shortcut)
        return result


def resnet20(classes: int, channels: int = 3) -> nn.Sequential:
    """The network, from images (batch, channels, height, width) to logits (batch, classes); torch's global generator
    draws its weights.
    """
    widths = [width for width in WIDTHS for _ in range(BLOCKS)]
    before = [WIDTHS[0], *widths[:-1]]
    blocks = [Block(old, new) for old, new in zip(before, widths, strict=True)]
    stem = [_convolution(channels, WIDTHS[0]), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], classes))


def _convolution(before: int, width: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(before, width, kernel_size=3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer
