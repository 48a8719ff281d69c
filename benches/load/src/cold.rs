//! How long a gateway takes from its start to its first answer, and what it then occupies.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

use crate::bodies::{self, Size};
use crate::connection::connect;
use crate::proc;
use crate::report::round;
use crate::sign::Signer;

#[derive(Args)]
pub struct Options {
    /// Where the gateway will listen
    #[arg(long)]
    to: SocketAddr,
    /// What starts it
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub async fn run(options: Options) -> Result<()> {
    ensure!(
        TcpStream::connect(options.to).await.is_err(),
        "{} is taken: what answers there would be measured instead",
        options.to
    );
    let authority = options.to.to_string();
    let path = "/model/bench.unary-v1%3A0/converse";
    let signer = Signer::new("bedrock", &authority, path, bodies::converse(Size::Small)?)?;
    let (program, arguments) = options.command.split_first().context("a command")?;
    let began = Instant::now();
    let mut gateway = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| program.clone())?;
    let mut sender = loop {
        match connect(options.to).await {
            Ok(sender) => break sender,
            Err(_) if began.elapsed() < Duration::from_secs(20) => {
                if let Some(status) = gateway.try_wait()? {
                    bail!("it ended before it listened: {status}");
                }
                sleep(Duration::from_micros(200)).await;
            }
            Err(error) => return Err(error),
        }
    };
    let listening = began.elapsed();
    let answer = sender.send_request(signer.request()?).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let answered = began.elapsed();
    ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&body));
    let pid = i32::try_from(gateway.id().context("it has ended")?)?;
    // What the start only needed for a moment is given back by then, or never.
    sleep(Duration::from_secs(2)).await;
    let line = json!({
        "listening_ms": round(listening.as_secs_f64() * 1e3),
        "first_answer_ms": round(answered.as_secs_f64() * 1e3),
        "cpu_ms": round(proc::cpu_ns(pid)? as f64 / 1e6),
        "idle_rss_kb": proc::resident_kb(pid)?,
    });
    println!("{line}");
    gateway.kill().await?;
    Ok(())
}
