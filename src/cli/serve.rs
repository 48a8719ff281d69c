//! `helan serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{assemble, check, logging, output};
use crate::clock::Clock;

pub(super) async fn run(file: Option<PathBuf>) -> ExitCode {
    let Some(config) = check::load(file.as_deref()) else { return ExitCode::FAILURE };
    logging::start(&config.log);
    let models = config.models.len();
    let assembled = match assemble(config, Clock::system(), None).await {
        Ok(assembled) => assembled,
        Err(error) => {
            output::failure(&error);
            return ExitCode::FAILURE;
        }
    };
    let (scheme, address) = (assembled.server.scheme(), assembled.server.local_addr());
    let Ok(address) = address else { return ExitCode::FAILURE };
    if let Some(admin) = &assembled.admin {
        output::print(format_args!("metrics are on http://{}/metrics", admin.local_addr()));
    }
    output::print(format_args!("helan is listening on {scheme}://{address}"));
    tracing::info!(%address, models, "listening");
    assembled.run(asked_to_end()).await;
    tracing::info!("ended");
    ExitCode::SUCCESS
}

/// Ready when the process is asked to end: SIGTERM or SIGINT.
pub(super) async fn asked_to_end() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
