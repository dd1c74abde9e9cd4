"""The drawings of the documentation: every one is legible, and its source says what it shows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from attrs import frozen
from drawings import boxes, charts, lanes
from drawings.shapes import (
    NARROW,
    STYLE,
    WIDE,
    Area,
    Box,
    Dot,
    Drawing,
    Label,
    Line,
    Look,
    Tone,
    svg,
)
from drawings.source import SourceError
from drawings.text import Style, width_of, wrapped

import simplex_trio

DOCS = Path(__file__).parents[2] / "docs"

FENCE = re.compile(r"^```\{(boxes|lanes|bars|chart)\} (.+?)\n(.*?)^```$", re.M | re.S)
LANGUAGES = {"boxes": boxes.drawings, "lanes": lanes.drawings, "bars": charts.bars}
LIMITS = {"wide": WIDE, "narrow": NARROW + 8}
"""A phone has some pixels more than drawings are laid out for."""


@frozen
class Case:
    name: str
    alt: str
    language: str
    source: str
    before: str
    """What the page has before it."""

    @cache  # noqa: B019 - there are some thirty, for as long as the tests run
    def drawn(self) -> dict[str, Drawing]:
        lines = self.source.splitlines()
        if self.language == "chart":
            return dict(charts.compared(charts.Comparison.parse(lines), table(self.before)))
        return dict(LANGUAGES[self.language](lines))


def table(before: str) -> list[list[str]]:
    """The rows of the table at the end of a text."""
    rows: list[list[str]] = []
    for line in reversed(before.rstrip().splitlines()):
        if not line.startswith("|"):
            break
        rows.insert(0, [cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows[2:]


def cases() -> Iterator[Case]:
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text()
        for number, found in enumerate(FENCE.finditer(text), start=1):
            name = f"{page.relative_to(DOCS).with_suffix('')}-{number}"
            yield Case(name, found[2], found[1], found[3], text[: found.start()])


CASES = list(cases())

PACKAGE = Path(simplex_trio.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [
    ".".join(each.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    for each in FILES
]
SOURCE = "\n".join(each.read_text() for each in FILES)


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def areas(drawing: Drawing, *looks: Look) -> list[Area]:
    return [each.area for each in drawing.items if isinstance(each, Box) and each.look in looks]


def labels(drawing: Drawing) -> list[Label]:
    return [each for each in drawing.items if isinstance(each, Label)]


# --- every drawing -------------------------------------------------------------------------------


def test_drawings_fit_on_a_page_and_on_a_phone(case: Case) -> None:
    drawn = case.drawn()
    assert drawn.keys() == LIMITS.keys(), "a sketch for phones is missing"
    for kind, drawing in drawn.items():
        assert drawing.width <= LIMITS[kind], kind


def test_every_text_is_in_its_box_or_beside_all(case: Case) -> None:
    for kind, drawing in case.drawn().items():
        for label in labels(drawing):
            [card] = areas(drawing, Look.CARD)
            assert card.contains(label.area), (kind, label.text)
            for box in areas(drawing, Look.BOX):
                inside = box.contains(label.area)
                assert inside or not box.overlaps(label.area), (kind, label.text)


def test_no_text_covers_another(case: Case) -> None:
    for kind, drawing in case.drawn().items():
        known = labels(drawing)
        for number, one in enumerate(known):
            for other in known[number + 1 :]:
                assert not one.area.overlaps(other.area), (kind, one.text, other.text)


def test_no_box_covers_another(case: Case) -> None:
    for kind, drawing in case.drawn().items():
        known = areas(drawing, Look.BOX)
        for number, one in enumerate(known):
            assert not any(one.overlaps(other) for other in known[number + 1 :]), (kind, one)


def test_arrows_run_through_no_text_and_no_box(case: Case) -> None:
    for kind, drawing in case.drawn().items():
        lines = [each for each in drawing.items if isinstance(each, Line) and each.kind == "arrow"]
        for line in lines:
            for part in line.areas():
                for label in labels(drawing):
                    assert not part.grown(0.1).overlaps(label.area), (kind, label.text)
                if case.language == "boxes":
                    for box in areas(drawing, Look.BOX):
                        assert not part.grown(0.1).overlaps(box.grown(-1)), (kind, line)


def test_drawings_are_valid_and_say_what_they_show(case: Case) -> None:
    assert len(case.alt) > 40, "say in words what is drawn"
    for drawing in case.drawn().values():
        root = ET.fromstring(svg(drawing, case.alt))
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"] == case.alt
        texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
        assert texts == [label.text for label in labels(drawing)]


def test_rules_of_pages_do_not_reach_drawings(case: Case) -> None:
    for kind, drawing in case.drawn().items():
        root = ET.fromstring(svg(drawing, case.alt, kind=kind))
        found = {name for each in root.iter() for name in each.attrib.get("class", "").split()}
        assert found
        assert all(name == "drawing" or name.startswith("d-") for name in found)


def test_pages_have_no_pictures_made_of_characters() -> None:
    """Arrows and corners in a block of text say that a drawing would be better."""
    for page in sorted((DOCS / "explanation").glob("*.md")):
        for block in re.findall(r"^```text\n(.*?)^```$", page.read_text(), re.M | re.S):
            assert not re.search(r"--+>|<--+|\+--+\+", block), page.name


def names_in_the_code(case: Case) -> set[str]:
    """What is in the font of the code, without what is between parentheses."""
    found = labels(case.drawn()["wide"])
    styles = (Style.CODE, Style.NAME)
    return {each.text.partition("(")[0] for each in found if each.style in styles}


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name.startswith("explanation") and case.language != "chart"],
    ids=lambda case: case.name,
)
def test_what_is_named_as_code_is_there(case: Case) -> None:
    """A module, the end of whose name is in the drawing, or a name that a module defines."""
    for name in names_in_the_code(case):
        is_module = any(f".{module}".endswith(f".{name}") for module in MODULES)
        last = name.rpartition(".")[2]
        assert is_module or re.search(rf"(?:class |def |^){last}\b", SOURCE, re.M), name


# --- the rules for colors ------------------------------------------------------------------------


def test_every_color_is_there_for_light_and_for_dark() -> None:
    used = set(re.findall(r"var\(--d-([\w-]+)\)", STYLE))
    for block in re.findall(r"\.drawing\{((?:--d-[\w-]+:[^;]+;)+)", STYLE):
        assert used <= set(re.findall(r"--d-([\w-]+):", block))


def test_the_switch_of_a_page_counts_more_than_the_system() -> None:
    system = STYLE.index("prefers-color-scheme:dark")
    assert system < STYLE.index("[data-theme=light] .drawing{")
    assert system < STYLE.index("[data-theme=dark] .drawing{")


def test_nothing_is_fetched() -> None:
    assert not re.search(r"url\(|@import|@font-face|https?:", STYLE)


# --- text ----------------------------------------------------------------------------------------


def test_widths_are_those_of_the_font() -> None:
    assert width_of("ABC", Style.NOTE) == pytest.approx(12 * (0.684 + 0.686 + 0.698))
    assert width_of("ABC", Style.TITLE) == pytest.approx(13 * (0.774 + 0.762 + 0.734))
    assert width_of("iii", Style.CODE) == width_of("mmm", Style.CODE)
    assert width_of("“→”", Style.NOTE) > width_of("ABC", Style.NOTE)


def test_lines_are_broken_between_words() -> None:
    assert wrapped("one two three", Style.NOTE, 60) == ["one two", "three"]
    assert wrapped("one two three four five six", Style.NOTE, 150) == [
        "one two three",
        "four five six",
    ]
    assert wrapped("indivisible", Style.NOTE, 10) == ["indivisible"]
    assert wrapped("up to 4 MiB, or more", Style.NOTE, 60) == ["up to", "4 MiB,", "or more"]
    assert wrapped("", Style.NOTE, 10) == []


# --- the language of boxes -----------------------------------------------------------------------

SKETCH = """\
a b b
c b b

a (blue): Alice / `simplex_trio`
b: Bob
c: Carol
"""


def wide(source: str) -> Drawing:
    return boxes.drawings(source.splitlines())["wide"]


def box_of(drawing: Drawing, text: str) -> Area:
    [label] = [each for each in labels(drawing) if each.text == text]
    [box] = [each for each in areas(drawing, Look.BOX) if each.contains(label.area)]
    return box


def arrows(drawing: Drawing) -> list[Line]:
    return [each for each in drawing.items if isinstance(each, Line)]


def test_a_box_has_all_of_its_cells() -> None:
    drawing = wide(SKETCH)
    alice, bob, carol = (box_of(drawing, name) for name in ("Alice", "Bob", "Carol"))
    assert (alice.left, alice.right) == (carol.left, carol.right)
    assert (bob.top, bob.bottom) == (alice.top, carol.bottom)
    assert bob.left > alice.right


def test_arrows_join_the_sides_that_face_each_other() -> None:
    drawing = wide(SKETCH + "a -> b: hello\na <-> c\n")
    across, down = arrows(drawing)
    assert across.points[0][0] == box_of(drawing, "Alice").right
    assert across.points[-1][0] == box_of(drawing, "Bob").left
    assert (across.starts, across.ends, down.starts, down.ends) == (False, True, True, True)
    assert down.points[0][0] == down.points[1][0]
    [hello] = [each for each in labels(drawing) if each.text == "hello"]
    assert box_of(drawing, "Alice").right < hello.area.left < hello.area.right
    assert hello.area.right < box_of(drawing, "Bob").left


def test_two_arrows_between_the_same_boxes_are_beside_each_other() -> None:
    one, other = arrows(wide(SKETCH + "a -> b\nb -> a\n"))
    assert one.points[0][1] < other.points[0][1]


def test_an_arrow_goes_around_if_it_is_told_to() -> None:
    [line] = arrows(wide(SKETCH + "a.left -> c.left\n"))
    assert len(line.points) == 4
    assert line.points[1][0] < line.points[0][0] == line.points[-1][0]


def test_frames_are_around_what_they_name() -> None:
    drawing = wide(SKETCH + "[a c]: both\n[a c b]: all\n")
    outer, inner = areas(drawing, Look.FRAME)
    assert outer.contains(inner)
    assert inner.contains(box_of(drawing, "Alice"))
    assert not inner.overlaps(box_of(drawing, "Bob"))


def test_statements_can_be_for_one_layout() -> None:
    source = "a b\n\nnarrow:\na\nb\n\na: A\nb: B\nwide a -> b: across\nnarrow b -> a: up\n"
    drawn = boxes.drawings(source.splitlines())
    assert [each.text for each in labels(drawn["wide"])] == ["A", "B", "across"]
    assert [each.text for each in labels(drawn["narrow"])] == ["A", "B", "up"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a b\na\n\na: A\nb: B\n", "rows of the wide sketch"),
        ("a b\nb a\n\na: A\nb: B\n", "no rectangle"),
        ("a b\n\na: A\n", "nothing says what is in b"),
        ("a b\n\na: A\nb: B\nc: C\n", "there is no box 'c'"),
        ("a b\n\na: A\nb: B\na -> c\n", "there is no box 'c'"),
        ("a b\n\na: A\nb: B\na.above -> b\n", "above"),
        ("a b\n\na: A\nb: B\n[a c]: frame\n", "there is no box 'c'"),
        ("a: A\n", "an empty line"),
    ],
)
def test_what_makes_no_sense_is_refused(source: str, words: str) -> None:
    with pytest.raises(SourceError, match=re.escape(words)):
        boxes.drawings(source.splitlines())


# --- the language of lanes -----------------------------------------------------------------------

CONVERSATION = """\
Alice (blue) | A = The router | Bob

Alice: begins
Alice -> A: SEND
& Bob: waits
A ..> Bob (red): MSG
A..Bob: what both know
--: later
Bob -> Alice: hello
"""


def test_what_is_said_later_is_further_down() -> None:
    drawing = lanes.drawings(CONVERSATION.splitlines())["wide"]
    tops = {each.text: each.area.top for each in labels(drawing)}
    order = ["Alice", "begins", "SEND", "MSG", "what both know", "later", "hello"]
    assert sorted(order, key=lambda text: tops[text]) == order
    assert tops["SEND"] < tops["waits"] < tops["MSG"]


def test_what_is_said_goes_from_one_lane_to_another() -> None:
    drawing = lanes.drawings(CONVERSATION.splitlines())["wide"]
    heads = {each.text: each.x for each in labels(drawing)}
    said = [each for each in arrows(drawing) if each.kind == "arrow"]
    ends = [(line.points[0][0], line.points[-1][0]) for line in said]
    alice, router, bob = (heads[name] for name in ("Alice", "The router", "Bob"))
    assert ends == [(alice, router), (router, bob), (bob, alice)]
    assert [line.dashed for line in said] == [False, True, False]
    assert [line.tone.value for line in said] == ["plain", "red", "plain"]


def test_a_lane_that_is_not_there_is_refused() -> None:
    with pytest.raises(SourceError, match="there is no lane 'Carol'"):
        lanes.drawings(["Alice | Bob", "", "Alice -> Carol: hello"])


# --- charts --------------------------------------------------------------------------------------

AMOUNTS = """\
client: 93 µs
tasks: 44.1 µs, 47%
requests: 22.05 µs

router: 39 µs
encoding: 1,000 µs
"""


def bar_lengths(drawing: Drawing) -> list[float]:
    return [each.width for each in areas(drawing, Look.BAR)]


def test_bars_are_as_long_as_their_amounts() -> None:
    for drawing in charts.bars(AMOUNTS.splitlines()).values():
        longer, shorter, longest = bar_lengths(drawing)
        assert longer == pytest.approx(2 * shorter)
        assert longest == pytest.approx(1000 / 44.1 * longer)
        said = [each.text for each in labels(drawing)]
        assert {"client: 93 µs", "tasks", "44.1 µs, 47%", "1,000 µs"} <= set(said)


COMPARISON = charts.Comparison.parse(["here: 1", "there: 3", "µs; less is better"])
ROWS = [["send", "10 (9)", "2", "1,000"], ["sub", "", "2", "5"], ["new", "100", "2", "10"]]


def test_figures_are_where_their_axis_has_them() -> None:
    for drawing in charts.compared(COMPARISON, ROWS).values():
        dots = [each for each in drawing.items if isinstance(each, Dot)][2:]  # without the legend
        ticks = {each.text: each.x for each in labels(drawing) if each.text[0].isdigit()}
        assert {"10", "100", "1,000"} <= ticks.keys()
        there, here, new_there, new_here = dots
        assert [dot.x for dot in (there, here)] == pytest.approx([ticks["1,000"], ticks["10"]])
        assert [dot.x for dot in (new_there, new_here)] == pytest.approx(
            [ticks["10"], ticks["100"]]
        )
        assert here.y == there.y < new_here.y
        assert (here.tone, there.tone) == (Tone.BLUE, Tone.AMBER)
        assert "sub" not in {each.text for each in labels(drawing)}


@pytest.mark.parametrize(
    "lines", [["here: 1"], ["here: one", "there: 2", "unit"], ["here: 1", "there: 2", "µs", "more"]]
)
def test_a_comparison_says_two_columns_and_what_they_have(lines: list[str]) -> None:
    with pytest.raises(SourceError, match="two columns"):
        charts.Comparison.parse(lines)


def test_a_chart_without_figures_is_refused() -> None:
    with pytest.raises(SourceError, match="no row has both figures"):
        charts.compared(COMPARISON, [["send", "", "", "1"]])
    with pytest.raises(SourceError, match="'tasks' has no amount"):
        charts.bars(["client", "tasks: many"])
