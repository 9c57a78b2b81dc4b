//! Takes what the loop decides, and keeps what the figures and the report need of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::matching::Report;
use super::redaction::Heads;
use crate::domain::Timestamp;
use crate::domain::analyzer::AnalyzerState;
use crate::domain::camera::StreamInfo;
use crate::domain::detection::Detection;
use crate::domain::frame::Frame;
use crate::domain::geometry::Polygon;
use crate::domain::incident::{EvidenceRole, IncidentTransition, Phase, SnapshotId};
use crate::domain::scene::ViewState;
use crate::domain::time::elapsed;
use crate::domain::zone::Zone;
use crate::media::boundary::StreamReport;
use crate::pipeline::analyze::IncidentSink;
use crate::pipeline::see::Sight;

/// A look may be this late before the time until it counts as not watched.
const LATE: Duration = Duration::from_secs(5);

/// A picture with everything that it is redacted by.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The picture.
    pub frame: Arc<Frame>,
    /// What was seen in it.
    pub boxes: Vec<Detection>,
    /// Of a picture of crowding, the zone that is hidden as a whole.
    pub crowd: Option<Polygon>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Looks {
    /// Pictures analysed.
    pub taken: u64,
    /// Pictures that could not be analysed.
    pub failed: u64,
    /// Time that the looks stand for.
    pub watched_s: f64,
}

/// The sink of an evaluation.
#[derive(Debug)]
pub struct Recorder {
    start: Timestamp,
    end: Timestamp,
    zones: Option<Vec<Zone>>,
    held: BTreeMap<SnapshotId, Shown>,
    reports: Vec<Report>,
    closed: BTreeMap<Uuid, bool>,
    confirmed: Vec<Option<Shown>>,
    looks: Looks,
    last: Option<(Timestamp, Duration)>,
    heads: Option<Heads>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Recorded {
    /// Incidents as reported, in order.
    pub reports: Vec<Report>,
    /// For each report the picture that proves it.
    pub confirmed: Vec<Option<Shown>>,
    /// How much was looked at.
    pub looks: Looks,
    /// Heads in published pictures.
    pub heads: Option<Heads>,
}

impl Recorder {
    /// Records what happens from `start` to `end`. `zones` are the camera's; without them no picture is kept.
    /// `heads` counts those of published pictures.
    #[must_use]
    pub fn new((start, end): (Timestamp, Timestamp), zones: Option<Vec<Zone>>, heads: Option<Heads>) -> Self {
        Self {
            start,
            end,
            zones,
            held: BTreeMap::new(),
            reports: Vec::new(),
            closed: BTreeMap::new(),
            confirmed: Vec::new(),
            looks: Looks::default(),
            last: None,
            heads,
        }
    }

    /// What came of it.
    #[must_use]
    pub fn finish(mut self) -> Recorded {
        if let Some((last, allowed)) = self.last {
            self.looks.watched_s += elapsed(last, self.end).min(allowed).as_secs_f64();
        }
        Recorded { reports: self.reports, confirmed: self.confirmed, looks: self.looks, heads: self.heads }
    }

    fn second(&self, at: Timestamp) -> f64 {
        elapsed(self.start, at).as_secs_f64()
    }

    fn take_pictures(&mut self, step: &IncidentTransition) -> Option<Shown> {
        let mut confirmed = None;
        for evidence in &step.evidence {
            let Some(shown) = self.held.remove(&evidence.snapshot) else { continue };
            if let Some(heads) = &mut self.heads {
                heads.count(&shown, elapsed(self.start, evidence.captured_at).as_secs_f64());
            }
            if matches!(evidence.role, EvidenceRole::Confirmed | EvidenceRole::Latest) {
                confirmed = Some(shown);
            }
        }
        confirmed
    }

    fn step(&mut self, step: &IncidentTransition) {
        let confirmed = self.take_pictures(step);
        let (at_s, until_s) = (self.second(step.at), self.second(self.end));
        let was_closed = self.closed.insert(step.event_id, matches!(step.phase, Phase::Closed(_)));
        let reopened = step.phase == Phase::Updated && was_closed == Some(true);
        if step.phase == Phase::Opened || reopened {
            self.reports.push(Report {
                event_id: step.event_id,
                kind: step.kind,
                subkind: step.subkind.clone(),
                zone: step.zone.clone(),
                rule: step.rule.clone(),
                at_s,
                until_s,
                reopened,
                score: step.score,
                boxes: step.boxes.iter().map(|b| [b.bbox.left, b.bbox.top, b.bbox.width, b.bbox.height]).collect(),
            });
            self.confirmed.push(confirmed);
        } else if matches!(step.phase, Phase::Closed(_))
            && let Some(report) = self.reports.iter_mut().rev().find(|report| report.event_id == step.event_id)
        {
            report.until_s = report.until_s.min(at_s);
        }
    }
}

impl IncidentSink for Recorder {
    async fn keep(&mut self, id: SnapshotId, frame: &Arc<Frame>, sight: &Sight, crowd: Option<&str>) {
        if let Some(zones) = &self.zones {
            let crowd = zones.iter().find(|zone| crowd == Some(zone.id.as_str())).map(|zone| zone.polygon.clone());
            self.held.insert(id, Shown { frame: Arc::clone(frame), boxes: sight.to_redact(), crowd });
        }
    }

    async fn discard(&mut self, id: SnapshotId) {
        self.held.remove(&id);
    }

    async fn transitions(&mut self, steps: Vec<IncidentTransition>, _state: AnalyzerState) {
        for step in &steps {
            self.step(step);
        }
    }

    async fn heard(&mut self, _event_id: Uuid, _seq: Option<u64>, _state: AnalyzerState) {}

    async fn looked(&mut self, at: Timestamp, next_at: Timestamp, _view: ViewState) {
        self.looks.taken += 1;
        let interval = elapsed(at, next_at);
        if let Some((last, allowed)) = self.last.replace((at, interval + interval.max(LATE))) {
            // A clip may go on beyond what is told of it.
            let gap = elapsed(last, at.min(self.end));
            self.looks.watched_s += if gap <= allowed { gap } else { Duration::ZERO }.as_secs_f64();
        }
    }

    async fn look_waits(&mut self) {}

    async fn look_failed(&mut self, reason: &str) {
        self.looks.failed += 1;
        tracing::warn!(reason, "a picture could not be analysed");
    }

    async fn stream(&mut self, _report: &StreamReport) {}

    async fn stream_info(&mut self, _info: &StreamInfo) {}

    async fn idle(&mut self, _state: AnalyzerState) {}
}
