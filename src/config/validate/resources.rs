//! `[storage]`, `[inference]`, `[evidence]`, `[alert_budget]`. Their ranges are the schema's.

use std::time::Duration;

use super::Site;
use crate::config::Recipient;
use crate::config::model::{AlertBudget, Evidence, Inference, Storage};
use crate::config::raw::resources::{RawAlertBudget, RawEvidence, RawInference, RawStorage};
use crate::config::section::Section;

const MIB: u64 = 1 << 20;
const DAY_S: u64 = 86_400;

pub(super) fn storage(raw: RawStorage, site: &Site) -> Storage {
    Storage {
        state_dir: site.path(raw.state_dir),
        evidence_max_age: Duration::from_secs(raw.evidence_max_age_days.saturating_mul(DAY_S)),
        evidence_max_bytes: raw.evidence_max_mib.saturating_mul(MIB),
        database_max_bytes: raw.database_max_mib.saturating_mul(MIB),
    }
}

pub(super) fn inference(raw: RawInference, section: &Section, site: &Site) -> Option<Inference> {
    let runtime_library = section.required_path("runtime_library", raw.runtime_library);
    let model = section.required_path("model", raw.model);
    Some(Inference {
        runtime_library: site.path(runtime_library?),
        model: site.path(model?),
        threads: u16::try_from(raw.threads).unwrap_or(u16::MAX),
        provider: raw.provider,
        allow_cpu_fallback: raw.allow_cpu_fallback,
    })
}

pub(super) fn evidence(raw: &RawEvidence, section: &Section) -> Evidence {
    let seal_originals_to = raw.seal_originals_to.as_deref().and_then(|text| {
        let recipient = Recipient::parse(text);
        if recipient.is_none() {
            let advice =
                "write the public key that `age-keygen` printed, which begins with `age1`; never the private key";
            section.error("seal_originals_to", "is not the public key of an age recipient", advice);
        }
        recipient
    });
    Evidence {
        seal_originals_to,
        max_bytes: usize::try_from(raw.max_kib.saturating_mul(1024)).unwrap_or(usize::MAX),
        max_width: u32::try_from(raw.max_width_px).unwrap_or(u32::MAX),
    }
}

pub(super) fn alert_budget(raw: &RawAlertBudget) -> AlertBudget {
    AlertBudget { opened_per_hour: u32::try_from(raw.opened_per_hour).unwrap_or(u32::MAX) }
}
