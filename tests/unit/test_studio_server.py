"""Who may talk to the studio: this machine's own pages, and no other."""

from __future__ import annotations

import asyncio

import pytest

from sweep.studio.server import OwnPagesOnly

PORT = 7860


def ask(scope_type: str, **headers: str) -> list[dict]:
    """What is sent in answer to a request that reaches an app which says 200."""
    sent: list[dict] = []

    async def app(scope, receive, send):
        await send({"type": f"{scope_type}.response.start", "status": 200, "headers": []})

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(OwnPagesOnly(app, PORT)({"type": scope_type, "headers": listed}, receive, send))
    return sent


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_our_own_page_is_answered_and_told_to_stay_here(name) -> None:
    (start,) = ask("http", host=f"{name}:{PORT}", origin=f"http://{name}:{PORT}")
    assert start["status"] == 200
    policy = dict(start["headers"])[b"content-security-policy"].decode()
    assert "default-src 'self' data: blob:;" in policy
    assert f"connect-src 'self' ws://{name}:{PORT};" in policy
    assert "http://" not in policy
    assert "*" not in policy


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "elsewhere.example"},
        {"host": f"elsewhere.example:{PORT}"},
        {"host": "127.0.0.1:80"},
        {"host": f"127.0.0.1:{PORT}", "origin": "https://elsewhere.example"},
        {"host": f"127.0.0.1:{PORT}", "origin": "http://127.0.0.1:80"},
        {"host": f"127.0.0.1:{PORT}", "origin": "null"},
    ],
)
def test_a_page_from_elsewhere_is_refused(headers) -> None:
    assert ask("http", **headers)[0]["status"] == 403
    assert ask("websocket", **headers) == [{"type": "websocket.close", "code": 1008}]
