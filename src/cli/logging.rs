//! The log: on standard error, one line an event, JSON or for people.

use std::fmt;
use std::io::IsTerminal as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FmtSpan, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat, LogLevel};
use crate::wire::write_quoted;

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
    let lines = layer().with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let shown_as = match format {
        LogFormat::Json => lines.event_format(Lines).boxed(),
        LogFormat::Pretty => lines.compact().with_ansi(terminal).boxed(),
    };
    let _ = tracing_subscriber::registry().with(shown_as.with_filter(shown)).try_init();
}

/// One JSON object a line: time, level, and the fields of the event in their order. Written by hand,
/// for it is written for every call: strings as they are where nothing has to be escaped.
struct Lines;

/// The field whose text is JSON, written as what it says: fields are numbers and text alone.
const TAGS: &str = "tags";

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", event.metadata().level())?;
        let mut fields = Fields { writer, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        fields.writer.write_str("}\n")
    }
}

struct Fields<'a> {
    writer: Writer<'a>,
    written: fmt::Result,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let mut write = || {
            self.written?;
            self.writer.write_str(",\"")?;
            self.writer.write_str(field.name())?; // an identifier
            self.writer.write_str("\":")
        };
        self.written = write().and_then(|()| value(&mut self.writer));
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == TAGS {
            self.put(field, |writer| writer.write_str(value));
        } else {
            self.put(field, |writer| write_quoted(value, writer));
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |writer| match serde_json::Number::from_f64(value) {
            Some(number) => write!(writer, "{number}"),
            None => writer.write_str("null"),
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, |writer| write_quoted(&value.to_string(), writer));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, |writer| write_quoted(&format!("{value:?}"), writer));
    }
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
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(log: impl FnOnce()) -> String {
        let written = Written::default();
        let to = written.clone();
        let layer = layer().with_writer(move || to.clone()).event_format(Lines);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_object_in_the_order_of_its_fields() {
        let none: Option<&str> = None;
        let line = line(|| {
            tracing::info!(
                a = "plain \u{8d3a}\u{5170}",
                b = "\"quoted\"\n\u{1}\\",
                c = -1_i64,
                d = 2_u64,
                e = 0.5,
                f = true,
                g = none,
                h = %"shown",
                i = ?Some("x"),
                tags = r#"{"team":"\u641c","a":""}"#,
                "a word"
            );
        });
        assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        let names: Vec<_> = read.as_object().unwrap().keys().map(String::as_str).collect();
        let expected =
            ["timestamp", "level", "message", "a", "b", "c", "d", "e", "f", "h", "i", "tags"];
        assert_eq!(names, expected);
        assert_eq!(read["message"], "a word");
        assert_eq!(read["level"], "INFO");
        assert_eq!(read["a"], "plain 贺兰");
        assert_eq!(read["b"], "\"quoted\"\n\u{1}\\");
        assert_eq!((&read["c"], &read["d"], &read["e"]), (&json!(-1), &json!(2), &json!(0.5)));
        assert_eq!((&read["f"], &read["h"]), (&json!(true), &json!("shown")));
        assert_eq!(read["i"], "Some(\"x\")");
        assert_eq!(read["tags"], json!({"team": "搜", "a": ""}));
        let timestamp = read["timestamp"].as_str().unwrap();
        assert_eq!((timestamp.len(), timestamp.as_bytes()[10], &timestamp[26..]), (27, b'T', "Z"));
    }

    #[test]
    fn an_error_is_its_words() {
        let error: Box<dyn std::error::Error> = "it \"broke\"".into();
        let line = line(|| tracing::error!(error = error.as_ref(), "x"));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["error"], "it \"broke\"");
    }
}
