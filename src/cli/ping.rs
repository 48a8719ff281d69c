//! `helan ping`: whether a gateway answers. The health check of an image that has no shell and no
//! curl; it asks for the process's own health, not for SageMaker's, so that nobody restarts a
//! gateway because an endpoint is away.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use http::Uri;

use super::{Ping, output};
use crate::config::{self, Listening, Report};
use crate::server;

pub(super) fn run(arguments: &Ping) -> ExitCode {
    match ask(arguments) {
        Ok(url) => {
            output::print(format_args!("{url} answers"));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            output::error(problem);
            ExitCode::FAILURE
        }
    }
}

fn ask(arguments: &Ping) -> Result<Uri, String> {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => own(arguments.config.as_deref())?,
    };
    // One question every few seconds for the life of a container: no threads for it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let limit = Duration::from_secs(arguments.timeout);
    let answer = runtime.block_on(server::ping(&url, limit));
    runtime.shutdown_background(); // a name that is still being looked up is not waited for
    answer.map(|()| url.clone()).map_err(|unhealthy| format!("{url}: {unhealthy}"))
}

/// The health check of the gateway that this configuration makes.
fn own(file: Option<&Path>) -> Result<Uri, String> {
    let listening = config::listening(file, config::environment())
        .map_err(|problems| Report(&problems).to_string())?;
    url(listening)
}

fn url(Listening { address, tls }: Listening) -> Result<Uri, String> {
    if address.port() == 0 {
        return Err("the configuration leaves the port to the system: name it, as in --url \
                    http://127.0.0.1:8080/ping"
            .to_owned());
    }
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}/ping", reachable(address)).parse().map_err(|_| {
        format!("{address} makes no URL: name one, as in --url http://127.0.0.1:8080/ping")
    })
}

/// A wildcard listens everywhere, on loopback too.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_asked_on_loopback() {
        for (address, tls, expected) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080/ping"),
            ("0.0.0.0:8080", false, "http://127.0.0.1:8080/ping"),
            ("[::]:8443", true, "https://[::1]:8443/ping"),
            ("10.1.2.3:80", false, "http://10.1.2.3:80/ping"),
        ] {
            let listening = Listening { address: address.parse().unwrap(), tls };
            assert_eq!(url(listening).unwrap().to_string(), expected);
        }
        let any = Listening { address: "0.0.0.0:0".parse().unwrap(), tls: false };
        assert!(url(any).unwrap_err().contains("--url"));
    }
}
