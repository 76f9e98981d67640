"""What requests to a language model have used so far, and whether the next one may still be sent."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mining.llm_settings import Caps
    from mining.transcript import Exchange

FAILURES = {
    "timeout": "no whole answer in time",
    "rate-limit": "status 429",
    "server": "status 5xx",
    "connection": "refused, reset or cut off",
    "request": "another status than 200",
    "model": "the endpoint does not know or allow the model",
    "not-json": "a body that is no JSON, or half of one",
    "malformed": "JSON without a choice that holds text",
    "oversized": "a body that never seems to end",
    "usage": "token counts missing or absurd, so estimated; the answer itself is used",
    "empty": "an answer without text",
    "truncated": "an answer that was cut off",
    "filtered": "an answer that the endpoint withheld",
    "no-function": "no `def activation` in the answer",
    "unparsable": "no valid Python in the answer",
    "too-long": "a function longer than any useful one",
}
"""Kinds of failure, and what each means. The first nine belong to a request, of which a candidate may take several; the
last six to an answer that came."""


@dataclass
class Usage:
    """Counters over a whole search, replayed answers included: a resumed search goes on counting where it was."""

    requests: int = 0
    """Sent, with those that failed."""
    answers: int = 0
    """Functions handed on as proposals."""
    prompt_tokens: int = 0
    """As the endpoint counts, estimated where it does not; a request that timed out counts in full."""
    completion_tokens: int = 0
    """The same for answers."""
    cost: float = 0.0
    """By the user's prices, 0 where there are none."""
    failures: Counter[str] = field(default_factory=Counter)
    """How often each kind of `FAILURES` was met."""
    reasons: dict[str, str] = field(default_factory=dict)
    """The last reason of each kind, one line."""

    def add(self, exchange: Exchange, caps: Caps) -> None:
        """Count what was sent and received for one candidate."""
        self.requests += exchange.requests
        self.prompt_tokens += exchange.prompt_tokens
        self.completion_tokens += exchange.completion_tokens
        self.cost += caps.cost_of(exchange.model, exchange.prompt_tokens, exchange.completion_tokens)
        self.failures.update(exchange.failures)
        self.reasons.update(exchange.reasons)

    def fail(self, kind: str, reason: str) -> None:
        """Count an answer of which no use can be made."""
        self.failures[kind] += 1
        self.reasons[kind] = reason

    def summary(self) -> str:
        """A line for people: what was used, what came of it and what failed, with the last reason of each kind."""
        tokens = f"{self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
        parts = [f"{self.requests:,} requests, {self.answers:,} functions, {tokens}, cost {self.cost:.4g}"]
        for kind in FAILURES:  # in one order, whatever came first
            if self.failures[kind]:
                parts.append(f"{kind} {self.failures[kind]} ({self.reasons.get(kind, FAILURES[kind])})")
        return "; ".join(parts)

    def to_json(self) -> str:
        """All counters as JSON text."""
        return json.dumps(vars(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Usage:
        """What `to_json` gave."""
        values = json.loads(text)
        return cls(**{**values, "failures": Counter(values["failures"])})


class Hold(NamedTuple):
    """The most that a request on its way may use."""

    model: str
    prompt_tokens: int
    completion_tokens: int


class Budget:
    """Lets requests pass as long as the caps hold even if all those on their way use all that they may.

    Used from several threads. A request that does not fit beside the others waits for them: only when none is on its
    way and it still does not fit is it denied, so what is sent does not hang on which answer comes first.
    """

    def __init__(self, caps: Caps, usage: Usage) -> None:
        self._caps = caps
        self._requests = usage.requests
        self._tokens = usage.prompt_tokens + usage.completion_tokens
        self._cost = usage.cost
        self._on_their_way = 0
        self._closed = False
        self._change = threading.Condition()
        self.denied = ""
        """Why a request was denied, one sentence; empty while none was."""

    def charge(self, exchange: Exchange) -> None:
        """Count an exchange that was recorded earlier."""
        self._book(exchange.model, exchange.prompt_tokens, exchange.completion_tokens)
        self._requests += exchange.requests

    def take(self, hold: Hold) -> bool:
        """True once the request may be sent, which is then booked in full; False where it must not be sent any more."""
        with self._change:
            while not self._closed:
                obstacle = self._obstacle(hold)
                if not obstacle:
                    self._requests += 1
                    self._on_their_way += 1
                    self._book(*hold)
                    return True
                if not self._on_their_way:
                    self.denied = obstacle
                    return False
                self._change.wait()
            return False

    def settle(self, hold: Hold, prompt_tokens: int, completion_tokens: int) -> None:
        """Replace what was booked for a request by what it used."""
        with self._change:
            self._book(hold.model, prompt_tokens - hold.prompt_tokens, completion_tokens - hold.completion_tokens)
            self._on_their_way -= 1
            self._change.notify_all()

    def close(self) -> None:
        """Let no request pass any more."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _book(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        self._tokens += prompt_tokens + completion_tokens
        self._cost += self._caps.cost_of(model, prompt_tokens, completion_tokens)

    def _obstacle(self, hold: Hold) -> str:
        caps = self._caps
        if caps.requests is not None and self._requests + 1 > caps.requests:
            return f"the cap of {caps.requests:,} requests is reached."
        tokens = self._tokens + hold.prompt_tokens + hold.completion_tokens
        if caps.tokens is not None and tokens > caps.tokens:
            return f"one more request might go beyond the cap of {caps.tokens:,} tokens ({self._tokens:,} are used)."
        cost = self._cost + caps.cost_of(*hold)
        if caps.cost is not None and cost > caps.cost:
            return f"one more request might go beyond the cap of {caps.cost:g} on cost ({self._cost:.4g} is spent)."
        return ""
