"""The names that a candidate may call: pure functions of tensors and numbers, and nothing that reads, writes, compiles,
draws or remembers. A name in these lists may still have no row in `activations.ops`; the tracer then says so.
"""

from __future__ import annotations

ELEMENTWISE = frozenset({
    "abs", "absolute", "acos", "acosh", "add", "addcdiv", "addcmul", "angle", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "clamp", "clip", "conj",
    "copysign", "cos", "cosh", "deg2rad", "detach", "digamma", "div", "divide", "eq", "erf", "erfc", "erfinv", "exp",
    "exp2", "expm1", "fix", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "ge", "greater",
    "greater_equal", "gt", "heaviside", "hypot", "imag", "isfinite", "isinf", "isnan", "le", "lerp", "less",
    "less_equal", "lgamma", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not",
    "logical_or", "logical_xor", "logit", "lt", "maximum", "minimum", "mul", "multiply", "nan_to_num", "ne", "neg",
    "negative", "not_equal", "polar", "positive", "pow", "rad2deg", "real", "reciprocal", "relu", "remainder", "round",
    "rsqrt", "sgn", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh", "sqrt", "square", "sub", "subtract",
    "tan", "tanh", "true_divide", "trunc", "where", "xlogy",
})  # fmt: skip
"""Functions of `torch` that give each element from the same elements of their arguments."""

REDUCTIONS = frozenset({
    "all", "amax", "amin", "any", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logcumsumexp", "logsumexp",
    "max", "mean", "min", "norm", "prod", "softmax", "std", "std_mean", "sum", "var", "var_mean",
})  # fmt: skip

MOVES = frozenset({
    "argsort", "broadcast_to", "cat", "chunk", "concat", "concatenate", "diff", "flatten", "flip", "gather", "movedim",
    "narrow", "permute", "reshape", "roll", "scatter", "scatter_add", "select", "sort", "split", "squeeze", "stack",
    "swapaxes", "transpose", "unbind", "unflatten", "unsqueeze",
})  # fmt: skip

CONSTRUCTORS = frozenset({
    "arange", "as_tensor", "complex", "full", "full_like", "linspace", "ones", "ones_like", "tensor", "zeros",
    "zeros_like",
})  # fmt: skip

TORCH = (
    ELEMENTWISE
    | REDUCTIONS
    | MOVES
    | CONSTRUCTORS
    | {"selu", "celu", "threshold", "is_complex", "is_floating_point", "numel"}
    | {f"fft.{name}" for name in ("fft", "fft2", "ifft", "ifft2", "irfft", "irfft2", "irfftn", "rfft", "rfft2",
                                  "rfftn")}
    | {f"special.{name}" for name in ("digamma", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p",
                                      "log_softmax", "logit", "logsumexp", "psi", "sinc", "softmax", "xlogy")}
    | {"linalg.norm", "linalg.vector_norm"}
)  # fmt: skip
"""What may be called as `torch.<name>`."""

FUNCTIONAL = frozenset({
    "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "layer_norm", "leaky_relu",
    "log_softmax", "logsigmoid", "mish", "normalize", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softmin",
    "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
})  # fmt: skip
"""What may be called as `F.<name>` or `torch.nn.functional.<name>`."""

MATH = frozenset({
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "comb", "copysign", "cos", "cosh", "degrees",
    "erf", "erfc", "exp", "expm1", "fabs", "factorial", "floor", "fmod", "gamma", "hypot", "isfinite", "isinf", "isnan",
    "lgamma", "log", "log10", "log1p", "log2", "pow", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
})  # fmt: skip
"""What may be called as `math.<name>`."""

CONSTANTS = {
    "torch": frozenset({"pi", "e", "inf", "nan", "bool", "int32", "int64", "long", "float", "float32", "float64",
                        "double", "complex64", "complex128"}),
    "math": frozenset({"pi", "e", "tau", "inf", "nan"}),
    "F": frozenset[str](),
}  # fmt: skip
"""What may be read as `torch.<name>` or `math.<name>` without a call."""

METHODS = (
    (ELEMENTWISE - {"polar", "real", "imag"})
    | (REDUCTIONS - {"var_mean", "std_mean"})
    | (MOVES - {"cat", "concat", "concatenate", "stack"})
    | {"bool", "clone", "contiguous", "dim", "double", "expand", "expand_as", "float", "int", "is_complex",
       "is_floating_point", "long", "masked_fill", "new_full", "new_ones", "new_zeros", "numel", "repeat", "size",
       "to", "type_as", "view", "view_as"}
)  # fmt: skip
"""Methods of a tensor that may be called."""

ATTRIBUTES = frozenset({"shape", "ndim", "dtype", "device", "real", "imag", "mT", "values", "indices"})
"""What may be read of a value without a call."""

BUILTINS = frozenset({
    "abs", "bool", "enumerate", "float", "int", "len", "list", "max", "min", "range", "reversed", "round", "sum",
    "tuple", "zip",
})  # fmt: skip
"""Functions of Python that may be called."""

RANDOM = frozenset({
    "bernoulli", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "empty",
    "empty_like", "gumbel_softmax", "manual_seed", "multinomial", "normal", "poisson", "rand", "rand_like", "randint",
    "randint_like", "randn", "randn_like", "randperm", "rrelu", "seed",
})  # fmt: skip
"""Refused with a reason of their own."""
