"""README.md and README.zh-CN.md say the same: what is not prose is equal in both, and in the same order."""

import re
from collections import Counter

import processes
import pytest

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A string, or a comment: at the beginning of a line, or behind a space.
TOKEN = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|(?:^|(?<=\s))\#.*$""", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(name):
    return (processes.ROOT / name).read_text(encoding="utf-8")


def without_comments(code):
    """The lines of a program without comments; a `#` in a string is none."""
    code = TOKEN.sub(lambda found: "" if found[0].startswith("#") else found[0], code)
    return [line.rstrip() for line in code.splitlines() if line.strip()]


def assignments(code):
    """Settings that are only shown in a comment: their keys must not differ either."""
    return re.findall(r"^# (\w+ = \S+)", code, re.MULTILINE)


def blocks(text):
    return [(kind, without_comments(code), assignments(code)) for kind, code in FENCE.findall(text)]


def sections(text):
    """(depth of the heading, what stands under it) for each section, code left out."""
    parts = re.split(r"^(#+) .+$", FENCE.sub("", text), flags=re.MULTILINE)
    return list(zip(map(len, parts[1::2]), parts[2::2], strict=True))


def anchors(text):
    """What GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_comments_are_told_from_strings():
    code = '# whole\na = "x # y"  # why\nb = 1 # 为什么\n\n$ curl http://a/#b \\\n'
    assert without_comments(code) == ['a = "x # y"', "b = 1", "$ curl http://a/#b \\"]


def test_code_blocks_are_equal():
    english, chinese = blocks(read(ENGLISH)), blocks(read(CHINESE))
    assert len(english) > 10
    for one, other in zip(english, chinese, strict=True):
        assert one == other


def test_sections_have_the_same_depth_names_and_tables():
    english, chinese = sections(read(ENGLISH)), sections(read(CHINESE))
    assert [depth for depth, _ in english] == [depth for depth, _ in chinese]
    for (_, one), (_, other) in zip(english, chinese, strict=True):
        # Settings, errors, paths: the words of a sentence may stand in another order.
        named = [Counter(re.findall(r"`([^`]+)`", text)) for text in (one, other)]
        assert named[0] == named[1], other
        rows = [len(re.findall(r"^\|", text, re.MULTILINE)) for text in (one, other)]
        points = [len(re.findall(r"^- ", text, re.MULTILINE)) for text in (one, other)]
        assert (rows[0], points[0]) == (rows[1], points[1]), other


@pytest.mark.parametrize("name", [ENGLISH, CHINESE, "examples/README.md"])
def test_links_lead_somewhere(name):
    text = read(name)
    links = LINK.findall(text)
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (processes.ROOT / name).parent / path if path else processes.ROOT / name
        assert target.exists(), f"{name} links to {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{name} links to {link}"


def test_both_link_to_the_same_files():
    files = [Counter(link for link in LINK.findall(read(name)) if not link.startswith("#")) for name in (ENGLISH, CHINESE)]
    # Each may link to the other language.
    for links, other in zip(files, (CHINESE, ENGLISH), strict=True):
        links.pop(other, None)
    assert files[0] == files[1]
