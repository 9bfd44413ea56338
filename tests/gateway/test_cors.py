"""Only the origins of the settings may read answers from another site."""

from lithair.gateway.cors import ALLOWED_HEADERS, CrossOrigin

SHOP = "https://shop.example"


def test_without_origins_nothing_is_added() -> None:
    cross_origin = CrossOrigin(())
    assert cross_origin.is_off
    assert cross_origin.fields(SHOP) == ()
    assert cross_origin.preflight_fields(SHOP, "GET", None) == ()


def test_an_origin_is_granted_exactly() -> None:
    cross_origin = CrossOrigin((SHOP,))
    granted = dict(cross_origin.fields(SHOP))
    assert granted["Access-Control-Allow-Origin"] == SHOP
    assert granted["Access-Control-Allow-Credentials"] == "true"
    assert (
        granted["Access-Control-Expose-Headers"]
        == "ETag, Lithair-Seq, Location, Retry-After, X-Request-Id"
    )
    for other in ("https://shop.example:444", "http://shop.example", "https://SHOP.example", None):
        assert cross_origin.fields(other) == (("Vary", "Origin"),)


def test_a_star_grants_every_origin_without_credentials() -> None:
    granted = dict(CrossOrigin(("*",)).fields(SHOP))
    assert granted["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in granted


def test_a_preflight_allows_the_headers_asked_for() -> None:
    cross_origin = CrossOrigin((SHOP,))
    fields = dict(cross_origin.preflight_fields(SHOP, "GET, POST", "content-type, x-mine"))
    assert fields["Access-Control-Allow-Headers"] == "content-type, x-mine"
    assert fields["Access-Control-Allow-Methods"] == "GET, POST"
    for unusable in (None, "", "a b", "a\r\nb: c", "x" * 2000):
        fields = dict(cross_origin.preflight_fields(SHOP, "GET", unusable))
        assert fields["Access-Control-Allow-Headers"] == ALLOWED_HEADERS
    assert cross_origin.preflight_fields("https://other.example", "GET", None) == ()
