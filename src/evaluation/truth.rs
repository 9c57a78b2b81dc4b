//! `truth.jsonl`: what every picture of a scene shows, one line of JSON each.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::scene::SceneError;
use crate::domain::detection::{Role, RoleSet};
use crate::domain::geometry::BoundingBox;

/// What can be made of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// The camera sees its place.
    #[default]
    Clear,
    /// The lens is covered.
    Occluded,
    /// Not enough light.
    TooDark,
    /// The camera looks elsewhere.
    Moved,
}

/// What changes the look of ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// Muck.
    Pile,
    /// A puddle, or wet ground.
    Water,
    /// Shade.
    Shadow,
    /// A beam of light.
    Light,
    /// Snow.
    Snow,
    /// Fallen leaves.
    Leaves,
    /// Grain that dries.
    Grain,
    /// A thing without a role.
    Thing,
}

impl Cover {
    /// Whether it is nothing but another light on the same ground.
    #[must_use]
    pub fn is_light(self) -> bool {
        matches!(self, Self::Shadow | Self::Light)
    }
}

/// A thing with a role.
#[derive(Debug, Clone, PartialEq)]
pub struct TruthBox {
    /// Stays with the thing.
    pub id: u64,
    /// What it is.
    pub roles: RoleSet,
    /// Where.
    pub bbox: BoundingBox,
    /// Share of it that is not hidden.
    pub seen: f32,
}

/// Ground that looks another way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outline {
    /// By what.
    pub kind: Cover,
    /// Corners, shares of the picture.
    pub at: Vec<[f64; 2]>,
}

/// One picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Seconds since the scene's first picture.
    pub t: f64,
    /// What can be made of it.
    pub view: View,
    /// How bright it is as a whole, 0–1.
    pub light: f32,
    /// Everything that has a role.
    pub boxes: Vec<TruthBox>,
    /// What lies on the ground, lowest first.
    pub ground: Vec<Outline>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPicture {
    t: f64,
    #[serde(default)]
    view: View,
    #[serde(default = "half")]
    light: f32,
    #[serde(default)]
    boxes: Vec<RawBox>,
    #[serde(default)]
    ground: Vec<Outline>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBox {
    id: u64,
    roles: Vec<Role>,
    #[serde(rename = "box")]
    bbox: [f32; 4],
    #[serde(default = "whole")]
    seen: f32,
}

fn half() -> f32 {
    0.5
}

fn whole() -> f32 {
    1.0
}

/// Reads the pictures of a scene; their times must rise.
pub fn read(file: &Path) -> Result<Vec<Picture>, SceneError> {
    let refuse = |line: usize, key: &str, message: String| SceneError {
        file: file.to_owned(),
        line,
        key: key.to_owned(),
        message,
    };
    let opened = std::fs::File::open(file).map_err(|error| refuse(0, "", format!("cannot be opened: {error}")))?;
    let mut pictures: Vec<Picture> = Vec::new();
    for (line, text) in (1..).zip(BufReader::new(opened).lines()) {
        let text = text.map_err(|error| refuse(line, "", format!("cannot be read: {error}")))?;
        if text.trim().is_empty() {
            continue;
        }
        let picture = parse(&text).map_err(|error| {
            let words = error.to_string();
            let words = words.split(" at line ").next().unwrap_or_default();
            refuse(line, "", format!("{words}, at column {}", error.column()))
        })?;
        if !picture.t.is_finite() || pictures.last().is_some_and(|last| picture.t <= last.t) {
            return Err(refuse(line, "t", "must be later than in the line before".to_owned()));
        }
        pictures.push(picture);
    }
    if pictures.is_empty() {
        return Err(refuse(0, "", "holds no picture".to_owned()));
    }
    Ok(pictures)
}

/// One line.
pub fn parse(text: &str) -> Result<Picture, serde_json::Error> {
    let RawPicture { t, view, light, boxes, ground } = serde_json::from_str(text)?;
    let placed = |raw: RawBox| {
        let [left, top, width, height] = raw.bbox;
        // Truth may reach out of the picture; a detector's box cannot.
        let bbox = BoundingBox::from_corners(left, top, left + width, top + height)?;
        Some(TruthBox { id: raw.id, roles: raw.roles.into_iter().collect(), bbox, seen: raw.seen.clamp(0.0, 1.0) })
    };
    let boxes = boxes.into_iter().filter_map(placed).collect();
    Ok(Picture { t, view, light: light.clamp(0.0, 1.0), boxes, ground })
}

/// The picture that was taken last at `t`, or the first.
#[must_use]
pub fn picture_at(pictures: &[Picture], t: f64) -> Option<&Picture> {
    // Times are rounded to microseconds on their way through a clip.
    let after = pictures.partition_point(|picture| picture.t <= t + 1e-3);
    pictures.get(after.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_line_is_read() {
        let line = r#"{"t": 12.0, "view": "clear", "light": 0.82, "boxes": [{"id": 3, "roles": ["person"], "box": [0.41, 0.52, 0.03, 0.11], "seen": 0.9}], "ground": [{"kind": "pile", "at": [[0.40, 0.60], [0.47, 0.60], [0.47, 0.65]]}]}"#;
        let picture = parse(line).unwrap();
        assert_eq!((picture.view, picture.boxes.len(), picture.ground.len()), (View::Clear, 1, 1));
        assert!(picture.boxes[0].roles.contains(Role::Person) && (picture.boxes[0].seen - 0.9).abs() < 1e-6);
        let short = parse(r#"{"t": 0}"#).unwrap();
        assert!((short.light - 0.5).abs() < 1e-6 && short.boxes.is_empty());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("truth.jsonl");
        let error = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file).unwrap_err()
        };
        let unknown = error("{\"t\": 0}\n{\"t\": 1, \"veiw\": \"clear\"}\n");
        assert_eq!(unknown.line, 2);
        assert!(unknown.message.contains("unknown field `veiw`"), "{unknown}");
        let backwards = error("{\"t\": 1}\n\n{\"t\": 1}\n");
        assert_eq!((backwards.line, backwards.key.as_str()), (3, "t"));
        assert!(error("\n").message.contains("no picture"));
        assert!(error("{\"t\": 0, \"boxes\": [{\"id\": 1, \"roles\": [\"sprite\"]}]}").message.contains("sprite"));
    }

    #[test]
    fn the_latest_picture_holds_until_the_next() {
        let pictures = [0.0, 2.0, 4.0].map(|t| parse(&format!("{{\"t\": {t}}}")).unwrap());
        let at = |t: f64| picture_at(&pictures, t);
        for (t, index) in [(0.0, 0), (1.9, 0), (2.0, 1), (9.0, 2)] {
            assert_eq!(at(t), Some(&pictures[index]), "{t}");
        }
        assert!(picture_at(&[], 1.0).is_none());
    }
}
