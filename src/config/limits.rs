//! What one process takes on, and what each caller may have of it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Keys;
use super::check::above_zero;
use super::problem::Problem;
use super::raw;
use super::reader::{Named, Set};
use super::settings::AuthMode;
use super::spelling::nearest;
use super::value::quoted;

/// What one process takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of one request, in bytes.
    pub max_body: usize,
    /// The largest body of a unary answer, in bytes.
    pub max_answer: usize,
    /// All request bodies in flight together, in bytes.
    pub body_budget: usize,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a request's head may take to arrive.
    pub header_timeout: Duration,
    /// Callers' connections that are open at once.
    pub max_connections: usize,
    /// Calls that are answered at once.
    pub max_calls: usize,
    /// Calls that may wait until one of those has ended.
    pub queue: usize,
    /// How long one of them waits.
    pub queue_wait: Duration,
    /// Calls that one principal may have in flight, those that wait among them; `None`: as many
    /// as come.
    pub max_calls_per_principal: Option<usize>,
    /// How long a connection may wait for its next request.
    pub keep_alive_timeout: Duration,
    /// How long a caller may leave an answer unread before the connection is ended.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 25_000_000, // the service model's limit of an InvokeModel body
            max_answer: 25_000_000,
            body_budget: 256_000_000,
            body_timeout: Duration::from_mins(1),
            header_timeout: Duration::from_secs(10),
            max_connections: 10_000,
            max_calls: 1024,
            queue: 0,
            queue_wait: Duration::from_secs(5),
            max_calls_per_principal: None,
            // Longer than load balancers and the pools of the usual clients keep a connection that
            // they do not use: who closes first must be the one who might still ask.
            keep_alive_timeout: Duration::from_mins(2),
            write_timeout: Duration::from_mins(1),
        }
    }
}

/// What is said of one principal, whichever of its keys it calls with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name, as the keys have it.
    pub name: String,
    /// Calls that it may have in flight; `None`: as [`Limits::max_calls_per_principal`] says.
    pub max_calls: Option<usize>,
}

pub(super) fn limits(raw: raw::Limits, problems: &mut Vec<Problem>) -> Limits {
    let default = Limits::default();
    let max_body = raw.max_body.as_ref().map_or(default.max_body, |size| size.value.0);
    let body_budget = raw.body_budget.as_ref().map_or(default.body_budget, |size| size.value.0);
    if max_body > body_budget
        && let Some(set) = raw.body_budget.or(raw.max_body)
    {
        problems.push(set.origin.error(
            format!(
                "one body may have {max_body} bytes, but all of them together only {body_budget}"
            ),
            "make `limits.body_budget` at least as large as `limits.max_body`",
        ));
    }
    let body_timeout = above_zero(raw.body_timeout.as_ref(), default.body_timeout, problems);
    let header_timeout = above_zero(raw.header_timeout.as_ref(), default.header_timeout, problems);
    let queue_wait = above_zero(raw.queue_wait.as_ref(), default.queue_wait, problems);
    let keep_alive = raw.keep_alive_timeout.as_ref();
    let keep_alive_timeout = above_zero(keep_alive, default.keep_alive_timeout, problems);
    let write_timeout = above_zero(raw.write_timeout.as_ref(), default.write_timeout, problems);
    let limits = Limits {
        max_body,
        max_answer: raw.max_answer.map_or(default.max_answer, |size| size.value.0),
        body_budget,
        body_timeout,
        header_timeout,
        max_connections: raw.max_connections.map_or(default.max_connections, |set| set.value),
        max_calls: raw.max_calls.map_or(default.max_calls, |set| set.value),
        queue: raw.queue.map_or(default.queue, |set| set.value.0 as usize),
        queue_wait,
        max_calls_per_principal: raw.max_calls_per_principal.as_ref().map(|set| set.value),
        keep_alive_timeout,
        write_timeout,
    };
    warn_of_share(raw.max_calls_per_principal.as_ref(), &limits, problems);
    limits
}

/// A share that is more than all there is bounds nobody.
fn warn_of_share(share: Option<&Set<usize>>, limits: &Limits, problems: &mut Vec<Problem>) {
    let all = limits.max_calls.saturating_add(limits.queue);
    if let Some(share) = share.filter(|share| share.value > all) {
        problems.push(share.origin.warning(
            format!("this share is never used up: {all} calls run and wait at most"),
            "make it smaller than `limits.max_calls` and `limits.queue` together",
        ));
    }
}

/// What is said of the principals that hold `keys`.
pub(super) fn principals(
    named: Option<Named<raw::Principal>>,
    limits: &Limits,
    mode: AuthMode,
    keys: &Keys,
    problems: &mut Vec<Problem>,
) -> Vec<Principal> {
    let named = named.unwrap_or_default().0;
    let holders: BTreeSet<&str> = keys.principals().collect();
    for (name, section) in &named {
        warn_of_share(section.max_calls.as_ref(), limits, problems);
        if mode == AuthMode::None {
            problems.push(name.origin.warning(
                "this has no effect: the mode \"none\" asks nobody who calls",
                "use the mode \"keys\", or remove it",
            ));
        } else if !holders.is_empty() && !holders.contains(name.value.as_str()) {
            let help = match nearest(&name.value, holders.iter().copied()) {
                Some(holder) => format!("did you mean {}?", quoted(holder)),
                None => "write a `principal` of the key file".to_owned(),
            };
            let message = format!("no key belongs to {}", quoted(&name.value));
            problems.push(name.origin.warning(message, help));
        }
    }
    named
        .into_iter()
        .map(|(name, section)| Principal {
            name: name.value,
            max_calls: section.max_calls.map(|set| set.value),
        })
        .collect()
}
