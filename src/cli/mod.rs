//! The command line: `helan serve · demo · check · emulate · ping · render · parse · completions`.

mod assemble;
mod check;
mod counting;
mod demo;
mod emulate;
mod logging;
mod output;
mod ping;
mod poll;
mod reload;
mod render;
mod serve;
mod ways;

use std::ffi::OsString;
use std::io::{self, StdinLock, StdoutLock};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use http::Uri;

pub use assemble::{Assembled, assemble};

use crate::parse;

/// A Bedrock-compatible API gateway in front of SageMaker endpoints.
///
/// Programs that call bedrock-runtime change one endpoint URL; helan authenticates the call, asks
/// the model on its SageMaker endpoint, and answers as Bedrock would.
#[derive(Debug, Parser)]
#[command(name = "helan", version, styles = STYLES, max_term_width = 100)]
#[command(after_help = "Try `helan demo`: it needs no account, no network and no file.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve models, as the configuration says
    Serve(Configured),
    /// Serve a scripted model from this process, and show a first answer
    Demo(Demo),
    /// Check a configuration: every error with its place, and what to write instead
    Check(Configured),
    /// Serve a local SageMaker Runtime in front of a scripted model or a container
    Emulate(Emulate),
    /// Ask a gateway whether it answers: the health check of a container
    Ping(Ping),
    /// Show the exact prompt that a model gets for a Converse request
    Render(Render),
    /// Parse what models generate: reasoning, tool calls, text
    Parse(Lines),
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
struct Configured {
    /// The configuration file; without it, HELAN_* variables alone must say everything
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Demo {
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// End after the first answers instead of serving on
    #[arg(long)]
    once: bool,
}

#[derive(Debug, Args)]
struct Render {
    /// The Converse request, JSON; `-` or nothing: standard input
    request: Option<PathBuf>,
    /// The configuration file that has the model
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The model's id or alias; without it the first one
    #[arg(short, long, value_name = "ID")]
    model: Option<String>,
    /// A template instead of a model: a built-in's name, or a path
    #[arg(short, long, value_name = "TEMPLATE", conflicts_with_all = ["config", "model"])]
    template: Option<String>,
    /// Answer requests of the template test suite on standard input, one JSON object a line
    #[arg(long, conflicts_with_all = ["request", "config", "model", "template"])]
    jsonl: bool,
}

#[derive(Debug, Args)]
struct Lines {
    /// Answer requests on standard input, one JSON object a line
    #[arg(long, required = true)]
    jsonl: bool,
}

#[derive(Debug, Args)]
struct Emulate {
    /// Where the emulator listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Endpoints, answers and faults; without it, any endpoint answers
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// A container that answers for every endpoint: its /invocations or /v1/chat/completions
    #[arg(long, value_name = "URL", conflicts_with = "rules")]
    container: Option<String>,
    /// The access key that calls must be signed with
    #[arg(long, value_name = "ID", default_value = demo::ACCESS_KEY)]
    access_key: String,
    /// Its secret
    #[arg(long, value_name = "SECRET", default_value = demo::SECRET_KEY)]
    secret_key: String,
    /// Take calls whoever signs them
    #[arg(long)]
    unsigned: bool,
}

#[derive(Debug, Args)]
struct Ping {
    /// The configuration file of the gateway; without it, that of `HELAN_CONFIG`, and `HELAN_*` variables
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to ask instead of /ping on the address that the configuration has
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    url: Option<Uri>,
    /// How many seconds an answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

/// Runs a command line. Errors have been shown when this returns.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, and go where they belong.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    logging::on_panic();
    match cli.command {
        Command::Serve(arguments) => in_runtime(serve::run(arguments.config)),
        Command::Demo(arguments) => in_runtime(demo::run(arguments.listen, arguments.once)),
        Command::Ping(arguments) => ping::run(&arguments),
        Command::Check(arguments) => check::run(arguments.config.as_deref()),
        Command::Render(arguments) => render::run(&arguments),
        Command::Parse(_) => lines(parse::jsonl),
        Command::Emulate(arguments) => in_runtime(emulate::run(arguments)),
        Command::Completions { shell } => {
            let mut script = vec![];
            clap_complete::generate(shell, &mut Cli::command(), "helan", &mut script);
            output::print(String::from_utf8_lossy(&script).trim_end());
            ExitCode::SUCCESS
        }
    }
}

/// Answers the lines on standard input.
fn lines(answer: fn(StdinLock<'static>, StdoutLock<'static>) -> io::Result<()>) -> ExitCode {
    match answer(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(format_args!("cannot go on: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            output::error(format_args!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}
