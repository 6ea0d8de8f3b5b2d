"""The portable engine: asyncio in one thread. Slower than the native one; it runs anywhere, and carries what that does
not: TLS, proxies, a user's own client.

Same plan, same records and outcomes, same window: every behaviour test runs on both, and each is the other's oracle.
"""

from loadgen.engine.portable.run import fire

__all__ = ["fire"]
