"""Each rule of the guard: what it refuses, the application never sees."""

import pytest

from camlucida.core.errors import UsageError
from camlucida.web.security import HEADERS
from camlucida.web.settings import check_host
from tests.web.conftest import ADDRESS, ORIGIN, png


def test_without_the_cookie_nothing_is_answered(stranger):
    for path in ("/", "/static/app.js", "/api/films", "/api/openapi.json", "/api/nothing"):
        reply = stranger.get(path)
        assert reply.status_code == 401, path
        assert "the terminal shows" in reply.text


def test_the_address_is_good_for_one_visit(app, stranger):
    token = app.state.workbench.sessions.new_token()
    first = stranger.get(f"/open?token={token}")
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    stranger.cookies.clear()
    assert stranger.get(f"/open?token={token}").status_code == 401
    assert stranger.get("/open").status_code == 401
    assert stranger.get("/open?token=guessed").status_code == 401


def test_a_cookie_that_was_not_given_out_is_refused(stranger):
    for cookie in ("camlucida=guessed", "camlucida=", "; ; =", '"'):
        assert stranger.get("/api/films", headers={"cookie": cookie}).status_code == 401


@pytest.mark.parametrize("host", ["attacker.example:8321", "127.0.0.1:9", "", "127.0.0.1"])
def test_another_host_is_refused(client, host):
    reply = client.get("/api/films", headers={"host": host})
    assert (reply.status_code, reply.json()["code"]) == (401, "refused")


@pytest.mark.parametrize(
    "origin",
    ["http://attacker.example", "null", pytest.param(f"https{ADDRESS[4:]}", id="another scheme")],
)
def test_another_origin_changes_nothing(client, origin):
    before = client.get("/api/films").json()
    reply = client.post("/api/films", content=png(9), headers={"origin": origin})
    assert (reply.status_code, reply.json()["code"]) == (403, "refused")
    assert client.get("/api/films").json() == before


def test_a_request_that_changes_something_names_its_origin(client):
    del client.headers["origin"]
    reply = client.post("/api/films", content=png(9))
    assert (reply.status_code, reply.json()["code"]) == (403, "refused")
    assert ORIGIN["origin"] in reply.json()["fix"]


def test_every_reply_has_the_headers(client, stranger):
    replies = [client.get("/"), client.get("/api/films"), client.get("/api/films/none")]
    stranger.cookies.clear()
    replies.append(stranger.get("/"))
    for reply in replies:
        for name, value in HEADERS.items():
            assert reply.headers[name] == value
        assert "access-control-allow-origin" not in reply.headers
    assert "'unsafe" not in HEADERS["content-security-policy"]


def test_bodies_have_limits(client):
    stated = client.post("/api/maps", content=b" " * (2**20 + 1))
    assert (stated.status_code, stated.json()["code"]) == (413, "too_large")

    def pieces():
        for _ in range(20):
            yield b" " * 2**17

    unstated = client.post("/api/maps", content=pieces())
    assert (unstated.status_code, unstated.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_an_address_that_others_can_reach_is_refused(host):
    with pytest.raises(UsageError, match="ssh -L"):
        check_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_addresses_of_this_machine(host):
    check_host(host)
