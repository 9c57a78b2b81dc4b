//! `gridwatch emit-test`.

use clap::{Args, ValueEnum};

use super::{Exit, Global, UsageError, block_on, load, output};
use crate::clock::SystemClock;
use crate::domain::incident::Kind;
use crate::pipeline::test_event::emit;

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
pub fn execute(args: &EmitTestArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = load(&global.config)?;
    let wanted = args.camera.as_deref();
    let camera = config.cameras.iter().find(|camera| wanted.is_none_or(|id| camera.id.as_str() == id));
    let Some(camera) = camera else {
        return Err(UsageError(format!("no camera `{}` in the configuration", wanted.unwrap_or_default())).into());
    };
    let clock = SystemClock::new();
    let sent_to = block_on(emit(&config, camera, args.kind.into(), &clock))?;
    output::line(&format!("sent: {sent_to}"))?;
    Ok(Exit::Success)
}
