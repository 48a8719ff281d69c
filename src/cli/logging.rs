//! The log: on standard error, one line an event, JSON or for people.

use std::io::IsTerminal as _;

use serde_json::Value;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FmtSpan, Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
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
            let line = fmt::format().json().flatten_event(true).with_target(false);
            let line = line.with_current_span(false).with_span_list(false);
            lines.fmt_fields(JsonFields::new()).event_format(Lines(line)).boxed()
        }
        LogFormat::Pretty => lines.compact().with_ansi(terminal).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(shown)).try_init();
}

/// JSON, with the tags of a model as an object: tracing's own fields are numbers and text alone.
struct Lines(Format<Json>);

/// The field whose text is JSON.
const TAGS: &str = "tags";

impl<S> FormatEvent<S, JsonFields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        if event.metadata().fields().field(TAGS).is_none() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match with_object(&line) {
            Some(line) => writeln!(writer, "{line}"),
            None => writer.write_str(&line),
        }
    }
}

/// The line with its tags as an object; `None` where it has none.
fn with_object(line: &str) -> Option<String> {
    if !line.contains("\"tags\":") {
        return None;
    }
    let mut line: Value = serde_json::from_str(line).ok()?;
    let tags = line.get_mut(TAGS)?;
    *tags = serde_json::from_str(tags.as_str()?).ok()?;
    Some(line.to_string())
}

/// A panic is logged by its place alone: its message may hold what a caller sent.
pub(super) fn on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic; the call it happened in was answered with an error");
    }));
}

#[cfg(test)]
mod tests {
    use super::with_object;

    #[test]
    fn tags_are_an_object_and_the_rest_stays() {
        let line = r#"{"level":"INFO","model_id":"\"tags\":","tags":"{\"team\":\"搜索\",\"a\":\"\"}","n":1}"#;
        let told = r#"{"level":"INFO","model_id":"\"tags\":","tags":{"team":"搜索","a":""},"n":1}"#;
        assert_eq!(with_object(line).as_deref(), Some(told));
        assert_eq!(with_object(r#"{"model_id":"\"tags\":\"{}\""}"#), None);
        assert_eq!(with_object(r#"{"level":"INFO"}"#), None);
    }
}
