//! What the benchmarks run beside a gateway. `benches/run` starts it; each part also runs alone.

mod bodies;
mod cold;
mod connection;
mod floor;
mod frames;
mod hand;
mod judge;
mod load;
mod proc;
mod reload;
mod report;
mod sign;
mod spec;
mod stub;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// SageMaker Runtime with scripted answers; the endpoint's name says which
    Stub(stub::Options),
    /// A reverse proxy of hyper alone: what any gateway built on it costs at least
    Floor(floor::Options),
    /// Converse in front of SageMaker and nothing else, by hyper and aws-sigv4
    Hand(hand::Options),
    /// Signed calls in a closed loop; prints one line of JSON
    Load(load::Options),
    /// Starts a gateway and asks at once; prints how long its first answer took
    Cold(cold::Options),
    /// Sends SIGHUP and asks for a new model until it is there; prints how long that took
    Reload(reload::Options),
}

/// Everything runs on one thread: what is measured has the other core.
fn main() -> Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        match cli.part {
            Part::Stub(options) => stub::run(options).await,
            Part::Floor(options) => floor::run(options).await,
            Part::Hand(options) => hand::run(options).await,
            Part::Load(options) => load::run(options).await,
            Part::Cold(options) => cold::run(options).await,
            Part::Reload(options) => reload::run(options).await,
        }
    })
}
