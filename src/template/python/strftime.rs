//! `datetime.strftime`, in the C locale.

use std::fmt::Write;

use time::OffsetDateTime;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Formats `now`. A directive nobody knows stays as it is.
pub(crate) fn format(now: OffsetDateTime, pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let rest = chars.as_str();
        let pad = match rest.chars().next() {
            Some('-') => Some(Pad::None),
            Some('_') => Some(Pad::Space),
            Some('0') => Some(Pad::Zero),
            _ => None,
        };
        if pad.is_some() {
            chars.next();
        }
        match chars.next() {
            Some(directive) if directive_into(&mut out, now, directive, pad) => {}
            _ => {
                out.push('%');
                chars = rest.chars();
            }
        }
    }
    out
}

#[derive(Clone, Copy)]
enum Pad {
    None,
    Space,
    Zero,
}

fn directive_into(
    out: &mut String,
    now: OffsetDateTime,
    directive: char,
    pad: Option<Pad>,
) -> bool {
    let month = MONTHS[usize::from(u8::from(now.month())) - 1];
    let day = DAYS[usize::from(now.weekday().number_days_from_monday())];
    let hour12 = match now.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let (iso_year, iso_week, _) = now.to_iso_week_date();
    let number = |value: i64, width: usize, default: Pad| -> String {
        match pad.unwrap_or(default) {
            Pad::None => value.to_string(),
            Pad::Space => format!("{value:>width$}"),
            Pad::Zero => format!("{value:0>width$}"),
        }
    };
    let (zero, space) = (Pad::Zero, Pad::Space);
    let text = match directive {
        'a' => day[..3].to_owned(),
        'A' => day.to_owned(),
        'b' | 'h' => month[..3].to_owned(),
        'B' => month.to_owned(),
        'c' => format(now, "%a %b %e %H:%M:%S %Y"),
        'C' => number(i64::from(now.year()) / 100, 2, zero),
        'd' => number(now.day().into(), 2, zero),
        'D' | 'x' => format(now, "%m/%d/%y"),
        'e' => number(now.day().into(), 2, space),
        'f' => format!("{:06}", now.microsecond()),
        'F' => format(now, "%Y-%m-%d"),
        'g' => number(i64::from(iso_year) % 100, 2, zero),
        'G' => iso_year.to_string(),
        'H' => number(now.hour().into(), 2, zero),
        'I' => number(hour12.into(), 2, zero),
        'j' => number(now.ordinal().into(), 3, zero),
        'k' => number(now.hour().into(), 2, space),
        'l' => number(hour12.into(), 2, space),
        'm' => number(u8::from(now.month()).into(), 2, zero),
        'M' => number(now.minute().into(), 2, zero),
        'n' => "\n".to_owned(),
        'p' => if now.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        'P' => if now.hour() < 12 { "am" } else { "pm" }.to_owned(),
        'r' => format(now, "%I:%M:%S %p"),
        'R' => format(now, "%H:%M"),
        's' => now.unix_timestamp().to_string(),
        'S' => number(now.second().into(), 2, zero),
        't' => "\t".to_owned(),
        'T' | 'X' => format(now, "%H:%M:%S"),
        'u' => now.weekday().number_from_monday().to_string(),
        'U' => number(now.sunday_based_week().into(), 2, zero),
        'V' => number(iso_week.into(), 2, zero),
        'w' => now.weekday().number_days_from_sunday().to_string(),
        'W' => number(now.monday_based_week().into(), 2, zero),
        'y' => number(i64::from(now.year()) % 100, 2, zero),
        'Y' => number(now.year().into(), 1, zero),
        // A naive time has no zone.
        'z' | 'Z' => String::new(),
        '%' => "%".to_owned(),
        _ => return false,
    };
    let _ = write!(out, "{text}");
    true
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn dates_are_those_of_the_c_locale() {
        let now = datetime!(2026-03-05 09:07:03.000_042 UTC);
        for (pattern, text) in [
            ("%d %b %Y", "05 Mar 2026"),
            ("%-d %B %y", "5 March 26"),
            ("%A, %e|%j|%p%%", "Thursday,  5|064|AM%"),
            ("%Y-%m-%dT%H:%M:%S.%f%z", "2026-03-05T09:07:03.000042"),
            ("%I %-I %U %W %V %G %u %w", "09 9 09 09 10 2026 4 4"),
            ("%Q %", "%Q %"),
        ] {
            assert_eq!(format(now, pattern), text, "{pattern}");
        }
    }
}
