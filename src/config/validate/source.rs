//! A camera's `url` and what belongs to it.

use std::path::PathBuf;

use url::Url;

use super::{Site, secret};
use crate::config::model::{RtspSource, Source};
use crate::config::raw::camera::RawCamera;
use crate::config::section::Section;

/// Query parameters in which some cameras take their password, whatever the separator.
const PASSWORD_WORDS: [&str; 4] = ["password=", "passwd=", "pwd=", "pass="];

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

/// No message here repeats the address: it may hold a password.
fn rtsp_url(text: &str, section: &Section) -> Option<Url> {
    let form = "write \"rtsp://host:554/path\", or \"file:clip.mp4\" for a clip";
    let Ok(mut url) = Url::parse(text) else {
        section.error("url", "is not an address", form);
        return None;
    };
    match url.scheme() {
        "rtsp" => {}
        "rtsps" => {
            section.error("url", "RTSP over TLS is not supported", "use rtsp:// in a network of the cameras' own");
            return None;
        }
        _ => {
            section.error("url", "is neither rtsp: nor file:", form);
            return None;
        }
    }
    if url.host_str().is_none_or(str::is_empty) {
        section.error("url", "names no host", form);
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        let advice = "take them out of the address and use `username` and `password`; change the password if \
                      others can read this file";
        section.error("url", "holds a user name or password", advice);
        return None;
    }
    let address = text.to_ascii_lowercase();
    if PASSWORD_WORDS.iter().any(|word| address.contains(word)) {
        section.warn("url", "seems to hold a password", "use a path without it where the camera has one");
    }
    url.set_fragment(None);
    Some(url)
}
