//! `gridwatch emit-test`.

use clap::{Args, ValueEnum};

use super::{Exit, Global, load};
use crate::domain::incident::Kind;

/// Arguments of `emit-test`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch emit-test --kind dumping")]
pub struct EmitTestArgs {
    /// What the event reports
    #[arg(long, value_enum, default_value_t = KindArg::Encroachment)]
    pub kind: KindArg,
    /// Camera that it seems to come from; the first of the configuration unless given
    #[arg(long, value_name = "ID")]
    pub camera: Option<String>,
}

/// What an event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// A stall on a walkway
    Encroachment,
    /// Muck left on the ground
    Dumping,
    /// People who stand together
    Crowding,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Encroachment => Self::Encroachment,
            KindArg::Dumping => Self::Dumping,
            KindArg::Crowding => Self::Crowding,
        }
    }
}

/// Runs the command.
pub fn execute(_args: &EmitTestArgs, global: &Global) -> anyhow::Result<Exit> {
    let _config = load(&global.config)?;
    anyhow::bail!("`emit-test` is not part of this build")
}
