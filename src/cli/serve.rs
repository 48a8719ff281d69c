//! `helan serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reload::Reloads;
use super::{assemble, check, logging, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::meter::Stage;
use crate::{Error, Result};

pub(super) async fn run(file: Option<PathBuf>) -> ExitCode {
    let Some(config) = check::load(file.as_deref()) else { return ExitCode::FAILURE };
    logging::start(&config.log);
    match Box::pin(serve(file, config)).await {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error);
            ExitCode::FAILURE
        }
    }
}

async fn serve(file: Option<PathBuf>, config: Config) -> Result<ExitCode> {
    // Before anybody learns that we listen: a signal that comes right then is heard.
    let (mut first, mut both) = (Signals::new()?, Signals::new()?);
    let reloads = Reloads::new(file, &config)?;
    let models = config.models.len();
    let assembled = assemble(config, Clock::system(), None).await?;
    let (scheme, address) = (assembled.scheme(), assembled.server.local_addr()?);
    if let Some(admin) = &assembled.admin {
        output::print(format_args!("metrics are on http://{}/metrics", admin.local_addr()));
    }
    output::print(format_args!("helan is listening on {scheme}://{address}"));
    tracing::info!(%address, models, "listening");
    let meter = assembled.assembly.meter.clone();
    let again = async {
        both.next().await;
        both.next().await;
        meter.advance(Stage::OutOfTime); // what is dropped now was cut by us
    };
    tokio::select! {
        () = assembled.run(first.next(), Some(reloads)) => {
            tracing::info!("ended");
            Ok(ExitCode::SUCCESS)
        }
        () = again => {
            tracing::warn!("a second signal: ended at once");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The signals that ask a process to end: SIGTERM and SIGINT.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals do not end the process by themselves.
    pub(super) fn new() -> Result<Self> {
        let hear = |kind| signal(kind).map_err(|error| Error::internal().because(error));
        let terminate = hear(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: hear(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            Some(()) = self.terminate.recv() => {}
            Some(()) = self.interrupt.recv() => {}
            else => std::future::pending().await,
        }
    }
}

/// Ready when the process is asked to end.
pub(super) async fn asked_to_end() {
    match Signals::new() {
        Ok(mut signals) => signals.next().await,
        Err(_) => std::future::pending().await,
    }
}
