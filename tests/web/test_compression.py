"""Pages and tables are compressed for a browser that can unpack them; films and maps are not."""

import pytest


@pytest.mark.parametrize("path", ["/static/app.js", "/api/methods", "/api/openapi.json"])
def test_pages_and_tables_are_compressed(client, path):
    reply = client.get(path, headers={"accept-encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["content-security-policy"]
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == reply.content


def test_what_is_compressed_already_is_sent_as_it_is(client, film):
    for path in (f"/api/films/{film}", "/api/runs/report0/cases/0/thumbnail.png"):
        reply = client.get(path, headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in reply.headers
    model = client.get("/api/models").json()[0]["id"]
    request = {"model": model, "film": film, "target": "0"}
    assert "content-encoding" not in client.post("/api/maps", json=request).headers
