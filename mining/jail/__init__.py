"""The jail: untrusted sources are run only here, only to be traced, and only a graph comes out.

    from mining.jail import Jail, Level, Refused

    with Jail(require=Level.SECCOMP) as jail:
        graph = jail.trace("import torch\\ndef activation(x):\\n    return x * torch.sin(x)\\n")

Reading order: `outline`, `allowlist` and `steps` (what a text may hold), `confine` and `filter` (what a process gives
up), `prison` (inside), `server` (the warm parent), `reply` (what may come out), `client`.
Importing this package imports no torch; `python -m mining.jail` prints the level of this machine.
"""

from mining.jail.allowlist import check
from mining.jail.client import Jail, SandboxUnavailable, available
from mining.jail.confine import Level, Limits
from mining.jail.reply import JailError
from mining.jail.steps import Refused

__all__ = ["Jail", "JailError", "Level", "Limits", "Refused", "SandboxUnavailable", "available", "check"]
