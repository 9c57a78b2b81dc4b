//! The three rules. Each looks at one zone and says, look by look, whether its thing is there and
//! whether it has been there long enough; what becomes of that is the lifecycle's business.

pub(crate) mod crowding;
pub(crate) mod dumping;
pub(crate) mod encroachment;
pub(crate) mod hysteresis;
pub mod params;

use std::time::Duration;

use super::Timestamp;
use super::detection::{Detection, Role, RoleSet};
use super::frame::AnalyzedFrame;
use super::geometry::BoundingBox;
use super::incident::{EvidenceRef, LabelledBox, Measure};
use super::tracker::Track;
use super::tracker::association::MIN_FAINT_SCORE;
use super::zone::Zone;

/// Back for this long, a thing continues the incident that was closed a short while ago.
pub(crate) const BACK_AFTER: Duration = Duration::from_secs(30);

/// One usable look, as every rule gets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) at: Timestamp,
    /// Since the last usable look; zero at the first.
    pub(crate) gap: Duration,
    /// Observed time this look stands for: the gap, but never much more than a look interval.
    pub(crate) credit: Duration,
    /// At the first usable look after a while: since when there was something to be seen. A view is believed
    /// only after some looks.
    pub(crate) back_since: Option<Timestamp>,
    pub(crate) frame: &'a AnalyzedFrame,
    pub(crate) tracks: &'a [Track],
    pub(crate) track_of: &'a [Option<usize>],
    /// What other rules speak for.
    pub(crate) spoken_for: &'a SpokenFor,
    /// Whether the detector would find a heap of muck.
    pub(crate) knows_piles: bool,
}

/// Places of things that a rule speaks for: one thing is one case.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SpokenFor {
    /// Things that stand, seen at this look or not.
    pub(crate) things: Vec<BoundingBox>,
    /// Muck that is being reported.
    pub(crate) muck: Vec<BoundingBox>,
}

impl<'a> Look<'a> {
    /// Boxes of things that stay, too weak for a rule that wants `min_score`.
    pub(crate) fn faint(self, min_score: f32) -> impl Iterator<Item = &'a Detection> {
        let weak = self.frame.detections.iter().filter(move |detection| detection.score < min_score);
        self.frame.faint.iter().chain(weak).filter(|faint| faint.roles.stays() && faint.score >= MIN_FAINT_SCORE)
    }

    /// Every detection with its track.
    pub(crate) fn seen(self) -> impl Iterator<Item = Seen<'a>> + Clone {
        self.frame
            .detections
            .iter()
            .zip(self.track_of)
            .map(move |(detection, &track)| Seen { detection, track: track.and_then(|index| self.tracks.get(index)) })
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) detection: &'a Detection,
    pub(crate) track: Option<&'a Track>,
}

impl Seen<'_> {
    pub(crate) fn is(&self, role: Role) -> bool {
        self.detection.roles.contains(role)
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.track.is_some_and(Track::is_moving)
    }
}

/// Ground on which an encroachment rule speaks for some things: one thing is one case, so they are not
/// muck as well.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    zone: Zone,
    roles: RoleSet,
}

impl Claim {
    /// What `rule` speaks for in `zone`; `None` for the other kinds, and where untended things are
    /// nothing to it.
    pub(crate) fn of(rule: &params::Rule, zone: &Zone) -> Option<Self> {
        let params::Rule::Encroachment(rule) = rule else { return None };
        let speaks = rule.attendance == params::Attendance::Optional;
        speaks.then(|| Self { zone: zone.clone(), roles: rule.roles })
    }

    pub(crate) fn covers(&self, detection: &Detection) -> bool {
        detection.roles.intersects(self.roles) && self.zone.polygon.contains(detection.bbox.bottom_center())
    }
}

/// Whether the thing an incident is about was there at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Seen,
    NotSeen,
    /// Something stood in between.
    Unknown,
}

/// What a rule makes of one look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assessment {
    /// There for long enough to open an incident.
    pub(crate) met: bool,
    /// There for long enough to continue one that was just closed.
    pub(crate) back: bool,
    pub(crate) sight: Sight,
    pub(crate) first_seen: Timestamp,
    pub(crate) subkind: &'static str,
    pub(crate) measure: Measure,
    /// What a change of 25 % is measured on.
    pub(crate) magnitude: f64,
    pub(crate) score: f64,
    pub(crate) frames_hit: u32,
    pub(crate) frames_seen: u32,
    pub(crate) boxes: Vec<LabelledBox>,
    pub(crate) exceptions_checked: Vec<String>,
    /// Pictures of how it came about, for the lifecycle to take when it opens an incident.
    pub(crate) evidence: Vec<EvidenceRef>,
}

/// The names of the schedules that were looked at and did not apply.
fn schedule_exceptions(common: &params::Common) -> Vec<String> {
    let schedules = [(&common.active, "active_window"), (&common.permitted, "permit_window")];
    schedules.into_iter().filter(|(schedule, _)| schedule.is_some()).map(|(_, name)| name.to_owned()).collect()
}
