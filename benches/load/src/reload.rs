//! How long a configuration takes from SIGHUP until a call is answered by it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use http::StatusCode;
use http_body_util::BodyExt as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::bodies::{self, Size};
use crate::connection::connect;
use crate::report::round;
use crate::sign::Signer;

#[derive(Args)]
pub struct Options {
    #[arg(long)]
    to: SocketAddr,
    #[arg(long)]
    pid: i32,
    /// A model that only the new configuration has, in front of the endpoint `unary`
    #[arg(long)]
    model: String,
}

pub async fn run(options: Options) -> Result<()> {
    let path = format!("/model/{}/converse", options.model.replace(':', "%3A"));
    let authority = options.to.to_string();
    let signer = Signer::new("bedrock", &authority, &path, bodies::converse(Size::Small)?)?;
    let mut sender = connect(options.to).await?;
    let (mut began, mut before): (Option<Instant>, u32) = (None, 0);
    loop {
        sender.ready().await?;
        let answer = sender.send_request(signer.request()?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        match (status, began) {
            (StatusCode::OK, None) => bail!("{} was there before SIGHUP", options.model),
            (StatusCode::OK, Some(began)) => {
                let took = began.elapsed();
                let line = json!({
                    "applied_ms": round(took.as_secs_f64() * 1e3), "calls_before": before,
                });
                println!("{line}");
                return Ok(());
            }
            (StatusCode::BAD_REQUEST, None) => {
                began = Some(Instant::now());
                kill(Pid::from_raw(options.pid), Signal::SIGHUP)?;
            }
            (StatusCode::BAD_REQUEST, Some(began)) if began.elapsed() < Duration::from_secs(20) => {
                before += 1;
            }
            _ => bail!("{status}: {}", String::from_utf8_lossy(&body)),
        }
    }
}
