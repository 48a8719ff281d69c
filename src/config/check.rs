//! From the raw file to the ready configuration: defaults, ranges, and what must fit together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::environment::Surroundings;
use super::problem::{Origin, Problem, Severity};
use super::reach::{Http, SageMaker};
use super::reader::{Set, join};
use super::settings::{Allow, Auth, AuthMode, Config, Drain, Log, Service, TemplateSource, Tls};
use super::value::{AdminListen, Span};
use super::{ModelFiles, keys, limits, models, raw, upstream};

/// What the operator has to write to let strangers in.
const WORDS: &str = "I understand that anyone who reaches this port can use the models";

/// Where a gateway listens unless it is told otherwise.
pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// A missing key. One whose value was refused, or that was misspelt, is not missed again.
pub(super) fn missing(section: &Origin, key: &str, help: &str, problems: &mut Vec<Problem>) {
    let path = join(&section.path, key);
    let typo = format!("did you mean `{key}`?");
    let known = problems.iter().any(|problem| {
        problem.path == path
            || (problem.path.starts_with(&section.path)
                && problem.help.as_deref() == Some(typo.as_str()))
    });
    if !known {
        problems.push(section.error(format!("`{}` lacks `{key}`", section.path), help));
    }
}

/// Decides everything. `problems` holds what reading found; the configuration is worth nothing
/// when there is an error among them afterwards.
pub(super) fn ready(file: raw::File, around: &Surroundings, problems: &mut Vec<Problem>) -> Config {
    let listen = file.listen.as_ref().map_or(DEFAULT_LISTEN, |listen| listen.value.0);
    let admin = admin(file.admin, file.listen.as_ref().map(|set| &set.origin), listen, problems);
    let tls = file.tls.and_then(|tls| certificate(tls, problems));
    let auth = file.auth.unwrap_or_default();
    let keys_file = auth.keys_file.as_ref().map(resolve);
    let auth = self::auth(auth, listen, around, problems);
    let log = file.log.unwrap_or_default();
    let limits = limits::limits(file.limits.unwrap_or_default(), problems);
    let principals = limits::principals(file.principals, &limits, auth.mode, &auth.keys, problems);
    let drain = drain(file.drain.unwrap_or_default(), problems);
    let sagemaker = sagemaker(file.sagemaker.unwrap_or_default(), listen, around, problems);
    let http = http(&file.http.unwrap_or_default(), problems);
    let mut builder = models::Builder::new(
        file.defaults.unwrap_or_default(),
        sagemaker.region.clone(),
        sagemaker.endpoint_url.clone(),
        listen,
        around,
        problems,
    );
    let models = builder.models(file.models.unwrap_or_default().0);
    let allow = builder.allow(file.endpoints.and_then(|endpoints| endpoints.allow));
    let key_files = builder.key_files;
    let faultless = problems.iter().all(|problem| problem.severity != Severity::Error);
    if models.is_empty() && allow.is_empty() && faultless {
        problems.push(around.whole.error(
            "no model is configured",
            "write `[models.\"deepseek.r1-v1:0\"]` with `endpoint = \"…\"`, or set HELAN_ENDPOINT",
        ));
    }
    let templates =
        models.iter().flat_map(|model| &model.targets).chain(allow.iter().map(Allow::any));
    let templates = templates.filter_map(|target| match &target.template {
        Some(TemplateSource::Path(path)) => Some(ModelFiles::paths(path)),
        _ => None,
    });
    let mut files: Vec<PathBuf> = templates.flatten().collect();
    let source = around.whole.source.as_deref();
    files.extend(source.map(|source| source.file.clone()).into_iter().chain(keys_file));
    files.extend(key_files);
    files.extend(tls.iter().flat_map(|tls| [tls.certificate.clone(), tls.key.clone()]));
    files.sort_unstable();
    files.dedup();
    Config {
        listen,
        tls,
        admin,
        auth,
        principals,
        log: Log {
            format: log.format.map(|format| format.value),
            level: log.level.map(|level| level.value).unwrap_or_default(),
        },
        limits,
        drain,
        sagemaker,
        http,
        models,
        allow,
        inherited_urls: inherited_urls(around),
        warnings: Vec::new(),
        files,
        hash: source.map_or(0, |source| hash(&source.text)),
    }
}

/// Exact in every reader of metrics: floating-point numbers have 53 bits.
fn hash(text: &str) -> u64 {
    let digest = Sha256::digest(text);
    digest.iter().take(6).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// Where the SDK would go by itself.
fn inherited_urls(around: &Surroundings) -> Vec<String> {
    if around.ignores_endpoint_urls {
        return Vec::new();
    }
    around.endpoint_urls.iter().map(|url| url.value.clone()).collect()
}

fn admin(
    admin: Option<raw::Admin>,
    listen_origin: Option<&Origin>,
    listen: SocketAddr,
    problems: &mut Vec<Problem>,
) -> Option<SocketAddr> {
    let set = admin.and_then(|admin| admin.listen);
    let address = match &set {
        Some(Set { value: AdminListen(address), .. }) => *address,
        None => Some(DEFAULT_ADMIN),
    };
    let shared = address.is_some_and(|admin| {
        let (a, b) = (admin.ip(), listen.ip());
        admin.port() == listen.port()
            && listen.port() != 0
            && (a == b || a.is_unspecified() || b.is_unspecified())
    });
    if shared && let Some(origin) = set.as_ref().map(|set| &set.origin).or(listen_origin) {
        problems.push(origin.error(
            format!("callers and the operator would share port {}", listen.port()),
            "give `admin.listen` another port, or write \"off\"",
        ));
    }
    address
}

fn certificate(tls: raw::Tls, problems: &mut Vec<Problem>) -> Option<Tls> {
    if let Some(section) = &tls.at {
        if tls.certificate.is_none() {
            let help = "write `certificate = \"chain.pem\"`: the server's chain, PEM";
            missing(section, "certificate", help, problems);
        }
        if tls.key.is_none() {
            missing(section, "key", "write `key = \"key.pem\"`: its private key, PEM", problems);
        }
    } else if let (Some(Set { origin, .. }), None) | (None, Some(Set { origin, .. })) =
        (&tls.certificate, &tls.key)
    {
        problems.push(origin.error(
            "a certificate needs its key, and a key its certificate",
            "set both HELAN_TLS_CERTIFICATE and HELAN_TLS_KEY",
        ));
    }
    let certificate = existing(&tls.certificate?, problems);
    let key = existing(&tls.key?, problems);
    Some(Tls { certificate, key })
}

/// Takes a path from where it was written.
pub(super) fn resolve(path: &Set<String>) -> PathBuf {
    let directory = path.origin.directory().unwrap_or(Path::new(""));
    directory.join(&path.value)
}

fn existing(path: &Set<String>, problems: &mut Vec<Problem>) -> PathBuf {
    let resolved = resolve(path);
    if !resolved.is_file() {
        problems.push(path.origin.error(
            format!("there is no file {}", resolved.display()),
            "name a PEM file; a relative path starts from the configuration file",
        ));
    }
    resolved
}

fn auth(
    auth: raw::Auth,
    listen: SocketAddr,
    around: &Surroundings,
    problems: &mut Vec<Problem>,
) -> Auth {
    let before = problems.len();
    let mut keys = match &auth.keys_file {
        Some(path) => keys::load(&path.origin, &resolve(path), problems),
        None => keys::Keys::default(),
    };
    keys::add_from_environment(around, &mut keys, problems);
    // Of keys, or of the mode that needs them, something worse was said already.
    let said = problems[before..].iter().any(|p| p.severity == Severity::Error)
        || problems.iter().any(|p| {
            ["auth.mode", "auth.keys_file", "HELAN_AUTH_MODE", "HELAN_KEYS_FILE"]
                .contains(&p.path.as_str())
        });
    let mode = auth.mode.as_ref().map(|mode| mode.value).unwrap_or_default();
    let place = auth.mode.as_ref().map(|mode| &mode.origin);
    let place = place.or(auth.at.as_ref()).unwrap_or(&around.whole);
    let words = auth.allow_unauthenticated_network_access;
    if let Some(words) = words.as_ref().filter(|words| words.value != WORDS) {
        problems.push(words.origin.error(
            "these are not the words that let strangers in",
            format!("write exactly \"{WORDS}\", or remove the key"),
        ));
    }
    match mode {
        AuthMode::None if !listen.ip().is_loopback() && words.is_none() => {
            problems.push(place.error(
                format!("anyone who reaches {listen} could use the models"),
                format!(
                    "listen on a loopback address, use the mode \"keys\", or write \
                     `auth.allow_unauthenticated_network_access = \"{WORDS}\"`"
                ),
            ));
        }
        AuthMode::None if !keys.is_empty() => problems.push(place.warning(
            "keys are given, but the mode \"none\" asks nobody for one",
            "use the mode \"keys\", or remove the keys",
        )),
        AuthMode::Keys if keys.is_empty() && !said => problems.push(place.error(
            "nobody could call: the mode \"keys\" has no keys",
            "name a key file with `auth.keys_file`, set HELAN_ACCESS_KEY_ID and \
             HELAN_SECRET_ACCESS_KEY, or use the mode \"none\" on a loopback address",
        )),
        _ => {}
    }
    let services = match auth.services {
        None => vec![Service::default()],
        Some(services) => {
            let refused = problems.iter().any(|p| p.path.starts_with("auth.services["));
            if services.is_empty() && !refused {
                let place = auth.at.as_ref().unwrap_or(&around.whole);
                problems.push(place.error(
                    "`auth.services` is empty: no signature could be right",
                    "write `services = [\"bedrock\"]`, or remove the key",
                ));
            }
            services.into_iter().map(|service| service.value).collect()
        }
    };
    Auth { mode, services, keys }
}

/// A time that must not be zero.
pub(super) fn above_zero(
    set: Option<&Set<Span>>,
    default: Duration,
    problems: &mut Vec<Problem>,
) -> Duration {
    let Some(set) = set else { return default };
    if set.value.0.is_zero() {
        problems.push(set.origin.error(
            "the time is zero: nothing could ever be done in it",
            format!("write a time above zero; the default is \"{} s\"", default.as_secs()),
        ));
    }
    set.value.0
}

fn drain(raw: raw::Drain, problems: &mut Vec<Problem>) -> Drain {
    let default = Drain::default();
    let grace = raw.grace.as_ref().map_or(default.grace, |time| time.value.0);
    let deadline = raw.deadline.as_ref().map_or(default.deadline, |time| time.value.0);
    if grace > deadline
        && let Some(set) = raw.grace.or(raw.deadline)
    {
        problems.push(set.origin.error(
            "`drain.grace` is longer than `drain.deadline`, of which it is a part",
            "make `drain.grace` shorter, or `drain.deadline` longer",
        ));
    }
    Drain { grace, deadline }
}

/// The time for a connection is a part of each of the others.
fn connects_in_time(
    (connect, written): (Duration, &Option<Set<Span>>),
    wholes: &[(&str, Duration, &Option<Set<Span>>)],
    problems: &mut Vec<Problem>,
) {
    for (name, whole, set) in wholes {
        if connect > *whole
            && !whole.is_zero()
            && let Some(set) = written.as_ref().or(set.as_ref())
        {
            problems.push(set.origin.error(
                format!("`connect_timeout` is longer than `{name}`, of which it is a part"),
                format!("make `connect_timeout` shorter, or `{name}` longer"),
            ));
        }
    }
}

fn http(raw: &raw::Http, problems: &mut Vec<Problem>) -> Http {
    let default = Http::default();
    let connect = above_zero(raw.connect_timeout.as_ref(), default.connect_timeout, problems);
    let first = above_zero(raw.first_byte_timeout.as_ref(), default.first_byte_timeout, problems);
    let answer = above_zero(raw.answer_timeout.as_ref(), default.answer_timeout, problems);
    let parts = [
        ("first_byte_timeout", first, &raw.first_byte_timeout),
        ("answer_timeout", answer, &raw.answer_timeout),
    ];
    connects_in_time((connect, &raw.connect_timeout), &parts, problems);
    Http {
        connect_timeout: connect,
        first_byte_timeout: first,
        idle_timeout: above_zero(raw.idle_timeout.as_ref(), default.idle_timeout, problems),
        answer_timeout: answer,
        pool_idle: above_zero(raw.pool_idle.as_ref(), default.pool_idle, problems),
    }
}

/// How often endpoints are asked how they are. An API that is asked too often throttles, also those
/// who deploy.
fn poll(raw: &raw::SageMaker, listen: SocketAddr, problems: &mut Vec<Problem>) -> Option<Duration> {
    if let Some(url) = &raw.control_url {
        upstream::check(None, Some(url), listen, problems);
        if raw.poll.is_none() {
            problems.push(url.origin.warning(
                "`control_url` has no effect without `poll`",
                "write `poll = \"30 s\"`, or remove it",
            ));
        }
    }
    let set = raw.poll.as_ref()?;
    if set.value.0 < Duration::from_secs(1) {
        problems.push(set.origin.error(
            "endpoints cannot be asked more than once a second",
            "write a longer time, such as \"30 s\", or remove the key",
        ));
    }
    if let (Some(url), None) = (&raw.endpoint_url, &raw.control_url) {
        problems.push(url.origin.error(
            "`poll` asks SageMaker's own API, which is not at a runtime's `endpoint_url`",
            "write `control_url = \"…\"` too, or remove `poll`",
        ));
    }
    Some(set.value.0)
}

fn sagemaker(
    raw: raw::SageMaker,
    listen: SocketAddr,
    around: &Surroundings,
    problems: &mut Vec<Problem>,
) -> SageMaker {
    let default = SageMaker::default();
    upstream::check(raw.region.as_ref(), raw.endpoint_url.as_ref(), listen, problems);
    if !around.ignores_endpoint_urls {
        for url in &around.endpoint_urls {
            upstream::check_own_listener(url, listen, problems);
        }
    }
    let connect = above_zero(raw.connect_timeout.as_ref(), default.connect_timeout, problems);
    let first = above_zero(raw.first_byte_timeout.as_ref(), default.first_byte_timeout, problems);
    let idle = above_zero(raw.idle_timeout.as_ref(), default.idle_timeout, problems);
    let invoke = above_zero(raw.invoke_timeout.as_ref(), default.invoke_timeout, problems);
    let parts = [
        ("first_byte_timeout", first, &raw.first_byte_timeout),
        ("invoke_timeout", invoke, &raw.invoke_timeout),
    ];
    connects_in_time((connect, &raw.connect_timeout), &parts, problems);
    if let Some(set) = &raw.invoke_timeout
        && invoke < Duration::from_mins(1)
        && !invoke.is_zero()
    {
        problems.push(set.origin.warning(
            "SageMaker lets a container answer for 60 s; this gives up earlier, and the \
             container works on",
            "write 60 s or more",
        ));
    }
    let poll = poll(&raw, listen, problems);
    SageMaker {
        poll,
        control_url: raw.control_url.map(|url| url.value),
        region: raw.region.map(|region| region.value).or_else(|| around.region.clone()),
        endpoint_url: raw.endpoint_url.map(|url| url.value),
        profile: raw.profile.map(|profile| profile.value),
        client: raw.client.map(|client| client.value).unwrap_or_default(),
        connect_timeout: connect,
        first_byte_timeout: first,
        idle_timeout: idle,
        invoke_timeout: invoke,
        max_connections: raw.max_connections.map_or(default.max_connections, |set| set.value),
        pool_idle: above_zero(raw.pool_idle.as_ref(), default.pool_idle, problems),
    }
}
