//! Reads the configuration again while the gateway runs: on SIGHUP, and when one of its files has
//! changed. It is judged as `helan check` does before anything of it counts; then it takes the
//! place of the one before at once, for the calls that come.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::assemble::{self, Assembly, Containers};
use super::output;
use crate::config::{self, AuthMode, Config};
use crate::meter::Reload;
use crate::server::Live;
use crate::{Error, Result};

/// How often files are looked at. Looking works where being told does not: on mounted secrets,
/// whose directory is swapped under them, and on network file systems.
const PERIOD: Duration = Duration::from_secs(1);

/// One file as it was: which one it is, how long, and when it was written. `None` where there is
/// none.
pub(super) type Seen = Option<(u64, u64, u64, (i64, i64))>;

/// Looks at files, through links.
pub(super) fn look(files: &[PathBuf]) -> Vec<Seen> {
    let look = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        let written = (found.mtime(), found.mtime_nsec());
        Some((found.dev(), found.ino(), found.len(), written))
    };
    files.iter().map(look).collect()
}

/// When and from where the configuration is read again.
#[derive(Debug)]
pub struct Reloads {
    file: Option<PathBuf>,
    hangup: Signal,
    /// The files that count, and what was seen of them when they were read.
    files: Vec<PathBuf>,
    read: Vec<Seen>,
}

impl Reloads {
    /// Watches the files that `config` was read from; it came from `file`, if that was named.
    /// From now on SIGHUP ends the process no more.
    pub fn new(file: Option<PathBuf>, config: &Config) -> Result<Self> {
        let hangup =
            signal(SignalKind::hangup()).map_err(|error| Error::internal().because(error))?;
        let files = config.files.clone();
        Ok(Self { file, hangup, read: look(&files), files })
    }

    /// Reads the configuration whenever there is a reason to; never ends by itself.
    pub(super) async fn run(mut self, mut assembly: Assembly, live: watch::Sender<Live>) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.read.clone();
        loop {
            tokio::select! {
                Some(()) = self.hangup.recv() => {
                    tracing::info!("SIGHUP: the configuration is read again");
                }
                _ = ticks.tick() => {
                    let files = self.files.clone();
                    let Ok(now) = spawn_blocking(move || look(&files)).await else { continue };
                    // Twice the same: whoever writes several files, or a long one, has done.
                    let settled = now == last;
                    last = now;
                    if !settled || last == self.read {
                        continue;
                    }
                    tracing::info!("a file has changed: the configuration is read again");
                }
            }
            self.reload(&mut assembly, &live).await;
            last.clone_from(&self.read);
        }
    }

    async fn reload(&mut self, assembly: &mut Assembly, live: &watch::Sender<Live>) {
        self.read = look(&self.files);
        let made = assembly.made.as_ref();
        let containers = made.map(|made| Arc::clone(&made.containers));
        let Some(containers) = containers else { return };
        let file = self.file.clone();
        // Templates are tried out, which takes its time.
        let read = spawn_blocking(move || read(file.as_deref(), &containers)).await;
        let result = match read {
            Ok(Ok((config, containers))) => self.apply(config, containers, assembly, live).await,
            Ok(Err((named, told))) => {
                // Whatever is wrong may be put right in a file that was not known before.
                self.watch(named);
                Err(told)
            }
            Err(_) => Err(vec!["the configuration could not be read".to_owned()]),
        };
        let metrics = assembly.meter.metrics();
        match result {
            Ok(models) => {
                metrics.reloaded(Reload::Applied);
                tracing::info!(models, "the configuration was applied");
            }
            Err(told) => {
                metrics.reloaded(Reload::Refused);
                for problem in &told {
                    tracing::error!("{problem}");
                }
                tracing::error!(
                    problems = told.len(),
                    "the configuration was refused; the one before goes on"
                );
            }
        }
    }

    /// Puts `config` in the place of the one before; tells how many models it has.
    async fn apply(
        &mut self,
        mut config: Config,
        containers: Containers,
        assembly: &mut Assembly,
        live: &watch::Sender<Live>,
    ) -> Result<usize, Vec<String>> {
        self.watch(config.files.clone());
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if let Some(made) = &assembly.made {
            for key in keep(&made.config, &mut config)? {
                tracing::warn!(key, "this setting changes with the next start only");
            }
        }
        let models = config.models.len();
        // Whatever happens here happens beside calls, and must not end them.
        let making = AssertUnwindSafe(assembly.make(config, Arc::new(containers))).catch_unwind();
        match making.await {
            Ok(Ok(next)) => {
                live.send_replace(next);
                Ok(models)
            }
            Ok(Err(error)) => Err(vec![output::causes(&error)]),
            Err(_) => Err(vec!["a panic in making the gateway".to_owned()]),
        }
    }

    /// Watches `files` from now on, and what is known of those that were watched before stays.
    fn watch(&mut self, mut files: Vec<PathBuf>) {
        files.retain(|file| !self.files.contains(file));
        self.read.extend(look(&files));
        self.files.append(&mut files);
    }
}

/// A configuration that is right, with its containers; or else the files that have problems, and
/// the problems.
fn read(
    file: Option<&Path>,
    before: &Containers,
) -> Result<(Config, Containers), (Vec<PathBuf>, Vec<String>)> {
    let config = config::load(file, config::environment()).map_err(|problems| {
        let files = problems.iter().filter_map(|problem| problem.file.clone()).collect();
        (files, problems.iter().map(ToString::to_string).collect())
    })?;
    let containers = before.next();
    let problems = assemble::problems(&config, &containers);
    if problems.is_empty() {
        return Ok((config, containers));
    }
    Err((config.files, problems.iter().map(output::causes).collect()))
}

/// Keeps what a process cannot change while it runs, and tells which keys wanted to.
fn keep(now: &Config, next: &mut Config) -> Result<Vec<&'static str>, Vec<String>> {
    if now.listen != next.listen
        && !now.listen.ip().is_loopback()
        && (now.auth.mode, next.auth.mode) == (AuthMode::Keys, AuthMode::None)
    {
        return Err(vec![format!(
            "`auth.mode = \"none\"` was written for {}, but the port stays {} until the next start, and anyone who reaches it could use the models",
            next.listen, now.listen
        )]);
    }
    let mut kept = vec![];
    let mut check = |key, changed| {
        if changed {
            kept.push(key);
        }
    };
    check("listen", now.listen != next.listen);
    check("admin.listen", now.admin != next.admin);
    check("tls", now.tls.is_some() != next.tls.is_some());
    check("log", now.log != next.log);
    check("limits.max_connections", now.limits.max_connections != next.limits.max_connections);
    next.listen = now.listen;
    next.admin = now.admin;
    if now.tls.is_some() != next.tls.is_some() {
        next.tls.clone_from(&now.tls);
    }
    next.log = now.log.clone();
    next.limits.max_connections = now.limits.max_connections;
    Ok(kept)
}
