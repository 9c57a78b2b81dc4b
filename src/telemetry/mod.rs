//! Logs: one line per change that a person would care about.
//!
//! Under systemd lines go to journald with fields of their own. On stderr, human lines are meant for a terminal; where
//! the journal reads stderr but cannot be spoken to, they carry no time of their own and begin with systemd's priority
//! mark, so that `journalctl -p warning` works. JSON lines are meant for a collector and are the same everywhere. What
//! one camera repeats is left out and counted, whatever the form.

mod journal;
mod limit;
mod messages;

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::OnceLock;

use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::SubscriberInitExt;

use crate::domain::camera::CameraId;
use journal::Journal;
use limit::Limiter;
pub use limit::Monotonic;

/// Of the log that runs.
static LIMITER: OnceLock<Limiter> = OnceLock::new();

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl fmt::Display for LogFormat {
    /// As on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

/// A log that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is neither a level nor a list of them.
    #[error("`{0}` is not a log level; write error, warn, info, debug or trace, or a list such as `info,retina=debug`")]
    Level(String),
    /// A log was started before.
    #[error("the log is running already")]
    Running,
}

/// Starts the log of this process. `level` is one of the five levels or a list by module;
/// `journal_stream` is the value of systemd's variable of that name; `now` tells repetitions from news.
pub fn init(format: LogFormat, level: &str, journal_stream: Option<&str>, now: Monotonic) -> Result<(), LogError> {
    let filter = filter(level)?;
    let by_journal = journal_stream.is_some_and(is_stderr);
    let output: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => Box::new(json(std::io::stderr)),
        LogFormat::Human if by_journal => match Journal::connect(Path::new(journal::SOCKET)) {
            Ok(journal) => Box::new(journal),
            Err(_) => Box::new(plain().event_format(Marked::new())),
        },
        LogFormat::Human => Box::new(plain().with_ansi(std::io::stderr().is_terminal()).compact()),
    };
    let limiter = LIMITER.get_or_init(|| Limiter::new(now)).clone();
    let subscriber = tracing_subscriber::registry().with(output).with(limiter).with(filter);
    subscriber.try_init().map_err(|_| LogError::Running)
}

/// Lines that were left out since this was asked last, by camera.
#[must_use]
pub fn take_left_out() -> BTreeMap<String, u64> {
    LIMITER.get().map(Limiter::take_left_out).unwrap_or_default()
}

/// A line that cannot be written is left out: by default the library would say so on standard error and panic where
/// that fails as well, on a disk that is full.
fn plain<S>()
-> tracing_subscriber::fmt::Layer<S, tracing_subscriber::fmt::format::DefaultFields, Format, fn() -> std::io::Stderr>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer().with_writer(std::io::stderr as fn() -> std::io::Stderr).log_internal_errors(false)
}

/// The span in which everything about one camera is logged, so that each line names it. Enabled at every
/// level.
#[must_use]
pub fn camera_span(camera: &CameraId) -> Span {
    tracing::error_span!("camera", camera = %camera)
}

fn json<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false).json();
    layer.flatten_event(true).with_current_span(false).with_span_list(true)
}

/// A bare level is meant for this program; libraries say only what goes wrong, because their chatter is
/// large and some of it was not written with secrets in mind.
fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let wrong = |_| LogError::Level(level.to_owned());
    match level.parse::<Level>() {
        Ok(level) => EnvFilter::try_new(format!("warn,gridwatch={level}")).map_err(wrong),
        // `EnvFilter` takes any word for the name of a module.
        Err(_) if !level.contains(['=', ',']) && level != "off" => Err(LogError::Level(level.to_owned())),
        Err(_) => EnvFilter::try_new(level).map_err(wrong),
    }
}

/// systemd names the device and inode of the journal's socket to what it starts.
fn is_stderr(stream: &str) -> bool {
    rustix::fs::fstat(std::io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Lines with a priority that journald reads and removes.
struct Marked(Format<Compact, ()>);

impl Marked {
    fn new() -> Self {
        Self(Format::default().compact().without_time().with_ansi(false).with_level(false))
    }
}

impl<S, N> FormatEvent<S, N> for Marked
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = journal::priority(*event.metadata().level());
        write!(line, "<{priority}>")?;
        self.0.format_event(context, line, event)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).expect("text")
        }
    }

    #[test]
    fn every_line_names_its_camera() {
        let lines = Lines::default();
        let writer = lines.clone();
        let camera = CameraId::new("gate-1").expect("an id");
        with_default(tracing_subscriber::registry().with(json(move || writer.clone())), || {
            let span = camera_span(&camera);
            let _camera = span.enter();
            tracing::info!("connected");
            let _inner = tracing::info_span!("decode").entered();
            tracing::warn!("stalled");
        });
        let text = lines.text();
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(line["spans"][0]["camera"], "gate-1");
        }
    }

    #[test]
    fn the_journal_learns_the_priority() {
        let lines = Lines::default();
        let writer = lines.clone();
        let builder = tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(Marked::new());
        with_default(builder.finish(), || tracing::warn!("stalled"));
        assert!(lines.text().starts_with("<4>"), "{}", lines.text());
    }

    #[test]
    fn a_bare_level_is_ours_and_nonsense_is_refused() {
        assert_eq!(filter("debug").expect("a level").to_string(), "gridwatch=debug,warn");
        assert!(filter("info,retina=debug").is_ok());
        assert!(filter("loud").is_err());
        assert!(filter("gridwatch=loud").is_err());
    }
}
