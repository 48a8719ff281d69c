"""What was measured, as text. Ratios are of one round, then the median of all rounds."""

import json
from statistics import median


ANCHORS = ("nginx", "floor", "hand")
TIMES = [f"× {anchor}" for anchor in ANCHORS]


def load(path: str) -> dict:
    with open(path) as file:
        return json.load(file)


def line(row: dict) -> str:
    """One measurement, as it comes."""
    skip = {"scenario", "target", "round", "load_average", "endpoint", "callers", "seconds"}
    told = []
    for key, value in row.items():
        if key in skip or value is None or value == 0:
            continue
        if isinstance(value, dict):
            value = "/".join(f"{value[part]:,.0f}" for part in ("p50", "p99", "max"))
        told.append(f"{key} {value:,.1f}" if isinstance(value, float) else f"{key} {value}")
    return f"{row['scenario']:12} {row['target']:8} " + ", ".join(told)


class Rounds:
    """The measurements of one scenario."""

    def __init__(self, rows: list[dict]):
        self.by: dict[str, dict[int, dict]] = {}
        for row in rows:
            self.by.setdefault(row["target"], {})[row["round"]] = row

    def values(self, target: str, key: str) -> dict[int, float]:
        found = {}
        for number, row in self.by.get(target, {}).items():
            value = row
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                found[number] = value
        return found

    def median(self, target: str, key: str) -> float | None:
        values = self.values(target, key)
        return median(values.values()) if values else None

    def paired(self, target: str, other: str, key: str, make) -> float | None:
        ours, theirs = self.values(target, key), self.values(other, key)
        both = [make(ours[number], theirs[number]) for number in ours if theirs.get(number)]
        return median(both) if both else None

    def ratio(self, target: str, other: str, key: str) -> float | None:
        return self.paired(target, other, key, lambda a, b: a / b)

    def added(self, target: str, other: str, key: str) -> float | None:
        return self.paired(target, other, key, lambda a, b: a - b)


def each_kb(scenario: Rounds, target: str) -> float | None:
    """What an open stream occupies."""
    before, after, open_calls = (scenario.median(target, key) for key in ("rss_kb_before", "rss_kb_open", "open_calls"))
    return (after - before) / open_calls if before and after and open_calls else None


def milliseconds(scenario: Rounds, target: str, key: str, parts: tuple[str, ...]) -> str:
    return " / ".join(number((scenario.median(target, f"{key}.{part}") or 0) / 1e3, 1) for part in parts)


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def grid(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def render(result: dict) -> str:
    by: dict[str, list[dict]] = {}
    targets: list[str] = []
    for row in result["rows"]:
        by.setdefault(row["scenario"], []).append(row)
        if row["target"] not in targets:
            targets.append(row["target"])
    rounds = {name: Rounds(rows) for name, rows in by.items()}
    measured = [name for name in targets if name != "direct"]
    about = result["machine"]
    parts = [
        f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}; {about['began']}; load average {about['load_average']:.1f} before, "
        f"{about.get('load_average_end', 0):.1f} after (the run itself adds about 2); windows of {result['seconds']:g} s, median of {result['reps']}"
    ]
    for section in (calls, streams, bodies, paced, ways, overload, process):
        if text := section(rounds, measured):
            parts.append(text)
    return "\n\n".join(parts)


def against(scenario: Rounds, target: str, key: str) -> list[str]:
    return [times(scenario.ratio(target, anchor, key)) for anchor in ANCHORS]


def calls(rounds, targets) -> str | None:
    many, one = rounds.get("unary-64"), rounds.get("unary-1")
    if not many and not one:
        return None
    head = ["whole answers, 1 KB / 1 KB", "CPU µs a call", *TIMES, "calls/s", "p50 / p99 ms, 64 at once", "added µs, one at a time: p50", "p99"]
    rows = []
    for target in targets:
        row = [target]
        row += [number(many.median(target, "cpu_us_per_call"), 1), *against(many, target, "cpu_us_per_call"), number(many.median(target, "calls_per_second")),
                milliseconds(many, target, "latency_us", ("p50", "p99"))] if many else ["–"] * (3 + len(TIMES))
        row += [number(one.added(target, "direct", f"latency_us.{p}")) for p in ("p50", "p99")] if one else ["–"] * 2
        rows.append(row)
    return grid(head, rows)


def streams(rounds, targets) -> str | None:
    many, one, folded = rounds.get("stream-64"), rounds.get("stream-1"), rounds.get("folded-64")
    if not many and not one and not folded:
        return None
    head = ["streams of 200 tokens, back to back", "CPU ms a stream", *TIMES, "streams/s", "added ms to the first token, one at a time: p50", "p99", "folded into one answer: CPU ms", "× its own stream"]
    rows = []
    for target in targets:
        row = [target]
        # By tokens: a window cuts streams, and not where they begin.
        cost = many.median(target, "cpu_us_per_token") if many else None
        row += [number(cost and cost * 200 / 1e3, 2), *against(many, target, "cpu_us_per_token"), number(many.median(target, "calls_per_second"))] if many else ["–"] * (2 + len(TIMES))
        row += [number((lambda v: v and v / 1e3)(one.added(target, "direct", f"first_token_us.{p}")), 2) for p in ("p50", "p99")] if one else ["–"] * 2
        fold = folded.median(target, "cpu_us_per_call") if folded else None
        row += [number(fold and fold / 1e3, 2), times(fold / (cost * 200) if fold and cost else None)]
        rows.append(row)
    return grid(head, rows)


def bodies(rounds, targets) -> str | None:
    prompt, image = rounds.get("prompt-8"), rounds.get("image-1")
    if not prompt and not image:
        return None
    head = ["large questions", "100 KB prompt: CPU µs", "× floor", "5 MB image: CPU ms", "× floor", "peak MB over idle"]
    rows = []
    for target in targets:
        row = [target]
        row += [number(prompt.median(target, "cpu_us_per_call")), times(prompt.ratio(target, "floor", "cpu_us_per_call"))] if prompt else ["–"] * 2
        if image:
            cost = image.median(target, "cpu_us_per_call")
            peak, idle = image.median(target, "rss_kb_peak"), image.median(target, "rss_kb_before")
            row += [number(cost and cost / 1e3, 1), times(image.ratio(target, "floor", "cpu_us_per_call")), number((peak - idle) / 1024 if peak and idle else None, 1)]
        else:
            row += ["–"] * 3
        rows.append(row)
    return grid(head, rows)


def paced(rounds, targets) -> str | None:
    found = [(name, scenario) for name, scenario in rounds.items() if name.startswith("paced-") and not name.endswith(tuple(WAYS))]
    if not found:
        return None
    head = ["paced streams", "open", "CPU µs a token", *TIMES, "KB each", "RSS MB, all open", "gap p50 / p99 / max ms", "first event p50 / p99 ms"]
    rows = []
    for name, scenario in found:
        for target in targets:
            open_calls = scenario.median(target, "open_calls")
            after = scenario.median(target, "rss_kb_open")
            gaps = milliseconds(scenario, target, "gap_us", ("p50", "p99", "max"))
            first = milliseconds(scenario, target, "first_event_us", ("p50", "p99"))
            rows.append([f"{target}, {name}", number(open_calls), number(scenario.median(target, "cpu_us_per_token"), 1), *against(scenario, target, "cpu_us_per_token"),
                         number(each_kb(scenario, target)), number(after and after / 1024, 1), gaps, first])
    return grid(head, rows)


#: by a scenario's ending: how it differs from the one without
WAYS = {"-h2": "HTTP/2", "-tls": "SageMaker behind TLS"}


def ways(rounds, targets) -> str | None:
    rows = []
    for name, scenario in rounds.items():
        ending = next((ending for ending in WAYS if name.endswith(ending)), None)
        if not ending:
            continue
        base = rounds.get(name.removesuffix(ending))
        key = "cpu_us_per_call" if name.startswith("unary") else "cpu_us_per_token"
        for target in scenario.by:
            cost, plain = scenario.median(target, key), base and base.median(target, key)
            after = scenario.median(target, "rss_kb_open")
            waits = "latency_us" if name.startswith("unary") else "gap_us"
            rows.append([f"{target}, {name}", WAYS[ending], number(cost, 1), times(cost / plain if cost and plain else None),
                         number(scenario.median(target, "calls_per_second")) if not name.startswith("paced") else "–",
                         milliseconds(scenario, target, waits, ("p50", "p99")), number(each_kb(scenario, target)) if name.startswith("paced") else "–",
                         number(after and after / 1024, 1)])
    return grid(["by another way", "", "CPU µs a call or token", "× the plain way", "calls/s", "latency or gap p50 / p99 ms", "KB each", "RSS MB"], rows) if rows else None


def overload(rounds, targets) -> str | None:
    rows = []
    for name, scenario in rounds.items():
        if name.startswith(("crowd-", "overload-")):
            for target in scenario.by:
                rows.append([f"{target}, {name}", number(scenario.median(target, "calls_per_second")), milliseconds(scenario, target, "latency_us", ("p50", "p99", "max")),
                             number(scenario.median(target, "refused_per_second")), number(scenario.median(target, "cpu_share"), 2)])
    return grid(["more callers than places", "calls/s", "p50 / p99 / max ms of those that were taken", "refused/s", "of a core"], rows) if rows else None


def process(rounds, targets) -> str | None:
    start, reload, size = rounds.get("start"), rounds.get("reload"), rounds.get("size")
    rows = []
    for target in targets:
        if not any(scenario and target in scenario.by for scenario in (start, reload, size)):
            continue
        idle = start and start.median(target, "idle_rss_kb")
        binary = size and size.median(target, "bytes")
        rows.append([target, number(start and start.median(target, "first_answer_ms"), 1), number(start and start.median(target, "cpu_ms"), 1), number(idle and idle / 1024, 1),
                     number(reload and reload.median(target, "applied_ms"), 1), number(binary and binary / 1e6, 1)])
    return grid(["process", "first answer, ms after its start", "CPU ms of that", "RSS MB at rest", "reload of ten models, ms", "binary MB, stripped"], rows) if rows else None
