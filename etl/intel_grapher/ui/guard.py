"""Who may ask, and what the page may do.

The server listens on the loopback address alone. Another site's page in the same browser can still send requests here,
and a name of its own can be made to point here: so the Host must be ours, the Origin too where one is told, and every
question needs the token, which only the link that the command printed holds. The page itself may load nothing from
elsewhere, run no inline script, and turn no text into markup or script (Trusted Types).
"""

from __future__ import annotations

from hmac import compare_digest

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-intel-grapher-token"  # noqa: S105 - a header's name
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types our-worker"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware: refuses requests that are not the page's own, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._token = token
        self._hosts = {f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["cache-control"] = "no-store" if _asks(scope) else "no-cache"
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        else:
            status, why = refusal
            await JSONResponse({"error": why}, status)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if headers.get("host", "") not in self._hosts:
            return 403, "this server answers to its own address alone"
        if "origin" in headers and headers["origin"] not in self._origins:
            return 403, "another site asks; only the page of this server may"
        # Someone may follow a link to the page from anywhere, but nothing else may come from elsewhere.
        followed = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"} and not followed:
            return 403, "another site asks; only the page of this server may"
        if _asks(scope) and not compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token.encode()):
            return 401, "open the page by the link that `intel-grapher ui` printed: it holds the key"
        return None


def _asks(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/api/")
