//! Named areas of one camera's picture.

use super::geometry::Polygon;

/// A polygon drawn by the integrator on a camera's picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Unique within the camera.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Where it is.
    pub polygon: Polygon,
    /// Area on the ground, where it was measured; gives crowding a density.
    pub ground_m2: Option<f64>,
}
