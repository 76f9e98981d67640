"""The requests of one generation: sent in parallel, repeated where that may help, counted against the caps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from mining.llm_http import Caller, Reply, RequestFailed
from mining.llm_settings import Endpoint, LlmError
from mining.llm_usage import Budget, Hold
from mining.transcript import Exchange, Messages, Transcript, messages_hash

LONGEST_WAIT = 60.0
"""Seconds between two requests for one candidate at most, whatever the endpoint asks for."""

BYTES_A_TOKEN = 3
"""To estimate tokens where the endpoint does not count them; English and code have about four."""


@dataclass(frozen=True)
class Slot:
    """A candidate to ask for."""

    key: str
    """Its name in a transcript."""
    model: str
    messages: Messages

    def hold(self, endpoint: Endpoint) -> Hold:
        """The most that one request for it may use."""
        prompt = sum(len(message["content"].encode()) for message in self.messages)
        return Hold(self.model, prompt // BYTES_A_TOKEN + 1, endpoint.max_output_tokens)


@dataclass
class _Tally:
    """What the requests for one candidate have come to."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    reply: Reply | None = None

    def fail(self, kind: str, reason: str) -> None:
        self.failures[kind] += 1
        self.reasons[kind] = reason

    def exchange(self, slot: Slot, failure: str) -> Exchange:
        return Exchange(
            key=slot.key,
            model=slot.model,
            messages=messages_hash(slot.messages),
            text=self.reply.text if self.reply else "",
            finish=self.reply.finish if self.reply else "",
            failure="" if self.reply else failure,
            requests=self.requests,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            failures=dict(self.failures),
            reasons=self.reasons,
        )


class Batch:
    """Asks for several candidates at a time."""

    def __init__(
        self,
        endpoint: Endpoint,
        key: str,
        budget: Budget,
        transcript: Transcript | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Make a batch; `wait` is called with the seconds before a request is sent again, None really waits."""
        self._endpoint, self._key = endpoint, key
        self._budget = budget
        self._transcript = transcript
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait

    def run(self, slots: Sequence[Slot]) -> list[Exchange]:
        """What came of the slots, in their order; those that the caps keep from being sent are left out.

        Raises:
            LlmError: the endpoint refuses the key.
            TranscriptError: the transcript cannot be written.
        """
        with Caller(self._endpoint, self._key) as caller, ThreadPoolExecutor(self._endpoint.parallel) as pool:
            tasks = [pool.submit(self._guarded, slot, caller) for slot in slots]
            try:
                exchanges = [task.result() for task in tasks]
            except BaseException:  # an interrupt too: what is on its way ends, nothing more is sent
                self._end()
                raise
        return [exchange for exchange in exchanges if exchange is not None]

    def _end(self) -> None:
        self._stop.set()
        self._budget.close()

    def _guarded(self, slot: Slot, caller: Caller) -> Exchange | None:
        """What ends the search in one thread stops the others at once."""
        try:
            return self._exchange(slot, caller)
        except BaseException:
            self._end()
            raise

    def _exchange(self, slot: Slot, caller: Caller) -> Exchange | None:
        """All requests for one candidate; None where none may be sent, or where an interrupt left it open."""
        tally, failure = _Tally(), ""
        for attempt in range(self._endpoint.retries + 1):
            if self._stop.is_set() or not self._budget.take(slot.hold(self._endpoint)):
                break
            failed = self._attempt(slot, caller, tally)
            if failed is None:
                break
            failure = failed.kind
            if not failed.retry or attempt == self._endpoint.retries:
                break
            self._wait(min(2.0**attempt if failed.wait is None else failed.wait, LONGEST_WAIT))
        if not tally.requests or (self._stop.is_set() and tally.reply is None):
            return None
        exchange = tally.exchange(slot, failure)
        if self._transcript is not None:
            self._transcript.add(exchange)
        return exchange

    def _attempt(self, slot: Slot, caller: Caller, tally: _Tally) -> RequestFailed | None:
        """One request; what it used replaces what the budget held for it."""
        hold = slot.hold(self._endpoint)
        used = (0, 0)
        tally.requests += 1
        try:
            tally.reply = caller.ask(slot.model, slot.messages)
            used = self._used(tally.reply, hold, tally)
        except RequestFailed as error:
            if error.kind == "key":
                raise LlmError(self._refusal()) from None
            tally.fail(error.kind, str(error))
            if error.billed:
                used = (hold.prompt_tokens, hold.completion_tokens)
            return error
        finally:
            tally.prompt_tokens += used[0]
            tally.completion_tokens += used[1]
            self._budget.settle(hold, *used)
        return None

    def _used(self, reply: Reply, hold: Hold, tally: _Tally) -> tuple[int, int]:
        prompt, completion = reply.prompt_tokens, reply.completion_tokens
        if prompt is None or completion is None:
            tally.fail("usage", "the endpoint gives no believable token counts: they are estimated")
        estimate = len(reply.text.encode()) // BYTES_A_TOKEN + 1
        return hold.prompt_tokens if prompt is None else prompt, estimate if completion is None else completion

    def _refusal(self) -> str:
        if not self._endpoint.key_variable:
            return f"{self._endpoint.base_url} wants a key (status 401): name the environment variable that holds it."
        return (
            f"{self._endpoint.base_url} refuses the key in the environment variable {self._endpoint.key_variable} "
            "(status 401): set it to a valid one."
        )
