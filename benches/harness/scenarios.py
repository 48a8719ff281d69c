"""What is measured. A scenario is what the load client is told, and on whom."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scenario:
    name: str
    what: str
    #: of the load client: the endpoint's script, connections, and so on
    endpoint: str = "unary"
    connections: int = 1
    stream: bool = False
    body: str = "small"
    #: one call on each connection, opened over `ramp` seconds; the window lies inside
    once: bool = False
    ramp: float = 0.0
    warm: float = 0.4
    #: a window's length as a multiple of --seconds
    stretch: float = 1.0
    #: the model that the gateway is asked for, where it is not named after the endpoint
    model: str | None = None
    #: who is measured: proxies cannot fold a stream
    proxies: bool = True
    #: a process that has done nothing before, for its memory
    fresh: bool = False
    #: not three times but once: it takes long, and says what does not vary
    single: bool = False
    #: calls (per connection where `once`) in a quick run
    quick_calls: int = 200
    quick_connections: int | None = None
    kind: str = "load"


PACED_SECONDS = 4.0


def paced(streams: int, rate: int, ramp: float, seconds: float, **more) -> Scenario:
    """Streams that a model writes at its own pace: all open before the window, none ends in it."""
    settle = 1.0
    tokens = int((ramp + settle + seconds + 3.0) * rate) + 2
    return Scenario(
        name=f"paced-{streams}",
        what=f"{streams:,} open streams, {rate} token{'s' if rate > 1 else ''} a second each",
        endpoint=f"tokens-{tokens}-rate-{rate}",
        connections=streams,
        stream=True,
        once=True,
        ramp=ramp,
        warm=settle,
        stretch=seconds / 2.0,
        fresh=True,
        quick_connections=50,
        **more,
    )


ALL = [
    Scenario("unary-64", "whole answers, 1 KB each way, 64 at once", connections=64),
    Scenario("unary-1", "the same, one at a time: added latency", quick_calls=100),
    Scenario("stream-64", "streams of 200 tokens, back to back, 64 at once", endpoint="tokens-200", connections=64, stream=True),
    Scenario("stream-1", "the same, one at a time: added time to the first token", endpoint="tokens-200", stream=True, quick_calls=20),
    Scenario("folded-64", "a stream of 200 tokens folded into one answer, 64 at once", endpoint="tokens-200", connections=64,
             model="bench.folded-200-v1:0", proxies=False),
    Scenario("prompt-8", "a prompt of 100 KB, 8 at once", body="prompt", connections=8, quick_calls=40),
    Scenario("image-1", "an image of 5 MB, one at a time", body="image", fresh=True, quick_calls=5),
    paced(1_000, 20, ramp=2.0, seconds=PACED_SECONDS),
    # Two descriptors for each in a proxy, and many systems allow 20,000.
    paced(9_000, 1, ramp=10.0, seconds=10.0, single=True),
    Scenario("start", "from the start to the first answer, and memory at rest", kind="start", proxies=False),
    Scenario("reload", "ten models: from SIGHUP to the first call that the new configuration answers", kind="reload", proxies=False),
    Scenario("size", "the binary, stripped", kind="size", proxies=False, single=True),
]


def named(names: list[str]) -> list[Scenario]:
    if not names:
        return ALL
    known = {scenario.name: scenario for scenario in ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"benches/run: no scenario is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names]
