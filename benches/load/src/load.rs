//! The client: so many callers, each of whom asks, reads the answer to its end, and asks again. What counts is what ends inside the window; everything else is only judged.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::bodies::{self, Size};
use crate::connection::{Connection, Connections};
use crate::judge::{Due, Judge, Verdict};
use crate::proc;
use crate::report::{Spread, round};
use crate::sign::Signer;
use crate::spec::Spec;

/// Whose wire is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Api {
    /// Converse, to a gateway
    Bedrock,
    /// `InvokeEndpoint`, to the stub itself or through a proxy
    Sagemaker,
}

#[derive(Args)]
pub struct Options {
    /// Who is asked
    #[arg(long)]
    to: SocketAddr,
    #[arg(long, value_enum, default_value = "bedrock")]
    api: Api,
    /// Which script answers: unary, tokens-N, tokens-N-rate-R
    #[arg(long)]
    endpoint: String,
    /// The gateway's model, where it is not named after the endpoint
    #[arg(long)]
    model: Option<String>,
    #[arg(long)]
    stream: bool,
    #[arg(long, value_enum, default_value = "small")]
    body: Size,
    /// How many callers there are; over HTTP/1.1 each has a connection
    #[arg(short, long, default_value_t = 1)]
    callers: usize,
    /// Over HTTP/2, on so many connections that the callers share
    #[arg(long, default_value_t = 0)]
    http2: usize,
    /// How long is measured
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// How long is not measured first, once all callers have begun
    #[arg(long, default_value_t = 0.3)]
    warm: f64,
    /// Over how many seconds the callers begin
    #[arg(long, default_value_t = 0.0)]
    ramp: f64,
    /// One call of each caller
    #[arg(long)]
    once: bool,
    /// A full gateway may say so; who hears it asks again after so many seconds
    #[arg(long)]
    refused_pause: Option<f64>,
    /// So many calls, all of them counted, instead of a window of time
    #[arg(long)]
    calls: Option<u64>,
    /// Judge checksums, JSON and the order of events, too
    #[arg(long)]
    full: bool,
    /// The process that is measured
    #[arg(long)]
    pid: Option<i32>,
}

/// A call takes no longer than this, or it has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Failures after which the rest would only repeat them.
const TOO_MANY: u64 = 100;

#[derive(Default)]
struct Tally {
    calls: u64,
    tokens: u64,
    latency: Spread,
    first_event: Spread,
    first_token: Spread,
    gaps: Spread,
    /// Calls in the window that a full gateway would not take.
    refused: u64,
    /// Calls since the start, in the window or not.
    right: u64,
    all_refused: u64,
    wrong: u64,
    first_wrong: Option<String>,
}

struct Client {
    connections: Connections,
    signer: Signer,
    due: Due,
    refused_pause: Duration,
    tally: RefCell<Tally>,
    counting: Cell<bool>,
    over: Cell<bool>,
    /// One call of each caller: they begin before the window, and their first events count.
    once: bool,
    /// Calls that may still begin.
    left: Cell<u64>,
    open: Cell<usize>,
}

/// What a process had used at one moment.
struct Used {
    at: Instant,
    cpu_ns: u64,
    own_ns: u64,
}

impl Used {
    fn now(pid: Option<i32>) -> Result<Self> {
        let cpu_ns = pid.map(proc::cpu_ns).transpose()?.unwrap_or_default();
        Ok(Self { at: Instant::now(), cpu_ns, own_ns: proc::own_cpu_ns()? })
    }
}

pub async fn run(options: Options) -> Result<()> {
    let client = Rc::new(client(&options)?);
    let before_kb = options.pid.map(proc::resident_kb).transpose()?;
    if let Some(pid) = options.pid {
        proc::forget_peak(pid)?;
    }
    client.counting.set(options.calls.is_some());
    let mut began = Used::now(options.pid)?;
    let step = Duration::from_secs_f64(options.ramp) / u32::try_from(options.callers.max(1))?;
    let workers: Vec<_> = (0..options.callers)
        .map(|index| {
            let (client, once) = (Rc::clone(&client), options.once);
            spawn_local(async move {
                sleep(step * u32::try_from(index).unwrap_or_default()).await;
                client.work(index, once).await;
            })
        })
        .collect();
    let (mut ended, mut open_kb, mut open) = (None, None, 0);
    if options.calls.is_none() {
        sleep(Duration::from_secs_f64(options.ramp + options.warm)).await;
        began = Used::now(options.pid)?;
        client.counting.set(true);
        sleep(Duration::from_secs_f64(options.seconds)).await;
        client.counting.set(false);
        ended = Some(Used::now(options.pid)?);
        open = client.open.get();
        open_kb = options.pid.map(proc::resident_kb).transpose()?;
        client.over.set(true);
    }
    for worker in workers {
        worker.await?;
    }
    let ended = match ended {
        Some(ended) => ended,
        None => Used::now(options.pid)?,
    };
    let peak_kb = options.pid.map(proc::peak_kb).transpose()?;
    let mut tally = client.tally.take();
    let seconds = (ended.at - began.at).as_secs_f64();
    let cpu_us = (ended.cpu_ns - began.cpu_ns) as f64 / 1e3;
    let own_us = (ended.own_ns - began.own_ns) as f64 / 1e3;
    let each = |sum: f64, count: u64| (count > 0).then(|| round(sum / count as f64));
    let measured = options.pid.is_some();
    let line = json!({
        "endpoint": options.endpoint, "callers": options.callers,
        "seconds": round(seconds), "calls": tally.calls, "tokens": tally.tokens,
        "right": tally.right, "refused": tally.all_refused, "wrong": tally.wrong,
        "first_wrong": tally.first_wrong,
        "calls_per_second": round(tally.calls as f64 / seconds),
        "refused_per_second": round(tally.refused as f64 / seconds),
        "tokens_per_second": round(tally.tokens as f64 / seconds),
        "cpu_us_per_call": each(cpu_us, tally.calls).filter(|_| measured),
        "cpu_us_per_token": each(cpu_us, tally.tokens).filter(|_| measured),
        "cpu_share": measured.then(|| round(cpu_us / 1e6 / seconds)),
        "client_cpu_us_per_call": each(own_us, tally.calls),
        "client_cpu_share": round(own_us / 1e6 / seconds),
        "latency_us": tally.latency.summary(), "first_event_us": tally.first_event.summary(),
        "first_token_us": tally.first_token.summary(), "gap_us": tally.gaps.summary(),
        "open_calls": open, "rss_kb_before": before_kb, "rss_kb_open": open_kb,
        "rss_kb_peak": peak_kb,
    });
    println!("{line}");
    Ok(())
}

fn client(options: &Options) -> Result<Client> {
    let spec: Spec = options.endpoint.parse()?;
    let (api, stream) = (options.api, options.stream);
    let endpoint = &options.endpoint;
    let model = options.model.clone().unwrap_or_else(|| format!("bench.{endpoint}-v1:0"));
    // As the SDKs write it.
    let model = model.replace(':', "%3A");
    let (service, path, body) = match (api, stream) {
        (Api::Bedrock, false) => {
            ("bedrock", format!("/model/{model}/converse"), bodies::converse(options.body)?)
        }
        (Api::Bedrock, true) => {
            ("bedrock", format!("/model/{model}/converse-stream"), bodies::converse(options.body)?)
        }
        (Api::Sagemaker, _) => {
            let operation = if stream { "invocations-response-stream" } else { "invocations" };
            let path = format!("/endpoints/{endpoint}/{operation}");
            ("sagemaker", path, bodies::openai(options.body, stream)?)
        }
    };
    ensure!(
        stream || api == Api::Bedrock || spec == Spec::Unary,
        "only a gateway makes one answer of {endpoint}"
    );
    Ok(Client {
        connections: Connections::new(options.to, options.http2),
        signer: Signer::new(service, &options.to.to_string(), &path, body)?,
        due: Due::new(spec, api, stream, options.full, options.refused_pause.is_some()),
        refused_pause: Duration::from_secs_f64(options.refused_pause.unwrap_or_default()),
        tally: RefCell::default(),
        counting: Cell::new(false),
        over: Cell::new(false),
        once: options.once,
        left: Cell::new(options.calls.unwrap_or(u64::MAX)),
        open: Cell::new(0),
    })
}

impl Client {
    async fn work(&self, caller: usize, once: bool) {
        let mut connection = None;
        while !self.over.get() && self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            let result = timeout(PATIENCE, self.call(caller, &mut connection)).await;
            let result = result.context("no answer in time").and_then(|inner| inner);
            if result.is_err() {
                connection = None;
            }
            let refused = matches!(result, Ok(Verdict::Refused));
            self.note(result);
            if once {
                break;
            }
            if refused {
                sleep(self.refused_pause).await;
            }
        }
    }

    fn note(&self, result: Result<Verdict>) {
        let mut tally = self.tally.borrow_mut();
        match result {
            Ok(Verdict::Right) => tally.right += 1,
            Ok(Verdict::Refused) => {
                tally.all_refused += 1;
                tally.refused += u64::from(self.counting.get());
            }
            Err(error) => {
                tally.wrong += 1;
                tally.first_wrong.get_or_insert_with(|| format!("{error:#}"));
                if tally.wrong >= TOO_MANY {
                    self.over.set(true);
                }
            }
        }
    }

    async fn call(&self, caller: usize, own: &mut Option<Connection>) -> Result<Verdict> {
        let connection = match own {
            Some(connection) if !connection.is_closed() => connection,
            _ => own.insert(self.connections.of(caller).await?),
        };
        connection.ready().await?;
        let request = self.signer.request()?;
        let began = Instant::now();
        self.open.set(self.open.get() + 1);
        let result = self.answer(connection, request, began).await;
        self.open.set(self.open.get() - 1);
        result
    }

    async fn answer(
        &self,
        connection: &mut Connection,
        request: Request<Full<Bytes>>,
        began: Instant,
    ) -> Result<Verdict> {
        let answer = connection.send(request).await?;
        let mut judge = Judge::new(&self.due, answer.status(), answer.headers());
        let mut body = answer.into_body();
        let (mut first_event, mut last_token) = (None, None);
        while let Some(frame) = body.frame().await {
            let frame = frame?;
            let Some(data) = frame.data_ref() else { continue };
            let seen = judge.tokens;
            judge.push(data)?;
            if !self.due.stream || judge.events == 0 {
                continue;
            }
            let now = Instant::now();
            let opens = self.once || self.counting.get();
            if first_event.replace(now).is_none() && opens {
                self.tally.borrow_mut().first_event.add(now - began);
            }
            let came = judge.tokens - seen;
            if came == 0 {
                continue;
            }
            let mut tally = self.tally.borrow_mut();
            let last: Option<Instant> = last_token.replace(now);
            if last.is_none() && opens {
                tally.first_token.add(now - began);
            }
            if self.counting.get() {
                tally.tokens += came as u64;
                if let Some(last) = last {
                    tally.gaps.add(now - last);
                }
                // Tokens that came together: no time between them.
                (1..came).for_each(|_| tally.gaps.add(Duration::ZERO));
            }
        }
        let took = began.elapsed();
        let verdict = judge.finish()?;
        if self.counting.get() && verdict == Verdict::Right {
            let mut tally = self.tally.borrow_mut();
            tally.calls += 1;
            tally.latency.add(took);
        }
        Ok(verdict)
    }
}
