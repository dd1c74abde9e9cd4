"""The picture of a router's page, which is to be what the router serves."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import router_page

_SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_as_it_is_drawn() -> None:
    assert router_page.TARGET.read_text() == router_page.drawn()


def test_the_picture_has_the_words_and_the_code_of_the_page() -> None:
    picture = ET.fromstring(router_page.drawn())
    said = " ".join(each.text or "" for each in picture.iter(f"{_SVG}text"))
    page = router_page.page()
    for words in ("SMP router", "This is a messaging router of the SimpleX network."):
        assert words in page
        assert words in said
    assert str(router_page.ADDRESS) in said.replace(" ", "")
    [code] = picture.findall(f"{_SVG}svg")
    [path] = [each.attrib["d"] for each in code.iter(f"{_SVG}path") if "stroke" in each.attrib]
    assert path in page
