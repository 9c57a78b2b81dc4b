//! `gridwatch audit verify`.

use clap::Args;

use crate::cli::outbox::Place;
use crate::cli::{Exit, Global, output};
use crate::contract::metrics::AuditHead;
use crate::store::verify_audit;

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// A head that the gateway has published (`metrics`, field `audit`); may be given several times
    #[arg(long, value_name = "NUMBER:SHA256", value_parser = published)]
    head: Vec<AuditHead>,
}

fn published(text: &str) -> Result<AuditHead, String> {
    let read = || {
        let (number, sha256) = text.split_once(':')?;
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(AuditHead { number: number.parse().ok()?, sha256: is_hash.then(|| sha256.to_ascii_lowercase())? })
    };
    read().ok_or_else(|| "write a row's number, a colon, and its SHA-256 in 64 hexadecimal digits".to_owned())
}

pub(super) fn execute(args: &VerifyArgs, global: &Global) -> anyhow::Result<Exit> {
    let store = args.place.open(global)?;
    match verify_audit(&store.audit()?, &store.audit_head()?, &args.head) {
        Ok(found) => {
            for number in found.too_old {
                tracing::warn!("row {number} was cut off since it was published; it cannot be compared any more");
            }
            let (first, head) = (found.first, found.head);
            output::line(&format!("audit: {} rows, {first} to {}, as they were written", found.rows, head.number))?;
            output::line(&format!("head: {}:{}", head.number, head.sha256))?;
            Ok(Exit::Success)
        }
        Err(broken) => {
            output::line(&format!("audit: {broken}"))?;
            Ok(Exit::Failure)
        }
    }
}
