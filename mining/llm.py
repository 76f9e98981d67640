"""The LLM as a proposer: any OpenAI-compatible endpoint writes functions after good ones (arXiv 2602.05688).

Model and prompt of every candidate are drawn before anything is sent, and answers are taken in that order, not in the
order in which they come, so that a search repeats itself wherever its answers do. What a model writes is a stranger's
text: it is read here, never run; the jail traces it later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mining.candidate import Proposal, View
from mining.llm_batch import Batch, Slot
from mining.llm_settings import Caps, Endpoint, LlmError, Price, read_models, read_prices
from mining.llm_usage import Budget, Usage
from mining.prompt import NAME, Prompt, UnusableAnswer, read_answer, write_prompt
from mining.transcript import Exchange, Transcript, TranscriptError, exchange_key

__all__ = ["Caps", "Endpoint", "LlmError", "LlmProposer", "Price", "Usage", "read_models", "read_prices"]


class _Drawn(NamedTuple):
    slot: Slot
    prompt: Prompt


class LlmProposer:
    """Asks a language model for functions; see `Proposer`."""

    name = NAME

    def __init__(
        self,
        endpoint: Endpoint,
        caps: Caps | None = None,
        *,
        limits_text: str = "",
        transcript: Transcript | None = None,
        live: bool = True,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Make a proposer; nothing is sent before `propose`.

        Args:
            endpoint: where to ask and how; its models and sampling settings name the answers in a transcript.
            caps: what the search may spend, failed requests included.
            limits_text: sentences for the prompt on what a candidate must keep to, such as its FLOP budget.
            transcript: answers in it are used again, new ones are added to it.
            live: False sends nothing: all answers come from the transcript.
            wait: called with the seconds before a request is sent again; None really waits.

        Raises:
            LlmError: the key is missing, a capped cost has no price, or there is nowhere to get answers from.
        """
        self.endpoint, self.caps = endpoint, caps or Caps()
        self.caps.check(endpoint.models)
        if not live and transcript is None:
            raise LlmError("without a live endpoint answers come from a transcript: give one.")
        self.live, self.transcript = live, transcript
        self._key = os.environ.get(endpoint.key_variable, "") if endpoint.key_variable and live else ""
        if live and endpoint.key_variable and not self._key:
            raise LlmError(f"the environment variable {endpoint.key_variable} holds no key for the endpoint: set it.")
        self._limits_text = limits_text
        self._wait = wait
        self._round = 0
        self._dropped: set[str] = set()
        self._denied = ""
        self.usage = Usage()
        self.replayed = 0
        """Answers that came from the transcript, in this process."""

    @property
    def exhausted(self) -> str:
        """Why no more is asked, one sentence; empty while more can be asked."""
        if not self._models:
            return f"the endpoint has none of the models ({self.usage.reasons.get('model', 'no reason given')})."
        return self._denied

    @property
    def _models(self) -> list[tuple[str, float]]:
        return [(name, weight) for name, weight in self.endpoint.models if name not in self._dropped]

    def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
        """At most `count` functions: fewer where requests fail, none once `exhausted` says why.

        Raises:
            LlmError: the endpoint refuses the key.
            TranscriptError: an answer is not recorded and must not be asked for, or the transcript cannot be written.
        """
        drawn = [self._draw(index, view, stream) for index in range(count)] if self._models else []
        self._round += 1
        exchanges = self._exchanges([one.slot for one in drawn])
        taken = [self._take(one, exchanges[one.slot.key]) for one in drawn if one.slot.key in exchanges]
        return [proposal for proposal in taken if proposal is not None]

    def learn(self, results: Sequence[tuple[Proposal, float | None]]) -> None:
        """Nothing: scores and rejections reach the model through the view."""

    def state(self) -> str:
        """Counters and dropped models as JSON text; neither answers nor the key."""
        values = {"round": self._round, "dropped": sorted(self._dropped), "usage": json.loads(self.usage.to_json())}
        return json.dumps(values, sort_keys=True)

    def restore(self, state: str) -> None:
        """Go on from what `state` gave; the caps hold for the search as a whole."""
        if not state:
            return
        values: dict[str, Any] = json.loads(state)
        self._round, self._dropped = values["round"], set(values["dropped"])
        self.usage = Usage.from_json(json.dumps(values["usage"]))

    def _draw(self, index: int, view: View, stream: np.random.Generator) -> _Drawn:
        names, weights = zip(*self._models, strict=True)
        shares = np.array(weights) / sum(weights)
        model: str = names[int(stream.choice(len(names), p=shares))]
        prompt = write_prompt(view, self._limits_text, stream)
        settings = {"temperature": self.endpoint.temperature, "max_output_tokens": self.endpoint.max_output_tokens}
        key = exchange_key(model, prompt.messages, settings, f"{self._round}/{index}")
        return _Drawn(Slot(key, model, prompt.messages), prompt)

    def _exchanges(self, slots: Sequence[Slot]) -> dict[str, Exchange]:
        """What came of the slots, by key: what the transcript holds, and the rest as far as the caps allow it."""
        found = [self.transcript.find(slot.key) for slot in slots] if self.transcript is not None else []
        recalled = [exchange for exchange in found if exchange is not None]
        self.replayed += len(recalled)
        exchanges = {exchange.key: exchange for exchange in recalled}
        missing = [slot for slot in slots if slot.key not in exchanges]
        if missing:
            budget = Budget(self.caps, self.usage)
            for exchange in recalled:
                budget.charge(exchange)
            exchanges |= {exchange.key: exchange for exchange in self._ask(missing, budget)}
            self._denied = budget.denied
        return exchanges

    def _ask(self, missing: Sequence[Slot], budget: Budget) -> list[Exchange]:
        if self.live:
            return Batch(self.endpoint, self._key, budget, self.transcript, self._wait).run(missing)
        assert self.transcript is not None
        for slot in missing:  # where the caps kept the recorded search from asking, nothing is missing
            if budget.take(slot.hold(self.endpoint)):
                raise TranscriptError(
                    f"the transcript {self.transcript.path} lacks an answer of {slot.model}: "
                    "replay it with the seed, budget, models and sampling settings of the search that recorded it."
                )
        return []

    def _take(self, drawn: _Drawn, exchange: Exchange) -> Proposal | None:
        """Count an exchange, and make a proposal of its answer if it is one."""
        self.usage.add(exchange, self.caps)
        if exchange.failure == "model":
            self._dropped.add(exchange.model)
        if exchange.failure:
            return None
        try:
            answer = read_answer(exchange.text, exchange.finish)
        except UnusableAnswer as error:
            self.usage.fail(error.kind, str(error))
            return None
        self.usage.answers += 1
        return Proposal(
            proposer=self.name,
            source=answer.source,
            rationale=answer.rationale,
            operation=f"{drawn.prompt.operation} ({exchange.model})",
            parents=drawn.prompt.parents,
        )
