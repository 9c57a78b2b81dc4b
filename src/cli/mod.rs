//! The command line.
//!
//! One file a command: its arguments, and an `execute` that calls the layer below.

pub mod audit;
pub mod check;
pub mod doctor;
pub mod emit_test;
pub mod eval;
mod exit;
pub mod keys;
pub mod media_worker;
pub mod models;
pub mod outbox;
pub mod output;
pub mod probe;
pub mod replay;
pub mod retention;
pub mod run;
pub mod schema;
pub mod verify_event;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use exit::Exit;

use crate::clock::since_boot;
use crate::config::environment::{Environment, ProcessEnvironment};
use crate::config::{self, Config};
use crate::evaluation::scene::{SceneError, SceneErrors};
use crate::telemetry::{self, LogFormat};

const EVERY_COMMAND: &str = "Options of every command";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something failed while it ran
  2  the command line is not understood
  3  the configuration is missing or has mistakes
  4  the configuration is right, but something that it names does not work; or a model is missing or wrong;
     or an event is not what its gateway signed";

/// Watches street cameras and reports suspected encroachment, dumping and crowding as grid events.
#[derive(Debug, Parser)]
#[command(name = "gridwatch", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The configuration
    #[arg(long, global = true, help_heading = EVERY_COMMAND, value_name = "FILE", default_value = "/etc/gridwatch/config.toml")]
    pub config: PathBuf,
    /// How log lines look
    #[arg(long, global = true, help_heading = EVERY_COMMAND, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// error, warn, info, debug, trace, or a list such as `info,retina=debug` [default:
    /// `$GRIDWATCH_LOG`, or info]
    #[arg(long, global = true, help_heading = EVERY_COMMAND, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the cameras until told to stop (this is what the service does)
    ///
    /// Watches every camera of the configuration until SIGINT or SIGTERM, then finishes what is under way. SIGHUP has
    /// the configuration read again, passwords and certificates included. docs/service.md says more.
    Run(run::RunArgs),
    /// Read cameras for a running gateway, which starts this by itself
    #[command(hide = true)]
    MediaWorker,
    /// Say what is wrong with the configuration and with what it names
    ///
    /// Says everything that is wrong with the configuration, each with file, line, key, and what to do. With
    /// the options also tries what the configuration names. The service does this before it starts.
    Check(check::CheckArgs),
    /// Look at everything that the gateway needs, and say what to do where something is wrong
    ///
    /// Does everything that `check --all` does, and looks at the clock, the disk, the store and the outbox; one
    /// line each: pass, warn, or FAIL with what to do. Changes nothing, and may be run beside the gateway, as its user.
    Doctor(doctor::DoctorArgs),
    /// Show what a camera's rules would have reported on a clip
    ///
    /// Runs a clip through the zones and rules of one camera, as fast as it goes, and prints the grid events
    /// that would have been sent, one JSON object a line. The same clip and configuration give the same
    /// lines. Nothing is sent and nothing is kept.
    Replay(replay::ReplayArgs),
    /// Say how often the rules are right, on scenes whose truth is known
    ///
    /// Runs every scene folder below DIR through the rules of its own configuration, from its clip or from
    /// its journal, compares what they report with what really happened, and prints precision, recall, false
    /// alarms a day and time to open, by kind, condition and story. docs/truth.md says what a scene folder
    /// is, docs/evaluation.md how to label clips of your own and how to read the figures.
    Eval(eval::EvalArgs),
    /// Say what a camera's stream is, and which settings suit it
    ///
    /// Connects to one camera, watches for some seconds, and says what comes: codec, picture size, pictures
    /// per second, distance of the keyframes, kind of login, and the settings that suit it. Needs no
    /// configuration. The camera is asked once: a wrong password is not tried again.
    Probe(probe::ProbeArgs),
    /// Fetch a public model, list what there is, verify what is here
    ///
    /// Fetches models from the catalogue that is part of the program, each with its manifest, and checks size
    /// and SHA-256 before a file gets its name. docs/models.md says how to choose.
    Models(models::ModelsArgs),
    /// Show what waits to be delivered, save it, or send it again
    ///
    /// Shows what the outbox holds and why it waits, saves what was not delivered from a disk that is dying, and
    /// sends messages again. Works beside a running gateway. docs/outbox.md says what to do when.
    Outbox(outbox::OutboxArgs),
    /// Show which pictures left the box and which commands acted, and check that nobody has changed the record
    ///
    /// Every picture that leaves, every command that acts and every refusal has a row that names the row before it by
    /// its hash. Works beside a running gateway and on copies. docs/audit.md says what a row means.
    Audit(audit::AuditArgs),
    /// Print a schema: of events, answers, commands, or the configuration
    ///
    /// Prints one of the documents that this program keeps to, for validating, for code generators, and for
    /// editors.
    Schema(schema::SchemaArgs),
    /// Send a simulated event, to try the way to the platform
    ///
    /// Sends a simulated event, marked `test: true`, by the way that the configuration names: to the broker,
    /// or into the spool directory. Shows whether the platform gets it, without waiting for an incident.
    EmitTest(emit_test::EmitTestArgs),
    /// Say whether an event is really the gateway's, and its pictures the event's
    ///
    /// Checks the signature of an event as it was received, was written into a spool directory, or comes out of a
    /// database, and compares the pictures beside it with the hashes in it. For anybody: needs no configuration, no
    /// network, nothing but the gateway's public key. docs/evidence.md says what is signed and what that proves.
    VerifyEvent(verify_event::VerifyEventArgs),
    /// Show what is kept and since when, and what was deleted when and why
    ///
    /// Compares what is kept with what [storage] promises, files with rows, and shows the record of deletions of the last
    /// 400 days. Only reads; the exit code is 4 where something is kept for longer than promised without a reason.
    Retention(retention::RetentionArgs),
    /// Show the keys that this gateway signs its events with, or change to a new one
    ///
    /// docs/keys.md says what every key of a gateway is for, and how each is changed.
    Keys(keys::KeysArgs),
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            // With the terminal gone there is nobody left to tell.
            return error.print().map_or(Exit::Failure, |()| exit).into();
        }
    };
    if let Err(error) = start_log(&cli.global) {
        eprintln!("gridwatch: {error}");
        return Exit::Usage.into();
    }
    dispatch(&cli).unwrap_or_else(|error| report(&error)).into()
}

fn start_log(global: &Global) -> Result<(), telemetry::LogError> {
    let level = global.log_level.clone().or_else(|| ProcessEnvironment.var("GRIDWATCH_LOG"));
    let journal_stream = ProcessEnvironment.var("JOURNAL_STREAM");
    telemetry::init(global.log_format, level.as_deref().unwrap_or("info"), journal_stream.as_deref(), since_boot)
}

fn dispatch(cli: &Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    match &cli.command {
        Command::Run(args) => run::execute(args, global),
        Command::MediaWorker => media_worker::execute(),
        Command::Check(args) => check::execute(args, global),
        Command::Doctor(args) => doctor::execute(args, global),
        Command::Replay(args) => replay::execute(args, global),
        Command::Eval(args) => eval::execute(args),
        Command::Probe(args) => probe::execute(args, global),
        Command::Models(args) => models::execute(args, global),
        Command::Outbox(args) => outbox::execute(args, global),
        Command::Audit(args) => audit::execute(args, global),
        Command::Schema(args) => schema::execute(args),
        Command::EmitTest(args) => emit_test::execute(args, global),
        Command::VerifyEvent(args) => verify_event::execute(args),
        Command::Retention(args) => retention::execute(args, global),
        Command::Keys(args) => keys::execute(args, global),
    }
}

fn report(error: &anyhow::Error) -> Exit {
    if matches!(error.downcast_ref(), Some(output::OutputError::Closed)) {
        return Exit::Success;
    }
    if let Some(errors) = error.downcast_ref::<config::ConfigErrors>() {
        for finding in &errors.findings {
            tracing::error!("{finding}");
        }
        return Exit::Configuration;
    }
    if let Some(errors) = scene_errors(error) {
        for error in errors {
            tracing::error!("{error}");
        }
        return Exit::Configuration;
    }
    tracing::error!("{error:#}");
    if error.is::<UsageError>() { Exit::Usage } else { Exit::Failure }
}

/// Mistakes in scene folders, wherever they were found.
fn scene_errors(error: &anyhow::Error) -> Option<&[SceneError]> {
    let all = error.downcast_ref::<SceneErrors>().map(|errors| &errors.0[..]);
    all.or_else(|| error.downcast_ref::<SceneError>().map(std::slice::from_ref))
}

/// Arguments that are well formed but make no sense together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The configuration for a command that uses it; warnings go to the log.
pub fn load(file: &Path) -> Result<Config, config::ConfigErrors> {
    let (config, warnings) = config::load(file)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

/// Where a copy may be made for a moment.
fn scratch() -> PathBuf {
    ProcessEnvironment.var("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// Runs a command's asynchronous part.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}
