"""What is measured. A scenario is what the load client is told, and on whom."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scenario:
    name: str
    what: str
    #: of the load client: the endpoint's script, how many ask, and so on
    endpoint: str = "unary"
    callers: int = 1
    #: over HTTP/2, on so many connections that the callers share; 0: each has one over HTTP/1.1
    http2: int = 0
    stream: bool = False
    body: str = "small"
    #: one call of each caller, begun over `ramp` seconds; the window lies inside
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
    #: SageMaker is behind TLS, as it is in truth
    tls: bool = False
    #: what the gateway takes, where that is not everything; needs a process of its own
    limits: str = ""
    #: those whom a full gateway refuses ask again after so many seconds
    refused_pause: float | None = None
    #: not three times but once: it takes long, and says what does not vary
    single: bool = False
    #: calls (of each caller where `once`) in a quick run
    quick_calls: int = 200
    quick_callers: int | None = None
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
        callers=streams,
        stream=True,
        once=True,
        ramp=ramp,
        warm=settle,
        stretch=seconds / 2.0,
        fresh=True,
        quick_callers=50,
        **more,
    )


UNARY = Scenario("unary-64", "whole answers, 1 KB each way, 64 at once", callers=64)
STREAM = Scenario("stream-64", "streams of 200 tokens, back to back, 64 at once", endpoint="tokens-200", callers=64, stream=True)
PACED = paced(1_000, 20, ramp=2.0, seconds=PACED_SECONDS)
# Half of what one core can do, so that gaps are not its queue.
HALF = paced(400, 20, ramp=2.0, seconds=PACED_SECONDS)


def over_http2(scenario: Scenario) -> Scenario:
    return replace(scenario, name=f"{scenario.name}-h2", what=f"{scenario.name} over HTTP/2, on 4 connections", http2=4, proxies=False)


def behind_tls(scenario: Scenario) -> Scenario:
    return replace(scenario, name=f"{scenario.name}-tls", what=f"{scenario.name} with SageMaker behind TLS", tls=True, fresh=True, proxies=False)


ALL = [
    UNARY,
    Scenario("unary-1", "the same, one at a time: added latency", quick_calls=100),
    STREAM,
    Scenario("stream-1", "the same, one at a time: added time to the first token", endpoint="tokens-200", stream=True, quick_calls=20),
    Scenario("folded-64", "a stream of 200 tokens folded into one answer, 64 at once", endpoint="tokens-200", callers=64,
             model="bench.folded-200-v1:0", proxies=False),
    Scenario("prompt-8", "a prompt of 100 KB, 8 at once", body="prompt", callers=8, quick_calls=40),
    Scenario("image-1", "an image of 5 MB, one at a time", body="image", fresh=True, quick_calls=5),
    PACED,
    HALF,
    # Two descriptors for each in a proxy, and many systems allow 20,000.
    paced(9_000, 1, ramp=10.0, seconds=10.0, single=True),
    *map(over_http2, (UNARY, STREAM, PACED)),
    *map(behind_tls, (UNARY, STREAM, HALF)),
    Scenario("crowd-256", "whole answers, 256 at once, all of them taken", callers=256, proxies=False),
    Scenario("overload-256", "the same, of which 32 may be there: 8 in flight, 24 that wait; who is refused asks again after 50 ms",
             callers=256, limits="max_calls = 8\nqueue = 24\n", refused_pause=0.05, fresh=True, proxies=False),
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
