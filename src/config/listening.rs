//! Where a gateway listens: the little of its configuration that a health check needs.

use std::net::SocketAddr;
use std::path::Path;

use super::check::DEFAULT_LISTEN;
use super::environment;
use super::problem::{Problem, Severity};
use super::{read, source};

/// Where the gateway of a configuration listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The address as it was written: a wildcard, perhaps.
    pub address: SocketAddr,
    /// Whether the port speaks TLS.
    pub tls: bool,
}

/// Reads where the gateway of this file and environment listens, and nothing else: a mistake
/// anywhere else is none of a health check's business, since a gateway goes on with what it had
/// when a changed configuration is wrong.
///
/// ```
/// use helan::config::listening;
///
/// let env = [("HELAN_LISTEN".to_owned(), "0.0.0.0:8080".to_owned())];
/// let listening = listening(None, env)?;
/// assert_eq!(listening.address, "0.0.0.0:8080".parse().unwrap());
/// assert!(!listening.tls);
/// # Ok::<(), Vec<helan::config::Problem>>(())
/// ```
pub fn listening(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Listening, Vec<Problem>> {
    let env: Vec<_> = env.into_iter().collect();
    let (file, whole, mut problems) = read(source(file, &env)?)?;
    let (file, _) = environment::apply(file, whole, &env, &mut problems);
    problems.retain(|problem| {
        problem.severity == Severity::Error
            && ["listen", "HELAN_LISTEN"].contains(&problem.path.as_str())
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    let address = file.listen.map_or(DEFAULT_LISTEN, |listen| listen.value.0);
    Ok(Listening { address, tls: file.tls.is_some() })
}
