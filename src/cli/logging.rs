//! The log: on standard error, one line an event, JSON or for people.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Starts the log. A second call changes nothing.
pub(super) fn start(log: &Log) {
    let terminal = std::io::stderr().is_terminal();
    let level = match log.level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    // Libraries speak up when something is wrong. Below that some of them would write headers and
    // bodies, which the log never carries.
    let shown = Targets::new().with_target("helan", level).with_default(Level::WARN.min(level));
    let format = log.format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    let lines = fmt::layer().with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let layer = match format {
        LogFormat::Json => {
            // Without tracing's own `target`: the line of a call has a field of this name.
            let lines = lines.json().flatten_event(true).with_target(false);
            lines.with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Pretty => lines.compact().with_ansi(terminal).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(shown)).try_init();
}

/// A panic is logged by its place alone: its message may hold what a caller sent.
pub(super) fn on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic; the call it happened in was answered with an error");
    }));
}
