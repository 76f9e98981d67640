"""What a language model is told, and what is taken from its answer.

The prompt gives the task, the rules, the best and some different functions with their scores on each family, the last
rejections and one of three instructions. The answer is one whole Python function whose comments give its rationale; it
is parsed here, never run. The wording is ours: the paper (arXiv 2602.05688) prints none.
"""

from __future__ import annotations

import ast
import io
import math
import re
import textwrap
import tokenize
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mining.candidate import Member, Rejected, View

NAME = "llm"
"""What `Proposal.proposer` says."""

LONGEST_PARENT = 2_000
"""Characters of a function that is shown; longer ones are passed over, since half a function is none."""

LONGEST_SOURCE = 6_000
"""Characters of a function that is taken from an answer."""

LONGEST_ANSWER = 200_000
"""Characters of an answer that is read at all."""

LONGEST_RATIONALE = 1_000
"""Characters of a rationale that are kept."""

LONGEST_REASON = 200
"""Characters of a rejection that are shown."""

SYSTEM = """\
You design activation functions for neural networks.

The task. Small multilayer perceptrons learn regression problems (random polynomials, spherical harmonics, physics \
equations) on one range of inputs and are tested on a range beside it, which they have never seen. Find an activation \
function with which such networks extrapolate.

The score, called fitness. For each family of problems: the mean over problems of log10(test loss out of range / the \
same loss with ReLU). The fitness is the mean over families. Lower is better: 0 is as good as ReLU, -0.3 has half of \
ReLU's loss, -1 a tenth.

The rules.
- Define `def activation(x)`: x is a float tensor of any shape, the result has the same shape and dtype.
- Use nothing but `torch`, `F` and `math`. They are there already; the only imports allowed are `import torch`, \
`import torch.nn.functional as F` and `import math`.
- Plain statements: assignments, `return`, helpers by `def`, `for` over a constant range; no class, lambda or `while`.
- Pointwise: every element of the result depends on its own element of x alone, on no neighbour, mean, maximum or size.
- The same x gives the same result: no learnable parameters, no random numbers, no state.
- Never branch on values (`if x > 0`): use `torch.where`. No in-place changes, no numbers read out of a tensor.
- Values and gradients stay finite, at 0 and far from it too; mind the branch that `torch.where` does not take.
- Few operations: each costs time at every unit of a network.
{limits}\
- Comment lines inside the function say why it should extrapolate well.

Answer with one Python code block that holds the whole function, and with nothing else."""

INSTRUCTIONS = {
    "improve the best": (
        "Change function 1 so that it extrapolates better than it does now. Say in a comment what you changed and why "
        "this helps outside the range of training."
    ),
    "combine two": (
        "Functions {first} and {second} are good in different ways. Write one new function that keeps what is good in "
        "both, and say in a comment what you took from each."
    ),
    "something unlike": (
        "Write a function that rests on another idea than all functions above, and as simple as that idea allows. Say "
        "in a comment what the idea is."
    ),
}
"""What may be asked for, by the name that a proposal carries as its operation."""


@dataclass(frozen=True)
class Prompt:
    """A request to a language model, before anything is sent."""

    messages: tuple[dict[str, str], ...]
    """A system message and a user message."""
    operation: str
    """Which of `INSTRUCTIONS`."""
    parents: tuple[str, ...]
    """Hashes of the functions that the instruction speaks of."""


class Answer(NamedTuple):
    """A function as a language model wrote it."""

    source: str
    rationale: str
    """Its comments and docstring on one line; empty where it has none."""


class UnusableAnswer(ValueError):
    """An answer from which no function can be taken; one sentence."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        """One of `mining.llm_usage.FAILURES`."""


def write_prompt(
    view: View, limits_text: str, stream: np.random.Generator, *, best: int = 3, diverse: int = 2, reasons: int = 6
) -> Prompt:
    """A prompt that hangs on the view and the stream alone.

    Args:
        view: the island as it is.
        limits_text: lines for the rules on what a candidate must keep to, such as its FLOP budget; may be empty.
        stream: draws the instruction and the functions that are shown beside the best.
        best: how many of the best functions are shown.
        diverse: how many from other niches.
        reasons: how many different rejections are shown.
    """
    shown = _parents(view, stream, best, diverse)
    operation, instruction, parents = _instruction(shown, stream)
    limits = "".join(f"- {line.strip().removeprefix('- ')}\n" for line in limits_text.splitlines() if line.strip())
    user = [_describe(number, member) for number, member in enumerate(shown, 1)]
    rejections = _rejections(view.rejections, reasons)
    if rejections:
        user.append("Rejected lately, so avoid it:\n" + "\n".join(f"- {reason}" for reason in rejections))
    user.append(instruction)
    messages = (
        {"role": "system", "content": SYSTEM.format(limits=limits)},
        {"role": "user", "content": "\n\n".join(user)},
    )
    return Prompt(messages, operation, parents)


def _parents(view: View, stream: np.random.Generator, best: int, diverse: int) -> list[Member]:
    shown = [member for member in view.members if _is_showable(member)][:best]
    hashes, niches = {m.hash for m in shown}, {m.niche for m in shown}
    others = [m for m in view.elites if _is_showable(m) and m.hash not in hashes and m.niche not in niches]
    drawn = stream.choice(len(others), size=min(diverse, len(others)), replace=False) if others else ()
    return shown + [others[int(index)] for index in drawn]


def _is_showable(member: Member) -> bool:
    return math.isfinite(member.fitness) and 0 < len(member.source) <= LONGEST_PARENT


def _instruction(shown: Sequence[Member], stream: np.random.Generator) -> tuple[str, str, tuple[str, ...]]:
    """Operation, wording and hashes of the parents."""
    possible = list(INSTRUCTIONS) if len(shown) > 1 else [name for name in INSTRUCTIONS if name != "combine two"]
    operation = possible[int(stream.integers(len(possible)))] if shown else "something unlike"
    if operation == "improve the best":
        return operation, INSTRUCTIONS[operation], (shown[0].hash,)
    if operation == "combine two":
        first, second = sorted(int(index) for index in stream.choice(len(shown), size=2, replace=False))
        wording = INSTRUCTIONS[operation].format(first=first + 1, second=second + 1)
        return operation, wording, (shown[first].hash, shown[second].hash)
    return operation, INSTRUCTIONS[operation], ()


def _describe(number: int, member: Member) -> str:
    families = ", ".join(f"{name} {score:+.3f}" for name, score in sorted(member.families.items()))
    source = member.source.strip().replace("```", "'''")  # a comment must not end the block that shows it
    return f"Function {number}, fitness {member.fitness:+.3f} ({families}):\n```python\n{source}\n```"


def _rejections(rejections: Sequence[Rejected], most: int) -> list[str]:
    """Different reasons, newest first, each one short line; those of other proposers say nothing to a model."""
    own = [rejected.reason for rejected in rejections if rejected.proposal.proposer == NAME]
    lines = [" ".join(reason.replace("```", "'''").split()) for reason in own]
    short = [line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 3] + "..." for line in lines]
    return list(dict.fromkeys(line for line in short if line))[:most]


def read_answer(text: str, finish: str = "stop") -> Answer:
    """The function in an answer: the last code block that defines it, or the bare text of it.

    Args:
        text: the answer.
        finish: why the model stopped, in the endpoint's word.

    Raises:
        UnusableAnswer: the answer is empty, withheld, cut off or too long, or holds no valid `def activation`.
    """
    if finish == "content_filter":
        raise UnusableAnswer("filtered", "the endpoint withheld the answer")
    if finish == "length":
        raise UnusableAnswer("truncated", "the answer reached the length limit")
    spoken = text.rpartition("</think>")[2].strip()  # some models think aloud first
    if not spoken:
        raise UnusableAnswer("empty", "the answer is empty")
    if len(spoken) > LONGEST_ANSWER:
        raise UnusableAnswer("too-long", f"the answer has more than {LONGEST_ANSWER:,} characters")
    candidates = [block for block in _blocks(spoken) if any(map(_DEFINITION.match, block.splitlines()))]
    if not candidates:
        raise UnusableAnswer("no-function", "the answer has no `def activation(x)` at the start of a line")
    source = candidates[-1].strip() + "\n"
    if len(source) > LONGEST_SOURCE:
        raise UnusableAnswer("too-long", f"the function has more than {LONGEST_SOURCE:,} characters")
    return Answer(source, _rationale(source, _parse(source)))


def _blocks(text: str) -> list[str]:
    """Contents of the fenced code blocks; without any, the text from the function's first line on."""
    blocks: list[list[str]] = []
    fence = ""
    for line in text.splitlines():
        mark = re.match(r"\s*(`{3,}|~{3,})\s*(\S*)", line)
        if mark and not fence:
            fence = mark[1]
            blocks.append([])
        elif mark and mark[1].startswith(fence) and not mark[2]:
            fence = ""
        elif fence:
            blocks[-1].append(line)
    if fence:
        raise UnusableAnswer("truncated", "the code block does not end")
    return [textwrap.dedent("\n".join(block)) for block in blocks] if blocks else _bare(text.splitlines())


def _bare(lines: list[str]) -> list[str]:
    """The function in a text without a code block, with the comments and imports right above it; none or one."""
    first = next((i for i, line in enumerate(lines) if _DEFINITION.match(line)), None)
    if first is None:
        return []
    last = first + 1
    while last < len(lines) and (not lines[last].strip() or lines[last][0] in " \t"):
        last += 1
    while first and (not lines[first - 1].strip() or lines[first - 1].startswith(("#", "import ", "from "))):
        first -= 1
    return ["\n".join(lines[first:last])]


_DEFINITION = re.compile(r"def\s+activation\b")


def _parse(source: str) -> ast.FunctionDef:
    """The function's syntax tree; Python's parser reads the text and nothing of it is executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strange escapes and the like: the jail's affair
            tree = ast.parse(source)
    except SyntaxError as error:
        if re.search("never closed|unexpected EOF|unterminated|expected an indented block", error.msg or ""):
            raise UnusableAnswer("truncated", f"the function breaks off: {error.msg}") from None
        raise UnusableAnswer("unparsable", f"line {error.lineno} is no valid Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnusableAnswer("unparsable", f"Python cannot parse the function: {type(error).__name__}") from None
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "activation"]
    if not found:
        raise UnusableAnswer("no-function", "no statement of the answer defines `activation`")
    return found[-1]


def _rationale(source: str, function: ast.FunctionDef) -> str:
    docstring = ast.get_docstring(function) or ""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        tokens = []
    comments = [token.string.lstrip("#").strip() for token in tokens if token.type == tokenize.COMMENT]
    text = " ".join(" ".join([docstring, *comments]).split())
    return text if len(text) <= LONGEST_RATIONALE else text[: LONGEST_RATIONALE - 3] + "..."
