//! `Credential=`: `AKIDEXAMPLE/20261120/us-east-1/bedrock/aws4_request`.

/// An access key id and the credential scope it signs for, as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    /// All of it.
    pub(crate) text: &'a str,
    pub(crate) access_key: &'a str,
    /// The last four elements together, as the string to sign has them.
    pub(crate) scope: &'a str,
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) terminator: &'a str,
}

impl<'a> Credential<'a> {
    /// Cuts `text` at its slashes; `None` unless there are five elements and the access key id
    /// and the region are not empty.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (access_key, scope) = text.split_once('/')?;
        let mut elements = scope.split('/');
        let mut next = || elements.next();
        let (date, region, service, terminator) = (next()?, next()?, next()?, next()?);
        if next().is_some() || access_key.is_empty() || region.is_empty() {
            return None;
        }
        Some(Self { text, access_key, scope, date, region, service, terminator })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_elements() {
        assert_eq!(
            Credential::parse("AKIDEXAMPLE/20261120/us-east-1/bedrock/aws4_request"),
            Some(Credential {
                text: "AKIDEXAMPLE/20261120/us-east-1/bedrock/aws4_request",
                access_key: "AKIDEXAMPLE",
                scope: "20261120/us-east-1/bedrock/aws4_request",
                date: "20261120",
                region: "us-east-1",
                service: "bedrock",
                terminator: "aws4_request",
            })
        );
    }

    #[test]
    fn not_four_not_six() {
        for text in [
            "",
            "/",
            "AKID",
            "AKID/20261120/us-east-1/bedrock",
            "AK/ID/20261120/us-east-1/bedrock/aws4_request",
            "/20261120/us-east-1/bedrock/aws4_request",
            "AKID/20261120//bedrock/aws4_request",
        ] {
            assert_eq!(Credential::parse(text), None, "{text}");
        }
    }
}
