//! `gridwatch outbox list`.

use clap::{Args, ValueEnum};
use serde::Serialize;
use uuid::Uuid;

use super::{Place, lines, standing, warn};
use crate::cli::{Exit, Global, output};
use crate::clock::{Clock, SystemClock};
use crate::contract::metrics::Accounting;
use crate::contract::sequence::{Epoch, Seq};
use crate::domain::Timestamp;
use crate::store::{Class, KeptMessage, MessageState, Unreadable};

const HEADINGS: [&str; 9] = ["NUMBER", "LANE", "KIND", "EVENT", "CAMERA", "AGE", "SENT", "SIZE", "STANDING"];

/// Arguments of `outbox list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// Only this lane; may be given several times
    #[arg(long, value_enum, value_name = "LANE")]
    lane: Vec<Lane>,
    /// Only what stands so; may be given several times [default: all but delivered]
    #[arg(long, value_enum, value_name = "STATE")]
    state: Vec<State>,
    /// Only events of this camera
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// Only this event
    #[arg(long, value_name = "EVENT_ID")]
    event: Option<Uuid>,
    /// Also what was delivered and is kept still
    #[arg(long, conflicts_with = "state")]
    all: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// The lanes, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lane {
    /// First reports of incidents
    Opened,
    /// Last reports
    Closed,
    /// Anything between
    Update,
    /// Pictures
    Picture,
}

impl From<Class> for Lane {
    fn from(class: Class) -> Self {
        match class {
            Class::Opened => Self::Opened,
            Class::Closed => Self::Closed,
            Class::Update => Self::Update,
            Class::Evidence => Self::Picture,
        }
    }
}

/// Where messages stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// To be sent
    Waiting,
    /// The broker has it; the platform has not said so yet
    AwaitingReceipt,
    /// Refused for good
    Quarantined,
    /// Done with
    Delivered,
}

impl From<MessageState> for State {
    fn from(state: MessageState) -> Self {
        match state {
            MessageState::Waiting => Self::Waiting,
            MessageState::AwaitingReceipt => Self::AwaitingReceipt,
            MessageState::Delivered => Self::Delivered,
            MessageState::Quarantined => Self::Quarantined,
        }
    }
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Listing<'a> {
    epoch: Option<Epoch>,
    accounting: Option<Accounting>,
    messages: Vec<Listed<'a>>,
    unreadable: &'a [Unreadable],
}

/// What is said of a message. The keys of `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Listed<'a> {
    seq: Option<Seq>,
    lane: Class,
    kind: Option<&'a str>,
    event_id: Uuid,
    revision: Option<u32>,
    picture: Option<&'a str>,
    camera: Option<&'a str>,
    topic: &'a str,
    written_at: Timestamp,
    age_s: i64,
    /// Times that the broker took it without a receipt; refusals are not written down.
    sends: u32,
    bytes: u64,
    state: MessageState,
    acknowledged: bool,
    due_at: Option<Timestamp>,
    reason: Option<&'a str>,
}

impl<'a> Listed<'a> {
    pub(super) fn new(message: &'a KeptMessage, now: Timestamp) -> Self {
        Self {
            seq: message.seq,
            lane: message.class,
            kind: message.kind(),
            event_id: message.event.0,
            revision: message.event.1,
            picture: message.picture.as_ref().map(|picture| picture.name.as_str()),
            camera: message.camera.as_deref(),
            topic: &message.topic,
            written_at: message.written_at,
            age_s: now.duration_since(message.written_at).as_secs(),
            sends: message.sends,
            bytes: message.bytes,
            state: message.state,
            acknowledged: message.acknowledged,
            due_at: message.due_at,
            reason: message.reason.as_deref(),
        }
    }
}

pub(super) fn execute(args: &ListArgs, global: &Global) -> anyhow::Result<Exit> {
    let store = args.place.open(global)?;
    let now = SystemClock::new().now();
    let survey = store.survey();
    let wanted: Vec<_> = survey.messages.iter().filter(|message| args.wants(message)).collect();
    if args.json {
        let listing = Listing {
            epoch: store.epoch().ok().flatten(),
            accounting: store.accounting().ok(),
            messages: wanted.iter().map(|message| Listed::new(message, now)).collect(),
            unreadable: &survey.unreadable,
        };
        output::line(&serde_json::to_string_pretty(&listing)?)?;
        return Ok(warn(&survey.unreadable));
    }
    if !wanted.is_empty() {
        lines(&output::table(HEADINGS, wanted.iter().map(|message| row(message, now))))?;
        output::line("")?;
    }
    output::line(&format!("{} of {} messages that are kept", wanted.len(), survey.messages.len()))?;
    if let Ok(accounting) = store.accounting() {
        output::line(&sum(&accounting))?;
    }
    Ok(warn(&survey.unreadable))
}

impl ListArgs {
    fn wants(&self, message: &KeptMessage) -> bool {
        let state = State::from(message.state);
        let state =
            if self.state.is_empty() { self.all || state != State::Delivered } else { self.state.contains(&state) };
        state
            && (self.lane.is_empty() || self.lane.contains(&message.class.into()))
            && self.camera.as_ref().is_none_or(|camera| message.camera.as_ref() == Some(camera))
            && self.event.is_none_or(|event| message.event.0 == event)
    }
}

fn row(message: &KeptMessage, now: Timestamp) -> [String; 9] {
    let lane = match message.class {
        Class::Opened => "opened",
        Class::Closed => "closed",
        Class::Update => "update",
        Class::Evidence => "picture",
    };
    let part = match (message.event.1, &message.picture) {
        (Some(revision), _) => format!(".{revision}"),
        (None, Some(picture)) => format!("/{}", picture.name),
        (None, None) => String::new(),
    };
    [
        message.seq.map_or("-".to_owned(), |seq| seq.to_string()),
        lane.to_owned(),
        message.kind().unwrap_or("-").to_owned(),
        format!("{}{part}", message.event.0),
        message.camera.clone().unwrap_or("-".to_owned()),
        age(now.duration_since(message.written_at).as_secs()),
        message.sends.to_string(),
        message.bytes.to_string(),
        standing(message),
    ]
}

/// In the largest unit of which there are at least two.
fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn sum(all: &Accounting) -> String {
    let Accounting { produced, acknowledged, pending, superseded, quarantined, lost } = all;
    let balances = if all.balances() { "" } else { ", which does NOT add up" };
    format!(
        "produced {produced} = acknowledged {acknowledged} + pending {pending} + superseded {superseded} + \
         quarantined {quarantined} + lost {lost}{balances}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_units_that_a_person_thinks_in() {
        let ages = [-3, 0, 119, 120, 7199, 7200, 172_799, 172_800, 9_000_000].map(age);
        assert_eq!(ages, ["-3 s", "0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d", "104 d"]);
    }
}
