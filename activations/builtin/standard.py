"""The usual activation functions: rectifiers, sigmoids and shrinkages that every framework ships."""

from __future__ import annotations

from activations.builtin.lazy import F, Tensor, torch
from activations.registry import register

HENDRYCKS = "Hendrycks, Gimpel: Gaussian Error Linear Units (GELUs), 2016, arXiv 1606.08415"
MOBILENET = "Howard et al.: Searching for MobileNetV3, ICCV 2019, arXiv 1905.02244"
TORCH7 = "Collobert, Kavukcuoglu, Farabet: Torch7: A Matlab-like Environment for Machine Learning, BigLearn 2011"
DONOHO = "Donoho, Johnstone: Ideal Spatial Adaptation by Wavelet Shrinkage, Biometrika 1994; here with lambda = 0.5"


@register("identity", formula="x", reference="no nonlinearity at all, as a lower bound", origin="control")
def identity(x: Tensor) -> Tensor:
    return x


@register(
    "relu",
    formula="max(x, 0)",
    reference="Nair, Hinton: Rectified Linear Units Improve Restricted Boltzmann Machines, ICML 2010",
)
def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


@register(
    "leaky-relu",
    formula="max(x, 0) + 0.01 * min(x, 0)",
    reference="Maas, Hannun, Ng: Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013",
    aliases=["lrelu"],
)
def leaky_relu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.01)


@register(
    "relu6",
    formula="min(max(x, 0), 6)",
    reference="Krizhevsky: Convolutional Deep Belief Networks on CIFAR-10, 2010",
)
def relu6(x: Tensor) -> Tensor:
    return F.relu6(x)


@register(
    "squared-relu",
    formula="max(x, 0)**2",
    reference="So et al.: Primer: Searching for Efficient Transformers for Language Modeling, NeurIPS 2021, "
    "arXiv 2109.08668",
    origin="searched",
)
def squared_relu(x: Tensor) -> Tensor:
    return torch.square(torch.relu(x))


@register(
    "elu",
    formula="where(x > 0, x, exp(x) - 1)",
    reference="Clevert, Unterthiner, Hochreiter: Fast and Accurate Deep Network Learning by Exponential Linear Units "
    "(ELUs), ICLR 2016, arXiv 1511.07289; alpha = 1",
)
def elu(x: Tensor) -> Tensor:
    return F.elu(x)


@register(
    "celu",
    formula="where(x > 0, x, 2 * (exp(x / 2) - 1))",
    reference="Barron: Continuously Differentiable Exponential Linear Units, 2017, arXiv 1704.07483; alpha = 2 is our "
    "choice, because alpha = 1 is ELU",
)
def celu(x: Tensor) -> Tensor:
    return 2 * F.elu(x / 2)


@register(
    "selu",
    formula="1.0507009873554805 * where(x > 0, x, 1.6732632423543772 * (exp(x) - 1))",
    reference="Klambauer, Unterthiner, Mayr, Hochreiter: Self-Normalizing Neural Networks, NeurIPS 2017, "
    "arXiv 1706.02515",
)
def selu(x: Tensor) -> Tensor:
    return F.selu(x)


@register("gelu", formula="0.5 * x * (1 + erf(x / sqrt(2)))", reference=HENDRYCKS)
def gelu(x: Tensor) -> Tensor:
    return F.gelu(x)


@register(
    "gelu-tanh",
    formula="0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))",
    reference=HENDRYCKS,
)
def gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


@register("quick-gelu", formula="x * sigmoid(1.702 * x)", reference=HENDRYCKS)
def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


@register(
    "silu",
    formula="x * sigmoid(x)",
    reference="Elfwing, Uchibe, Doya: Sigmoid-Weighted Linear Units for Neural Network Function Approximation in "
    "Reinforcement Learning, Neural Networks 2018, arXiv 1702.03118",
    aliases=["swish-1"],
)
def silu(x: Tensor) -> Tensor:
    return F.silu(x)


@register(
    "mish",
    formula="x * tanh(softplus(x))",
    reference="Misra: Mish: A Self Regularized Non-Monotonic Activation Function, BMVC 2020, arXiv 1908.08681",
)
def mish(x: Tensor) -> Tensor:
    return F.mish(x)


@register(
    "softplus",
    formula="log(1 + exp(x))",
    reference="Dugas, Bengio, Bélisle, Nadeau, Garcia: Incorporating Second-Order Functional Knowledge for Better "
    "Option Pricing, NIPS 2000",
)
def softplus(x: Tensor) -> Tensor:
    return F.softplus(x)


@register(
    "softsign",
    formula="x / (1 + abs(x))",
    reference="Elliott: A Better Activation Function for Artificial Neural Networks, ISR TR 93-8, 1993",
    aliases=["elliott"],
)
def softsign(x: Tensor) -> Tensor:
    return F.softsign(x)


@register(
    "tanh",
    formula="tanh(x)",
    reference="LeCun, Bottou, Orr, Müller: Efficient BackProp, 1998, which argues for it over the logistic sigmoid",
)
def tanh(x: Tensor) -> Tensor:
    return torch.tanh(x)


@register(
    "lecun-tanh",
    formula="1.7159 * tanh(2 / 3 * x)",
    reference="LeCun, Bottou, Orr, Müller: Efficient BackProp, 1998",
)
def lecun_tanh(x: Tensor) -> Tensor:
    return 1.7159 * torch.tanh(2 / 3 * x)


@register(
    "sigmoid",
    formula="1 / (1 + exp(-x))",
    reference="Rumelhart, Hinton, Williams: Learning Representations by Back-Propagating Errors, Nature 1986",
)
def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


@register("log-sigmoid", formula="-log(1 + exp(-x))", reference=TORCH7, aliases=["logsigmoid"])
def log_sigmoid(x: Tensor) -> Tensor:
    return F.logsigmoid(x)


@register("hardswish", formula="x * clamp(x + 3, 0, 6) / 6", reference=MOBILENET, aliases=["hard-swish"])
def hardswish(x: Tensor) -> Tensor:
    return F.hardswish(x)


@register("hardsigmoid", formula="clamp(x + 3, 0, 6) / 6", reference=MOBILENET, aliases=["hard-sigmoid"])
def hardsigmoid(x: Tensor) -> Tensor:
    return F.hardsigmoid(x)


@register(
    "hardtanh",
    formula="clamp(x, -1, 1)",
    reference="Collobert: Large Scale Machine Learning, PhD thesis, 2004",
    aliases=["hard-tanh"],
)
def hardtanh(x: Tensor) -> Tensor:
    return F.hardtanh(x)


@register("tanhshrink", formula="x - tanh(x)", reference=TORCH7)
def tanhshrink(x: Tensor) -> Tensor:
    return F.tanhshrink(x)


@register("softshrink", formula="where(abs(x) > 0.5, x - 0.5 * sign(x), 0 * x)", reference=DONOHO)
def softshrink(x: Tensor) -> Tensor:
    return F.softshrink(x, 0.5)


@register("hardshrink", formula="where(abs(x) > 0.5, x, 0 * x)", reference=DONOHO)
def hardshrink(x: Tensor) -> Tensor:
    return F.hardshrink(x, 0.5)
