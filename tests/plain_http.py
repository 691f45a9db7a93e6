"""What clients of the tests, which speak plain HTTP, take for TLS."""

from __future__ import annotations

import ssl
from typing import Final

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""`verify=` of httpx. Without it, each client and each `httpx.get` reads every certificate authority
of the machine, which takes 50 ms of a processor: while a program starts, as much as its start.
"""
