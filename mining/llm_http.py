"""One request to an OpenAI-compatible endpoint: an answer, or a failure of a known kind, whatever the endpoint does.

The package `openai` makes and sends the request. Its own retries and reading of bodies are left out: a body is read
here piece by piece, so that neither an endless one nor a dripping one can hold a search up, and is believed in nothing.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

    from mining.llm_settings import Endpoint
    from mining.transcript import Messages

LARGEST = 4_000_000
"""Bytes of a body that are read at most; a thousand times the longest useful answer."""

MOST_TOKENS = 10_000_000
"""A count beyond this is taken for a mistake of the endpoint."""

REASON = 200
"""Characters of an endpoint's own words that are kept."""


class Reply(NamedTuple):
    """What a model answered."""

    text: str
    finish: str
    """Why it stopped, in the endpoint's word: `stop`, `length`, ..."""
    prompt_tokens: int | None
    """None where the endpoint gives no believable count."""
    completion_tokens: int | None
    """None where the endpoint gives no believable count."""


class RequestFailed(Exception):
    """No answer came; the message is one line."""

    def __init__(
        self, kind: str, reason: str, *, retry: bool = False, wait: float | None = None, billed: bool = False
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        """One of `mining.llm_usage.FAILURES`, or `key` where the key is refused."""
        self.retry = retry
        """The same request may succeed later."""
        self.wait = wait
        """Seconds that the endpoint asks to wait, None where it says nothing."""
        self.billed = billed
        """The model may have been at work, and its owner may charge for it."""


class Caller:
    """An open connection to an endpoint; `ask` may be called from several threads."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        import openai

        self._endpoint, self._key = endpoint, key
        options: dict[str, Any] = {"event_hooks": {"response": [self._check]}}
        if endpoint.on_this_machine:
            options["trust_env"] = False  # a proxy from the environment is respected, but not on the way to here
            if endpoint.base_url.startswith("http:"):
                # No certificate is looked at; loading them all takes longer than a request. Verification stays on.
                options["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        http = openai.DefaultHttpxClient(**options)
        self._client = openai.OpenAI(
            base_url=endpoint.base_url,
            api_key=key or "none",  # the package insists on a key, an endpoint on one's own machine does not
            timeout=endpoint.timeout,
            max_retries=0,
            http_client=http,
        )

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(self, model: str, messages: Messages) -> Reply:
        """Send one request and read its answer.

        Raises:
            RequestFailed: for every reason for which there is no answer.
        """
        settings: dict[str, Any] = {self._endpoint.limit_name: self._endpoint.max_output_tokens}
        if self._endpoint.temperature is not None:
            settings["temperature"] = self._endpoint.temperature
        deadline = time.monotonic() + self._endpoint.timeout
        create = self._client.chat.completions.with_streaming_response.create
        try:
            with create(model=model, messages=messages, **settings) as response:  # type: ignore[arg-type]
                body = self._read(response.iter_bytes(), deadline)
        except RequestFailed:
            raise
        except Exception as error:
            # Whatever the HTTP library makes of a misbehaving endpoint, only this request fails.
            raise self._failure(error) from None
        return self._reply(body)

    def _read(self, pieces: Iterable[bytes], deadline: float) -> bytes:
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > LARGEST:
                raise RequestFailed("oversized", f"the body is longer than {LARGEST:,} bytes", billed=True)
            if time.monotonic() > deadline:
                raise self._late()
        return bytes(body)

    def _late(self) -> RequestFailed:
        reason = f"no whole answer within {self._endpoint.timeout:g} s"
        return RequestFailed("timeout", reason, retry=True, billed=True)

    def _failure(self, error: Exception) -> RequestFailed:
        """What an exception of the HTTP library means; told by names, which its forks and versions share."""
        cause = error.__cause__ or error
        names = {type(error).__name__, type(cause).__name__}
        if names & {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}:
            return RequestFailed("connection", f"cannot connect to {self._endpoint.base_url}", retry=True)
        if any("Timeout" in name for name in names):
            return self._late()
        reason = self._line(f"the connection broke ({type(cause).__name__}: {cause})")
        return RequestFailed("connection", reason, retry=True, billed=True)

    def _check(self, response: Any) -> None:
        """Called for each response before its body is read: turns every status but success into a failure."""
        status: int = response.status_code
        if status // 100 == 2:
            return
        try:
            body = self._read(response.iter_bytes(), time.monotonic() + self._endpoint.timeout)
        except Exception:
            body = b""  # the status says enough
        said, code = _server_error(body)
        reason = self._line(f"status {status}" + (f": {said}" if said else ""))
        wait = _retry_after(response.headers.get("retry-after", ""))
        if status == 401:
            raise RequestFailed("key", f"status {status}")
        if status in (403, 404):
            raise RequestFailed("model", reason)
        if status == 429:
            raise RequestFailed("rate-limit", reason, retry=code != "insufficient_quota", wait=wait)
        if status >= 500:
            raise RequestFailed("server", reason, retry=True, wait=wait)
        raise RequestFailed("request", reason, retry=status in (408, 409, 425), wait=wait)

    def _reply(self, body: bytes) -> Reply:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            start = self._line(body[:60].decode(errors="replace"))
            reason = f"the body is not JSON; it starts with {start!r}" if start else "the body is empty"
            raise RequestFailed("not-json", reason, retry=True, billed=True) from None
        choices = _get(data, "choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        content = _get(_get(choice, "message"), "content")
        if choice is None or not (content is None or isinstance(content, str)):
            reason = "the JSON has no choice that holds text"
            raise RequestFailed("malformed", reason, retry=True, billed=True)
        finish, usage = _get(choice, "finish_reason"), _get(data, "usage")
        return Reply(
            text=self._without_key(_encodable(content or "")),
            finish=_encodable(finish)[:40] if isinstance(finish, str) else "",
            prompt_tokens=_count(_get(usage, "prompt_tokens")),
            completion_tokens=_count(_get(usage, "completion_tokens")),
        )

    def _without_key(self, text: str) -> str:
        # An endpoint may send back the headers that it got; what is too short for a secret may be an ordinary word.
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text

    def _line(self, text: str) -> str:
        printable = "".join(c if c.isprintable() else " " for c in self._without_key(text))
        return " ".join(printable.split())[:REASON]


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def _encodable(text: str) -> str:
    """Half of a surrogate pair, which JSON can carry and no file can, becomes a question mark."""
    return text.encode(errors="replace").decode()


def _server_error(body: bytes) -> tuple[str, str]:
    """The message and the code in the body of an error, as the OpenAI API writes them; empty where there are none."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    error = _get(data, "error")
    message = error if isinstance(error, str) else _get(error, "message") or _get(data, "message")
    code = _get(error, "code")
    return (message if isinstance(message, str) else ""), (code if isinstance(code, str) else "")


def _retry_after(header: str) -> float | None:
    """Seconds from now; None for a header that is neither a number of seconds nor a date (RFC 9110, 10.2.3)."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None  # NaN is a number to `float`
