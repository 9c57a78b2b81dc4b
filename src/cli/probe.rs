//! `gridwatch probe`.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::{Exit, Global, UsageError, block_on, media_worker, output};
use crate::clock::SystemClock;
use crate::config::{Evidence, RtspSource, SecretRef, Source, Transport, address};
use crate::evidence::make_picture;
use crate::media::auth::MemoryAuthLedger;
use crate::media::live::MediaOptions;
use crate::media::probe::ProbeReport;
use crate::media::workers::probe;
use crate::pipeline::cameras::resolve;

const EXAMPLE: &str = "\
Example:
  gridwatch probe rtsp://192.0.2.21:554/Streaming/Channels/101 \\
      --username admin --password-file camera.txt --snapshot view.jpg";

/// Arguments of `probe`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ProbeArgs {
    /// rtsp://host:port/path without user name and password
    pub url: String,
    /// Login name
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// File that holds the login password
    #[arg(long, value_name = "FILE", requires = "username", conflicts_with = "password_env")]
    pub password_file: Option<PathBuf>,
    /// Environment variable that holds the login password
    #[arg(long, value_name = "VARIABLE", requires = "username")]
    pub password_env: Option<String>,
    /// RTP over TCP or UDP
    #[arg(long, value_enum, default_value_t = TransportArg::Tcp)]
    pub transport: TransportArg,
    /// How long to watch
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub seconds: u16,
    /// Write a picture of the camera's view here, as JPEG. Nobody in it is blurred: it is readable by you
    /// alone, use it to set up the camera and delete it
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
}

/// RTP over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TransportArg {
    /// Within the RTSP connection
    Tcp,
    /// Datagrams
    Udp,
}

impl ProbeArgs {
    /// What to connect to.
    pub fn source(&self) -> Result<RtspSource, UsageError> {
        let url =
            address::parse(&self.url).map_err(|error| UsageError(format!("the URL {error}; {}", advice(error))))?;
        let file = self.password_file.clone().map(SecretRef::File);
        Ok(RtspSource {
            url,
            username: self.username.clone(),
            password: file.or_else(|| self.password_env.clone().map(SecretRef::Env)),
            transport: match self.transport {
                TransportArg::Tcp => Transport::Tcp,
                TransportArg::Udp => Transport::Udp,
            },
        })
    }

    /// How long to watch.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// On a command line everybody can read, the way out is another than in a file.
fn advice(error: address::AddressError) -> &'static str {
    match error {
        address::AddressError::Credentials => "use --username and --password-file: other users can see this line",
        address::AddressError::Malformed => "write rtsp://host:554/path; to try a clip, use `gridwatch replay`",
        address::AddressError::Tls => error.advice(),
    }
}

/// Runs the command.
pub fn execute(args: &ProbeArgs, global: &Global) -> anyhow::Result<Exit> {
    let source = resolve(&Source::Rtsp(args.source()?))?;
    let clock = Arc::new(SystemClock::new());
    // Two refusals in a row are not to be had from one look.
    let auth = Arc::new(MemoryAuthLedger::default());
    let (workers, options) = (media_worker::program(global), MediaOptions::default());
    let report = block_on(async { Ok(probe(&workers, source, args.duration(), options, clock, auth).await?) })?;
    for line in describe(&report) {
        output::line(&line)?;
    }
    if let Some(path) = &args.snapshot {
        let options = Evidence { max_bytes: 4 << 20, max_width: report.snapshot.width, seal_originals_to: None };
        // No model has looked: nothing in it is redacted.
        let picture = make_picture(&report.snapshot, Some(&[]), &[], &options)?;
        write_private(path, &picture.jpeg).with_context(|| format!("writing the snapshot {}", path.display()))?;
        output::line(&format!("snapshot: {} (not redacted)", path.display()))?;
    }
    Ok(Exit::Success)
}

/// Writes a file that only its owner can read, also where one that others can read was there before.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // A device or a pipe keeps its own.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.write_all(bytes)
}

fn describe(report: &ProbeReport) -> Vec<String> {
    let info = &report.info;
    let mut lines = vec![
        format!("codec: {}", info.codec),
        format!("size: {}x{}", info.width, info.height),
        info.frame_rate.map_or("rate: unknown".to_owned(), |rate| format!("rate: {rate:.1} pictures per second")),
        info.keyframe_s
            .map_or("keyframes: fewer than two seen".to_owned(), |gap| format!("keyframes: every {gap:.1} s")),
    ];
    lines.extend(report.transport.map(|transport| format!("transport: {transport:?}").to_lowercase()));
    lines.extend(report.authentication.map(|login| format!("login: {login:?}").to_lowercase()));
    lines.extend(report.remarks.iter().map(|remark| format!("note: {remark}")));
    lines.push("suggested settings:".to_owned());
    lines.push(format!("  decode = \"{}\"", format!("{:?}", report.suggested_decode).to_lowercase()));
    lines.push(format!("  look_interval_s = {:.1}", report.suggested_look_interval.as_secs_f64()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("view.jpg");
        std::fs::write(&path, "older and longer").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        for path in [path, folder.path().join("new.jpg")] {
            write_private(&path, b"new").expect("written");
            assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::read(&path).expect("a file"), b"new");
        }
    }
}
