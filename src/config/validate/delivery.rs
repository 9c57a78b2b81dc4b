//! `[mqtt]` and `[spool]`.

use std::net::IpAddr;
use std::time::Duration;

use super::{Refused, Site, secret};
use crate::config::address::is_loopback;
use crate::config::model::{Delivery, Mqtt, Storage, Tls};
use crate::config::raw::delivery::{RawMqtt, RawSpool, RawTls};
use crate::config::section::Section;
use crate::domain::gateway::is_topic_root;

pub(super) fn delivery(
    mqtt: Option<RawMqtt>,
    spool: Option<RawSpool>,
    root: &Section,
    site: &Site,
    storage: &Storage,
) -> Option<Delivery> {
    if mqtt.is_some() && spool.is_some() {
        root.error("spool", "stands beside [mqtt]", "keep one of the two tables: events leave by one way");
    }
    if let Some(raw) = mqtt {
        return broker(raw, &root.table("mqtt"), site).map(|mqtt| Delivery::Mqtt(Box::new(mqtt)));
    }
    let directory = spool.and_then(|raw| raw.directory).map(|path| site.path(path));
    Some(Delivery::Spool { directory: directory.unwrap_or_else(|| storage.state_dir.join("spool")) })
}

fn broker(raw: RawMqtt, section: &Section, site: &Site) -> Option<Mqtt> {
    let host = section.required_text("host", raw.host).filter(|host| is_host(host, section));
    let root_topic = root_topic(raw.root_topic, section);
    let has_tls = raw.tls.is_some();
    let tls = raw.tls.map(|raw| tls(raw, &section.table("tls"), site)).transpose();
    let username = raw.username.map(|name| section.required_text("username", Some(name)).ok_or(Refused)).transpose();
    let password = raw.password.map(|raw| secret("password", raw, section, site)).transpose();
    if let (Some(host), Ok(Some(_)), false) = (&host, &password, has_tls || section.is_incomplete("tls"))
        && !is_loopback(host)
    {
        let message = "the password goes over the network unencrypted";
        section.warn("password", message, "add [mqtt.tls]");
    }
    let default_port = if has_tls { 8883 } else { 1883 };
    Some(Mqtt {
        host: host?,
        port: raw.port.map_or(default_port, |port| u16::try_from(port).unwrap_or(default_port)),
        root_topic: root_topic?,
        keep_alive: Duration::from_secs(raw.keep_alive_s),
        username: username.ok()?,
        password: password.ok()?,
        tls: tls.ok()?,
        release_on: raw.release_on,
    })
}

fn is_host(host: &str, section: &Section) -> bool {
    let bare = host.parse::<IpAddr>().is_ok()
        || host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_');
    if !bare {
        let advice = "write only the name or address, such as \"broker.example\"; the port has a key of its own";
        section.error("host", "is not a host name or address", advice);
    }
    bare
}

fn root_topic(topic: String, section: &Section) -> Option<String> {
    if !is_topic_root(&topic) {
        let advice = "write levels of letters, digits, `-`, `_` and `.`, such as \"grid/v1\"";
        section.error("root_topic", "is not the beginning of a topic", advice);
        return None;
    }
    Some(topic)
}

fn tls(raw: RawTls, section: &Section, site: &Site) -> Result<Tls, Refused> {
    let has_key = raw.client_key.is_some();
    let client_key = raw.client_key.map(|raw| secret("client_key", raw, section, site)).transpose();
    if raw.client_cert_file.is_some() && !has_key && !section.is_incomplete("client_key") {
        section.error("client_key", "is missing", "a client_cert_file needs its key");
    }
    if has_key && raw.client_cert_file.is_none() && !section.is_incomplete("client_cert_file") {
        section.error("client_cert_file", "is missing", "a client_key needs its certificate");
    }
    Ok(Tls {
        ca_file: raw.ca_file.map(|path| site.path(path)),
        client_cert_file: raw.client_cert_file.map(|path| site.path(path)),
        client_key: client_key?,
    })
}
