//! Several targets of one model: which one is asked, which are well, and when another is tried.
//!
//! A [`Fleet`] chooses and judges; it calls nobody. `relay` takes a [`Lease`] on a target, encodes
//! the question for it, sends it, and tells the lease how it went. The lease is part of the
//! answer: a streamed call counts as in flight until its last byte.
//!
//! *Choice.* The best priority with a target that is well and has room is used; within it, two
//! targets are drawn by weight and the less loaded one is taken (in flight × latency). With an
//! affinity, the targets are ranked for it by rendezvous hashing instead, and the first that is
//! not overloaded is taken.
//!
//! *Health.* Failures of the target itself, not of the question, are counted; after a few in a row
//! it rests, longer each time, and then one call at a time tries it. While no target of a model is
//! well, the one whose rest ends first is asked: refusing without asking helps nobody.

mod affinity;
mod health;
mod load;
mod queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tower::retry::budget::{Budget as _, TpsBudget};

pub use affinity::affinity;
pub use health::{Fault, Standing};
pub use queue::{Line, Waits};

use self::health::Health;
use self::load::Load;
use crate::clock::Clock;

/// How one target takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Targets of a lower number are preferred as long as one of them can be asked.
    pub priority: u32,
    /// How many of its priority's calls it gets, relative to the others. Zero: none, unless
    /// nobody else is left.
    pub weight: u32,
    /// Calls in flight at once; `None`: as many as come.
    pub max_concurrency: Option<usize>,
}

impl Default for Member {
    fn default() -> Self {
        Self { priority: 0, weight: 1, max_concurrency: None }
    }
}

/// What is known of a target from the calls that it answered. It outlives a configuration: a
/// target that did not change keeps it.
#[derive(Debug, Default)]
pub struct State {
    load: Load,
    health: Health,
}

impl State {
    /// Calls in flight.
    pub fn in_flight(&self) -> usize {
        self.load.in_flight()
    }

    /// It is known not to be in service: nobody needs to find out for `rest`, from `now` on.
    pub fn rests(&self, rest: Duration, now: Duration) {
        self.health.failed(Fault::Busy { rest }, now);
    }

    /// It is known to be in service again.
    pub fn is_back(&self) {
        self.health.succeeded();
    }

    /// How it stands at `now`.
    pub fn standing(&self, now: Duration) -> Standing {
        self.health.standing(now)
    }
}

/// What holds for all targets of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Calls in flight to all targets together; `None`: as many as come.
    pub max_calls: Option<usize>,
    /// Calls that may wait for room.
    pub queue: usize,
    /// How long one of them waits.
    pub queue_wait: Duration,
    /// How many other attempts a call may have.
    pub retries: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_calls: None, queue: 0, queue_wait: Duration::from_secs(5), retries: 2 }
    }
}

/// Of ten calls, two more may be attempts that follow a failure, and one a second in any case.
const RETRY_SHARE: f32 = 0.2;
const RETRY_MINIMUM: u32 = 1;
const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// The targets of one model.
#[derive(Debug)]
pub struct Fleet {
    members: Box<[(Member, Arc<State>)]>,
    settings: Settings,
    clock: Clock,
    all: Arc<All>,
    budget: TpsBudget,
}

/// The calls to a model, whichever configuration they began with.
#[derive(Debug, Default)]
struct All {
    in_flight: AtomicUsize,
    line: Line,
    room: Notify,
}

/// Why no target can be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// All that could be asked have as many calls as they may.
    Full,
    /// Each of them has been tried.
    Tried,
}

impl Fleet {
    /// A fleet of `members`, in the order of the configuration. There is at least one.
    pub fn new(
        members: impl IntoIterator<Item = (Member, Arc<State>)>,
        settings: Settings,
        clock: Clock,
    ) -> Self {
        Self {
            members: members.into_iter().collect(),
            settings,
            clock,
            all: Arc::default(),
            budget: TpsBudget::new(RETRY_WINDOW, RETRY_MINIMUM, RETRY_SHARE),
        }
    }

    /// The same fleet, which takes the place of the one `before`: that one's calls count against
    /// its limits, and who waits there stands before who comes here.
    #[must_use]
    pub fn in_place_of(self, before: &Self) -> Self {
        Self { all: Arc::clone(&before.all), ..self }
    }

    /// Calls in flight to all targets together.
    pub fn in_flight(&self) -> usize {
        self.all.in_flight.load(Ordering::Relaxed)
    }

    /// What holds for all of them.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The states, in the order of the configuration.
    pub fn states(&self) -> impl Iterator<Item = &Arc<State>> {
        self.members.iter().map(|(_, state)| state)
    }

    /// Takes a place with a target that was not `tried`, without waiting.
    pub fn choose(
        self: &Arc<Self>,
        tried: &[usize],
        affinity: Option<u64>,
        random: &mut fastrand::Rng,
    ) -> Result<Lease, Unavailable> {
        let now = self.clock.monotonic();
        loop {
            let index = self.pick(tried, affinity, random, now)?;
            // The last place may have been taken meanwhile: then another look tells so.
            if let Some(lease) = Lease::take(self, index, now) {
                return Ok(lease);
            }
        }
    }

    fn pick(
        &self,
        tried: &[usize],
        affinity: Option<u64>,
        random: &mut fastrand::Rng,
        now: Duration,
    ) -> Result<usize, Unavailable> {
        if self.settings.max_calls.is_some_and(|most| self.in_flight() >= most) {
            return Err(Unavailable::Full);
        }
        let mut full = false;
        let mut best: Vec<usize> = vec![];
        let mut resting: Option<(Duration, usize)> = None;
        for (index, (member, state)) in self.members.iter().enumerate() {
            if tried.contains(&index) {
                continue;
            }
            if member.max_concurrency.is_some_and(|most| state.load.in_flight() >= most) {
                full = true;
                continue;
            }
            if let Standing::Resting { until } = state.health.standing(now) {
                if resting.is_none_or(|(first, _)| until < first) {
                    resting = Some((until, index));
                }
                continue;
            }
            // A weight of zero stands behind every priority.
            let rank = |member: &Member| (member.weight == 0, member.priority);
            match best.first().and_then(|first| self.members.get(*first)) {
                Some((other, _)) if rank(other) < rank(member) => {}
                Some((other, _)) if rank(other) == rank(member) => best.push(index),
                _ => best = vec![index],
            }
        }
        let chosen = match (affinity, resting) {
            (Some(key), _) if !best.is_empty() => self.ranked(&best, key),
            _ if !best.is_empty() => self.drawn(&best, random),
            (_, Some((_, index))) if !full => Some(index),
            _ => None,
        };
        chosen.ok_or(if full { Unavailable::Full } else { Unavailable::Tried })
    }

    /// The less loaded of two that were drawn by weight.
    fn drawn(&self, among: &[usize], random: &mut fastrand::Rng) -> Option<usize> {
        let one = self.draw(among, None, random)?;
        let Some(other) = self.draw(among, Some(one), random) else { return Some(one) };
        let score = |index: usize| {
            self.members.get(index).map_or(f64::MAX, |(member, state)| {
                state.load.score() / f64::from(member.weight.max(1))
            })
        };
        Some(if score(other) < score(one) { other } else { one })
    }

    fn draw(
        &self,
        among: &[usize],
        but: Option<usize>,
        random: &mut fastrand::Rng,
    ) -> Option<usize> {
        let weights = || {
            among.iter().filter(|index| Some(**index) != but).filter_map(|index| {
                let (member, _) = self.members.get(*index)?;
                Some((*index, u64::from(member.weight.max(1))))
            })
        };
        let all: u64 = weights().map(|(_, weight)| weight).sum();
        if all == 0 {
            return None;
        }
        let mut at = random.u64(0..all);
        weights().find_map(|(index, weight)| match at.checked_sub(weight) {
            Some(rest) => {
                at = rest;
                None
            }
            None => Some(index),
        })
    }

    /// The first for this affinity that is not overloaded.
    fn ranked(&self, among: &[usize], key: u64) -> Option<usize> {
        let members = || among.iter().filter_map(|index| Some((*index, self.members.get(*index)?)));
        let all: usize = members().map(|(_, (_, state))| state.load.in_flight()).sum();
        let weight = |member: &Member| f64::from(member.weight.max(1));
        let weights: f64 = members().map(|(_, (member, _))| weight(member)).sum();
        // The highest score among those that are not overloaded.
        members()
            .map(|(index, (member, state))| {
                let most = affinity::most_in_flight(all, weight(member) / weights);
                let is_cool = state.load.in_flight() < most;
                (is_cool, affinity::score(key, index, member.weight), index)
            })
            .max_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)))
            .map(|(_, _, index)| index)
    }

    /// Whether another attempt may follow a failure. Taking it uses up a part of the budget.
    pub fn may_retry(&self, attempts: u32) -> bool {
        attempts <= self.settings.retries && self.budget.withdraw()
    }
}

/// A call's place with one target, until it is dropped.
#[derive(Debug)]
pub struct Lease {
    index: usize,
    state: Arc<State>,
    all: Arc<All>,
    clock: Clock,
    started: Duration,
    /// Whether this call tries a target that rested.
    probes: bool,
}

impl Lease {
    /// `None` where a limit has been reached.
    fn take(fleet: &Fleet, index: usize, now: Duration) -> Option<Self> {
        let (member, state) = fleet.members.get(index)?;
        let all = &fleet.all;
        if !load::begin(&all.in_flight, fleet.settings.max_calls) {
            return None;
        }
        if !state.load.begin(member.max_concurrency) {
            all.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        fleet.budget.deposit();
        Some(Self {
            index,
            state: Arc::clone(state),
            all: Arc::clone(all),
            clock: fleet.clock.clone(),
            started: now,
            probes: state.health.begin(now),
        })
    }

    /// Which of the fleet's members it is.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The target has begun to answer: it is well.
    pub fn answered(&mut self) {
        let now = self.clock.monotonic();
        self.state.load.answered(now.saturating_sub(self.started));
        self.state.health.succeeded();
        self.probes = false;
    }

    /// The target has failed.
    pub fn failed(&mut self, fault: Fault) {
        self.state.health.failed(fault, self.clock.monotonic());
        self.probes = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.probes {
            self.state.health.abandoned(); // its caller left before anything was learnt
        }
        self.state.load.end();
        self.all.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.all.room.notify_one();
    }
}
