//! The parameters of `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.

/// What follows the scheme. A parameter that is not there is `None`; one that nobody knows is
/// passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Authorization<'a> {
    pub(crate) credential: Option<&'a str>,
    pub(crate) signed_headers: Option<&'a str>,
    pub(crate) signature: Option<&'a str>,
}

/// Parameters that cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// A parameter without `=`.
    NoEqualSign,
    /// A parameter that is there twice.
    Repeated,
}

impl<'a> Authorization<'a> {
    /// Reads `parameters`. AWS takes commas, white space or both between them: a credential with
    /// a blank inside is therefore two parameters, the second without `=`.
    pub(crate) fn parse(parameters: &'a str) -> Result<Self, Malformed> {
        let mut read = Self::default();
        let separator = |c: char| c == ',' || c.is_ascii_whitespace();
        for parameter in parameters.split(separator).filter(|p| !p.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(Malformed::NoEqualSign)?;
            let place = match name {
                "Credential" => &mut read.credential,
                "SignedHeaders" => &mut read.signed_headers,
                "Signature" => &mut read.signature,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(Malformed::Repeated);
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_order_and_any_separator() {
        let expected = Ok(Authorization {
            credential: Some("AKID/d/r/s/t"),
            signed_headers: Some("host;x-amz-date"),
            signature: Some("ab"),
        });
        for text in [
            "Credential=AKID/d/r/s/t, SignedHeaders=host;x-amz-date, Signature=ab",
            "Credential=AKID/d/r/s/t,SignedHeaders=host;x-amz-date,Signature=ab",
            "Signature=ab  SignedHeaders=host;x-amz-date\tCredential=AKID/d/r/s/t",
            ",, Signature=ab, New=1, SignedHeaders=host;x-amz-date, Credential=AKID/d/r/s/t,",
        ] {
            assert_eq!(Authorization::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read() {
        assert_eq!(
            Authorization::parse("Credential=Bearer key/d/r/s/t, Signature=ab"),
            Err(Malformed::NoEqualSign)
        );
        assert_eq!(Authorization::parse("Credential=a, Credential=b"), Err(Malformed::Repeated));
        assert_eq!(Authorization::parse(""), Ok(Authorization::default()));
    }
}
