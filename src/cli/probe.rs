//! `gridwatch probe`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Exit, UsageError};
use crate::config::{RtspSource, SecretRef, Transport, address};

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
    /// Write a picture of the camera's view here, as JPEG
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
        address::AddressError::Malformed => "write rtsp://host:554/path",
        address::AddressError::Tls => error.advice(),
    }
}

/// Runs the command.
pub fn execute(args: &ProbeArgs) -> anyhow::Result<Exit> {
    let _source = args.source()?;
    anyhow::bail!("`probe` is not part of this build")
}
