//! `[[camera]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use url::Url;

use super::source::source;
use super::zone::{masks, zones};
use super::{Refused, Site, code, identifier, rules};
use crate::config::model::{Camera, Gateway, Place, StreamChoice};
use crate::config::raw::camera::{RawCamera, RawPlace};
use crate::config::section::Section;
use crate::domain::camera::CameraId;

/// Below this height detectors miss most of what they look for.
const DETECTABLE_PX: u64 = 24;

pub(super) fn cameras(
    raw: Vec<RawCamera>,
    root: &Section,
    site: &Site,
    gateway: Option<&Gateway>,
) -> Option<Vec<Camera>> {
    if raw.is_empty() && !root.is_incomplete("camera") {
        root.error("camera", "is missing", "add at least one [[camera]]");
        return None;
    }
    unique(&raw, root);
    let cameras: Vec<_> = raw
        .into_iter()
        .enumerate()
        .map(|(index, raw)| camera(raw, &root.element("camera", index), site, gateway))
        .collect();
    cameras.into_iter().collect()
}

/// Two entries for one camera would open two sessions on it, and cameras are shared.
fn unique(raw: &[RawCamera], root: &Section) {
    let (mut ids, mut addresses) = (BTreeSet::new(), BTreeMap::new());
    for (index, raw) in raw.iter().enumerate() {
        let section = root.element("camera", index);
        if raw.id.as_ref().is_some_and(|id| !ids.insert(id)) {
            section.error("id", "is the id of another camera", "give each camera its own");
        }
        let address = raw.url.as_deref().and_then(|url| Url::parse(url).ok()).filter(|url| url.scheme() == "rtsp");
        if let Some(other) = address.and_then(|address| addresses.insert(address, index)) {
            let message = format!("is the address of camera {} too", other + 1);
            section.error("url", message, "put all zones and rules under one [[camera]]: it is opened once");
        }
    }
}

fn camera(mut raw: RawCamera, section: &Section, site: &Site, gateway: Option<&Gateway>) -> Option<Camera> {
    let id = identifier("id", raw.id.take(), section).and_then(|id| CameraId::new(&id));
    let source = source(&mut raw, section, site);
    let gb_device_id = optional_code("gb_device_id", raw.gb_device_id, 20, section);
    let place = place(raw.place, &section.table("place"), gateway);
    if raw.min_object_px < DETECTABLE_PX {
        let message = format!("things less than {DETECTABLE_PX} pixels high are mostly missed");
        let advice = match raw.stream {
            StreamChoice::Sub => "use the main stream, where they are larger",
            StreamChoice::Main => "draw the zones nearer to the camera",
        };
        section.warn("min_object_px", message, advice);
    }
    let masks = masks(raw.mask, section);
    let zones = zones(raw.zone, section);
    // Schedules of a gateway that was refused are looked at all the same.
    let time_zone = gateway.map_or(TimeZone::UTC, |gateway| gateway.time_zone.clone());
    let raw_rules = rules::RawRules { encroachment: raw.encroachment, dumping: raw.dumping, crowding: raw.crowding };
    let rules = rules::rules(raw_rules, section, zones.as_deref(), &time_zone);
    Some(Camera {
        id: id?,
        name: raw.name,
        gb_device_id: gb_device_id.ok()?,
        source: source?,
        stream: raw.stream,
        decode: raw.decode,
        look_interval: Duration::try_from_secs_f64(raw.look_interval_s).ok()?,
        ring_max_bytes: usize::try_from(raw.ring_max_mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX),
        model: raw.model.map(|path| site.path(path)),
        min_object_px: u32::try_from(raw.min_object_px).unwrap_or(u32::MAX),
        place: place?,
        masks: masks?,
        zones: zones?,
        rules: rules?,
    })
}

fn optional_code(
    key: &str,
    value: Option<String>,
    digits: usize,
    section: &Section,
) -> Result<Option<String>, Refused> {
    value.map(|value| code(key, Some(value), digits, section).ok_or(Refused)).transpose()
}

fn place(raw: RawPlace, section: &Section, gateway: Option<&Gateway>) -> Option<Place> {
    let village_code = optional_code("village_code", raw.village_code, 12, section);
    if let (Ok(Some(village)), Some(gateway)) = (&village_code, gateway)
        && !village.starts_with(&format!("{}{}", gateway.county_code, gateway.town_code))
    {
        section.warn("village_code", "lies in another town than the gateway", "the topic names the gateway's town");
    }
    let point = match (raw.longitude, raw.latitude) {
        (Some(longitude), Some(latitude)) => Some((longitude, latitude)),
        (None, None) => None,
        (longitude, _) => {
            let missing = if longitude.is_none() { "longitude" } else { "latitude" };
            if !section.is_incomplete(missing) {
                section.error(missing, "is missing", "give both longitude and latitude, or neither");
            }
            None
        }
    };
    Some(Place { village_code: village_code.ok()?, grid_code: raw.grid_code, address: raw.address, point })
}
