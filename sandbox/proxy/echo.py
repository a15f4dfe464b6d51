"""What a service that echoes requests adds to its errors, to catch clients that print them."""

from __future__ import annotations

from sandbox.proxy.messages import Request


def quotation(request: Request) -> str:
    """The token and the body that were sent."""
    return f" Authorization: {request.headers.get('authorization', '')} {request.body.decode('utf-8', 'replace')}"
