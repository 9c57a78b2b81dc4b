//! `gridwatch outbox requeue`.

use clap::Args;

use super::Place;
use crate::cli::{Exit, Global, output};
use crate::store::{Pick, Requeued, Store};

/// Arguments of `outbox requeue`.
#[derive(Debug, Args)]
pub struct RequeueArgs {
    #[command(flatten)]
    place: Place,
    /// Numbers of event messages, event ids (with all that is kept of the event), or `EVENT_ID/PICTURE`
    #[arg(value_name = "SEQ|EVENT_ID", required_unless_present = "quarantined")]
    which: Vec<Pick>,
    /// Everything in quarantine
    #[arg(long)]
    quarantined: bool,
}

pub(super) fn execute(args: &RequeueArgs, global: &Global) -> anyhow::Result<Exit> {
    let mut picks = args.which.clone();
    picks.extend(args.quarantined.then_some(Pick::Quarantined));
    let done = Store::requeue_beside(&args.place.folder(global)?, &picks)?;
    let mut exit = Exit::Success;
    for (pick, Requeued { again, waiting }) in picks.iter().zip(done) {
        let words = match (again, waiting) {
            (0, 0) if *pick == Pick::Quarantined => "is empty".to_owned(),
            (0, 0) => {
                exit = Exit::Failure;
                "nothing of it is kept".to_owned()
            }
            (0, waiting) => format!("waits to be sent anyway ({waiting})"),
            (again, 0) => format!("is sent again ({again})"),
            (again, waiting) => format!("is sent again ({again}; {waiting} wait anyway)"),
        };
        output::line(&format!("{pick}: {words}"))?;
    }
    Ok(exit)
}
