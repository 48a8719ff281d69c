//! The table: every fault, and what each operation's caller is told.

use super::ask::Operation;
use super::proxy::{Damage, Then};

/// One fault.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    pub(super) clocks: Clocks,
    pub(super) failover: Failover,
    pub(super) told: By,
}

/// Where it is made.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// The gateway calls this URL; `{proxy}` is the proxy's address. No call arrives.
    Url(&'static str),
    /// The proxy hurts a good answer.
    Proxy(Damage),
    /// A rule of the emulator's.
    Rule(&'static str),
}

/// Which of the gateway's timeouts are short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clocks {
    /// None: a busy machine does not make a fault of its own.
    Patient,
    /// Those for a whole answer and for a stream's head.
    Head,
    /// Those for a whole answer and between two parts of a stream.
    Parts,
}

/// Whether a second target would be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failover {
    /// The model has certainly not run, and another target may not have the same trouble.
    Retried,
    /// It may have run, or the caller has seen a part of the answer.
    NotRetried,
}

/// What a caller is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// The whole answer.
    Whole,
    /// An answer with a replacement character where bytes were no UTF-8.
    Mended,
    /// An HTTP error: status, exception, a part of the message.
    Refused(u16, &'static str, &'static str),
    /// Text, then an exception in the stream: its name, a part of the message.
    BrokenAfterText(&'static str, &'static str),
    /// The same, before any text.
    BrokenAtOnce(&'static str, &'static str),
}

/// What is told by which operation.
#[derive(Clone, Copy)]
pub(super) enum By {
    All(Told),
    Each {
        invoked: Told,
        /// `Converse` and `InvokeModel`, folded from a stream.
        folded: Told,
        streamed: Told,
        chunked: Told,
    },
}

use By::{All, Each};
use Clocks::{Head, Parts, Patient};
use Failover::{NotRetried, Retried};
use Fault::{Proxy, Rule, Url};
use Told::{BrokenAfterText, BrokenAtOnce, Mended, Refused, Whole};

impl Row {
    pub(super) fn told(&self, operation: Operation) -> Told {
        match (self.told, operation) {
            (All(told), _) => told,
            (Each { invoked, .. }, Operation::Invoked) => invoked,
            (Each { folded, .. }, Operation::Folded | Operation::Native) => folded,
            (Each { streamed, .. }, Operation::Streamed) => streamed,
            (Each { chunked, .. }, Operation::Chunked) => chunked,
        }
    }
}

const UNREACHABLE: Told =
    Refused(503, "ServiceUnavailableException", "endpoint could not be reached");
const UNREADABLE: Told =
    Refused(503, "ServiceUnavailableException", "an answer that could not be read");
const BUSY: Told = Refused(503, "ServiceUnavailableException", "endpoint is unavailable");
const INTERNAL: Told = Refused(500, "InternalServerException", "unexpected error");
const THROTTLED: Told = Refused(429, "ThrottlingException", "Too many requests");
const NOT_READY: Told = Refused(429, "ModelNotReadyException", "not ready");
const TIMED_OUT: Told = Refused(408, "ModelTimeoutException", "within the time");
const BROKE: Told = Refused(424, "ModelErrorException", "connection to the model broke");
const SHORT: Told = Refused(424, "ModelErrorException", "ended before it was complete");
const GARBLED: Told = Refused(424, "ModelErrorException", "could not be read");
const FAILED: Told = Refused(424, "ModelErrorException", "inner words");
const STREAM_BROKE: Told =
    BrokenAfterText("ModelStreamErrorException", "connection to the model broke");
const STREAM_SHORT: Told =
    BrokenAfterText("ModelStreamErrorException", "ended before it was complete");
const STREAM_GARBLED: Told = BrokenAfterText("ModelStreamErrorException", "could not be read");
const NOTHING: Told = BrokenAtOnce("ModelStreamErrorException", "ended before it was complete");

/// An error of the container's, which SageMaker hands on as a `ModelError`.
macro_rules! container {
    ($status:literal) => {
        Rule(concat!(
            "fault.http = { status = ", $status,
            ", body = '{\"error\":{\"message\":\"inner words\",\"type\":\"E\",\"param\":null,\"code\":",
            $status, "}}' }"
        ))
    };
}

/// A text of a chat's stream, of a prompt's stream and of a whole answer.
const NOT_UTF8: &[u8] = b"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xff\"},\"text\":\"\xff\",\"message\":{\"role\":\"assistant\",\"content\":\"\xff\"},\"finish_reason\":FINISH}]}";

/// The stream passes until text has been shown.
const fn after_text(then: Then) -> Fault {
    Proxy(Damage::Body { after: 4, then })
}

const fn at_once(then: Then) -> Fault {
    Proxy(Damage::Body { after: 0, then })
}

const fn row(name: &'static str, fault: Fault, failover: Failover, told: By) -> Row {
    Row { name, fault, clocks: Patient, failover, told }
}

/// A stream that breaks behind text, as all operations tell it.
const fn breaks(invoked: Told) -> By {
    Each { invoked, folded: BROKE, streamed: STREAM_BROKE, chunked: STREAM_BROKE }
}

/// No fault at all.
pub(super) const HEALTHY: &Row = &row("healthy", Proxy(Damage::None), NotRetried, All(Whole));

pub(super) const ROWS: &[Row] = &[
    // Nothing was written to an endpoint.
    row("refused-connect", Url("http://127.0.0.1:1"), Retried, All(UNREACHABLE)),
    row("no-such-name", Url("http://no-such-host.invalid:1"), Retried, All(UNREACHABLE)),
    row("no-tls", Url("https://{proxy}"), Retried, All(UNREACHABLE)),
    // SageMaker refused: the model did not run, or nobody can tell.
    row(
        "throttled",
        Rule("fault.service = { code = \"ThrottlingException\" }"),
        Retried,
        All(THROTTLED),
    ),
    row(
        "not-ready",
        Rule("fault.service = { code = \"ModelNotReadyException\" }"),
        Retried,
        All(NOT_READY),
    ),
    row(
        "scaled-to-zero",
        Rule(
            "fault.service = { code = \"ValidationError\", message = \"Inference Component has no capacity to process this request.\" }",
        ),
        Retried,
        All(NOT_READY),
    ),
    row(
        "service-503",
        Rule("fault.service = { code = \"ServiceUnavailable\" }"),
        Retried,
        All(BUSY),
    ),
    row(
        "service-500",
        Rule("fault.service = { code = \"InternalFailure\" }"),
        NotRetried,
        All(INTERNAL),
    ),
    row(
        "service-530",
        Rule("fault.service = { code = \"InternalDependencyException\" }"),
        NotRetried,
        All(INTERNAL),
    ),
    // The container refused: 424 around its own status.
    row(
        "container-400",
        container!(400),
        NotRetried,
        All(Refused(400, "ValidationException", "inner words")),
    ),
    row(
        "container-422",
        container!(422),
        NotRetried,
        All(Refused(400, "ValidationException", "inner words")),
    ),
    row("container-429", container!(429), NotRetried, All(THROTTLED)),
    row(
        "container-500",
        container!(500),
        NotRetried,
        All(Refused(424, "ModelErrorException", "inner words")),
    ),
    row(
        "container-503",
        container!(503),
        NotRetried,
        All(Refused(503, "ServiceUnavailableException", "inner words")),
    ),
    row(
        "container-504",
        container!(504),
        NotRetried,
        All(Refused(408, "ModelTimeoutException", "inner words")),
    ),
    row(
        "container-507",
        container!(507),
        NotRetried,
        All(Refused(424, "ModelErrorException", "inner words")),
    ),
    // The request was written, and no head came.
    row("reset-before-head", Proxy(Damage::Reset), NotRetried, All(UNREACHABLE)),
    row("closed-before-head", Proxy(Damage::Close), NotRetried, All(UNREACHABLE)),
    row("reset-in-head", Proxy(Damage::ResetInHead(20)), NotRetried, All(UNREACHABLE)),
    row("two-lengths", Proxy(Damage::TwoLengths), NotRetried, All(UNREADABLE)),
    Row {
        name: "stall-before-head",
        fault: Proxy(Damage::Stall),
        clocks: Head,
        failover: NotRetried,
        told: All(TIMED_OUT),
    },
    // The head said success.
    Row {
        name: "stall-in-body",
        fault: after_text(Then::Stall),
        clocks: Parts,
        failover: NotRetried,
        told: Each {
            invoked: TIMED_OUT,
            folded: TIMED_OUT,
            streamed: BrokenAfterText("ModelStreamErrorException", "within the time"),
            chunked: BrokenAfterText("ModelTimeoutException", "within the time"),
        },
    },
    row("reset-in-body", after_text(Then::Reset), NotRetried, breaks(UNREADABLE)),
    row("closed-in-body", after_text(Then::Close), NotRetried, breaks(UNREADABLE)),
    row("long-length", Proxy(Damage::LongLength), NotRetried, breaks(UNREADABLE)),
    row("end-in-frame", after_text(Then::EndInFrame), NotRetried, breaks(GARBLED)),
    row(
        "end-behind-frame",
        after_text(Then::End),
        NotRetried,
        Each { invoked: GARBLED, folded: SHORT, streamed: STREAM_SHORT, chunked: STREAM_SHORT },
    ),
    row(
        "empty-body",
        Proxy(Damage::Empty),
        NotRetried,
        Each { invoked: SHORT, folded: SHORT, streamed: NOTHING, chunked: NOTHING },
    ),
    row(
        "empty-answer",
        Rule("fault.empty = true"),
        NotRetried,
        Each { invoked: SHORT, folded: SHORT, streamed: NOTHING, chunked: NOTHING },
    ),
    row("slow-drip", Proxy(Damage::Drip { bytes: 97, ms: 2 }), NotRetried, All(Whole)),
    row("not-utf-8", after_text(Then::Json(NOT_UTF8)), NotRetried, All(Mended)),
    row(
        "not-json",
        after_text(Then::Json(b"{\"choices\":[{\"index\":}]}")),
        NotRetried,
        Each {
            invoked: GARBLED,
            folded: GARBLED,
            streamed: STREAM_GARBLED,
            chunked: STREAM_GARBLED,
        },
    ),
    row("huge-answer", after_text(Then::Huge(17 << 20)), NotRetried, breaks(UNREADABLE)),
    row(
        "huge-event",
        after_text(Then::Huge(9 << 20)),
        NotRetried,
        breaks(Refused(424, "ModelErrorException", "larger than this gateway holds")),
    ),
    // What SageMaker or the container tell inside a stream.
    row(
        "error-event",
        Rule("fault.error_event = { after = 4, message = \"inner words\" }"),
        NotRetried,
        Each {
            invoked: GARBLED,
            folded: FAILED,
            streamed: BrokenAfterText("ModelStreamErrorException", "inner words"),
            chunked: BrokenAfterText("ModelStreamErrorException", "inner words"),
        },
    ),
    row(
        "stream-broken",
        Rule(
            "fault.model_stream_error = { after = 4, error_code = \"StreamBroken\", message = \"inner words\" }",
        ),
        NotRetried,
        Each { invoked: FAILED, folded: BROKE, streamed: STREAM_BROKE, chunked: STREAM_BROKE },
    ),
    row(
        "time-exceeded",
        Rule("fault.model_stream_error = { after = 4 }"),
        NotRetried,
        Each {
            invoked: TIMED_OUT,
            folded: TIMED_OUT,
            streamed: BrokenAfterText("ModelStreamErrorException", "within the time"),
            chunked: BrokenAfterText("ModelTimeoutException", "within the time"),
        },
    ),
    row(
        "internal-stream-failure",
        Rule("fault.internal_stream_failure = { after = 4 }"),
        NotRetried,
        Each {
            invoked: INTERNAL,
            folded: INTERNAL,
            streamed: BrokenAfterText("InternalServerException", "unexpected error"),
            chunked: BrokenAfterText("InternalServerException", "unexpected error"),
        },
    ),
];

/// Faults of frames: an answer that is not streamed has none.
pub(super) const FRAME_ROWS: &[Row] = &[
    row("bad-crc", after_text(Then::BadCrc), NotRetried, breaks(BROKE)),
    row("bad-prelude-crc", after_text(Then::BadPreludeCrc), NotRetried, breaks(BROKE)),
    row(
        "bad-crc-first",
        at_once(Then::BadCrc),
        NotRetried,
        Each {
            invoked: BROKE,
            folded: BROKE,
            streamed: BrokenAtOnce("ModelStreamErrorException", "connection to the model broke"),
            chunked: BrokenAtOnce("ModelStreamErrorException", "connection to the model broke"),
        },
    ),
    row("huge-prelude", after_text(Then::HugePrelude(u32::MAX)), NotRetried, breaks(BROKE)),
];
