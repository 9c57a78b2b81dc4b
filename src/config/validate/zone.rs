//! Polygons, zones and masks.

use std::collections::BTreeSet;

use super::{Refused, identifier};
use crate::config::raw::camera::{RawMask, RawZone};
use crate::config::section::Section;
use crate::domain::geometry::{Point, Polygon};
use crate::domain::zone::Zone;

pub(super) fn zones(raw: Vec<RawZone>, camera: &Section) -> Option<Vec<Zone>> {
    let mut ids = BTreeSet::new();
    let mut zones = Vec::new();
    let count = raw.len();
    for (index, raw) in raw.into_iter().enumerate() {
        let section = camera.element("zone", index);
        let id = identifier("id", raw.id, &section).filter(|id| {
            let is_new = ids.insert(id.clone());
            if !is_new {
                section.error("id", "is the id of another zone of this camera", "give each zone its own");
            }
            is_new
        });
        let polygon = polygon(raw.polygon, &section);
        if let (Some(id), Some(polygon)) = (id, polygon) {
            zones.push(Zone { id, name: raw.name, polygon, ground_m2: raw.ground_m2 });
        }
    }
    (zones.len() == count).then_some(zones)
}

pub(super) fn masks(raw: Vec<RawMask>, camera: &Section) -> Option<Vec<Polygon>> {
    let masks: Vec<_> =
        raw.into_iter().enumerate().map(|(index, raw)| polygon(raw.polygon, &camera.element("mask", index))).collect();
    masks.into_iter().collect()
}

fn polygon(corners: Option<Vec<[f64; 2]>>, section: &Section) -> Option<Polygon> {
    let corners = points(&section.required("polygon", corners)?);
    match Polygon::new(&corners) {
        Ok(polygon) => Some(polygon),
        Err(error) => {
            section.error("polygon", error.to_string(), "write its corners as [[x, y], [x, y], [x, y], …]");
            None
        }
    }
}

pub(super) fn shop_line(line: &[[f64; 2]], section: &Section) -> Result<Vec<Point>, Refused> {
    let in_picture = line.iter().flatten().all(|value| (0.0..=1.0).contains(value));
    if line.len() < 2 || !in_picture {
        section.error("shop_line", "is not a line in the picture", "give two or more points [x, y], each from 0 to 1");
        return Err(Refused);
    }
    Ok(points(line))
}

fn points(pairs: &[[f64; 2]]) -> Vec<Point> {
    pairs.iter().map(|&[x, y]| Point { x, y }).collect()
}
