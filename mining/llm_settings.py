"""What the user decides about a language model: where it is, which models with which weights, and what it may cost."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import urlsplit


class LlmError(ValueError):
    """The language model cannot be used at all; one sentence says why and what to do."""


class Price(NamedTuple):
    """What a model costs, in any currency; only the user can know it."""

    prompt: float
    """For a million tokens of the prompt."""
    completion: float
    """For a million tokens of the answer."""


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint and how it is asked."""

    base_url: str
    """Everything before `/chat/completions`, e.g. `http://127.0.0.1:11434/v1`."""
    models: tuple[tuple[str, float], ...]
    """Names of models and their weights: each request draws one model."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; empty for an endpoint that wants none."""
    temperature: float | None = 1.0
    """None leaves it to the model: some accept no other than their own."""
    timeout: float = 120.0
    """Seconds for one request, from the first byte sent to the last one received."""
    parallel: int = 4
    """Requests at a time."""
    retries: int = 4
    """Further requests for one candidate when the endpoint fails for a reason that may pass."""
    max_output_tokens: int = 2048
    """Longest answer that is asked for, and the size of answer that caps reckon with beforehand."""
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Under which name that length is sent; some endpoints accept only the second."""

    def __post_init__(self) -> None:
        if urlsplit(self.base_url).scheme not in ("http", "https") or not urlsplit(self.base_url).hostname:
            raise LlmError(f"{self.base_url!r} is no base URL: give one such as https://api.openai.com/v1.")
        names = [name for name, _ in self.models]
        if not names or len(set(names)) < len(names) or not all(names):
            raise LlmError("name at least one model, and each model once.")
        for name, weight in self.models:
            if not (math.isfinite(weight) and weight > 0):
                raise LlmError(f"the weight of the model {name!r} is {weight:g}: give a number above 0.")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise LlmError(f"the temperature is {self.temperature:g}: give one from 0 to 2, or none.")
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise LlmError(f"the timeout is {self.timeout:g} s: give a number of seconds above 0.")
        if self.parallel < 1 or self.max_output_tokens < 1 or self.retries < 0:
            raise LlmError("parallel requests and output tokens are at least 1, retries at least 0.")

    @property
    def on_this_machine(self) -> bool:
        """The host is this machine itself, which no proxy can reach on our behalf."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")


@dataclass(frozen=True)
class Caps:
    """Most that a whole search may spend; None sets no bound."""

    requests: int | None = 1000
    """Requests sent, failed ones and repeated ones included."""
    tokens: int | None = None
    """Tokens of prompts and answers together, estimated where the endpoint does not count them."""
    cost: float | None = None
    """In the currency of `prices`."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By model; a model without a price counts as free, which a cap on cost does not accept."""

    def __post_init__(self) -> None:
        for what, cap in (("requests", self.requests), ("tokens", self.tokens), ("cost", self.cost)):
            if cap is not None and not (math.isfinite(cap) and cap >= 0):
                raise LlmError(f"the cap on {what} is {cap:g}: give a number of at least 0.")
        for model, price in self.prices.items():
            if not all(math.isfinite(part) and part >= 0 for part in price):
                raise LlmError(f"the price of the model {model!r} is {tuple(price)}: give numbers of at least 0.")

    def check(self, models: Sequence[tuple[str, float]]) -> None:
        """Raise LlmError where the cost is capped and the price of a model is not known."""
        unpriced = [name for name, _ in models if name not in self.prices]
        if self.cost is not None and unpriced:
            raise LlmError(f"the cost is capped and the price of {unpriced[0]!r} is not known: give its price.")

    def cost_of(self, model: str, prompt_tokens: int, completion_tokens: int) -> float:
        """In the currency of `prices`; 0 for a model without a price."""
        price = self.prices.get(model, Price(0, 0))
        return (price.prompt * prompt_tokens + price.completion * completion_tokens) / 1e6


def read_models(texts: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Models as they are typed, `NAME` or `NAME=WEIGHT`; the weight is 1 where none is given.

    Raises:
        LlmError: the weight is no number.
    """
    return tuple(_read_model(text) for text in texts)


def _read_model(text: str) -> tuple[str, float]:
    name, found, weight = text.rpartition("=")
    if not found:
        return text.strip(), 1.0
    try:
        return name.strip(), float(weight)
    except ValueError:
        raise LlmError(f"{text!r} is no model with a weight: write NAME or NAME=WEIGHT.") from None


def read_prices(texts: Sequence[str]) -> dict[str, Price]:
    """Prices as they are typed, `NAME=PROMPT/COMPLETION`, each for a million tokens.

    Raises:
        LlmError: a text has another form.
    """
    prices = {}
    for text in texts:
        match = re.fullmatch(r"\s*(.+)=([\d.]+)/([\d.]+)\s*", text)
        try:
            if match is None:
                raise ValueError
            prices[match[1].strip()] = Price(float(match[2]), float(match[3]))
        except ValueError:
            raise LlmError(f"{text!r} is no price: write NAME=PROMPT/COMPLETION for a million tokens each.") from None
    return prices
