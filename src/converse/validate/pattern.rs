//! The service model's patterns, matched whole, without a regex engine.

/// One pattern: how the model writes it, and what it takes.
pub(super) struct Pattern {
    pub(super) text: &'static str,
    pub(super) takes: fn(&str) -> bool,
}

/// Names of tools.
pub(super) const NAME: Pattern = Pattern {
    text: "[a-zA-Z0-9_-]+",
    takes: |text| some(text, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')),
};

/// Ids of tool uses.
pub(super) const TOOL_USE_ID: Pattern = Pattern {
    text: "[a-zA-Z0-9_.:-]+",
    takes: |text| some(text, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')),
};

/// The owner of a bucket.
pub(super) const ACCOUNT_ID: Pattern = Pattern { text: "[0-9]{12}", takes: is_account_id };

/// An object, or a prefix, in S3.
pub(super) const S3_URI: Pattern = Pattern {
    text: r"s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?",
    takes: |text| {
        let Some(rest) = text.strip_prefix("s3://") else { return false };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        (3..=63).contains(&bucket.len())
            && bucket.chars().all(|c| is_lower_or_digit(c) || matches!(c, '.' | '-'))
            && edge(bucket.bytes().next())
            && edge(bucket.bytes().last())
            && !key.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
    },
};

/// A guardrail's id or ARN, or nothing.
pub(super) const GUARDRAIL_ID: Pattern = Pattern {
    text: "(|([a-z0-9]+)|(arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+))",
    takes: |text| {
        let parts: Vec<&str> = text.splitn(7, ':').collect();
        match parts.as_slice() {
            ["arn", partition, "bedrock", region, account, resource] => {
                let suffix = partition.strip_prefix("aws");
                suffix.is_some_and(|s| s.is_empty() || (s.starts_with('-') && s.len() > 1))
                    && (1..=20).contains(&region.len())
                    && region.chars().all(|c| is_lower_or_digit(c) || c == '-')
                    && is_account_id(account)
                    && resource
                        .strip_prefix("guardrail/")
                        .is_some_and(|id| some(id, is_lower_or_digit))
            }
            _ => text.chars().all(is_lower_or_digit),
        }
    },
};

/// A guardrail's version, or nothing.
pub(super) const GUARDRAIL_VERSION: Pattern = Pattern {
    text: "(|([1-9][0-9]{0,7})|(DRAFT))",
    takes: |text| {
        let is_number =
            text.len() <= 8 && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        is_number || text == "DRAFT" // the empty text is a number without digits
    },
};

/// Keys of request metadata.
pub(super) const METADATA_KEY: Pattern =
    Pattern { text: r"[a-zA-Z0-9\s:_@$#=/+,-.]{1,256}", takes: |text| some(text, is_metadata) };

/// Values of request metadata.
pub(super) const METADATA_VALUE: Pattern = Pattern {
    text: r"[a-zA-Z0-9\s:_@$#=/+,-.]{0,256}",
    takes: |text| text.chars().all(is_metadata),
};

/// `,-.` in the pattern is a range, of three characters.
fn is_metadata(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
        || matches!(c, ':' | '_' | '@' | '$' | '#' | '=' | '/' | '+' | ',' | '-' | '.')
}

fn is_lower_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn some(text: &str, of: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(of)
}

/// A JSON pointer (RFC 6901), other than the empty one, which would be the whole answer.
pub(super) fn is_json_pointer(text: &str) -> bool {
    text.starts_with('/')
        && text.split('~').skip(1).all(|after| after.starts_with('0') || after.starts_with('1'))
}

/// What a document may be called, as the known refusal says it; the underscore it does not mention
/// is accepted.
pub(super) fn is_document_name(text: &str) -> bool {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || c.is_ascii_whitespace()
            || matches!(c, '-' | '_' | '(' | ')' | '[' | ']')
    };
    text.chars().all(allowed)
        && !text.as_bytes().windows(2).any(|two| two.iter().all(u8::is_ascii_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn holds(takes: fn(&str) -> bool, right: &[&str], wrong: &[&str]) {
        for text in right {
            assert!(takes(text), "{text:?} is refused");
        }
        for text in wrong {
            assert!(!takes(text), "{text:?} is taken");
        }
    }

    #[test]
    fn names_and_ids() {
        holds(NAME.takes, &["a", "get_weather-2"], &["", "a.b", "a b", "é", "a\n"]);
        holds(
            TOOL_USE_ID.takes,
            &["tooluse_FQQ2AuomSWSry_S27YpRbA", "functions.get_temperature:0"],
            &["", "a/b", "id 1"],
        );
        holds(
            ACCOUNT_ID.takes,
            &["123456789012"],
            &["", "12345678901", "1234567890123", "12345678901a"],
        );
    }

    #[test]
    fn s3_uris() {
        let longest = format!("s3://{}", "b".repeat(63));
        let too_long = format!("s3://{}", "b".repeat(64));
        holds(
            S3_URI.takes,
            &["s3://abc", "s3://a.b-c/", "s3://abc/k/e//y z.pdf", "s3://abc/图", &longest],
            &[
                "",
                "s3://",
                "s3://ab",
                "s3://Abc",
                "s3://abc-",
                "s3://-abc/x",
                "s3://a_c/x",
                "S3://abc",
                "http://abc",
                "s3:///key",
                "s3://abc/a\nb",
                &too_long,
            ],
        );
    }

    #[test]
    fn guardrails() {
        holds(
            GUARDRAIL_ID.takes,
            &[
                "",
                "abc1",
                "arn:aws:bedrock:us-east-1:123456789012:guardrail/a1",
                "arn:aws-cn:bedrock:cn-north-1:123456789012:guardrail/a1",
            ],
            &[
                "Abc",
                "arn:aws-:bedrock:us-east-1:123456789012:guardrail/a1",
                "arn:awscn:bedrock:us-east-1:123456789012:guardrail/a1",
                "arn:aws:bedrock::123456789012:guardrail/a1",
                "arn:aws:bedrock:us-east-1:12345678901:guardrail/a1",
                "arn:aws:bedrock:us-east-1:123456789012:guardrail/",
                "arn:aws:bedrock:us-east-1:123456789012:guardrail/a:1",
                "arn:aws:s3:us-east-1:123456789012:guardrail/a",
            ],
        );
        holds(
            GUARDRAIL_VERSION.takes,
            &["", "1", "12345678", "DRAFT"],
            &["0", "01", "123456789", "draft", "1a", "-1"],
        );
    }

    #[test]
    fn metadata() {
        let all = "aZ9 \t\n\u{b}\u{c}\r:_@$#=/+,-.";
        let wrong = ["a;b", "é", "a*", "\u{a0}", "\u{85}"];
        holds(METADATA_VALUE.takes, &["", all], &wrong);
        holds(METADATA_KEY.takes, &[all], &wrong);
        holds(METADATA_KEY.takes, &[], &[""]);
    }

    #[test]
    fn pointers() {
        holds(
            is_json_pointer,
            &["/", "/stop_sequence", "/a/0/b", "/a~0b~1c", "/é"],
            &["", "a", "a/b", "/~", "/~2", "/a~", "#/a", "$.a"],
        );
    }

    #[test]
    fn document_names() {
        holds(
            is_document_name,
            &["a", "Report (1) [final]-v2", "under_score", " a "],
            &["a.pdf", "a  b", "a \tb", "a/b", "报告", "a\u{a0}b"],
        );
    }
}
