//! A camera's `url` and what belongs to it.

use std::path::PathBuf;

use url::Url;

use super::{Site, secret};
use crate::config::address;
use crate::config::model::{RtspSource, Source};
use crate::config::raw::camera::RawCamera;
use crate::config::section::Section;

/// Takes the source's keys out of `raw`.
pub(super) fn source(raw: &mut RawCamera, section: &Section, site: &Site) -> Option<Source> {
    let has_password = raw.password.is_some();
    let password = raw.password.take().map(|raw| secret("password", raw, section, site)).transpose();
    let url = section.required_text("url", raw.url.take())?;
    if let Some(path) = url.strip_prefix("file:") {
        return clip(path, raw, has_password, section, site);
    }
    let url = rtsp_url(&url, section);
    if raw.repeat {
        section.error("repeat", "is meant for clips", "drop it, a camera has no end");
    }
    if has_password && raw.username.is_none() && !section.is_incomplete("username") {
        section.error("username", "is missing", "a password needs its user name");
    }
    Some(Source::Rtsp(RtspSource {
        url: url?,
        username: raw.username.take(),
        password: password.ok()?,
        transport: raw.transport,
    }))
}

fn clip(path: &str, raw: &RawCamera, has_password: bool, section: &Section, site: &Site) -> Option<Source> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        section.error("url", "names no clip", "write \"file:clips/street.mp4\"");
        return None;
    }
    for (key, given) in [("username", raw.username.is_some()), ("password", has_password)] {
        if given {
            section.error(key, "is meant for cameras", "drop it, a clip needs no login");
        }
    }
    Some(Source::File { path: site.path(PathBuf::from(path)), repeat: raw.repeat })
}

fn rtsp_url(text: &str, section: &Section) -> Option<Url> {
    match address::parse(text) {
        Ok(url) => {
            if address::may_hold_password(&url) {
                section.warn("url", "seems to hold a password", "use a path without it where the camera has one");
            }
            Some(url)
        }
        Err(error) => {
            section.error("url", error.to_string(), error.advice());
            None
        }
    }
}
