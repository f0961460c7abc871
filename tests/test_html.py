"""The page: nothing from outside is markup in it, and each chart has its words and its table."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import Page, problems, skeleton
from records import a_year

from vibeusage.escape import clean
from vibeusage.html import content, page, quotas, svg, wording
from vibeusage.html.markup import Markup, tag
from vibeusage.html.svg import About, Scale
from vibeusage.records import database, pricing, store
from vibeusage.records.quotas import Sample
from vibeusage.records.readers.spec import Call
from vibeusage.records.reports import Query
from vibeusage.records.tally import Pricer
from vibeusage.settings import ModelPrices, Pricing

NOW, WEEK_S = a_year.UNTIL, 7 * 86_400
PLAIN = tuple(f"name-{place}" for place in range(len(a_year.HOSTILE)))
UNPRICED = ("other-0", "other-1", "other-2")
PRICER = Pricer(pricing.load(Pricing(models=dict.fromkeys((*a_year.HOSTILE, *PLAIN), ModelPrices(1.0, 2.0)))), {})


def in_memory() -> store.Store:
    return store.Store(Path("/nowhere/usage.db"), database.empty())


def made(fill=a_year.fill_with, *told, query: Query | None = None, notes=(), limit=0) -> str:
    with in_memory() as opened:
        fill(opened, *told)
        asked = query or Query(zone=UTC)
        found = content.read(opened, PRICER, asked, NOW, measure="tokens", limit=limit)
    return page.page(found, notes, lambda folder: folder)


def test_f9_hostile_names_stay_text():
    text = made(a_year.fill_with, a_year.HOSTILE, notes=a_year.HOSTILE)
    assert problems(text) == []
    assert skeleton(text) == skeleton(made(a_year.fill_with, PLAIN, notes=PLAIN))
    found = Page(text)
    assert len({clean(name) for name in a_year.HOSTILE} & {*found.text_of("bdi")}) == 7, "models in the legend"
    for name in a_year.HOSTILE:
        assert clean(name) in found.text_of("th"), "a model"
        assert f"/srv/{clean(name)}" in found.text_of("th"), "a project"
        assert clean(name) in found.text_of("td"), "a branch"
        assert clean(name) in found.text_of("li"), "a note"


SIGNS = st.sampled_from("<>&\"'/=`-! abo;#x日א\x00\x1b\u202e\u2028\ud800")
NAMES = st.lists(st.text(SIGNS, min_size=1, max_size=40).map("n{}".format), min_size=3, max_size=3, unique=True)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(NAMES)
def test_no_name_changes_what_the_page_is_made_of(names):
    text = made(a_year.fill_with, tuple(names))
    assert problems(text) == []
    assert skeleton(text) == skeleton(made(a_year.fill_with, UNPRICED))


def test_the_policy_allows_this_style_and_nothing_else():
    found = Page(made(a_year.fill_with, PLAIN))
    style = f"style-src 'sha256-{found.style_hash()}'"
    assert found.policy() == f"default-src 'none'; {style}; img-src data:; base-uri 'none'; form-action 'none'"
    assert [element.name for element in found.elements[:5]] == ["html", "head", "meta", "meta", "meta"]
    assert "url(" not in found.text_of("style")[0] and "@import" not in found.text_of("style")[0]


def test_every_chart_has_words_and_a_table_and_every_id_is_one():
    found = Page(made(a_year.fill_with, PLAIN))
    ids = [one.attributes["id"] for one in found.elements if "id" in one.attributes]
    named = [one.attributes["aria-labelledby"] or "" for one in found.elements if "aria-labelledby" in one.attributes]
    charts = [one for one in found.all("svg") if one.attributes.get("role") == "img"]
    hidden = [one for one in found.all("svg") if one.attributes.get("aria-hidden") == "true"]
    assert len(ids) == len({*ids})
    assert {word for words in named for word in words.split()} <= {*ids}
    assert len(charts) + len(hidden) == len(found.all("svg"))
    assert len(charts) == len(found.all("table")) == len(found.all("details")) == len(found.all("caption")) == 9
    assert {one.attributes["scope"] for one in found.all("th")} == {"col", "row"}
    assert found.all("html")[0].attributes == {"lang": "en"}
    assert found.text_of("h2") == [
        *("Cost by day", "Tokens by day", "Heatmap", "Tools", "Models", "Cache efficiency"),
        *("Projects", "Branches", "Machines"),
    ]


@pytest.mark.parametrize(
    ("days", "since", "unit"),
    [(40, None, "day"), (500, None, "week"), (500, date(2026, 11, 1), "day"), (3100, None, "month")],
)
def test_a_long_time_is_drawn_by_week_or_month(days, since, unit):
    def fill(opened: store.Store) -> None:
        times = [int((NOW - timedelta(days=back)).timestamp() * 1000) for back in (0, days)]
        opened.put("claude", [Call(uuid=str(ts), ts=ts, model="m", input=1) for ts in times], machine="")

    found = Page(made(fill, query=Query(zone=UTC, since=since)))
    assert found.text_of("h2")[:2] == [f"Cost by {unit}", f"Tokens by {unit}"]


def test_a_store_without_records_has_sums_and_notes_only():
    found = Page(made(lambda opened: None, notes=["no records yet"]))
    assert (found.wrong, found.all("svg"), found.text_of("li")) == ([], [], ["no records yet"])
    assert found.text_of("data") == ["$0.00", "0", "0"]


def test_where_nothing_has_a_price_a_sentence_stands_for_the_chart():
    found = Page(made(a_year.fill_with, UNPRICED))
    assert "No price of these models is known." in found.text_of("p")
    assert len(found.all("table")) == 8


def with_quotas(query: Query, account: str = "claude") -> str:
    with in_memory() as opened:
        a_year.fill_quotas(opened, account=account)
        found = content.read(opened, PRICER, query, NOW, measure="tokens")
        found = found._replace(quotas=quotas.read(opened, query, NOW))
    return page.page(found, (), lambda folder: folder)


@pytest.mark.parametrize("name", a_year.HOSTILE)
def test_f9_hostile_accounts_stay_text(name):
    text = with_quotas(Query(zone=UTC), f"claude@{name}")
    assert problems(text) == []
    assert skeleton(text) == skeleton(with_quotas(Query(zone=UTC), "claude@work"))
    assert clean(f"claude ({name})") in Page(text).text_of("bdi")


def test_quotas_are_drawn_with_a_line_for_each_window_and_a_mark_for_each_reset():
    found = Page(with_quotas(Query(zone=UTC, since=date(2026, 11, 24), until=date(2026, 11, 25))))
    session, weekly = [one.attributes["d"] or "" for one in found.all("path") if one.attributes["class"] == "step"]
    resets = [one for one in found.all("path") if one.attributes["class"] == "reset"]
    assert found.text_of("h3", "bdi") == ["claude", ", ", "Session (5h)", "claude", ", ", "Weekly"]
    assert (session.count("M"), weekly.count("M"), len(resets)) == (11, 1, 10)
    assert len(found.all("tr")) == 2 + 11 + 1
    assert [text for text in found.text_of("p") if "past" in text] == [
        "11 past windows, peak 50.9% on average, used up 1 time.",
        "1 past window, peak 73.2%, never used up.",
    ]


def test_a_window_that_was_seen_once_is_a_dot():
    at = int(NOW.timestamp())
    with in_memory() as opened:
        for name, used in (("Opus", 40.0), ("Weekly", 90.0)):
            sample = Sample("claude", name, "", WEEK_S, at=at, used=used, resets_at=at + 86_400)
            opened.note_quotas([sample], now=at, keep_from=0)
        found = content.read(opened, PRICER, Query(zone=UTC), NOW, measure="tokens")
        found = found._replace(quotas=quotas.read(opened, found.query, NOW))
    dots = [one.attributes["d"] or "" for one in dotted(page.page(found, (), str))]
    assert [dot.split("a")[0].split()[1] for dot in dots] == ["72", "22"]
    assert all(dot.endswith("z") for dot in dots)
    assert len(dotted(with_quotas(Query(zone=UTC)))) == 1, "the session that has just begun"


def dotted(text: str) -> list:
    return [one for one in Page(text).all("path") if one.attributes["class"] == "dot"]


def test_a_note_is_told_to_its_end_and_a_name_of_blanks_is_not_recorded():
    note = f"without a price: {'model, ' * 300}and the last"
    found = Page(made(a_year.fill_with, ("\t\n",), notes=(note,)))
    assert found.text_of("li")[-1] == note
    assert found.text_of("bdi")[:2] == ["not recorded"] * 2
    assert "not recorded" in found.text_of("text")


@pytest.mark.parametrize(
    "asked", [{"model": "opus"}, {"project": "/srv"}, {"providers": ("codex",)}, {"until": date(2026, 1, 1)}]
)
def test_of_one_model_or_project_another_tool_or_time_no_quota_is_shown(asked):
    assert Page(with_quotas(Query(zone=UTC, **asked))).text_of("h2") == []


def test_a_redacted_account_is_a_label():
    text = with_quotas(Query(zone=UTC, names=lambda kind, name: f"{kind}-1" if name else ""), "claude@secret")
    assert "claude (account-1)" in Page(text).text_of("bdi")
    assert "secret" not in text


def test_what_is_above_its_limit_has_room():
    with in_memory() as opened:
        start = int(NOW.timestamp()) - 3600
        for at in (0, 900, 1500):
            sample = Sample("claude", "Extra usage", "", 0, at=start + at, used=at / 10, resets_at=0)
            opened.note_quotas([sample], now=start + 3600, keep_from=0)
        (found,) = quotas.read(opened, Query(zone=UTC), NOW)
    drawn = Page(quotas.section([found], Query(zone=UTC), NOW))
    assert [one.attributes["d"] for one in drawn.all("path") if one.attributes["class"] == "line"][-1] == "M64 45.3H948"


def test_a_limit_shortens_tables_and_never_a_sum():
    whole, short = (Page(made(a_year.fill_with, PLAIN, limit=limit)) for limit in (0, 2))
    assert "Projects, the dearest first; 6 more are in the sum only" in short.text_of("caption")
    for found in (whole, short):
        assert found.values("dd") == ["0.000908", "868", "8"]
        assert found.values("tfoot") == ["0.000908", "868", *["868", "0.000908"] * 5], "and both of each kind"


def test_only_what_is_no_markup_yet_is_escaped():
    inside = tag("b", 'a<b "c"', Markup("<i>d</i>"), aria_label='"&', x=1.04, tabindex=0, class_=None)
    assert inside == '<b aria-label="&quot;&amp;" x="1" tabindex="0">a&lt;b &quot;c&quot;<i>d</i></b>'


@pytest.mark.parametrize(
    ("top", "lines"),
    [
        (0, [0.0]),
        (1, [0, 0.5, 1]),
        (29.9, [0, 10, 20, 30]),
        (100, [0, 50, 100]),
        (101, [0, 50, 100, 150]),
        (0.0007, [0, 0.0002, 0.0004, 0.0006, 0.0008]),
        (4.2e12, [0, 2e12, 4e12, 6e12]),
    ],
)
def test_the_lines_across_a_chart_are_round_and_the_last_is_not_below_the_highest(top, lines):
    assert svg.ticks(top) == pytest.approx(lines)


@given(st.floats(1e-9, 1e18))
def test_the_highest_value_always_has_room(top):
    lines = svg.ticks(top)
    assert lines[-1] >= top * 0.999999
    assert 2 <= len(lines) <= 7


def test_the_parts_of_a_column_stand_on_each_other():
    drawn = svg.stacked(About("a", "b", "c"), [[1, 3], [], [2]], Scale(4.0, ((0.0, "0"),)), [(0, "x")], ["one", "", ""])
    paths = {one.attributes.get("class"): one.attributes["d"] for one in Page(drawn).all("path")}
    # a quarter of 220 for each unit, from 232 upwards
    assert paths["s0"] == "M187.3 232V177h48V232zM776.7 232V122h48V232z"
    assert paths["s1"] == "M187.3 177V12h48V177z"
    assert Page(drawn).text_of("title", "text") == ["b", "0", "x", "one"]


@pytest.mark.parametrize(
    ("name", "cells", "shown"),
    [("short", 9, "short"), ("/home/me/work/project", 10, "…k/project"), ("日本語の部屋", 7, "…の部屋"), ("", 5, "")],
)
def test_of_a_long_name_the_end_is_shown(name, cells, shown):
    assert svg.short(name, cells) == shown


@pytest.mark.parametrize(
    ("first", "days", "step", "shown"),
    [
        (date(2026, 3, 1), 3, 1, [(0, "1 Mar"), (1, "2 Mar"), (2, "3 Mar")]),
        (date(2025, 11, 27), 90, 1, [(4, "Dec 2025"), (35, "Jan 2026"), (66, "Feb")]),
        (date(2025, 11, 3), 13, 7, [(0, "Nov 2025"), (4, "Dec"), (9, "Jan 2026")]),
        (date(2026, 3, 1), 0, 1, []),
        (
            *(date(2024, 11, 4), 80, 7),
            [(9, "Jan 2025"), (22, "Apr"), (35, "Jul"), (48, "Oct"), (61, "Jan 2026"), (74, "Apr")],
        ),
        (
            *(date(2022, 10, 24), 213, 7),
            [
                *((10, "Jan 2023"), (36, "Jul"), (62, "Jan 2024"), (88, "Jul"), (115, "Jan 2025"), (141, "Jul")),
                *((167, "Jan 2026"), (193, "Jul")),
            ],
        ),
    ],
)
def test_an_axis_names_days_and_of_a_longer_time_months(first, days, step, shown):
    assert wording.marks([first + timedelta(days=place * step) for place in range(days)]) == shown


def test_sums_of_rows_know_what_is_not_known():
    with in_memory() as opened:
        a_year.fill(opened, days=2, a_day=60)
        found = content.read(opened, PRICER, Query(zone=UTC), datetime(2026, 11, 26, 15, tzinfo=UTC), measure="cost")
    rows = found.by_time.rows
    whole = wording.together(rows)
    assert (whole.total_tokens, whole.cost) == (found.by_time.total.total_tokens, found.by_time.total.cost)
    assert whole.cost_state == found.by_time.total.cost_state == "partial"
    unknown = wording.together([part for row in rows for part in row.breakdown if part.cost is None])
    assert (unknown.cost, unknown.cost_state) == (None, "unknown")
