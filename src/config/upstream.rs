//! What is asked of a region and of an endpoint URL.

use std::net::{IpAddr, SocketAddr};

use http::Uri;

use super::problem::Problem;
use super::reader::Set;
use super::value::quoted;

/// Checks what a section says about the place of its endpoints.
pub(super) fn check(
    region: Option<&Set<String>>,
    endpoint_url: Option<&Set<String>>,
    listen: SocketAddr,
    problems: &mut Vec<Problem>,
) {
    if let Some(region) = region
        && !is_region(&region.value)
    {
        problems.push(region.origin.error(
            format!("{} is not a region", quoted(&region.value)),
            "write a region's code, such as \"cn-northwest-1\"",
        ));
    }
    if let Some(url) = endpoint_url {
        if let Err(message) = parse(&url.value) {
            problems.push(url.origin.error(
                message,
                "write a scheme, a host and, if need be, a port: \"http://127.0.0.1:8081\"",
            ));
        }
        check_own_listener(url, listen, problems);
    }
}

/// A region's code becomes part of a host name.
fn is_region(region: &str) -> bool {
    region.len() <= 32
        && region.contains('-')
        && region.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

fn parse(url: &str) -> Result<Uri, String> {
    if url.contains('@') {
        return Err("a user name and a password in a URL are never sent".to_owned());
    }
    let uri: Uri = url.parse().map_err(|_| format!("{} is not a URL", quoted(url)))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("{} has neither the scheme http nor https", quoted(url)));
    }
    if uri.authority().is_none() {
        return Err(format!("{} has no host", quoted(url)));
    }
    if uri.query().is_some() {
        return Err(format!("{} has a query, which would get lost", quoted(url)));
    }
    Ok(uri)
}

/// Host and port of a URL, as it is written.
pub(super) fn authority(url: &str) -> String {
    let authority = parse(url).ok().and_then(|uri| Some(uri.authority()?.as_str().to_owned()));
    authority.unwrap_or_else(|| url.to_owned())
}

/// Refuses a URL that is the gateway's own listener: it would call itself without end. Only what
/// can be seen without asking a resolver is decided here.
pub(super) fn check_own_listener(
    url: &Set<String>,
    listen: SocketAddr,
    problems: &mut Vec<Problem>,
) {
    if parse(&url.value).is_ok_and(|uri| is_own(&uri, listen)) {
        problems.push(url.origin.error(
            format!("{} is this gateway itself: it would call itself", quoted(&url.value)),
            "name the SageMaker runtime, or remove it; callers of Bedrock are switched with \
             AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        ));
    }
}

fn is_own(uri: &Uri, listen: SocketAddr) -> bool {
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    if port != listen.port() || port == 0 {
        return false;
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let local = listen.ip().is_loopback() || listen.ip().is_unspecified();
    if let Ok(ip) = host.parse::<IpAddr>() {
        return ip == listen.ip()
            || (ip.is_unspecified() && local)
            || (listen.ip().is_unspecified() && ip.is_loopback());
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    local && (host == "localhost" || host.ends_with(".localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_can_be_part_of_a_host_name() {
        for region in ["us-east-1", "cn-northwest-1", "us-gov-west-1", "eu-isoe-west-1"] {
            assert!(is_region(region), "{region}");
        }
        for region in ["", "us", "US-EAST-1", "us-east-1.evil.example", "us-", "us--1", "a/b-1"] {
            assert!(!is_region(region), "{region}");
        }
    }

    #[test]
    fn the_own_listener_is_recognised() {
        for (url, listen, own) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://127.0.0.1:8080/base", "0.0.0.0:8080", true),
            ("http://localhost:8080", "127.0.0.1:8080", true),
            ("http://LOCALHOST.:8080", "[::]:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://[::1]:8080", "[::]:8080", true),
            ("http://0.0.0.0:8080", "127.0.0.1:8080", true),
            ("http://10.0.0.1", "10.0.0.1:80", true),
            ("https://10.0.0.1", "10.0.0.1:443", true),
            ("http://127.0.0.1:8081", "127.0.0.1:8080", false),
            ("http://10.0.0.2:8080", "10.0.0.1:8080", false),
            ("http://emulator:8080", "0.0.0.0:8080", false),
            ("http://127.0.0.1:0", "127.0.0.1:0", false),
            ("http://localhost:8080", "10.0.0.1:8080", false),
        ] {
            let uri = parse(url).unwrap();
            assert_eq!(is_own(&uri, listen.parse().unwrap()), own, "{url} {listen}");
        }
    }

    #[test]
    fn only_a_plain_url_is_taken() {
        for url in ["", "localhost:8081", "ftp://a", "http://u:p@a", "http://a/?x", "http://"] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
