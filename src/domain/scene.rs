//! Measures of a picture that need no detector, as plain numbers.
//!
//! Pixels are turned into these by the `scene` adapter; what they mean is decided here and in the rules.

mod change;
pub(crate) mod ground;
mod view;

use serde::{Deserialize, Serialize};

pub use change::change_between;
pub use view::{ViewMonitor, ViewState};

/// Width of the luma thumbnail.
pub const THUMBNAIL_WIDTH: usize = 32;
/// Height of the luma thumbnail.
pub const THUMBNAIL_HEIGHT: usize = 18;

/// Picture measures of one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneMeasures {
    /// Mean luma, 0–1.
    pub brightness: f32,
    /// Standard deviation of luma, 0–1; a covered lens has almost none.
    pub contrast: f32,
    /// Luma averaged into `THUMBNAIL_WIDTH × THUMBNAIL_HEIGHT` cells, row by row, 0–255.
    pub thumbnail: Vec<u8>,
    /// One per watched ground zone, in the order in which the zones are configured.
    pub ground: Vec<GroundPatch>,
}

/// What the ground of one zone looks like: a grid of cells over the zone's bounding box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroundPatch {
    /// Identifier of the zone in the configuration.
    pub zone: String,
    /// Cells in a row.
    pub columns: u16,
    /// Rows of cells.
    pub rows: u16,
    /// One per cell, row by row; `None` where the cell lies outside the polygon.
    pub cells: Vec<Option<GroundCell>>,
}

/// Look of one ground cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroundCell {
    /// Mean luma, 0–255.
    pub luma: f32,
    /// Standard deviation of luma inside the cell, 0–255: texture, which light hardly changes.
    pub texture: f32,
    /// Mean blue difference, 0–255, 128 is grey.
    pub cb: f32,
    /// Mean red difference, 0–255, 128 is grey.
    pub cr: f32,
}
