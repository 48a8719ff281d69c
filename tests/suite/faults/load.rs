//! Many calls with random faults at the same time: every one ends as the table says, with its own
//! words, and the gateway is afterwards as it was before.

use std::time::{Duration, Instant};

use aws_sdk_bedrockruntime::Client;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;

use super::Bench;
use super::ask::Operation;
use super::cells::{Cell, Targets, bench, cells, judge};
use super::rows::{Clocks, HEALTHY};

/// Calls at the same time.
const IN_FLIGHT: usize = 64;

/// How much more memory may be in use after thousands of calls: what the allocator keeps of
/// calls that happened to run at once.
const SLACK: u64 = 16 << 20;

/// The cells that thousands of calls can go through: no name is looked up, and no answer of
/// megabytes makes noise in the memory that is in use.
fn cheap() -> Vec<Cell> {
    let mut cells = cells(Clocks::Patient);
    cells.retain(|cell| !["no-such-name", "huge-event", "huge-answer"].contains(&cell.row.name));
    cells
}

fn healthy() -> [Cell; 5] {
    Operation::ALL.map(|operation| Cell { row: HEALTHY, operation })
}

/// What became of a load.
#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    given_up: u64,
    healthy: u64,
    wrong: Vec<String>,
}

/// Half of the calls meet no fault, one in eight is given up by its caller, the rest meet every
/// fault of the table; those that would wait for a timeout are given up, too.
async fn mixed(bench: &Bench, cells: &[Cell], seed: u64, more: impl Fn(u64) -> bool) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let clients: Vec<_> = (0..4).map(|_| bench.client()).collect();
    let mut tally = Tally::default();
    let started = std::iter::from_fn(|| {
        tally.calls += 1;
        let faulty = random.bool();
        let cell =
            if faulty { cells[random.usize(..cells.len())] } else { healthy()[random.usize(..5)] };
        let client = clients[random.usize(..clients.len())].clone();
        let waits = cell.row.clocks != Clocks::Patient || random.u8(..8) == 0;
        let patience = waits.then(|| Duration::from_millis(random.u64(..100)));
        let marker = format!("marker-{:x}-{}", random.u64(..), tally.calls);
        more(tally.calls).then(|| one(client, cell, marker, patience))
    });
    let mut ended = stream::iter(started).buffer_unordered(IN_FLIGHT);
    let (mut given_up, mut healthy, mut wrong) = (0, 0, vec![]);
    while let Some(end) = ended.next().await {
        match end {
            End::AsItShould(row) => healthy += u64::from(row == HEALTHY.name),
            End::GivenUp => given_up += 1,
            End::Wrong(what) => wrong.push(what),
        }
    }
    drop(ended);
    Tally { given_up, healthy, wrong, ..tally }
}

enum End {
    AsItShould(&'static str),
    GivenUp,
    Wrong(String),
}

async fn one(client: Client, cell: Cell, marker: String, patience: Option<Duration>) -> End {
    let name = cell.name();
    let asked = cell.operation.ask(&client, &name, &marker);
    let seen = match patience {
        None => asked.await,
        Some(patience) => match tokio::time::timeout(patience, asked).await {
            Ok(seen) => seen,
            Err(_) => return End::GivenUp,
        },
    };
    match judge(cell, &marker, cell.told(Targets::One), &seen) {
        None => End::AsItShould(cell.row.name),
        Some(wrong) => End::Wrong(wrong),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat() {
    let mut cells = cheap();
    cells.retain(|cell| {
        matches!(cell.operation, Operation::Invoked | Operation::Streamed)
            && [
                "refused-connect",
                "container-500",
                "reset-before-head",
                "closed-in-body",
                "error-event",
            ]
            .contains(&cell.row.name)
    });
    let bench = bench(&cells, Targets::One, Clocks::Patient).await;
    let mut resident = vec![];
    for _ in 0..3 {
        let client = bench.client();
        for _ in 0..100 {
            let asked = cells.iter().map(async |cell| {
                let seen = cell.operation.ask(&client, &cell.name(), "again").await;
                let wrong = judge(*cell, "again", cell.told(Targets::One), &seen);
                assert_eq!(wrong, None);
            });
            join_all(asked).await;
        }
        drop(client);
        bench.comes_to_rest().await;
        resident.push(bench.gateway.resident());
    }
    assert!(resident[2] < resident[0] + SLACK, "bytes after each third: {resident:?}");
    let proxy = &bench.proxy;
    super::eventually("idle connections are closed", async || proxy.connections() == 0).await;
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// As long as `SOAK_SECONDS` says, which `tests/soak/run` sets; else some seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_load_with_random_faults() {
    let number = |name: &str| std::env::var_os(name)?.into_string().ok()?.parse::<u64>().ok();
    let seconds = Duration::from_secs(number("SOAK_SECONDS").unwrap_or(3));
    let seed = number("SOAK_SEED").unwrap_or(6);
    let mut faulty = cheap();
    faulty.extend(cells(Clocks::Head));
    faulty.extend(cells(Clocks::Parts));
    let all: Vec<_> = faulty.iter().copied().chain(healthy()).collect();
    let bench = bench(&all, Targets::One, Clocks::Patient).await;

    let began = Instant::now();
    let load = mixed(&bench, &faulty, seed, |calls| began.elapsed() < seconds || calls < 640);
    let mut resident = vec![];
    let sampling = async {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            resident.push(bench.gateway.resident());
        }
    };
    let tally = tokio::select! { tally = load => tally, () = sampling => return };

    println!(
        "{} calls in {:?}, {} at the same time, seed {seed}",
        tally.calls,
        began.elapsed(),
        IN_FLIGHT
    );
    println!(
        "{} without a fault, {} given up, {} wrong",
        tally.healthy,
        tally.given_up,
        tally.wrong.len()
    );
    let third = resident.len() / 3;
    let (before, after) = (median(&resident[..third]), median(&resident[2 * third..]));
    println!("resident memory of the gateway in MB (minimum, median, maximum of each minute):");
    for (minute, samples) in resident.chunks_mut(240).enumerate() {
        samples.sort_unstable();
        let at = |at: usize| samples[at].div_ceil(1 << 20);
        println!("  {minute:2}: {} {} {}", at(0), at(samples.len() / 2), at(samples.len() - 1));
    }
    assert!(after < before + SLACK, "the median of bytes grew from {before} to {after}");
    assert!(tally.healthy > 0 && tally.given_up > 0, "{tally:?}");
    let shown = &tally.wrong[..tally.wrong.len().min(20)];
    assert!(shown.is_empty(), "{} wrong:\n{}", tally.wrong.len(), shown.join("\n"));
    bench.comes_to_rest().await;
    println!("all gauges are at zero");
}
