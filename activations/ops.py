"""The table of operations: one row gives an operation in torch, jax.numpy, NumPy float64 and LaTeX, its FLOPs, and
whether it is pointwise. Adding an operation is adding a row.

The three framework columns are Python expressions, evaluated in `backend_torch`, `backend_jax` and `backend_numpy`
when a form is made, so that reading the table imports no framework. Names and attributes are ATen's.

FLOPs an element: 1 for arithmetic, comparison, selection and rounding; 4 for division and square root; 10 for every
transcendental function; 1 for each element that a reduction or scan reads; 10 for sorts and Fourier transforms; 0 for
moving data. A composite row costs what its expansion costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from activations.graph import Node

CHEAP, ROOT, DEAR, FREE = 1, 4, 10, 0


@dataclass(frozen=True)
class Op:
    """One row of the table."""

    name: str
    arity: int | None
    """Number of inputs; None for any number."""
    torch: str
    jax: str
    numpy: str
    latex: str
    """Template: `{0}` is the first input, `{dim}` an attribute; inputs come in parentheses unless the template fences
    them.
    """
    flops: int = CHEAP
    pointwise: bool = True
    attributes: tuple[str, ...] = ()
    commutative: bool = False
    like: bool = False
    """The implementations take `like=x`, for its dtype or shape."""
    expansion: str = ""
    """A composite's definition by other rows, in terms of inputs a, b, c, d: what is hashed and counted."""

    def check(self, node: Node) -> None:
        """Raise GraphError unless the node has this row's number of inputs and its attributes."""
        from activations.graph import GraphError

        if self.arity is not None and len(node.inputs) != self.arity:
            raise GraphError(f"{self.name} takes {self.arity} inputs, not {len(node.inputs)}.")
        if tuple(name for name, _ in node.attributes) != tuple(sorted(self.attributes)):
            raise GraphError(
                f"{self.name} takes the attributes {sorted(self.attributes)}, not {dict(node.attributes)}."
            )
        if not any(isinstance(i, str) for i in node.inputs) and self.name not in ("arange", "expand"):
            raise GraphError(f"{self.name} must read at least one tensor.")


def _unary(name: str, latex: str, flops: int = DEAR, torch: str = "", jax: str = "", numpy: str = "") -> Op:
    return Op(name, 1, torch or f"torch.{name}", jax or f"jnp.{name}", numpy or f"np.{name}", latex, flops)


def _binary(
    name: str, latex: str, code: str = "", *, numpy: str = "", flops: int = CHEAP, commutative: bool = False
) -> Op:
    """A row that has one name in all three backends (`code`), or that jax.numpy and NumPy call by NumPy's name
    (`numpy`).
    """
    jax, array = (f"jnp.{numpy}", f"np.{numpy}") if numpy else (code or name, code or name)
    return Op(name, 2, code or name, jax, array, latex, flops, commutative=commutative)


def _composite(name: str, arity: int, torch: str, latex: str, expansion: str, attributes: tuple[str, ...] = ()) -> Op:
    return Op(name, arity, torch, name, name, latex, attributes=attributes, expansion=expansion)


def _reduction(name: str, latex: str, flops: int = CHEAP, torch: str = "", arity: int = 1) -> Op:
    return Op(name, arity, torch or name, name, name, latex, flops, pointwise=False, attributes=("dim", "keepdim"))


def _move(name: str, arity: int | None, latex: str, *attributes: str, flops: int = FREE, like: bool = False) -> Op:
    return Op(name, arity, name, name, name, latex, flops, pointwise=False, attributes=attributes, like=like)


_FUNCTION = r"\operatorname{{%s}}({0})"

ELEMENTWISE = (
    _unary("neg", "-{0}", CHEAP, jax="jnp.negative", numpy="np.negative"),
    _unary("abs", r"\left|{0}\right|", CHEAP),
    _unary("sign", _FUNCTION % "sign", CHEAP),
    _unary("floor", r"\lfloor {0} \rfloor", CHEAP),
    _unary("ceil", r"\lceil {0} \rceil", CHEAP),
    _unary("round", _FUNCTION % "round", CHEAP),
    _unary("trunc", _FUNCTION % "trunc", CHEAP),
    _unary("exp", "e^{{{0}}}"),
    _unary("exp2", "2^{{{0}}}"),
    _unary("expm1", r"\left(e^{{{0}}} - 1\right)"),
    _unary("log", r"\log({0})"),
    _unary("log1p", r"\log(1 + {0})"),
    _unary("log2", r"\log_2({0})"),
    _unary("log10", r"\log_{{10}}({0})"),
    _unary("sqrt", r"\sqrt{{{0}}}", ROOT),
    _unary("rsqrt", r"\frac{{1}}{{\sqrt{{{0}}}}}", ROOT, jax="lax.rsqrt", numpy="rsqrt"),
    _unary("reciprocal", r"\frac{{1}}{{{0}}}", ROOT),
    _unary("sin", r"\sin({0})"),
    _unary("cos", r"\cos({0})"),
    _unary("tan", r"\tan({0})"),
    _unary("asin", r"\arcsin({0})", jax="jnp.arcsin", numpy="np.arcsin"),
    _unary("acos", r"\arccos({0})", jax="jnp.arccos", numpy="np.arccos"),
    _unary("atan", r"\arctan({0})", jax="jnp.arctan", numpy="np.arctan"),
    _unary("sinh", r"\sinh({0})"),
    _unary("cosh", r"\cosh({0})"),
    _unary("tanh", r"\tanh({0})"),
    _unary("asinh", _FUNCTION % "arsinh", jax="jnp.arcsinh", numpy="np.arcsinh"),
    _unary("acosh", _FUNCTION % "arcosh", jax="jnp.arccosh", numpy="np.arccosh"),
    _unary("atanh", _FUNCTION % "artanh", jax="jnp.arctanh", numpy="np.arctanh"),
    _unary("erf", _FUNCTION % "erf", jax="jsp.erf", numpy="sp.erf"),
    _unary("erfc", _FUNCTION % "erfc", jax="jsp.erfc", numpy="sp.erfc"),
    _unary("erfinv", r"\operatorname{{erf}}^{{-1}}({0})", jax="jsp.erfinv", numpy="sp.erfinv"),
    _unary("lgamma", r"\log\Gamma({0})", jax="jsp.gammaln", numpy="sp.gammaln"),
    _unary("digamma", r"\psi({0})", jax="jsp.digamma", numpy="sp.digamma"),
    _unary("isnan", _FUNCTION % "isnan", CHEAP),
    _unary("isinf", _FUNCTION % "isinf", CHEAP),
    _unary("logical_not", r"\lnot {0}", CHEAP),
    _unary("relu", r"\max({0}, 0)", CHEAP, jax="relu", numpy="relu"),
    _unary("detach", _FUNCTION % "detach", FREE, torch="detach", jax="lax.stop_gradient", numpy="np.asarray"),
    Op("to_float", 1, "to_float", "to_float", "to_float", "{0}", FREE, like=True),
    _unary("to_int", r"\operatorname{{int}}({0})", FREE, "to_int", "to_int", "to_int"),
    _unary("to_bool", r"\left[{0} \ne 0\right]", CHEAP, "to_bool", "to_bool", "to_bool"),
    _binary("add", "{0} + {1}", "operator.add", commutative=True),
    _binary("sub", "{0} - {1}", "operator.sub"),
    _binary("mul", r"{0} \cdot {1}", "operator.mul", commutative=True),
    _binary("div", r"\frac{{{0}}}{{{1}}}", "operator.truediv", flops=ROOT),
    _binary("pow", "{0}^{{{1}}}", flops=DEAR),
    _binary("remainder", r"{0} \bmod {1}", numpy="remainder", flops=ROOT),
    _binary("fmod", r"\operatorname{{fmod}}({0}, {1})", numpy="fmod", flops=ROOT),
    _binary("floor_divide", r"\left\lfloor \frac{{{0}}}{{{1}}} \right\rfloor", numpy="floor_divide", flops=ROOT),
    _binary("maximum", r"\max({0}, {1})", numpy="maximum", commutative=True),
    _binary("minimum", r"\min({0}, {1})", numpy="minimum", commutative=True),
    _binary("clamp_min", r"\max({0}, {1})"),
    _binary("clamp_max", r"\min({0}, {1})"),
    _binary("eq", r"\left[{0} = {1}\right]", "operator.eq", commutative=True),
    _binary("ne", r"\left[{0} \ne {1}\right]", "operator.ne", commutative=True),
    _binary("lt", r"\left[{0} < {1}\right]", "operator.lt"),
    _binary("le", r"\left[{0} \le {1}\right]", "operator.le"),
    _binary("gt", r"\left[{0} > {1}\right]", "operator.gt"),
    _binary("ge", r"\left[{0} \ge {1}\right]", "operator.ge"),
    _binary("logical_and", r"{0} \land {1}", numpy="logical_and", commutative=True),
    _binary("logical_or", r"{0} \lor {1}", numpy="logical_or", commutative=True),
    _binary("logical_xor", r"{0} \oplus {1}", numpy="logical_xor", commutative=True),
    _binary("atan2", r"\operatorname{{atan2}}({0}, {1})", numpy="arctan2", flops=DEAR),
    _binary("hypot", r"\sqrt{{{0}^2 + {1}^2}}", numpy="hypot", flops=DEAR, commutative=True),
    _binary("logaddexp", r"\log(e^{{{0}}} + e^{{{1}}})", numpy="logaddexp", flops=2 * DEAR, commutative=True),
    _binary("copysign", r"\operatorname{{copysign}}({0}, {1})", numpy="copysign"),
    Op("xlogy", 2, "torch.xlogy", "jsp.xlogy", "sp.xlogy", r"{0} \log({1})", DEAR),
    Op("where", 3, "where", "where", "where",
       r"\begin{{cases}} {1} & {0} \\ {2} & \text{{otherwise}} \end{{cases}}", like=True),
)  # fmt: skip

COMPOSITES = (
    _composite("sigmoid", 1, "torch.sigmoid", r"\sigma({0})", "reciprocal(add(exp(neg(a)), 1))"),
    _composite("silu", 1, "F.silu", r"{0} \cdot \sigma({0})", "mul(a, sigmoid(a))"),
    _composite("gelu_erf", 1, "F.gelu", _FUNCTION % "GELU",
               "mul(mul(a, 0.5), add(erf(mul(a, 0.7071067811865476)), 1))"),
    _composite("gelu_tanh", 1, "gelu_tanh", r"\operatorname{{GELU}}_{{\tanh}}({0})",
               "mul(mul(a, 0.5), add(tanh(mul(add(a, mul(pow(a, 3), 0.044715)), 0.7978845608028654)), 1))"),
    _composite("softplus", 3, "F.softplus", r"\operatorname{{softplus}}_{{{1}}}({0})",
               "where(gt(mul(a, b), c), a, div(log1p(exp(mul(a, b))), b))"),
    _composite("mish", 1, "F.mish", _FUNCTION % "mish", "mul(a, tanh(softplus(a, 1, 20)))"),
    _composite("log_sigmoid", 1, "F.logsigmoid", r"\log\sigma({0})", "sub(minimum(a, 0), log1p(exp(neg(abs(a)))))"),
    _composite("hardtanh", 3, "F.hardtanh", r"\operatorname{{clip}}({0}, {1}, {2})",
               "where(le(a, b), b, where(ge(a, c), c, a))"),
    _composite("clamp", 3, "torch.clamp", r"\operatorname{{clip}}({0}, {1}, {2})", "clamp_max(clamp_min(a, b), c)"),
    _composite("hardsigmoid", 1, "F.hardsigmoid", r"\operatorname{{clip}}(\tfrac{{{0} + 3}}{{6}}, 0, 1)",
               "div(hardtanh(add(a, 3), 0, 6), 6)"),
    _composite("hardswish", 1, "F.hardswish", r"{0} \cdot \operatorname{{clip}}(\tfrac{{{0} + 3}}{{6}}, 0, 1)",
               "mul(a, hardsigmoid(a))"),
    _composite("leaky_relu", 2, "F.leaky_relu", r"\max({0}, 0) + {1} \min({0}, 0)", "where(gt(a, 0), a, mul(a, b))"),
    _composite("elu", 4, "elu", r"\operatorname{{ELU}}_{{{1}}}({0})",
               "where(gt(a, 0), mul(a, c), mul(expm1(mul(a, d)), mul(b, c)))"),
    _composite("threshold", 3, "F.threshold", r"\operatorname{{threshold}}({0}, {1}, {2})", "where(le(a, b), c, a)"),
    _composite("sinc", 1, "torch.sinc", _FUNCTION % "sinc",
               "where(eq(a, 0), 1, div(sin(mul(a, 3.141592653589793)), mul(a, 3.141592653589793)))"),
)  # fmt: skip

REDUCTIONS = (
    _reduction("sum", r"\sum {0}"),
    _reduction("mean", r"\operatorname{{mean}}({0})"),
    _reduction("prod", r"\prod {0}"),
    _reduction("amax", r"\max({0})"),
    _reduction("amin", r"\min({0})"),
    _reduction("argmax", r"\arg\max({0})"),
    _reduction("argmin", r"\arg\min({0})"),
    _reduction("any", r"\exists {0}"),
    _reduction("all", r"\forall {0}"),
    _reduction("var", r"\operatorname{{var}}({0})", 3, arity=2),
    _reduction("std", r"\operatorname{{std}}({0})", 3, arity=2),
    _reduction("norm", r"\left\lVert {0} \right\rVert_{{{1}}}", 2, arity=2),
    _reduction("logsumexp", r"\log \sum e^{{{0}}}", DEAR),
    _move("softmax", 1, _FUNCTION % "softmax", "dim", flops=DEAR + ROOT),
    _move("log_softmax", 1, _FUNCTION % "logsoftmax", "dim", flops=DEAR + CHEAP),
    _move("cumsum", 1, _FUNCTION % "cumsum", "dim", flops=CHEAP),
    _move("cumprod", 1, _FUNCTION % "cumprod", "dim", flops=CHEAP),
)

MOVES = (
    _move("roll", 1, r"\operatorname{{roll}}_{{{shifts}}}({0})", "dims", "shifts"),
    _move("flip", 1, _FUNCTION % "flip", "dims"),
    _move("sort", 1, _FUNCTION % "sort", "descending", "dim", flops=DEAR),
    _move("argsort", 1, _FUNCTION % "argsort", "descending", "dim", flops=DEAR),
    _move("gather", 2, r"{0}_{{{1}}}", "dim"),
    _move("scatter", 3, r"\operatorname{{scatter}}({0}, {1}, {2})", "dim"),
    _move("scatter_add", 3, r"\operatorname{{scatter}}_{{+}}({0}, {1}, {2})", "dim"),
    _move("slice", 3, "{0}_{{{1}:{2}}}", "dim", "step"),
    _move("slice_scatter", 4, r"\operatorname{{put}}({0}, {1})", "dim", "step"),
    _move("select", 2, "{0}_{{{1}}}", "dim"),
    _move("select_scatter", 3, r"\operatorname{{put}}({0}, {1})", "dim"),
    _binary("coefficient", "{0}_{{{1}}}", flops=FREE),
    _move("cat", None, r"\operatorname{{concat}}({all})", "dim"),
    _move("unsqueeze", 1, "{0}", "dim"),
    _move("squeeze", 1, "{0}", "dim"),
    _move("transpose", 1, r"{0}^\top", "dim0", "dim1"),
    _move("expand", 1, "{0}", "shape", like=True),
    _move("view", 1, r"\operatorname{{reshape}}({0})", "shape", like=True),
    _move("arange", 3, r"({0}, \dots, {1})", like=True),
    _move("rfft", 1, r"\mathcal{{F}}({0})", "dim", "norm", flops=DEAR),
    _move("irfft", 2, r"\mathcal{{F}}^{{-1}}({0})", "dim", "norm", flops=DEAR),
    _move("fft", 1, r"\mathcal{{F}}({0})", "dim", "forward", "norm", flops=2 * DEAR),
)

COMPLEX = (
    _unary("conj", r"\overline{{{0}}}", FREE, torch="conj"),
    _unary("real", r"\Re({0})", FREE),
    _unary("imag", r"\Im({0})", FREE, torch="imag"),
    _unary("angle", r"\arg({0})"),
    _binary("complex", "{0} + i {1}", flops=FREE),
    _unary("to_complex", "{0}", FREE, "to_complex", "to_complex", "to_complex"),
)

OPS: dict[str, Op] = {op.name: op for op in (*ELEMENTWISE, *COMPOSITES, *REDUCTIONS, *MOVES, *COMPLEX)}
