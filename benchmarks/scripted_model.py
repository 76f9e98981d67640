"""An OpenAI-compatible endpoint on loopback that answers from a file, one block after another: no model, no network.

    python benchmarks/scripted_model.py [--answers benchmarks/answers.md] [--port 8123]
    bench mine --proposer llm --llm-url http://127.0.0.1:8123/v1 --llm-model scripted --llm-key '' --llm-parallel 1 ...

The run keeps every answer in its transcript, which `bench mine ... --replay` and `benchmarks/proposers.py` take
instead of an endpoint. After the last block it begins again with the first.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ANSWERS = Path(__file__).with_name("answers.md")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=Path, default=ANSWERS)
    parser.add_argument("--port", type=int, default=8123)
    options = parser.parse_args()
    with serve(options.answers, options.port) as server:
        print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
        server.serve_forever()


def serve(answers: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server that is bound and not yet serving."""
    blocks = re.findall(r"```python\n.*?```", answers.read_text(), re.DOTALL)
    endless, lock = itertools.cycle(blocks), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        """Answers every request with the next block."""

        def do_POST(self) -> None:
            """A chat completion."""
            asked = len(self.rfile.read(int(self.headers.get("Content-Length", 0)))) // 4
            with lock:
                text = next(endless)
            message = {"role": "assistant", "content": text}
            body = json.dumps(
                {
                    "id": "scripted",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "scripted",
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {  # four bytes a token
                        "prompt_tokens": asked,
                        "completion_tokens": len(text) // 4,
                        "total_tokens": asked + len(text) // 4,
                    },
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    main()
