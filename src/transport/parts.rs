//! The pieces of an answer on their way up: in time, and together where they come fast.
//!
//! Each piece that is handed on by itself costs the caller's connection a write, which is a third of
//! what a token costs. A model's own pace is left as it is: every token leaves when it comes. Pieces that
//! come faster than that have gathered somewhere, or belong to an answer that was there as a whole:
//! those that are here already are handed on together. Nothing waits for a piece that is not.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::too_slow;
use crate::wire::Joined;
use crate::{Error, Result};

/// Pieces that are further apart than this are handed on at once. It is longer than a busy gateway
/// takes to come round to a stream again; a piece that comes sooner and turns out to be alone is handed
/// on all the same, one look later.
const FAST: Duration = Duration::from_millis(10);

/// How many bytes are put together at most, and for how many there is room at first: a dozen tokens.
const MOST: usize = 32 << 10;
const ROOM: usize = 4 << 10;

/// How often other tasks go first. Not once: hyper asks a body again at once after it has written,
/// and no other task has run by then.
const YIELDS: u32 = 2;

/// Where pieces come from.
pub(super) trait Pieces: Send + Unpin {
    /// The next piece; `None` at the end. Nothing is lost by asking again later.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>>;
}

impl<S: Stream<Item = Result<Bytes>> + Send + Unpin> Pieces for S {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        Pin::new(self).poll_next(cx)
    }
}

/// Pieces as they come, with at most `idle` between two of them.
pub(super) struct Parts<P> {
    pieces: P,
    patience: Patience,
    /// When something was last handed on; never, where every piece goes by itself.
    handed: Option<Instant>,
    apart: bool,
    gathered: Joined,
    /// How often other tasks have been let go first since a piece came.
    yielded: u32,
    end: End,
}

enum End {
    Open,
    /// To be told after what is gathered.
    Failed(Error),
    Over,
}

impl<P: Pieces> Parts<P> {
    /// With `apart`, no two pieces are put together.
    pub(super) fn new(pieces: P, idle: Duration, apart: bool) -> Self {
        Self {
            pieces,
            patience: Patience::new(idle),
            handed: None,
            apart,
            gathered: Joined::with_room(ROOM),
            yielded: 0,
            end: End::Open,
        }
    }

    fn hand_on(&mut self) -> Bytes {
        self.yielded = 0;
        self.handed = (!self.apart).then_some(self.patience.since);
        self.gathered.take()
    }

    /// Whether the piece that has just come follows the last one at once.
    fn comes_fast(&self) -> bool {
        self.handed.is_some_and(|handed| self.patience.since - handed < FAST)
    }
}

impl<P: Pieces> Stream for Parts<P> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while matches!(this.end, End::Open) {
            match this.pieces.poll_piece(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    this.patience.heard();
                    this.yielded = 0;
                    this.gathered.push(piece);
                    if !this.comes_fast() || this.gathered.len() >= MOST {
                        return Poll::Ready(Some(Ok(this.hand_on())));
                    }
                }
                Poll::Ready(Some(Err(error))) => this.end = End::Failed(error),
                Poll::Ready(None) => this.end = End::Over,
                Poll::Pending if this.gathered.is_empty() => {
                    ready!(this.patience.poll(cx));
                    this.end = End::Failed(too_slow("send the next part of its answer"));
                }
                // The connection's own task may have more of it: it is let go first, not waited for.
                Poll::Pending if this.yielded < YIELDS => {
                    this.yielded += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(Some(Ok(this.hand_on()))),
            }
        }
        if !this.gathered.is_empty() {
            return Poll::Ready(Some(Ok(this.hand_on())));
        }
        match std::mem::replace(&mut this.end, End::Over) {
            End::Failed(error) => Poll::Ready(Some(Err(error))),
            End::Open | End::Over => Poll::Ready(None),
        }
    }
}

/// A limit to silence. The clock runs on while pieces come, and is set anew when it rings: a stream
/// of tokens does not set one for each of them.
struct Patience {
    limit: Duration,
    since: Instant,
    clock: Pin<Box<Sleep>>,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, since: Instant::now(), clock: Box::pin(sleep(limit)) }
    }

    fn heard(&mut self) {
        self.since = Instant::now();
    }

    /// Ready when nothing has been heard for the limit.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.clock.as_mut().poll(cx));
            let end = self.since + self.limit;
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            self.clock.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures_util::StreamExt as _;
    use proptest::prelude::*;

    use super::*;
    use crate::Code;

    /// What happens in turn.
    #[derive(Clone, Debug)]
    enum Step {
        Piece(Vec<u8>),
        /// Another task has to run before more is here.
        Later,
        /// Nothing comes for so many milliseconds.
        Silence(u64),
        Fault,
    }

    struct Script {
        steps: VecDeque<Step>,
        silence: Option<Pin<Box<Sleep>>>,
    }

    impl Script {
        fn new(steps: impl IntoIterator<Item = Step>) -> Self {
            Self { steps: steps.into_iter().collect(), silence: None }
        }
    }

    impl Pieces for Script {
        fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
            if let Some(silence) = &mut self.silence {
                ready!(silence.as_mut().poll(cx));
                self.silence = None;
            }
            match self.steps.pop_front() {
                None => Poll::Ready(None),
                Some(Step::Piece(bytes)) => Poll::Ready(Some(Ok(bytes.into()))),
                Some(Step::Fault) => Poll::Ready(Some(Err(Error::internal()))),
                Some(Step::Later) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Step::Silence(millis)) => {
                    self.silence = Some(Box::pin(sleep(Duration::from_millis(millis))));
                    self.poll_piece(cx)
                }
            }
        }
    }

    fn piece(text: &str) -> Step {
        Step::Piece(text.into())
    }

    async fn told(steps: Vec<Step>) -> Vec<Result<Bytes, Code>> {
        let parts = Parts::new(Script::new(steps), Duration::from_secs(5), false);
        parts.map(|part| part.map_err(|error| error.code())).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_models_own_pace_is_kept_and_what_is_there_goes_together() {
        let slow = vec![piece("a"), Step::Silence(20), piece("b"), Step::Silence(20), piece("c")];
        assert_eq!(told(slow).await, ["a", "b", "c"].map(|part| Ok(part.into())));
        let fast =
            vec![piece("a"), piece("b"), Step::Later, piece("c"), Step::Silence(3), piece("d")];
        assert_eq!(told(fast).await, ["a", "bc", "d"].map(|part| Ok(part.into())));
        let long = vec![piece("a"), Step::Piece(vec![b'b'; MOST]), piece("c")];
        assert_eq!(told(long).await[1].as_ref().unwrap().len(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_that_mean_something_stay_apart() {
        let steps = [piece("a"), piece("b"), Step::Later, piece("c")];
        let parts = Parts::new(Script::new(steps), Duration::from_secs(5), true);
        let told: Vec<_> = parts.map(Result::unwrap).collect().await;
        assert_eq!(told, ["a", "b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_what_came_before_is_not_lost() {
        // As long as something comes now and then, it may last.
        let alive: Vec<_> = (0..5).flat_map(|_| [piece("a"), Step::Silence(4_000)]).collect();
        assert_eq!(told(alive).await.len(), 5);
        let dead = vec![piece("a"), piece("b"), Step::Silence(5_001), piece("c")];
        let began = Instant::now();
        assert_eq!(told(dead).await, [Ok("a".into()), Ok("b".into()), Err(Code::ModelTimeout)]);
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        let broken = vec![piece("a"), piece("b"), Step::Fault, piece("c")];
        assert_eq!(told(broken).await, [Ok("a".into()), Ok("b".into()), Err(Code::InternalServer)]);
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => prop::collection::vec(any::<u8>(), 1..9).prop_map(Step::Piece),
            2 => Just(Step::Later),
            1 => (0_u64..4).prop_map(Step::Silence),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        #[test]
        fn every_byte_arrives_in_its_order(steps in steps(), breaks in any::<bool>()) {
            let expected: Vec<u8> = steps
                .iter()
                .filter_map(|step| match step { Step::Piece(bytes) => Some(bytes.clone()), _ => None })
                .flatten()
                .collect();
            let mut steps = steps;
            steps.extend(breaks.then_some(Step::Fault));
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let mut told = runtime.block_on(told(steps));
            prop_assert_eq!(told.last().is_some_and(Result::is_err), breaks);
            told.retain(Result::is_ok);
            let bytes: Vec<u8> = told.into_iter().flat_map(Result::unwrap).collect();
            prop_assert_eq!(bytes, expected);
        }
    }
}
