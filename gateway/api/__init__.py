"""The HTTP API: what other services call, what providers report to, and the few pages that recipients see."""
