//! The grid event: a `CloudEvents` envelope around the data that `grid-event-1.schema.json` describes.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::catalogue::Catalogue;
use super::key_id::KeyId;
use super::listing;
use super::sequence::Stamp;
use super::signature::{KEY_ID, SIGNATURE, Signer, signed_bytes};
use super::time::SiteTime;
use super::topics::{Channel, Topics};
use crate::domain::Timestamp;
use crate::domain::incident::{EvidenceRole, IncidentTransition, Kind, LabelledBox, Measure, Phase};

/// Largest picture of an event, in bytes.
pub const MAX_EVIDENCE_BYTES: u64 = 256 * 1024;
/// Boxes of an event at most.
pub const MAX_BOXES: usize = 50;

/// What is known of the quality of the times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClockNote {
    /// The kernel says that the clock is synchronised.
    pub synced: bool,
    /// System wall clock minus the times used, in milliseconds.
    pub offset_ms: i64,
    /// Names this boot.
    pub boot_id: String,
    /// Milliseconds since boot.
    pub uptime_ms: u64,
}

/// The model that saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelNote {
    /// Name in its manifest.
    pub name: String,
    /// Version in its manifest.
    pub version: String,
    /// Of the model file, hexadecimal.
    pub sha256: String,
}

/// Where the camera stands; absent parts are left out of the event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlaceNote {
    /// Twelve digits.
    pub village_code: String,
    /// Grid cell.
    pub grid_code: Option<String>,
    /// In words.
    pub address: Option<String>,
    /// Longitude, latitude in CGCS2000.
    pub point: Option<(f64, f64)>,
}

/// What happened to persons and plates in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Redaction {
    /// Whether anything was blurred.
    pub state: RedactionState,
    /// Head regions blurred.
    pub persons: u32,
    /// Plate bands blurred; `None` if the model knows no vehicles, so that nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plates: Option<u32>,
}

/// Whether anything was blurred. The schema's `failed_withheld` is never said: a picture that could not be
/// blurred does not exist, has neither size nor hash, and is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedactionState {
    /// Blurred.
    Applied,
    /// Nobody and no vehicle in it.
    NoneNeeded,
    /// Nobody is blurred, and only the owner of this key can open it.
    Sealed(KeyId),
}

/// How a picture reaches the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// On its evidence topic.
    Mqtt,
    /// As a file beside the event.
    Spool,
    /// Not any more: deleted for age or space.
    Gone,
}

/// What a picture's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// A JPEG.
    Jpeg,
    /// A JPEG sealed in the age format.
    Age,
}

impl MediaType {
    /// Of a picture with this role.
    #[must_use]
    pub fn of(role: EvidenceRole) -> Self {
        if role == EvidenceRole::OriginalSealed { Self::Age } else { Self::Jpeg }
    }

    /// In messages. The age format has no registered name of its own.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Age => "application/octet-stream",
        }
    }

    /// Of a file.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Age => "age",
        }
    }
}

/// One picture of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceEntry {
    /// Unique in the event: `e1`, `e2`, …
    pub id: String,
    /// What it shows.
    pub role: EvidenceRole,
    /// Size of the JPEG.
    pub bytes: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the JPEG, hexadecimal.
    pub sha256: String,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// What was blurred.
    pub redaction: Redaction,
    /// How it arrives.
    pub transport: Transport,
}

/// What an event says beside the incident itself.
#[derive(Debug, Clone)]
pub struct EventContext<'a> {
    /// Topics of this gateway.
    pub topics: &'a Topics,
    /// Of the site.
    pub time_zone: &'a TimeZone,
    /// Codes.
    pub catalogue: &'a Catalogue,
    /// Camera id, its name, its GB/T 28181 id.
    pub camera: (&'a str, Option<&'a str>, Option<&'a str>),
    /// Where.
    pub place: &'a PlaceNote,
    /// What people call the zone.
    pub zone_name: Option<&'a str>,
    /// Version of the rule's settings.
    pub rule_version: &'a str,
    /// Dwell of the rule in seconds.
    pub dwell_s: u64,
    /// Upper bounds of the bands of crowding, ascending.
    pub bands: &'a [u32],
    /// The model.
    pub model: ModelNote,
    /// The clock.
    pub clock: ClockNote,
    /// Of the configuration text, hexadecimal.
    pub config_sha256: &'a str,
    /// All pictures of the incident so far, oldest first; not all are listed.
    pub evidence: &'a [EvidenceEntry],
    /// A simulated event.
    pub test: bool,
}

/// An event that waits for its number.
#[derive(Debug, Clone)]
pub struct GridEvent {
    envelope: Value,
    signer: Option<Arc<dyn Signer>>,
}

impl GridEvent {
    /// The event of one transition.
    #[must_use]
    pub fn new(step: &IncidentTransition, context: &EventContext<'_>) -> Self {
        let phase = phase_name(step.phase);
        let envelope = json!({
            "specversion": "1.0",
            "id": event_message_id(step.event_id, step.revision),
            "source": context.topics.source(),
            "type": format!("gridwatch.event.{phase}.v1"),
            "subject": step.event_id,
            "time": SiteTime::new(step.at, context.time_zone),
            "datacontenttype": "application/json",
            "dataschema": "urn:gridwatch:schema:grid-event:1",
            "data": data(step, phase, context),
        });
        Self { envelope, signer: None }
    }

    /// The same, to be signed when it is written. A signature of Ed25519 has nothing random in it: what is written twice
    /// with one key and one number is the same twice.
    #[must_use]
    pub fn signed_by(self, signer: Arc<dyn Signer>) -> Self {
        Self { signer: Some(signer), ..self }
    }

    /// Says which of the configuration's profiles is in force.
    #[must_use]
    pub fn under_profile(mut self, profile: Option<&str>) -> Self {
        if let Some(profile) = profile {
            self.envelope["data"]["rule"]["profile"] = profile.into();
        }
        self
    }

    /// The bytes that are sent, now and at every retransmission.
    #[must_use]
    pub fn to_bytes(&self, stamp: &Stamp) -> Vec<u8> {
        let mut envelope = self.envelope.clone();
        envelope["data"]["sequence"] = json!(stamp);
        if let Some(signer) = &self.signer {
            let of_key = |key_id: &str| {
                let mut named = envelope.clone();
                named[KEY_ID] = key_id.into();
                signed_bytes(&named)
            };
            let signature = signer.sign(&of_key);
            envelope[KEY_ID] = signature.key_id.into();
            envelope[SIGNATURE] = signature.value.into();
        }
        envelope.to_string().into_bytes()
    }
}

/// `CloudEvents` id of a revision.
#[must_use]
pub fn event_message_id(event_id: Uuid, revision: u32) -> String {
    format!("{event_id}.{revision}")
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Opened => "opened",
        Phase::Updated => "updated",
        Phase::Closed(_) => "closed",
    }
}

fn data(step: &IncidentTransition, phase: &str, context: &EventContext<'_>) -> Value {
    let time = |at| SiteTime::new(at, context.time_zone);
    let (category, severity) = context.catalogue.classify(step.kind, &step.subkind);
    let (camera, camera_name, gb_device_id) = context.camera;
    let crowding = step.kind == Kind::Crowding;
    let mut data = json!({
        "event_id": step.event_id,
        "revision": step.revision,
        "phase": phase,
        "kind": step.kind,
        "subkind": step.subkind,
        "category": category,
        "severity": severity,
        "times": { "first_seen": time(step.first_seen), "confirmed": time(step.confirmed), "last_seen": time(step.last_seen) },
        "duration_s": step.last_seen.duration_since(step.first_seen).as_secs().max(0),
        "camera": { "id": camera },
        "place": { "village_code": context.place.village_code, "zone": { "id": step.zone } },
        "measure": measure(&step.measure, context.bands),
        "confidence": { "score": rounded(step.score.clamp(0.0, 1.0)), "frames_hit": step.frames_hit, "frames_seen": step.frames_seen },
        "rule": { "id": step.rule, "version": context.rule_version, "dwell_s": context.dwell_s, "exceptions_checked": step.exceptions_checked },
        "model": context.model,
        "config": { "sha256": context.config_sha256 },
        "evidence": listing::listed(context.evidence).map(|entry| evidence(entry, step.event_id, crowding, context)).collect::<Vec<_>>(),
        "privacy": { "identity_processing": false, "persons": if crowding { "banded" } else { "count_only" } },
        "clock": context.clock,
        "test": context.test,
    });
    let mut put = |path: &str, key: &str, value: Option<Value>| {
        if let (Some(value), Some(target)) = (value, data.pointer_mut(path)) {
            target[key] = value;
        }
    };
    if let Phase::Closed(reason) = step.phase {
        put("", "close_reason", Some(json!(reason)));
    }
    put("/times", "cleared", step.cleared.map(|at| json!(time(at))));
    put("/camera", "name", camera_name.map(Value::from));
    put("/camera", "gb_device_id", gb_device_id.map(Value::from));
    put("/place", "grid_code", context.place.grid_code.as_deref().map(Value::from));
    put("/place", "address", context.place.address.as_deref().map(Value::from));
    let point = |(lon, lat)| json!({ "lon": lon, "lat": lat, "crs": "CGCS2000", "of": "camera" });
    put("/place", "point", context.place.point.map(point));
    put("/place/zone", "name", context.zone_name.map(Value::from));
    put("", "related", step.related.map(|id| json!(id)));
    put(
        "",
        "verification",
        step.verification.map(|found| {
            let mut value = json!({ "result": found.result, "checked_at": time(found.checked_at) });
            if let Some(seq) = found.feedback_seq {
                value["feedback_seq"] = seq.into();
            }
            value
        }),
    );
    // People who stand together are never drawn.
    let boxes = (!crowding).then(|| step.boxes.iter().take(MAX_BOXES).map(labelled_box).collect());
    put("", "boxes", boxes.map(Value::Array));
    data
}

fn labelled_box(shown: &LabelledBox) -> Value {
    let sides = [shown.bbox.left, shown.bbox.top, shown.bbox.width, shown.bbox.height];
    json!({ "label": shown.role, "score": rounded(shown.score.into()), "box": sides.map(|side| rounded(side.into())) })
}

fn evidence(entry: &EvidenceEntry, event_id: Uuid, crowding: bool, context: &EventContext<'_>) -> Value {
    let media = MediaType::of(entry.role);
    let delivery = match entry.transport {
        Transport::Mqtt => {
            let topic = context.topics.of(&Channel::Evidence { event_id, id: entry.id.clone() });
            json!({ "mode": "mqtt", "topic": topic })
        }
        Transport::Spool => json!({ "mode": "spool", "file": format!("{}.{}", entry.id, media.extension()) }),
        Transport::Gone => json!({ "mode": "gone" }),
    };
    // The number of blurred heads would tell what the band withholds.
    let redaction = match entry.redaction.state {
        RedactionState::Sealed(key) => json!({ "state": "sealed", "sealed_to": key }),
        state @ (RedactionState::Applied | RedactionState::NoneNeeded) if crowding => json!({ "state": state }),
        RedactionState::Applied | RedactionState::NoneNeeded => json!(entry.redaction),
    };
    json!({
        "id": entry.id, "role": entry.role, "media_type": media.name(), "bytes": entry.bytes,
        "width": entry.width, "height": entry.height, "sha256": entry.sha256,
        "captured_at": SiteTime::new(entry.captured_at, context.time_zone), "redaction": redaction, "delivery": delivery,
    })
}

fn measure(measure: &Measure, bands: &[u32]) -> Value {
    match *measure {
        Measure::Occupation { objects, attendants, occupied_ratio } => {
            json!({ "stalls": objects, "vendors": attendants, "walkway_occupied_ratio": rounded(occupied_ratio) })
        }
        Measure::GroundChange { changed_ratio, act_seen } => {
            json!({ "changed_ratio": rounded(changed_ratio), "act_seen": act_seen })
        }
        Measure::Crowd { standing, present, density } => {
            let mut value = json!({ "standing_band": band(standing, bands), "present_band": band(present, bands) });
            if let Some(density) = density {
                value["density_band"] = density_band(density).into();
            }
            value
        }
    }
}

/// Bounds 10, 20, 50 give `0`, `1-9`, `10-19`, `20-49`, `50+`.
fn band(count: u32, bounds: &[u32]) -> String {
    let mut from = 1;
    if count == 0 {
        return "0".to_owned();
    }
    for &bound in bounds {
        if count < bound {
            return format!("{from}-{}", bound - 1);
        }
        from = bound;
    }
    format!("{from}+")
}

/// People per m²: one stands free, two touch, four cannot turn.
fn density_band(density: f64) -> &'static str {
    match density {
        d if d < 1.0 => "<1",
        d if d < 2.0 => "1-2",
        d if d < 4.0 => "2-4",
        _ => "4+",
    }
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
