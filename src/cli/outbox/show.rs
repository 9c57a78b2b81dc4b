//! `gridwatch outbox show`.

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::list::Listed;
use super::{Place, standing, warn};
use crate::cli::{Exit, Global, output};
use crate::clock::{Clock, SystemClock};
use crate::domain::Timestamp;
use crate::domain::incident::{IncidentTransition, Phase};
use crate::store::{Inspection, KeptMessage, KeptPicture, Pick, Unreadable};

/// Arguments of `outbox show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    place: Place,
    /// Number of an event message, event id, or `EVENT_ID/PICTURE`
    #[arg(value_name = "SEQ|EVENT_ID")]
    which: Pick,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    messages: Vec<Message<'a>>,
    pictures: Vec<KeptPicture>,
    history: Vec<StepNote>,
    /// The platform's latest word.
    feedback: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    about: Listed<'a>,
    content_type: &'a str,
    /// Absent of a picture, and where it cannot be read.
    body: Option<String>,
}

/// One step of an incident.
#[derive(Debug, Serialize)]
struct StepNote {
    at: Timestamp,
    revision: u32,
    #[serde(flatten)]
    phase: Phase,
}

impl From<&IncidentTransition> for StepNote {
    fn from(step: &IncidentTransition) -> Self {
        Self { at: step.at, revision: step.revision, phase: step.phase }
    }
}

pub(super) fn execute(args: &ShowArgs, global: &Global) -> anyhow::Result<Exit> {
    let store = args.place.open(global)?;
    let now = SystemClock::new().now();
    let mut survey = store.survey();
    let found: Vec<_> = survey.messages.iter().filter(|message| message.is(&args.which)).collect();
    let event_id = found.first().map(|message| message.event.0).or(match args.which {
        Pick::Event(event_id) | Pick::Picture(event_id, _) => Some(event_id),
        Pick::Number(_) | Pick::Quarantined => None,
    });
    let mut unreadable = std::mem::take(&mut survey.unreadable);
    let shown = collect(&store, &found, event_id, now, &mut unreadable);
    if found.is_empty() && shown.history.is_empty() {
        tracing::error!("{}", absent(&store, &args.which));
        warn(&unreadable);
        return Ok(Exit::Failure);
    }
    if args.json {
        output::line(&serde_json::to_string_pretty(&shown)?)?;
    } else {
        print(&found, &shown)?;
    }
    Ok(warn(&unreadable))
}

fn collect<'a>(
    store: &Inspection,
    found: &[&'a KeptMessage],
    event_id: Option<Uuid>,
    now: Timestamp,
    unreadable: &mut Vec<Unreadable>,
) -> Shown<'a> {
    let mut messages = Vec::new();
    for message in found {
        let is_text = message.picture.is_none();
        let body = is_text.then(|| store.body(message)).and_then(|body| kept(body, "the message", unreadable));
        let body = body.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        messages.push(Message { about: Listed::new(message, now), content_type: &message.content_type, body });
    }
    let Some(event_id) = event_id else {
        return Shown { messages, pictures: Vec::new(), history: Vec::new(), feedback: None };
    };
    let pictures = kept(store.pictures_of(event_id), "the list of pictures", unreadable).unwrap_or_default();
    let history = kept(store.timeline(event_id), "the event's history", unreadable).unwrap_or_default();
    let feedback = kept(store.feedback(event_id), "the platform's word", unreadable).flatten();
    Shown { messages, pictures, history: history.iter().map(StepNote::from).collect(), feedback }
}

fn kept<T, E: ToString>(read: Result<T, E>, what: &str, unreadable: &mut Vec<Unreadable>) -> Option<T> {
    let note = |error: E| unreadable.push(Unreadable { what: what.to_owned(), why: error.to_string() });
    read.map_err(note).ok()
}

fn print(found: &[&KeptMessage], shown: &Shown<'_>) -> Result<(), output::OutputError> {
    let say = |text: String| output::line(&output::plain(&text));
    for (message, told) in found.iter().zip(&shown.messages) {
        let name = match (message.seq, &message.picture) {
            (Some(seq), _) => format!("number {seq}"),
            (None, Some(picture)) => format!("picture {}", picture.name),
            (None, None) => format!("message {}", message.id.0),
        };
        say(format!("{name} of event {}", message.event.0))?;
        say(format!("  standing: {}", standing(message)))?;
        say(format!("  written:  {:.0}", message.written_at))?;
        say(format!("  topic:    {}", message.topic))?;
        say(format!("  content:  {}, {} bytes", message.content_type, message.bytes))?;
        if let Some(body) = &told.body {
            say(body.clone())?;
        }
        output::line("")?;
    }
    for picture in &shown.pictures {
        let KeptPicture { name, file, bytes, sha256, kept } = picture;
        let file = if *kept { file.display().to_string() } else { "not kept any more".to_owned() };
        say(format!("picture {name}: {file} ({bytes} bytes, SHA-256 {sha256})"))?;
    }
    for StepNote { at, revision, phase } in &shown.history {
        let phase = match phase {
            Phase::Opened => "opened".to_owned(),
            Phase::Updated => "updated".to_owned(),
            Phase::Closed(reason) => format!("closed ({})", word(reason)),
        };
        say(format!("{at:.0}: revision {revision}, {phase}"))?;
    }
    if let Some(feedback) = &shown.feedback {
        say(format!("the platform's latest word: {feedback}"))?;
    }
    Ok(())
}

/// Why there is nothing to show.
fn absent(store: &Inspection, which: &Pick) -> String {
    let Pick::Number(number) = which else { return format!("{which}: nothing of it is kept") };
    match store.not_kept(*number, *number).ok().and_then(|ranges| ranges.first().copied()) {
        Some(range) => format!("{which}: not kept any more ({})", word(&range.reason)),
        None => format!("{which}: was never given"),
    }
}

/// The contract's own word for it.
fn word(reason: &impl Serialize) -> String {
    serde_json::to_value(reason).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
