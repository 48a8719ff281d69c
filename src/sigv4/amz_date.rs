//! `X-Amz-Date`: `20261120T232204Z`.

use std::fmt;

use http::HeaderMap;
use time::format_description::well_known::Rfc2822;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// The moment at which a request says it was signed: UTC, whole seconds, years 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AmzDate(OffsetDateTime);

impl AmzDate {
    /// Reads exactly `YYYYMMDDTHHMMSSZ`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; 16] = text.try_into().ok()?;
        if text[8] != b'T' || text[15] != b'Z' {
            return None;
        }
        let year = i32::from(two(text, 0)?) * 100 + i32::from(two(text, 2)?);
        let month = Month::try_from(two(text, 4)?).ok()?;
        let date = Date::from_calendar_date(year, month, two(text, 6)?).ok()?;
        let time = Time::from_hms(two(text, 9)?, two(text, 11)?, two(text, 13)?).ok()?;
        Some(Self(OffsetDateTime::new_utc(date, time)))
    }

    /// The date of a request: `X-Amz-Date`, else `Date` in that form or in HTTP's own.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        if let Some(value) = headers.get("x-amz-date") {
            return Self::parse(value.as_bytes());
        }
        let value = headers.get(http::header::DATE)?;
        Self::parse(value.as_bytes()).or_else(|| {
            let at = OffsetDateTime::parse(value.to_str().ok()?, &Rfc2822).ok()?;
            Some(Self::from(at))
        })
    }

    /// The moment itself.
    pub(crate) fn at(self) -> OffsetDateTime {
        self.0
    }

    /// `YYYYMMDDTHHMMSSZ`.
    pub(crate) fn text(self) -> Text {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, second) = self.0.to_hms();
        // Four digits: the format ends with the year 9999.
        let century = u8::try_from(year / 100).unwrap_or_default();
        let of_century = u8::try_from(year % 100).unwrap_or_default();
        let mut text = *b"00000000T000000Z";
        let numbers = [century, of_century, month.into(), day, hour, minute, second];
        for (at, number) in [0, 2, 4, 6, 9, 11, 13].into_iter().zip(numbers) {
            text[at] += number / 10;
            text[at + 1] += number % 10;
        }
        Text(text)
    }
}

/// A date as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text([u8; 16]);

impl Text {
    /// All of it.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// `YYYYMMDD`, as in a credential scope.
    pub(crate) fn day(&self) -> &str {
        self.as_str().get(..8).unwrap_or_default()
    }
}

impl From<OffsetDateTime> for AmzDate {
    fn from(at: OffsetDateTime) -> Self {
        let at = at.to_offset(UtcOffset::UTC);
        Self(at.replace_nanosecond(0).unwrap_or(at))
    }
}

impl fmt::Display for AmzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// The two decimal digits at `at`.
fn two(text: &[u8; 16], at: usize) -> Option<u8> {
    let digit = |b: u8| b.is_ascii_digit().then(|| b - b'0');
    Some(digit(*text.get(at)?)? * 10 + digit(*text.get(at + 1)?)?)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn reads_and_writes_the_basic_form() {
        let date = AmzDate::parse(b"20261120T232204Z").unwrap();
        assert_eq!(date.at(), datetime!(2026-11-20 23:22:04 UTC));
        assert_eq!(date.to_string(), "20261120T232204Z");
        assert_eq!(date.text().day(), "20261120");
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "20261120",
            "20261120T232204",
            "20261120t232204z",
            "20261320T232204Z",
            "20260229T232204Z",
            "20261120T242204Z",
            "20261120T232260Z",
            "2026112 T232204Z",
            "+0261120T232204Z",
            "2026-11-20T23:22:04Z",
            "20261120T232204.5Z",
        ] {
            assert_eq!(AmzDate::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_date_header_stands_in() {
        let mut headers = HeaderMap::new();
        assert_eq!(AmzDate::of(&headers), None);
        let expected = AmzDate::parse(b"20261120T232204Z");
        for text in ["20261120T232204Z", "Fri, 20 Nov 2026 23:22:04 GMT"] {
            headers.insert("date", HeaderValue::from_static(text));
            assert_eq!(AmzDate::of(&headers), expected, "{text}");
        }
        // A wrong `x-amz-date` is wrong, whatever `date` says.
        headers.insert("x-amz-date", HeaderValue::from_static("yesterday"));
        assert_eq!(AmzDate::of(&headers), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(text in "[0-9]{8}T[0-9]{6}Z") {
            if let Some(date) = AmzDate::parse(text.as_bytes()) {
                prop_assert_eq!(date.to_string(), text);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = AmzDate::parse(&bytes);
        }
    }
}
